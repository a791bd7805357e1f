import type { IncomingMessage, ServerResponse } from "node:http";
import { misuse } from "../answers.js";
import { type Body, NO_BODY } from "../body.js";
import { facts, fail, handOn, type IncomingRequest, readsFor, refuse } from "../node-request.js";
import type { AuthContext } from "./auth-context.js";
import type { Guard } from "./guard.js";

/** A request of `node:http`, Express or connect. */
export interface AuthRequest extends IncomingRequest {
  /** Who calls. */
  auth?: AuthContext;
}

/** A request after it was let in. Its body is unread, unless its token is bound to it: then `rawBody` and `body` are set. */
export interface IdentifiedRequest extends AuthRequest {
  auth: AuthContext;
}

/** Middleware for Express and connect. */
export type AuthMiddleware = (request: AuthRequest, response: ServerResponse, next: (error?: unknown) => void) => void;

/** A listener that is only called for callers that were let in. */
export type IdentifiedHandler = (request: IdentifiedRequest, response: ServerResponse) => unknown;

const identified = new WeakMap<object, AuthContext>();

/**
 * Who made a request that `skill.requireAuth()` or `skill.handler()` let in: `req.auth`, with its type, and safe from
 * whoever else writes to that name.
 *
 * @throws {@link TallystickError} `internal` where nothing verified the request: its route is not protected.
 */
export function authOf(request: object): AuthContext {
  const context = identified.get(request);
  if (context !== undefined) return context;
  throw misuse("internal", "the request was not verified: put skill.requireAuth() before its route");
}

export function authMiddleware(guard: Guard): AuthMiddleware {
  return (request, response, next) => {
    void admit(guard, request, response).then((admitted) => {
      if (admitted) next();
    }, next);
  };
}

export function authHandler(
  guard: Guard,
  listener: IdentifiedHandler,
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  return async (request, response) => {
    try {
      if (await admit(guard, request, response)) await listener(request as IdentifiedRequest, response);
    } catch (error) {
      // One request that the listener cannot handle must not end the process.
      fail(response, guard.handlerFailed(error));
    }
  };
}

async function admit(guard: Guard, request: AuthRequest, response: ServerResponse): Promise<boolean> {
  let body: Body = NO_BODY;
  const read = readsFor(request, response, (taken) => {
    body = taken;
  });
  try {
    request.auth = await guard.verify(facts(request), read);
    identified.set(request, request.auth);
  } catch (error) {
    const answer = guard.refusal(error, request);
    if (!request.socket.destroyed) refuse(request, response, answer);
    return false;
  }
  // Read here only where the token is bound to it; else whatever comes later finds the stream as it was.
  if (body !== NO_BODY) handOn(request, body);
  return true;
}
