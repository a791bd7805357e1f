import { isUint8Array } from "node:util/types";
import { misuse } from "./answers.js";
import type { Needs, Reply } from "./engine.js";
import { bodyDigest } from "./host-crypto.js";
import type { Held, Room } from "./room.js";

/** What was read of a request's body. */
export interface Body {
  readonly bytes: Buffer;
  readonly tooLarge?: boolean;
  /** Something else read it before. */
  readonly unavailable?: boolean;
  /** Its transfer was broken, or ended too early. */
  readonly malformed?: boolean;
  /** There is no room for it now. */
  readonly overloaded?: boolean;
  /** The stream was read here. */
  readonly consumed?: boolean;
}

/**
 * Reads the body of a request, up to a limit in bytes; asked only where it is wanted, and once.
 *
 * @param room - Of bodies that are read so; who keeps one in memory takes and gives.
 */
export type BodyReader = (limit: number, room: Room) => Body | Uint8Array | Promise<Body | Uint8Array>;

/** One of this package, which gives no bytes alone. */
export type HostBodyReader = (limit: number, room: Room) => Promise<Body>;

export const NO_BODY: Body = { bytes: Buffer.alloc(0) };

/** What the core is told of a body. */
function bodyReply({ bytes, tooLarge, unavailable, malformed, overloaded }: Body): Reply {
  if (tooLarge === true) return { members: { body_too_large: true } };
  if (malformed === true) return { members: { body_malformed: true } };
  if (overloaded === true) return { members: { overloaded: true } };
  if (unavailable === true) return { members: { body_unavailable: true } };
  return { members: { body_sha256: bodyDigest(bytes) } };
}

/**
 * What a reader gave: anything else must not pass for a request without a body.
 *
 * @throws {@link TallystickError} `invalid_argument`
 */
function checkedBody(given: unknown, limit: number): Body {
  const body = isUint8Array(given) ? { bytes: Buffer.from(given.buffer, given.byteOffset, given.byteLength) } : given;
  const { bytes } = (body ?? {}) as Partial<Body>;
  // The core sees a digest, not the length.
  if (isUint8Array(bytes)) return bytes.length > limit ? { ...NO_BODY, tooLarge: true } : (body as Body);
  throw misuse("invalid_argument", "the function that reads the body must give its bytes, or { bytes, tooLarge, … }");
}

/** The need `body` of one operation. It is read once, however often its verification has to start again. */
export function bodyNeed(read: BodyReader, room: Room): Needs {
  let reply: Promise<Reply> | undefined;
  return {
    body: ({ max_bytes }) => {
      reply ??= Promise.resolve(read(max_bytes, room)).then((body) => bodyReply(checkedBody(body, max_bytes)));
      return reply;
    },
  };
}

/** Bytes that came in pieces, up to a limit. */
export class Collector {
  readonly #limit: number;
  readonly #pieces: Uint8Array[] = [];
  #length = 0;

  /** @param limit - Most bytes that are kept. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Takes one piece; false: that was too much, and nothing more must be read. */
  add(piece: Uint8Array): boolean {
    this.#length += piece.length;
    if (this.#length > this.#limit) return false;
    this.#pieces.push(piece);
    return true;
  }

  bytes(): Buffer {
    const [first] = this.#pieces;
    if (this.#pieces.length === 1 && first !== undefined) {
      return Buffer.from(first.buffer, first.byteOffset, first.byteLength);
    }
    return Buffer.concat(this.#pieces, this.#length);
  }
}

/** Reads the body of a `Request` to its end, or gives it up; `limit` is in bytes. */
export async function readRequest({ body }: Request, limit: number, held: Held): Promise<Body> {
  let full = false;
  const taken = await readStream(body, limit, (piece) => {
    full = !held.grow(piece.length);
    return !full;
  }).catch(() => null);
  if (taken === null) return { ...NO_BODY, malformed: true };
  if (taken !== undefined) return { bytes: taken, consumed: true };
  return { ...NO_BODY, ...(full ? { overloaded: true } : { tooLarge: true }) };
}

/**
 * Reads a web stream to its end, or gives it up beyond the limit.
 *
 * @param limit - In bytes.
 * @param roomFor - Whether there is room for a piece, too.
 * @returns the bytes; undefined where there are more than that.
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
