/** Which build of the core does the work. */
export type Backend = "wasm" | "native";

/** The core itself, below every comfort: operations of the ABI as JSON text. */
export interface Core {
  readonly backend: Backend;
  /** Grows when a WebAssembly instance was replaced: engines of an earlier generation are gone. */
  readonly generation: number;
  /**
   * One operation of the ABI. Never throws for what the core refuses: the answer says so.
   *
   * @param op - Name of the operation, for example `request.verify`.
   * @param request - One JSON object.
   * @param body - Raw bytes: HTTP body, payload or signature. Default: none.
   * @returns JSON text with exactly one of `ok`, `need` (with `ticket`) and `error`.
   */
  call(op: string, request: string, body?: Uint8Array): string;
}

/** Memory at which a WebAssembly instance is replaced when nobody says otherwise, in bytes. */
export const DEFAULT_MEMORY_LIMIT = 1_073_741_824;
