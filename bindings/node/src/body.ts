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

/**
 * Reads a web stream to its end, or gives it up beyond the limit.
 *
 * @param limit - In bytes.
 * @returns the bytes; undefined where there are more than that.
 */
export async function readStream(
  stream: ReadableStream<Uint8Array> | null,
  limit: number,
): Promise<Buffer<ArrayBuffer> | undefined> {
  const collector = new Collector(limit);
  if (stream === null) return Buffer.alloc(0);
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return collector.bytes() as Buffer<ArrayBuffer>;
    if (collector.add(value)) continue;
    reader.cancel().catch(() => {});
    return undefined;
  }
}
