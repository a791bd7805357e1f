import { isUint8Array } from "node:util/types";
import { misuse } from "../core/answers.js";
import { bodyDigest } from "../core/host-crypto.js";
import type { Needs, Reply } from "../core/need.js";
import type { EngineOpenResult } from "../core/operations.js";
import { BOOLEAN, checkTypes, isPlain, kindOf, knownOptions, type Rules } from "../core/options.js";
import type { Body, BodyReader } from "../types.js";

/** What this package read of a request's body. */
export interface TakenBody extends Body {
  readonly data: Buffer;
  /** The stream was read here. */
  readonly consumed?: boolean;
}

/** A reader of this package, which also says why there are no bytes. */
export type HostBodyReader = (limit: number, room: Room) => Promise<TakenBody>;

/** A body as it is given: its bytes, or what reads them; undefined is none. */
export type GivenBody = Uint8Array | BodyReader | HostBodyReader | undefined;

/** The body of a request that a server received, before anybody has read it. */
export interface BodySource {
  /**
   * Reads the body before the core is asked, if it is small enough. Undefined: it is read when the
   * core asks.
   */
  atOnce(buffers: Buffers): Promise<TakenBody> | undefined;
  /**
   * Reads the body, unless it is over the limit (in bytes), there is no room, or it was read
   * before.
   */
  readonly read: HostBodyReader;
}

export const NO_BODY: TakenBody = { data: Buffer.alloc(0) };

/** For a request whose body is unknown: a token that is bound to it is refused. */
export const noBody: HostBodyReader = async () => ({ ...NO_BODY, unavailable: true });

/** The bytes of a body that was read, or a reader that says why there are none. */
export function bytesOrReader(body: TakenBody): Uint8Array | BodyReader {
  return body.malformed === true || body.overloaded === true || body.tooLarge === true ? async () => body : body.data;
}

/** How many bytes all bodies may take in memory at one time. */
export class Room {
  #left: number;

  /** @param bytes - All of it. */
  constructor(bytes: number) {
    this.#left = bytes;
  }

  /** Takes some of it; false if not as much is left. */
  take(bytes: number): boolean {
    if (!(bytes >= 0 && bytes <= this.#left)) return false;
    this.#left -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#left += bytes;
  }
}

/** The room of one body: what has arrived of it. */
export class Held {
  readonly #room: Room;
  #taken: number;
  #came = 0;
  #released = false;

  /** @param taken - Bytes that were taken for it before. */
  constructor(room: Room, taken = 0) {
    this.#room = room;
    this.#taken = taken;
  }

  /** Takes room for a piece that has arrived; false if there is none. */
  grow(bytes: number): boolean {
    this.#came += bytes;
    const more = this.#came - this.#taken;
    if (more <= 0) return true;
    if (this.#released || !this.#room.take(more)) return false;
    this.#taken += more;
    return true;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#room.give(this.#taken);
  }
}

/**
 * How bodies are read, by the core's answer to `engine.open` (abi.md, the need `body`). Sizes are
 * in bytes.
 */
export class Buffers {
  readonly maxBody: number;
  /** For bodies that are read before the core is asked. */
  readonly early: Room;
  /** For bodies that the core has asked for. */
  readonly asked: Room;
  readonly #atOnce: number;

  constructor({ max_body, body_at_once, buffer_at_once, buffer_asked }: EngineOpenResult) {
    this.maxBody = max_body;
    this.#atOnce = body_at_once;
    this.early = new Room(buffer_at_once);
    this.asked = new Room(buffer_asked);
  }

  /**
   * The room for a body that may be read before the core is asked; undefined if it may not.
   *
   * @param authorized - The request has an Authorization header.
   * @param length - By its header; undefined for a chunked body.
   */
  atOnce(authorized: boolean, length: number | undefined): Held | undefined {
    if (!authorized || length === undefined || length > this.#atOnce || !this.early.take(length)) return undefined;
    return new Held(this.early, length);
  }
}

const READ: Rules<Body> = {
  data: { must: "a Uint8Array", holds: isUint8Array },
  tooLarge: BOOLEAN,
  unavailable: BOOLEAN,
  malformed: BOOLEAN,
  overloaded: BOOLEAN,
};

/** What the core is told of a body. */
function bodyReply({ data, tooLarge, unavailable, malformed, overloaded }: Body): Reply {
  if (tooLarge === true) return { members: { body_too_large: true } };
  if (malformed === true) return { members: { body_malformed: true } };
  if (overloaded === true) return { members: { overloaded: true } };
  if (unavailable === true) return { members: { body_unavailable: true } };
  return { members: { body_sha256: bodyDigest(data) } };
}

/**
 * The body that a reader gave. Anything else must not count as a request without a body.
 *
 * @throws {@link TallystickError} `invalid_argument`
 */
function checkedBody(given: unknown, limit: number): Body {
  const what = "the function that reads the body must give its bytes, or { data, tooLarge, … }";
  if (!isUint8Array(given) && !isPlain(given)) throw misuse("invalid_argument", `${what} (it gave ${kindOf(given)})`);
  const body: Partial<TakenBody> | Body = isUint8Array(given) ? { data: given } : given;
  const { consumed: _, ...named } = body as Partial<TakenBody>;
  knownOptions(what, named, Object.keys(READ));
  // Read once: what was checked is what counts.
  const { data, tooLarge, unavailable, malformed, overloaded }: Body = body;
  checkTypes(what, { data, tooLarge, unavailable, malformed, overloaded }, READ);
  if (tooLarge || unavailable || malformed || overloaded) return { tooLarge, unavailable, malformed, overloaded };
  if (data === undefined) throw misuse("invalid_argument", `${what} (it gave neither data nor why there is none)`);
  // The core sees a digest and no length.
  return data.length > limit ? { tooLarge: true } : { data };
}

/**
 * The need `body` of one operation. A verification may start again; the body is read once all the
 * same.
 */
export function bodyNeed(read: BodyReader | HostBodyReader, room: Room): Needs {
  let reply: Promise<Reply> | undefined;
  return {
    body: ({ max_bytes }) => {
      reply ??= Promise.resolve(read(max_bytes, room)).then((body) => bodyReply(checkedBody(body, max_bytes)));
      return reply;
    },
  };
}

/**
 * Bytes that came in pieces, up to a limit. They are put together as they come: many small pieces
 * would take hundreds of times their size.
 */
export class Collector {
  readonly #limit: number;
  #bytes: Buffer = NO_BODY.data;
  #length = 0;

  /** @param limit - Most bytes that are kept. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Takes one piece; false if it is over the limit, and nothing more must be read. */
  add(piece: Uint8Array): boolean {
    const length = this.#length + piece.length;
    if (length > this.#limit) return false;
    // The first piece is mostly the only one, and is kept as it is.
    if (this.#length === 0) this.#bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
    else {
      if (length > this.#bytes.length) this.#grow(length);
      this.#bytes.set(piece, this.#length);
    }
    this.#length = length;
    return true;
  }

  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  #grow(least: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(least, Math.min(this.#limit, 2 * this.#length, this.#length + MIB)));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

const MIB = 1_048_576;

/** Reads the body of a `Request`, up to `limit` bytes. */
export async function readRequest({ body }: Request, limit: number, held: Held): Promise<TakenBody> {
  let full = false;
  const data = await readStream(body, limit, (piece) => {
    full = !held.grow(piece.length);
    return !full;
  }).catch(() => null);
  if (data === null) return { ...NO_BODY, malformed: true };
  if (data !== undefined) return { data, consumed: true };
  return { ...NO_BODY, ...(full ? { overloaded: true } : { tooLarge: true }) };
}

/**
 * Reads a web stream, and cancels it beyond the limit.
 *
 * @param limit - In bytes.
 * @param roomFor - Whether there is room for a piece.
 * @returns the bytes; undefined if there are too many.
 */
export async function readStream(
  stream: ReadableStream<Uint8Array> | null,
  limit: number,
  roomFor: (piece: Uint8Array) => boolean = () => true,
): Promise<Buffer<ArrayBuffer> | undefined> {
  const collector = new Collector(limit);
  if (stream === null) return Buffer.alloc(0);
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return collector.bytes() as Buffer<ArrayBuffer>;
    if (collector.add(value) && roomFor(value)) continue;
    reader.cancel().catch(() => {});
    return undefined;
  }
}
