import type { IncomingMessage, ServerResponse } from "node:http";
import { authorizations, fail, headerLines, NodeBody, pathsOf, queryOf, refuse } from "../http/node-request.js";
import type { IncomingRequest } from "../types.js";
import {
  checkMount,
  ENDPOINT,
  type Endpoint,
  type EndpointService,
  type Endpoints,
  type MountOptions,
  type Place,
  placeOf,
} from "./endpoints.js";

/**
 * What {@link nodeEndpoints} returns: middleware for Express and connect, and a listener for
 * `http.createServer`, where what is no endpoint is answered with 404.
 */
export type NodeEndpoints = (
  request: IncomingMessage,
  response: ServerResponse,
  next?: (error?: unknown) => void,
) => void;

/**
 * The OAuth endpoints of one agent or authority, or of several below their names (`{ alice, bob }`:
 * `/alice/…`), for `node:http` and Express: documents, key set and token endpoint. The documents of
 * RFC 8414 and RFC 9728 are also answered where these put them: at the root of the server, with the
 * path of `baseUrl` behind the document's name.
 */
export function nodeEndpoints(endpoints: Endpoints, options: MountOptions = {}): NodeEndpoints {
  const own = checkMount("nodeEndpoints", endpoints, options);
  return (request, response, next = () => void response.writeHead(404, { "content-length": 0 }).end()) => {
    // Express takes its mount point away from `url`, which is what is wanted here.
    placeOf(endpoints, pathsOf(request), own)
      .then((place) => (place === undefined ? false : answered(place, request, response)))
      .then((done) => (done ? undefined : next()))
      // Which endpoint tells that what follows failed makes no difference.
      .catch((error: unknown) => fail(response, serviceOf(endpoints)?.handlerFailed(error) ?? FAILED));
  };
}

const FAILED = { status: 500, headers: {}, body: "" };

function serviceOf(endpoints: Endpoints): EndpointService | undefined {
  const [one] = ENDPOINT in endpoints ? [endpoints as Endpoint] : Object.values(endpoints);
  return one?.[ENDPOINT];
}

/** Answers a request at its place. False if there is no answer. */
async function answered({ endpoint, path }: Place, request: IncomingRequest, response: ServerResponse) {
  const { method = "", headers, rawHeaders } = request;
  const question = {
    method,
    path,
    authorization: authorizations(rawHeaders),
    contentType: headers["content-type"] ?? "",
    ifNoneMatch: headers["if-none-match"] ?? "",
    query: queryOf(request),
    cookie: headerLines(rawHeaders, "cookie"),
    origin: headerLines(rawHeaders, "origin"),
    body: new NodeBody(request, response).read,
  };
  const answer = await endpoint[ENDPOINT].answer(question, request);
  if (answer === undefined) return false;
  refuse(request, response, answer);
  return true;
}

/** Answers a request for an agent's own documents or token endpoint. False if it is for no such. */
export async function answerOwn(
  endpoint: Endpoint,
  request: IncomingRequest,
  response: ServerResponse,
): Promise<boolean> {
  for (const path of pathsOf(request)) {
    if (await endpoint[ENDPOINT].serves(path, false)) return answered({ endpoint, path }, request, response);
  }
  return false;
}
