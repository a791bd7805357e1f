import type { IncomingMessage, ServerResponse } from "node:http";
import type { HttpAnswer } from "../errors.js";
import type { RequestFacts } from "../types.js";
import { type BodySource, type Buffers, Collector, Held, NO_BODY, type Room, type TakenBody } from "./body.js";

/** What a request of `node:http`, Express or connect may carry besides itself. */
export interface IncomingRequest extends IncomingMessage {
  /** The exact bytes of the body. Set it before the guard where something else must read the stream first. */
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

/** What says that nobody needs a request's body any more: it was answered, or its caller went away. */
type Ending = Pick<ServerResponse, "closed" | "destroyed"> & { once(event: "close", listener: () => void): unknown };

/** The body of a request of `node:http`. */
export class NodeBody implements BodySource {
  readonly #request: IncomingRequest;
  readonly #ending: Ending;
  #taken: TakenBody | undefined;

  /** @param ending - The response, or the socket where there is none. */
  constructor(request: IncomingRequest, ending: Ending) {
    this.#request = request;
    this.#ending = ending;
  }

  atOnce(buffers: Buffers): Promise<TakenBody> | undefined {
    const request = this.#request;
    // Bytes that somebody keeps already take no room.
    if (Buffer.isBuffer(request.rawBody)) return Promise.resolve(this.#keep({ data: request.rawBody }));
    if (request.readableDidRead) return undefined;
    const held = buffers.atOnce(request.headers.authorization !== undefined, declaredLength(request));
    return held === undefined ? undefined : this.#read(buffers.maxBody, held);
  }

  readonly read = async (limit: number, room: Room): Promise<TakenBody> => {
    const request = this.#request;
    if (Buffer.isBuffer(request.rawBody)) return this.#keep({ data: request.rawBody });
    if (request.readableDidRead || request.readableEnded) return this.#keep({ ...NO_BODY, unavailable: true });
    if ((declaredLength(request) ?? 0) > limit) return this.#keep({ ...NO_BODY, tooLarge: true });
    return this.#read(limit, new Held(room));
  };

  /** Leaves what was read where later handlers look for it; what nobody has read is left as it is. */
  handOn(): void {
    const [request, body] = [this.#request, this.#taken];
    if (body === undefined) return;
    request.rawBody = body.data;
    if (body.consumed !== true) return;
    // Tells body-parser 1.x, which would wait for a stream that has ended; 2.x sees that for itself.
    Object.assign(request, { _body: true });
    const type = request.headers["content-type"] ?? "";
    if (!/^\s*application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(type) || body.data.length === 0) return;
    try {
      request.body = JSON.parse(body.data.toString("utf8"));
    } catch {
      // Not JSON after all: the caller was verified, so what to answer is the listener's decision; it has rawBody.
    }
  }

  #keep(body: TakenBody): TakenBody {
    this.#taken = body;
    return body;
  }

  /** The room is given back when the request was answered, or its caller went away. */
  async #read(limit: number, held: Held): Promise<TakenBody> {
    if (this.#ending.closed || this.#ending.destroyed) held.release();
    else this.#ending.once("close", () => held.release());
    return this.#keep(await read(this.#request, limit, held));
  }
}

/** The stream is left where it is as soon as there is more than the limit, or no room. */
function read(request: IncomingMessage, limit: number, held: Held): Promise<TakenBody> {
  const collector = new Collector(limit);
  return new Promise((resolve) => {
    const end = (body: TakenBody) => {
      request.off("data", onData).off("end", onEnd).off("error", onBroken).off("close", onBroken);
      if (body.consumed !== true) held.release();
      resolve(body);
    };
    const onData = (piece: Buffer) => {
      const fits = collector.add(piece);
      if (fits && held.grow(piece.length)) return;
      request.pause();
      end({ ...NO_BODY, ...(fits ? { overloaded: true } : { tooLarge: true }) });
    };
    const onEnd = () => end({ data: collector.bytes(), consumed: true });
    // A chunk that is none, or the caller went away before its body was complete.
    const onBroken = () => end({ ...NO_BODY, malformed: true });
    if (request.destroyed) return onBroken();
    request.on("data", onData).on("end", onEnd).on("error", onBroken).on("close", onBroken);
  });
}

/** Answers a request that goes no further. */
export function refuse(request: IncomingMessage, response: ServerResponse, answer: HttpAnswer): void {
  if (request.socket.destroyed) return;
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
