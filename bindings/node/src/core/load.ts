import { misuse } from "./answers.js";
import { NativeBackend } from "./native-backend.js";
import { checkOptions, type Rules, STRING, TEXT } from "./options.js";
import { type Backend, type Core, DEFAULT_MEMORY_LIMIT } from "./portable/core.js";
import { loadWasm } from "./wasm-backend.js";

export type { Backend, Core } from "./portable/core.js";

/** How to reach the core. */
export interface CoreOptions {
  /**
   * "wasm" needs nothing more; "native" needs the package koffi and the C library. Default:
   * `TALLYSTICK_BACKEND`, else "wasm".
   */
  readonly backend?: Backend | undefined;
  /** Path of libtallystick for "native". Default: `TALLYSTICK_LIBRARY`. */
  readonly library?: string | undefined;
  /** Memory at which a WebAssembly instance is replaced, in bytes. Default: 1 GiB. */
  readonly memoryLimit?: number | undefined;
}

/**
 * Loads a core that nothing else uses. With "wasm" that is a fresh instance of the module, which is
 * compiled once per thread.
 *
 * @throws {@link TallystickError} `invalid_config` when the backend cannot be loaded; the message
 *   says what to install. `invalid_argument` for an option that does not exist or has a wrong type.
 */
export async function loadCore(options: CoreOptions = {}): Promise<Core> {
  checkOptions("loadCore", options, OPTIONS);
  const backend = options.backend ?? process.env["TALLYSTICK_BACKEND"] ?? "wasm";
  if (backend === "wasm") return loadWasm(options.memoryLimit ?? DEFAULT_MEMORY_LIMIT);
  if (backend === "native") return NativeBackend.load(options.library);
  throw misuse("invalid_config", `backend must be "wasm" or "native", not ${JSON.stringify(backend)}`);
}

const OPTIONS: Rules<CoreOptions> = {
  backend: STRING, // the value is checked in loadCore, because it may come from the environment
  library: TEXT,
  memoryLimit: { must: "a number of bytes above 0", holds: (value) => typeof value === "number" && value > 0 },
};

const shared = new Map<string, Promise<Core>>();

/** The core that everything with the same options in this thread shares. */
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
