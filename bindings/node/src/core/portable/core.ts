/** Which build of the core does the work. */
export type Backend = "wasm" | "native";

/** The core itself: operations of the ABI as JSON text. */
export interface Core {
  readonly backend: Backend;
  /**
   * Counts the replacements of the WebAssembly instance. Engines of an earlier generation are gone.
   */
  readonly generation: number;
  /**
   * One operation of the ABI. What the core refuses is an answer with `error`, not an exception.
   *
   * @param op - Name of the operation, for example `request.verify`.
   * @param request - One JSON object.
   * @param body - Raw bytes: HTTP body, payload or signature. Default: none.
   * @returns JSON text with exactly one of `ok`, `need` and `error`.
   */
  call(op: string, request: string, body?: Uint8Array): string;
}

/** Default of the memory at which a WebAssembly instance is replaced, in bytes. */
export const DEFAULT_MEMORY_LIMIT = 1_073_741_824;
