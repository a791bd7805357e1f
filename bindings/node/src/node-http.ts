import type { IncomingMessage, ServerResponse } from "node:http";
import type { AgentAuth, Caller } from "./agent-auth.js";
import { misuse } from "./answers.js";
import { type Body, type BodyReader, NO_BODY } from "./body.js";
import { facts, fail, handOn, type IncomingRequest, readsFor, refuse, takeBodyAtOnce } from "./node-request.js";
import { checkValue, FUNCTION } from "./options.js";

/** A request of `node:http`, Express or connect. */
export interface NodeRequest extends IncomingRequest {
  /** The verified caller. */
  auth?: Caller;
}

/** A request after it was let in. */
export interface VerifiedNodeRequest extends NodeRequest {
  auth: Caller;
  rawBody: Buffer;
}

/** What {@link AgentAuth.middleware} returns. */
export type Middleware = (request: NodeRequest, response: ServerResponse, next: (error?: unknown) => void) => void;

/** What {@link AgentAuth.handler} returns: a listener for `http.createServer`. */
export type NodeHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** A listener that is only called for verified requests. */
export type VerifiedNodeHandler = (request: VerifiedNodeRequest, response: ServerResponse) => unknown;

const callers = new WeakMap<object, Caller>();

/**
 * The caller of a request that {@link AgentAuth.middleware} or {@link AgentAuth.handler} let in: `req.auth`, with its
 * type, and safe from whoever else writes to that name.
 *
 * @throws {@link TallystickError} `internal` where nothing verified the request: its route is not protected.
 */
export function callerOf(request: object): Caller {
  const caller = callers.get(request);
  if (caller === undefined)
    throw misuse("internal", "the request was not verified: put auth.middleware() before its route");
  return caller;
}

export function middleware(auth: AgentAuth, given: readonly unknown[]): Middleware {
  // Given to a router as it is, it would be called with each request, and none would ever be answered.
  if (given.length > 0) throw misuse("invalid_argument", "AgentAuth.middleware takes nothing: write auth.middleware()");
  return (request, response, next) => {
    void admit(auth, request, response).then((admitted) => {
      if (admitted) next();
    }, next);
  };
}

export function nodeHandler(auth: AgentAuth, listener: VerifiedNodeHandler): NodeHandler {
  checkValue("AgentAuth.handler: the listener", listener, FUNCTION);
  return async (request, response) => {
    try {
      if (await admit(auth, request, response)) await listener(request as VerifiedNodeRequest, response);
    } catch (error) {
      // One request that the listener cannot handle must not end the process, and the replay memory with it.
      fail(response, auth.listenerFailed(error));
    }
  };
}

/** Verifies a request and answers it itself where it is refused. */
async function admit(auth: AgentAuth, request: NodeRequest, response: ServerResponse): Promise<boolean> {
  let body: Body = NO_BODY;
  const keep = (taken: Body) => {
    body = taken;
  };
  try {
    const buffers = await auth.buffers();
    const early = await takeBodyAtOnce(request, response, buffers);
    if (early !== undefined) keep(early);
    const read = early === undefined ? readsFor(request, response, keep) : bytesOr(early);
    request.auth = await auth.verify(facts(request), read);
    callers.set(request, request.auth);
  } catch (error) {
    const answer = auth.refusal(error, request);
    if (!request.socket.destroyed) refuse(request, response, answer);
    return false;
  }
  handOn(request, body);
  return true;
}

/** The bytes, or why there are none, for when it is asked. */
function bytesOr(body: Body): Uint8Array | BodyReader {
  return body.malformed === true || body.overloaded === true || body.tooLarge === true ? async () => body : body.bytes;
}
