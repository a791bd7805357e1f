import type { IncomingMessage, ServerResponse } from "node:http";
import { fail } from "../http/node-request.js";
import type { Guard } from "../http/refusal.js";
import type { AuthContext, Caller, IdentifiedRequest, VerifiedNodeRequest } from "../types.js";
import type { Endpoint } from "./endpoints.js";
import { admit } from "./express.js";
import { answerOwn } from "./node-endpoints.js";

/** A listener for `http.createServer`. */
export type NodeHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** A listener that is only called for verified requests. */
export type VerifiedNodeHandler = (request: VerifiedNodeRequest, response: ServerResponse) => unknown;

/** A listener that is only called for callers that were let in. */
export type IdentifiedHandler = (request: IdentifiedRequest, response: ServerResponse) => unknown;

/**
 * A listener that is only called for requests that the guard lets in.
 *
 * @param endpoint - Whose documents and token endpoint are answered before the guard.
 */
export function nodeHandler(
  guard: Guard<Caller> | Guard<AuthContext>,
  listener: (request: never, response: ServerResponse) => unknown,
  endpoint?: Endpoint,
): NodeHandler {
  return async (request, response) => {
    try {
      if (endpoint !== undefined && (await answerOwn(endpoint, request, response))) return;
      if (await admit(guard, request, response)) await listener(request as never, response);
    } catch (error) {
      // A request that the listener cannot handle must not end the process, which holds the replay
      // memory.
      fail(response, guard.handlerFailed(error));
    }
  };
}
