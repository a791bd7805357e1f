import type { IncomingMessage, ServerResponse } from "node:http";
import { authorizations, fail, NodeBody, refuse } from "../http/node-request.js";
import type { Guard } from "../http/refusal.js";
import type { AuthContext, Caller, IdentifiedRequest, IncomingRequest, VerifiedNodeRequest } from "../types.js";
import { checkMount, ENDPOINT, type Endpoint, type Endpoints, endpointAt, type MountOptions } from "./endpoints.js";
import { admit } from "./express.js";

/** A listener for `http.createServer`. */
export type NodeHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** A listener that is only called for verified requests. */
export type VerifiedNodeHandler = (request: VerifiedNodeRequest, response: ServerResponse) => unknown;

/** A listener that is only called for callers that were let in. */
export type IdentifiedHandler = (request: IdentifiedRequest, response: ServerResponse) => unknown;

/** A listener that is only called for requests that the guard lets in. */
export function nodeHandler(
  guard: Guard<Caller> | Guard<AuthContext>,
  listener: (request: never, response: ServerResponse) => unknown,
): NodeHandler {
  return async (request, response) => {
    try {
      if (await admit(guard, request, response)) await listener(request as never, response);
    } catch (error) {
      // A request that the listener cannot handle must not end the process, which holds the replay
      // memory.
      fail(response, guard.handlerFailed(error));
    }
  };
}

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
 * `/alice/…`), for `node:http` and Express: discovery, key set and token endpoint.
 */
export function nodeEndpoints(endpoints: Endpoints, options: MountOptions = {}): NodeEndpoints {
  const own = checkMount("nodeEndpoints", endpoints, options);
  return (request, response, next = () => void response.writeHead(404, { "content-length": 0 }).end()) => {
    // Express takes its mount point away from `url`, which is what is wanted here.
    const [path = ""] = (request.url ?? "").split("?", 1);
    const place = endpointAt(endpoints, path, own);
    if (place === undefined) return next();
    answerOf(place.endpoint, request, response, place.path)
      .then((answer) => (answer === undefined ? next() : refuse(request, response, answer)))
      .catch((error: unknown) => fail(response, place.endpoint[ENDPOINT].handlerFailed(error)));
  };
}

function answerOf(endpoint: Endpoint, request: IncomingRequest, response: ServerResponse, path: string) {
  const { method = "", headers, rawHeaders } = request;
  const question = {
    method,
    path,
    authorization: authorizations(rawHeaders),
    contentType: headers["content-type"] ?? "",
    ifNoneMatch: headers["if-none-match"] ?? "",
    body: new NodeBody(request, response).read,
  };
  return endpoint[ENDPOINT].answer(question, request);
}
