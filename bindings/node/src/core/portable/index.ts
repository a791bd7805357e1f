// The entry "tallystick/core". Nothing that it imports may use what only Node has.
import { type Core, DEFAULT_MEMORY_LIMIT } from "./core.js";
import { web } from "./platform.js";
import { WasmCore } from "./wasm-core.js";

export type { Backend, Core } from "./core.js";

/** How a core is opened. */
export interface OpenOptions {
  /** Memory at which a WebAssembly instance is replaced, in bytes. Default: 1 GiB. */
  readonly memoryLimit?: number | undefined;
}

/**
 * Opens a core of its own over the compiled `tallystick/tallystick.wasm`, in any JavaScript
 * runtime. Nothing is shared with other cores. It draws random bytes, so workerd allows it in a
 * handler only, not while a worker's script is loaded.
 *
 * @param module - A `WebAssembly.Module`: what `WebAssembly.compileStreaming(fetch(url))` gives in
 *   a browser, and `import module from "tallystick/tallystick.wasm"` in a worker.
 * @throws TypeError when it is something else, or memoryLimit no number above 0.
 * @throws Error when the module is not of this package's version, or does not run here.
 */
export function openCore(module: object, { memoryLimit = DEFAULT_MEMORY_LIMIT }: OpenOptions = {}): Core {
  if (!(module instanceof WebAssembly.Module)) {
    throw new TypeError("openCore takes a WebAssembly.Module: compile tallystick.wasm first, and await it");
  }
  if (typeof memoryLimit !== "number" || !(memoryLimit > 0)) {
    throw new TypeError(`memoryLimit must be a number of bytes above 0, not ${String(memoryLimit)}`);
  }
  return new WasmCore(module, web, memoryLimit);
}
