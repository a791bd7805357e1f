/** The memory of a running module, seen once; growth detaches it. */
export interface View {
  readonly bytes: Uint8Array;
  /** Writes text as UTF-8 (a lone surrogate as U+FFFD), at most `room` bytes of it, and returns how many. */
  write(text: string, at: number, room: number): number;
  /** The UTF-8 text from `at` up to `end`. */
  read(at: number, end: number): string;
}

/** What an instance of the module needs of the JavaScript runtime that it lives in. */
export interface Platform {
  /** Fills all of it with random bytes of the system, or throws. The core draws some hundred bytes at once at most. */
  fillRandom(target: Uint8Array): void;
  /** Length of the text in UTF-8, in bytes. */
  byteLength(text: string): number;
  view(memory: ArrayBuffer): View;
  /**
   * Does the RSA operation of a verification, RSASSA-PKCS1-v1_5 with SHA-256, while the module waits; a call of its own
   * for the answer would take a quarter of the whole. The arrays are the module's memory: nothing of them may be kept.
   * Never throws.
   *
   * @param key - RFC 7638 thumbprint.
   * @returns undefined where it cannot tell, for example because it does not have the key: the core asks by the need
   *   `check` then.
   */
  check?(key: string, input: Uint8Array, signature: Uint8Array): boolean | undefined;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** What every runtime with web APIs has: browsers, workerd, Deno, Bun and Node. */
export const web: Platform = {
  fillRandom: (target) => void crypto.getRandomValues(target),
  byteLength: (text) => encoder.encode(text).length,
  view(memory) {
    const bytes = new Uint8Array(memory);
    return {
      bytes,
      write: (text, at, room) => encoder.encodeInto(text, bytes.subarray(at, at + room)).written,
      read: (at, end) => decoder.decode(bytes.subarray(at, end)),
    };
  },
};
