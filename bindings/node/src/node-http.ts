import type { IncomingMessage, ServerResponse } from "node:http";
import type { AgentAuth, Caller, RequestFacts } from "./agent-auth.js";
import { misuse } from "./answers.js";
import { Collector } from "./body.js";
import type { HttpAnswer } from "./errors.js";

/** A request of `node:http`, Express or connect. */
export interface NodeRequest extends IncomingMessage {
  /** The verified caller. */
  auth?: Caller;
  /** The exact bytes of the body. Set it before the middleware where something else must read the stream first. */
  rawBody?: Buffer;
  /** The parsed body where it is JSON. */
  body?: unknown;
  /** The request target before a framework took its mount point away. */
  originalUrl?: string;
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

// How long the answer to a body that is too large may take to reach the caller, in milliseconds.
const LINGER_MS = 1_000;

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

export function middleware(auth: AgentAuth): Middleware {
  return (request, response, next) => {
    void admit(auth, request, response).then((admitted) => {
      if (admitted) next();
    }, next);
  };
}

export function nodeHandler(auth: AgentAuth, listener: VerifiedNodeHandler): NodeHandler {
  return async (request, response) => {
    if (!(await admit(auth, request, response))) return;
    try {
      await listener(request as VerifiedNodeRequest, response);
    } catch (error) {
      // One request that the listener cannot handle must not end the process, and the replay memory with it.
      fail(response, auth.listenerFailed(error));
    }
  };
}

function fail(response: ServerResponse, answer: HttpAnswer): void {
  if (response.headersSent) response.destroy();
  else response.writeHead(answer.status, answer.headers).end(answer.body);
}

/** Verifies a request and answers it itself where it is refused. */
async function admit(auth: AgentAuth, request: NodeRequest, response: ServerResponse): Promise<boolean> {
  let body: Body = { bytes: Buffer.alloc(0) };
  try {
    const { maxBody } = await auth.ready();
    body = await takeBody(request, maxBody);
    request.auth = await auth.verify(facts(request, body), body.bytes);
    callers.set(request, request.auth);
  } catch (error) {
    if (!request.socket.destroyed) refuse(response, auth.refusal(error, request), body);
    return false;
  }
  handOn(request, body);
  return true;
}

interface Body {
  readonly bytes: Buffer;
  readonly tooLarge?: boolean;
  readonly unavailable?: boolean;
  /** The stream was read here. */
  readonly consumed?: boolean;
}

function facts(request: NodeRequest, body: Body): RequestFacts {
  // As the caller sent it: Express shortens `url` below a mount point, and turns an empty rest into "/".
  const target = request.originalUrl ?? request.url ?? "";
  const mark = target.indexOf("?");
  return {
    authorization: authorizations(request.rawHeaders),
    method: request.method ?? "",
    path: mark < 0 ? target : target.slice(0, mark),
    query: mark < 0 ? "" : target.slice(mark + 1),
    bodyTooLarge: body.tooLarge,
    bodyUnavailable: body.unavailable,
  };
}

// `request.headers` keeps the first of several Authorization headers and hides the others.
function authorizations(rawHeaders: readonly string[]): string[] {
  const values: string[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === "authorization") values.push(rawHeaders[index + 1] ?? "");
  }
  return values;
}

async function takeBody(request: NodeRequest, limit: number): Promise<Body> {
  if (Buffer.isBuffer(request.rawBody)) return { bytes: request.rawBody };
  if (request.readableDidRead || request.readableEnded) return { bytes: Buffer.alloc(0), unavailable: true };
  const bytes = Number(request.headers["content-length"] ?? 0) > limit ? undefined : await read(request, limit);
  return bytes === undefined ? { bytes: Buffer.alloc(0), tooLarge: true } : { bytes, consumed: true };
}

/** Undefined, and the stream left where it is, as soon as there are more bytes than the limit. */
function read(request: IncomingMessage, limit: number): Promise<Buffer | undefined> {
  const collector = new Collector(limit);
  return new Promise((resolve, reject) => {
    const settle = (done: () => void) => {
      request.off("data", onData).off("end", onEnd).off("error", onError).off("close", onClose);
      done();
    };
    const onData = (piece: Buffer) => {
      if (collector.add(piece)) return;
      request.pause();
      settle(() => resolve(undefined));
    };
    const onEnd = () => settle(() => resolve(collector.bytes()));
    const onError = (error: Error) => settle(() => reject(error));
    const onClose = () => settle(() => reject(new Error("the caller went away before its body was complete")));
    request.on("data", onData).on("end", onEnd).on("error", onError).on("close", onClose);
  });
}

function handOn(request: NodeRequest, body: Body): void {
  request.rawBody = body.bytes;
  if (body.consumed !== true) return;
  // Tells body-parser 1.x, which would wait for a stream that has ended; 2.x sees that for itself.
  Object.assign(request, { _body: true });
  const type = request.headers["content-type"] ?? "";
  if (!/^\s*application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(type) || body.bytes.length === 0) return;
  try {
    request.body = JSON.parse(body.bytes.toString("utf8"));
  } catch {
    // Not JSON after all: the caller was verified, so what to answer is the listener's decision; it has rawBody.
  }
}

function refuse(response: ServerResponse, answer: HttpAnswer, body: Body): void {
  if (response.headersSent) return void response.destroy();
  const length = Buffer.byteLength(answer.body);
  if (body.tooLarge !== true) {
    response.writeHead(answer.status, { ...answer.headers, "content-length": length }).end(answer.body);
    return;
  }
  // The rest of the body is not read. Closing with unread bytes would reset the connection and take the answer with
  // it, so the caller is given a moment to read it first.
  response.writeHead(answer.status, { ...answer.headers, "content-length": length, connection: "close" });
  response.write(answer.body);
  const timer = setTimeout(() => response.end(), LINGER_MS);
  response.once("close", () => clearTimeout(timer));
}
