import type { ServerResponse } from "node:http";
import { misuse } from "../core/answers.js";
import type { TakenBody } from "../http/body.js";
import { facts, fail, headerLines, NodeBody, refuse } from "../http/node-request.js";
import type { Guard, PassingRequest } from "../http/refusal.js";
import { AuthContext, type Caller, type IncomingRequest } from "../types.js";
import type { Endpoint } from "./endpoints.js";
import { answerOwn } from "./node-endpoints.js";

/**
 * What {@link AgentAuth.requireAuth} returns: middleware for Express and connect. `request` has no
 * `auth` here, since other packages, such as the MCP SDK, give Express's requests another one.
 */
export type Middleware = (request: IncomingRequest, response: ServerResponse, next: (error?: unknown) => void) => void;

/** What {@link AuthSkill.requireAuth} returns: middleware for Express and connect. */
export type AuthMiddleware = (
  request: IncomingRequest,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/** What needs no token at a guard of a whole server. */
export interface Open {
  /** Whose documents and token endpoint are answered before the guard. */
  readonly endpoint: Endpoint;
  /** Whether a request goes on without a look at its token. */
  passes(request: PassingRequest): boolean | Promise<boolean>;
}

/** Lets in the requests that the guard accepts; the others are answered and go no further. */
export function middleware(guard: Guard<Caller> | Guard<AuthContext>, open?: Open): Middleware & AuthMiddleware {
  return (request, response, next) => {
    (open === undefined ? admit(guard, request, response) : through(open, guard, request, response))
      .then((admitted) => (admitted ? next() : undefined))
      // Express catches what its handlers throw; where `next` is the program's own function, an
      // unhandled rejection would end the process.
      .catch((error: unknown) => fail(response, guard.handlerFailed(error)));
  };
}

async function through(
  { endpoint, passes }: Open,
  guard: Guard<Caller> | Guard<AuthContext>,
  request: IncomingRequest,
  response: ServerResponse,
): Promise<boolean> {
  if (await answerOwn(endpoint, request, response)) return false;
  const { method, path, authorization } = facts(request);
  const origin = headerLines(request.rawHeaders, "origin");
  const request_method = headerLines(request.rawHeaders, "access-control-request-method");
  if (await passes({ method, path, authorization, origin, request_method })) return true;
  return admit(guard, request, response);
}

const callers = new WeakMap<object, Caller>();
const contexts = new WeakMap<object, AuthContext>();

/**
 * The caller of a request that {@link AgentAuth.requireAuth} or {@link AgentAuth.handler} let in:
 * `req.auth` with its type, even if other code wrote to that name.
 *
 * @throws {@link TallystickError} `internal` if nothing verified the request: its route is not
 *   protected.
 */
export function callerOf(request: object): Caller {
  return callers.get(request) ?? unverified("auth");
}

/**
 * Who made a request that `skill.requireAuth()` or `skill.handler()` let in: `req.auth` with its
 * type, even if other code wrote to that name.
 *
 * @throws {@link TallystickError} `internal` if nothing verified the request: its route is not
 *   protected.
 */
export function authOf(request: object): AuthContext {
  return contexts.get(request) ?? unverified("skill");
}

function unverified(guard: string): never {
  throw misuse("internal", `the request was not verified: put ${guard}.requireAuth() before its route`);
}

/** Verifies a request. False if it was refused, and answered. */
export async function admit(
  guard: Guard<Caller> | Guard<AuthContext>,
  request: IncomingRequest,
  response: ServerResponse,
): Promise<boolean> {
  const body = new NodeBody(request, response);
  const { auth, refusal } = await guard.admit(facts(request), body, request);
  if (refusal !== undefined) {
    refuse(request, response, refusal);
    return false;
  }
  if (auth instanceof AuthContext) contexts.set(request, auth);
  else callers.set(request, auth);
  Object.assign(request, { auth });
  handOn(request, body.taken);
  return true;
}

/**
 * Puts the body that the guard read where body parsers put it, and where they look: `rawBody` has
 * its bytes, `body` the value of JSON. A body that nobody read stays in the stream.
 */
export function handOn(request: IncomingRequest, taken: TakenBody | undefined): void {
  if (taken === undefined) return;
  request.rawBody = taken.data;
  if (taken.consumed !== true) return;
  // body-parser 1.x would wait for a stream that has ended.
  Object.assign(request, { _body: true });
  const type = request.headers["content-type"] ?? "";
  if (!/^\s*application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(type) || taken.data.length === 0) return;
  try {
    request.body = JSON.parse(taken.data.toString("utf8"));
  } catch {
    // It is not JSON. The listener has rawBody and decides what to answer.
  }
}
