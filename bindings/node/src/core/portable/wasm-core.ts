import { oneLine, reason } from "../text.js";
import { type Core, checkCall } from "./core.js";
import { Instance } from "./instance.js";
import type { Platform } from "./platform.js";
import { ProcessExit } from "./wasi.js";

/** How the core's answer begins when it caught a panic of its own. */
const PANICKED = '{"error":{"code":"internal"';

const NOTHING = new Uint8Array(0);

/** The core as a WebAssembly module in this thread's JavaScript engine. */
export class WasmCore implements Core {
  readonly backend = "wasm";
  readonly #module: WebAssembly.Module;
  readonly #platform: Platform;
  readonly #memoryLimit: number;
  #instance: Instance | undefined;
  #generation = 0;

  /** @throws {@link WrongModule} when the module is not of this package's version. */
  constructor(module: WebAssembly.Module, platform: Platform, memoryLimit: number) {
    this.#module = module;
    this.#platform = platform;
    this.#memoryLimit = memoryLimit;
    this.#instance = new Instance(module, platform);
  }

  get generation(): number {
    return this.#generation;
  }

  call(op: string, request: string, body: Uint8Array = NOTHING): string {
    checkCall(op, request, body);
    try {
      const instance = (this.#instance ??= new Instance(this.#module, this.#platform));
      const answer = instance.call(op, request, body);
      // WebAssembly memory never shrinks; and after a panic, though it was caught, nothing in it
      // can be trusted.
      if (instance.size > this.#memoryLimit || answer.startsWith(PANICKED)) this.#retire();
      return answer;
    } catch (error) {
      const printed = this.#instance?.wasi.output ?? "";
      this.#retire();
      return broken(error, printed);
    }
  }

  #retire(): void {
    this.#instance = undefined;
    this.#generation += 1;
  }
}

function broken(error: unknown, output: string): string {
  const kind = error instanceof ProcessExit ? error.message : `trap: ${reason(error)}`;
  const log = output === "" ? kind : `${kind}; it printed: ${oneLine(output)}`;
  return JSON.stringify({
    error: { code: "internal", message: "the WebAssembly core stopped; it was replaced by a fresh one", log },
  });
}
