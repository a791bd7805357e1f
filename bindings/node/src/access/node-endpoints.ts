import type { IncomingMessage, ServerResponse } from "node:http";
import type { HostBodyReader } from "../body.js";
import type { HttpAnswer } from "../errors.js";
import { authorizations, type IncomingRequest, readsFor, refuse } from "../node-request.js";
import { agentAt, checkMount, type Endpoints, type MountOptions } from "./agents.js";
import type { Endpoint } from "./endpoint.js";

/**
 * What {@link nodeEndpoints} returns: middleware for Express and connect, and a listener for `http.createServer`, where
 * what is no endpoint is answered with 404.
 */
export type NodeEndpoints = (
  request: IncomingMessage,
  response: ServerResponse,
  next?: (error?: unknown) => void,
) => void;

/**
 * The OAuth endpoints of one agent or authority, or of several below their names (`{ alice, bob }`: `/alice/…`), for
 * `node:http` and Express: discovery, key set and token endpoint.
 */
export function nodeEndpoints(endpoints: Endpoints, options: MountOptions = {}): NodeEndpoints {
  checkMount("nodeEndpoints", endpoints, options);
  return (request, response, next) => {
    void answer(endpoints, options, request, response).then(
      (answered) => {
        if (answered) return;
        if (next !== undefined) next();
        else response.writeHead(404, { "content-length": 0 }).end();
      },
      next ?? (() => response.destroy()),
    );
  };
}

async function answer(
  endpoints: Endpoints,
  options: MountOptions,
  request: IncomingRequest,
  response: ServerResponse,
): Promise<boolean> {
  // Express takes its mount point away from `url`, which is what is wanted here.
  const [path = ""] = (request.url ?? "").split("?", 1);
  const place = agentAt(endpoints, path, options);
  if (place === undefined) return false;
  const read = readsFor(request, response, () => {});
  const answered = await served(place.endpoint, request, place.path, read);
  if (answered === undefined) return false;
  if (!request.socket.destroyed) refuse(request, response, answered);
  return true;
}

async function served(
  endpoint: Endpoint,
  request: IncomingRequest,
  path: string,
  body: HostBodyReader,
): Promise<HttpAnswer | undefined> {
  try {
    return await endpoint.serve({
      method: request.method ?? "",
      path,
      authorization: authorizations(request.rawHeaders),
      contentType: request.headers["content-type"] ?? "",
      ifNoneMatch: request.headers["if-none-match"] ?? "",
      body,
    });
  } catch (error) {
    return endpoint.refusal(error, request);
  }
}
