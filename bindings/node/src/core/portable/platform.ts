/** A view of a running module's memory. It is detached when the memory grows. */
export interface View {
  readonly bytes: Uint8Array;
  /**
   * Writes text as UTF-8 (a lone surrogate as U+FFFD), at most `room` bytes of it, and returns how
   * many.
   */
  write(text: string, at: number, room: number): number;
  /** The UTF-8 text from `at` up to `end`. */
  read(at: number, end: number): string;
}

/** What an instance of the module needs of the JavaScript runtime that it lives in. */
export interface Platform {
  /**
   * Fills the target with random bytes of the system, or throws. The core asks for some hundred
   * bytes at most.
   */
  fillRandom(target: Uint8Array): void;
  /** Length of the text in UTF-8, in bytes. */
  byteLength(text: string): number;
  view(memory: ArrayBuffer): View;
  /**
   * Verifies a signature by the key's algorithm within a call of the module: a second call for the
   * answer would take a quarter of the whole time. The arrays are the module's memory and must not
   * be kept. Never throws.
   *
   * @param key - Its name: the RFC 7638 thumbprint and, of a key for PS256, `.PS256`.
   * @returns undefined if it cannot tell, for example without the key. The core then asks by the
   *   need `check`.
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
