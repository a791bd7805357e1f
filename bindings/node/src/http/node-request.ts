import type { IncomingMessage, ServerResponse } from "node:http";
import type { HttpAnswer } from "../errors.js";
import type { IncomingRequest, RequestFacts } from "../types.js";
import { type BodySource, type Buffers, Collector, Held, NO_BODY, type Room, type TakenBody } from "./body.js";

// How long the rest of a refused body may take to arrive, in milliseconds.
const LINGER_MS = 5_000;

// A refused body of at most this many bytes does not close its connection.
const SMALL_REST = 65_536;

/** The facts of a request. */
export function facts(request: IncomingRequest): RequestFacts & { readonly authorization: readonly string[] } {
  // As the caller sent it. Express shortens `url` below a mount point, and writes "/" for an empty
  // rest.
  const target = request.originalUrl ?? request.url ?? "";
  const mark = target.indexOf("?");
  return {
    authorization: authorizations(request.rawHeaders),
    method: request.method ?? "",
    path: mark < 0 ? target : target.slice(0, mark),
    query: mark < 0 ? "" : target.slice(mark + 1),
  };
}

// `request.headers` has only the first of several Authorization headers.
export function authorizations(rawHeaders: readonly string[]): string[] {
  return headerLines(rawHeaders, "authorization");
}

/** The value of each header of a (lower-case) name. */
export function headerLines(rawHeaders: readonly string[], name: string): string[] {
  const values: string[] = [];
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === name) values.push(rawHeaders[index + 1] ?? "");
  }
  return values;
}

/** The paths by which a request may name an endpoint: below a mount point, and as it was sent. */
export function pathsOf({ url = "", originalUrl = url }: IncomingRequest): readonly [string, string] {
  return [url.split("?", 1)[0] ?? "", originalUrl.split("?", 1)[0] ?? ""];
}

/** What stands behind `?`, without it. */
export function queryOf({ url = "" }: IncomingRequest): string {
  const start = url.indexOf("?");
  return start < 0 ? "" : url.slice(start + 1);
}

/** What requests of `node:http2` have besides. */
type Multiplexed = IncomingMessage & { readonly stream?: { readonly endAfterHeaders?: boolean; close(): void } };

/** The declared length of the body, in bytes; undefined for one that ends by itself. */
function declaredLength(request: Multiplexed): number | undefined {
  const { headers, httpVersionMajor, stream } = request;
  // HTTP/2 has no chunks: a body without a length follows, unless the headers ended the request.
  const none = httpVersionMajor < 2 || stream?.endAfterHeaders === true ? "0" : "";
  const length = headers["content-length"] ?? none;
  return headers["transfer-encoding"] === undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined;
}

/**
 * Emits "close" when a request was answered or its caller went away: its body is then not needed
 * any more.
 */
type Ending = Pick<ServerResponse, "closed" | "destroyed"> & { once(event: "close", listener: () => void): unknown };

/** The body of a request of `node:http`. */
export class NodeBody implements BodySource {
  readonly #request: IncomingRequest;
  readonly #ending: Ending | undefined;
  #held: Held | undefined;
  #taken: TakenBody | undefined;

  /** @param ending - The response; without one, call {@link NodeBody.release}. */
  constructor(request: IncomingRequest, ending?: Ending) {
    this.#request = request;
    this.#ending = ending;
  }

  atOnce(buffers: Buffers): Promise<TakenBody> | undefined {
    const request = this.#request;
    // Bytes that something else keeps take no room.
    if (Buffer.isBuffer(request.rawBody)) return Promise.resolve(this.#keep({ data: request.rawBody }));
    if (request.readableDidRead) return undefined;
    const held = buffers.atOnce(request.headers.authorization !== undefined, declaredLength(request));
    return held === undefined ? undefined : this.#read(buffers.maxBody, held);
  }

  readonly read = async (limit: number, room: Room): Promise<TakenBody> => {
    const request = this.#request;
    if (Buffer.isBuffer(request.rawBody)) return this.#keep({ data: request.rawBody });
    if (request.destroyed && !request.readableEnded) return this.#keep({ ...NO_BODY, malformed: true });
    if (request.readableDidRead || request.readableEnded) return this.#keep({ ...NO_BODY, unavailable: true });
    if ((declaredLength(request) ?? 0) > limit) return this.#keep({ ...NO_BODY, tooLarge: true });
    return this.#read(limit, new Held(room));
  };

  /** What was read, if it was. */
  get taken(): TakenBody | undefined {
    return this.#taken;
  }

  /** Gives the room of the body back. */
  release(): void {
    this.#held?.release();
  }

  #keep(body: TakenBody): TakenBody {
    this.#taken = body;
    return body;
  }

  /** The room is given back when the request was answered, or its caller went away. */
  async #read(limit: number, held: Held): Promise<TakenBody> {
    this.#held = held;
    if (this.#ending?.closed || this.#ending?.destroyed) held.release();
    else this.#ending?.once("close", () => held.release());
    return this.#keep(await read(this.#request, limit, held));
  }
}

/** Stops reading as soon as the body is over the limit, or there is no room. */
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
    // A malformed chunk, or the caller went away before its body was complete.
    const onBroken = () => end({ ...NO_BODY, malformed: true });
    if (request.destroyed) return onBroken();
    request.on("data", onData).on("end", onEnd).on("error", onBroken).on("close", onBroken);
  });
}

/** Answers a refused request. */
export function refuse(request: IncomingMessage, response: ServerResponse, answer: HttpAnswer): void {
  if (request.socket.destroyed) return;
  if (response.headersSent) return void response.destroy();
  const headers = { ...answer.headers, "content-length": Buffer.byteLength(answer.body) };
  // Node reads past a small rest by itself, and the connection stays usable.
  const rest = declaredLength(request) ?? Number.POSITIVE_INFINITY;
  if (request.complete || (rest <= SMALL_REST && request.httpVersionMajor < 2)) {
    response.writeHead(answer.status, headers).end(answer.body);
    return;
  }
  if (request.httpVersionMajor >= 2) {
    // The rest of a stream can be called off, and the answer stays (RFC 9113 section 8.1).
    response.writeHead(answer.status, headers).end(answer.body, () => (request as Multiplexed).stream?.close());
    return;
  }
  // The rest of the body is read and dropped for a moment. Closing a connection with unread bytes
  // resets it, and the caller, who may read nothing before all is sent, would lose the answer.
  response.writeHead(answer.status, { ...headers, connection: "close" });
  response.write(answer.body);
  const end = () => void response.end();
  const timer = setTimeout(end, LINGER_MS);
  response.once("close", () => clearTimeout(timer));
  request.once("end", end).once("error", end);
  request.resume();
}

/** Answers for a listener that failed, if no answer was begun. It never throws. */
export function fail(response: ServerResponse, answer: HttpAnswer): void {
  if (response.headersSent) return void response.destroy();
  try {
    // What the listener had set for its own body.
    for (const name of ["transfer-encoding", "content-encoding", "trailer"]) response.removeHeader(name);
    response.statusMessage = "";
    const headers = { ...answer.headers, "content-length": Buffer.byteLength(answer.body) };
    response.writeHead(answer.status, headers).end(answer.body);
  } catch {
    response.destroy();
  }
}
