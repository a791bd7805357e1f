import { misuse } from "./answers.js";
import { NativeBackend } from "./native-backend.js";
import { BACKEND, checkOptions, PATH, type Rules } from "./options.js";
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
 * @throws {@link TallystickError} `invalid_argument` for an option that does not exist or has a
 *   wrong value, such as a library that cannot be loaded; `invalid_config` when a package that the
 *   backend needs is missing; the message says what to install.
 */
export async function loadCore(options: CoreOptions = {}): Promise<Core> {
  const own = checkOptions("loadCore", options, OPTIONS);
  checkLibrary("loadCore", own);
  return load(own);
}

async function load({ backend, library, memoryLimit }: CoreOptions): Promise<Core> {
  if (chosenBackend(backend) === "native") return NativeBackend.load(library);
  return loadWasm(memoryLimit ?? DEFAULT_MEMORY_LIMIT);
}

/**
 * Refuses a library that nothing would load.
 *
 * @throws {@link TallystickError} `invalid_argument`
 */
export function checkLibrary(what: string, { backend, library }: Pick<CoreOptions, "backend" | "library">): void {
  if (library === undefined || chosenBackend(backend) === "native") return;
  throw misuse("invalid_argument", `${what}: library goes with the native backend: write backend: "native" beside it`);
}

const BACKEND_VARIABLE = "TALLYSTICK_BACKEND";

/** The backend of an option, else of the environment, else the default. An empty variable is none. */
function chosenBackend(option: Backend | undefined): Backend {
  const chosen: unknown = option ?? (process.env[BACKEND_VARIABLE] || "wasm");
  if (chosen === "wasm" || chosen === "native") return chosen;
  const found = JSON.stringify(String(chosen).slice(0, 100));
  throw misuse("invalid_argument", `unknown backend ${found} (variable ${BACKEND_VARIABLE}): use "native" or "wasm"`);
}

const OPTIONS: Rules<CoreOptions> = {
  backend: BACKEND,
  library: PATH,
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
    core = load(options);
    shared.set(name, core);
    core.catch(() => shared.delete(name));
  }
  return core;
}
