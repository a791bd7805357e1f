import type { IncomingMessage, ServerResponse } from "node:http";
import { misuse } from "../core/answers.js";
import { authorizations, facts, fail, NodeBody, refuse } from "../http/node.js";
import type { Guard } from "../http/refusal.js";
import {
  AuthContext,
  type Caller,
  type IdentifiedRequest,
  type IncomingRequest,
  type VerifiedNodeRequest,
} from "../types.js";
import { checkMount, ENDPOINT, type Endpoint, type Endpoints, endpointAt, type MountOptions } from "./endpoints.js";

/** A listener for `http.createServer`. */
export type NodeHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** A listener that is only called for verified requests. */
export type VerifiedNodeHandler = (request: VerifiedNodeRequest, response: ServerResponse) => unknown;

/** A listener that is only called for callers that were let in. */
export type IdentifiedHandler = (request: IdentifiedRequest, response: ServerResponse) => unknown;

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
  body.handOn();
  return true;
}

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
  const place = endpointAt(endpoints, path, options);
  if (place === undefined) return false;
  const answered = await answerOf(place.endpoint, request, response, place.path);
  if (answered === undefined) return false;
  refuse(request, response, answered);
  return true;
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
