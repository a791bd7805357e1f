import { misuse } from "./answers.js";
import { NativeBackend } from "./native-backend.js";
import { type Backend, type Core, DEFAULT_MEMORY_LIMIT } from "./portable/core.js";
import { loadWasm } from "./wasm-backend.js";

export type { Backend, Core } from "./portable/core.js";

/** How to reach the core. */
export interface CoreOptions {
  /** "wasm" needs nothing else; "native" needs koffi and the C library. Default: `TALLYSTICK_BACKEND`, else "wasm". */
  readonly backend?: Backend | undefined;
  /** Path of libtallystick for "native". Default: `TALLYSTICK_LIBRARY`. */
  readonly library?: string | undefined;
  /** Memory at which a WebAssembly instance is replaced, in bytes. Default: 1 GiB. */
  readonly memoryLimit?: number | undefined;
}

/**
 * Loads a core of its own: with "wasm" a fresh instance of the module, which is compiled once per thread.
 *
 * @throws {@link TallystickError} `invalid_config` when the backend cannot be loaded; the message says what to install.
 */
export async function loadCore(options: CoreOptions = {}): Promise<Core> {
  const backend = options.backend ?? process.env["TALLYSTICK_BACKEND"] ?? "wasm";
  if (backend === "wasm") return loadWasm(options.memoryLimit ?? DEFAULT_MEMORY_LIMIT);
  if (backend === "native") return NativeBackend.load(options.library);
  throw misuse("invalid_config", `backend must be "wasm" or "native", not ${JSON.stringify(backend)}`);
}

const shared = new Map<string, Promise<Core>>();

/** The core that everything in this thread with the same options shares. */
export function sharedCore(options: CoreOptions = {}): Promise<Core> {
  const { TALLYSTICK_BACKEND, TALLYSTICK_LIBRARY } = process.env;
  const name = JSON.stringify([
    options.backend ?? TALLYSTICK_BACKEND,
    options.library ?? TALLYSTICK_LIBRARY,
    options.memoryLimit,
  ]);
  let core = shared.get(name);
  if (core === undefined) {
    core = loadCore(options);
    shared.set(name, core);
    core.catch(() => shared.delete(name));
  }
  return core;
}
