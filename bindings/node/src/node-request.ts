import type { IncomingMessage, ServerResponse } from "node:http";
import type { RequestFacts } from "./agent-auth.js";
import { type Body, Collector, NO_BODY } from "./body.js";
import type { HttpAnswer } from "./errors.js";
import { type Buffers, Held, type Room } from "./room.js";

/** What a request of `node:http`, Express or connect may carry besides itself. */
export interface IncomingRequest extends IncomingMessage {
  /** The exact bytes of the body. Set it before the middleware where something else must read the stream first. */
  rawBody?: Buffer;
  /** The parsed body where it is JSON. */
  body?: unknown;
  /** The request target before a framework took its mount point away. */
  originalUrl?: string;
}

// How long the rest of a refused body may take to arrive, in milliseconds.
const LINGER_MS = 5_000;

// The rest of a refused body of this many bytes or fewer costs its connection nothing.
const SMALL_REST = 65_536;

/** A request as the core takes it. */
export function facts(request: IncomingRequest): RequestFacts & { readonly authorization: readonly string[] } {
  // As the caller sent it: Express shortens `url` below a mount point, and turns an empty rest into "/".
  const target = request.originalUrl ?? request.url ?? "";
  const mark = target.indexOf("?");
  return {
    authorization: authorizations(request.rawHeaders),
    method: request.method ?? "",
    path: mark < 0 ? target : target.slice(0, mark),
    query: mark < 0 ? "" : target.slice(mark + 1),
  };
}

// `request.headers` keeps the first of several Authorization headers and hides the others.
export function authorizations(rawHeaders: readonly string[]): string[] {
  const values: string[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === "authorization") values.push(rawHeaders[index + 1] ?? "");
  }
  return values;
}

/** How long the body says it is, in bytes; undefined of one that ends by itself. */
function declaredLength({ headers }: IncomingMessage): number | undefined {
  const length = headers["content-length"] ?? "0";
  return headers["transfer-encoding"] === undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined;
}

/** Room that is given back when a request was answered, or its caller went away. */
export function heldFor(response: ServerResponse, held: Held): Held {
  if (response.closed || response.destroyed) held.release();
  else response.once("close", () => held.release());
  return held;
}

/** Reads a body before the core is asked, where that may be; undefined: it is asked first. */
export function takeBodyAtOnce(
  request: IncomingRequest,
  response: ServerResponse,
  buffers: Buffers,
): Promise<Body> | undefined {
  // Bytes that somebody keeps already take no room.
  if (Buffer.isBuffer(request.rawBody)) return Promise.resolve({ bytes: request.rawBody });
  if (request.readableDidRead) return undefined;
  const held = buffers.atOnce(request.headers.authorization !== undefined, declaredLength(request));
  return held === undefined ? undefined : read(request, buffers.maxBody, heldFor(response, held));
}

/** The body, unless it is over the limit (in bytes), there is no room for it or something else has read it. */
export async function takeBody(request: IncomingRequest, limit: number, held: Held): Promise<Body> {
  if (Buffer.isBuffer(request.rawBody)) return { bytes: request.rawBody };
  if (request.readableDidRead || request.readableEnded) return { ...NO_BODY, unavailable: true };
  if ((declaredLength(request) ?? 0) > limit) return { ...NO_BODY, tooLarge: true };
  return read(request, limit, held);
}

/** Reads a body once somebody asks for it, and says then what was read. */
export function readsFor(request: IncomingRequest, response: ServerResponse, done: (body: Body) => void) {
  return async (limit: number, room: Room): Promise<Body> => {
    const body = await takeBody(request, limit, heldFor(response, new Held(room)));
    done(body);
    return body;
  };
}

/** The stream is left where it is as soon as there is more than the limit, or no room. */
function read(request: IncomingMessage, limit: number, held: Held): Promise<Body> {
  const collector = new Collector(limit);
  return new Promise((resolve) => {
    const settle = (body: Body) => {
      request.off("data", onData).off("end", onEnd).off("error", onBroken).off("close", onBroken);
      if (body.consumed !== true) held.release();
      resolve(body);
    };
    const onData = (piece: Buffer) => {
      const fits = collector.add(piece);
      if (fits && held.grow(piece.length)) return;
      request.pause();
      settle({ ...NO_BODY, ...(fits ? { overloaded: true } : { tooLarge: true }) });
    };
    const onEnd = () => settle({ bytes: collector.bytes(), consumed: true });
    // A chunk that is none, or the caller went away before its body was complete.
    const onBroken = () => settle({ ...NO_BODY, malformed: true });
    if (request.destroyed) return onBroken();
    request.on("data", onData).on("end", onEnd).on("error", onBroken).on("close", onBroken);
  });
}

/** Leaves what was read where later handlers look for it. */
export function handOn(request: IncomingRequest, body: Body): void {
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

/** Answers a request that goes no further. */
export function refuse(request: IncomingMessage, response: ServerResponse, answer: HttpAnswer): void {
  if (response.headersSent) return void response.destroy();
  const headers = { ...answer.headers, "content-length": Buffer.byteLength(answer.body) };
  // What Node does with a small rest, it reads past it, keeps the connection usable.
  if (request.complete || (declaredLength(request) ?? Number.POSITIVE_INFINITY) <= SMALL_REST) {
    response.writeHead(answer.status, headers).end(answer.body);
    return;
  }
  // The rest of the body is not kept. Closing with unread bytes would reset the connection and take the answer with it,
  // so the caller, who may read nothing before all is sent, is given a moment to get there.
  response.writeHead(answer.status, { ...headers, connection: "close" });
  response.write(answer.body);
  const end = () => void response.end();
  const timer = setTimeout(end, LINGER_MS);
  response.once("close", () => clearTimeout(timer));
  request.once("end", end).once("error", end);
  request.resume();
}

/** Answers for a listener that failed, where there is still something to answer. */
export function fail(response: ServerResponse, answer: HttpAnswer): void {
  if (response.headersSent) response.destroy();
  else response.writeHead(answer.status, answer.headers).end(answer.body);
}
