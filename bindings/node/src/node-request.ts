import type { IncomingMessage, ServerResponse } from "node:http";
import type { RequestFacts } from "./agent-auth.js";
import { Collector } from "./body.js";
import type { HttpAnswer } from "./errors.js";

/** What a request of `node:http`, Express or connect may carry besides itself. */
export interface IncomingRequest extends IncomingMessage {
  /** The exact bytes of the body. Set it before the middleware where something else must read the stream first. */
  rawBody?: Buffer;
  /** The parsed body where it is JSON. */
  body?: unknown;
  /** The request target before a framework took its mount point away. */
  originalUrl?: string;
}

// How long the answer to a body that is too large may take to reach the caller, in milliseconds.
const LINGER_MS = 1_000;

/** What was read of a request's body. */
export interface Body {
  readonly bytes: Buffer;
  readonly tooLarge?: boolean;
  readonly unavailable?: boolean;
  /** The stream was read here. */
  readonly consumed?: boolean;
}

export const NO_BODY: Body = { bytes: Buffer.alloc(0) };

/** A request as the core takes it. */
export function facts(request: IncomingRequest, body: Body): RequestFacts {
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
export function authorizations(rawHeaders: readonly string[]): string[] {
  const values: string[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === "authorization") values.push(rawHeaders[index + 1] ?? "");
  }
  return values;
}

/** The body, unless it is over the limit (in bytes) or something else has read it. */
export async function takeBody(request: IncomingRequest, limit: number): Promise<Body> {
  if (Buffer.isBuffer(request.rawBody)) return { bytes: request.rawBody };
  if (request.readableDidRead || request.readableEnded) return { ...NO_BODY, unavailable: true };
  const bytes = Number(request.headers["content-length"] ?? 0) > limit ? undefined : await read(request, limit);
  return bytes === undefined ? { ...NO_BODY, tooLarge: true } : { bytes, consumed: true };
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
export function refuse(response: ServerResponse, answer: HttpAnswer, body: Body): void {
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

/** Answers for a listener that failed, where there is still something to answer. */
export function fail(response: ServerResponse, answer: HttpAnswer): void {
  if (response.headersSent) response.destroy();
  else response.writeHead(answer.status, answer.headers).end(answer.body);
}
