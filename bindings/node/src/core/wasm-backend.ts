import { randomFillSync } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { misuse } from "./answers.js";
import { checkNow } from "./host-crypto.js";
import type { Platform, View } from "./portable/platform.js";
import { WasmCore, WrongModule } from "./portable/wasm-core.js";

/** `Buffer` reads and writes short texts faster than the web's coders. */
class BufferView implements View {
  readonly bytes: Buffer;
  constructor(memory: ArrayBuffer) {
    this.bytes = Buffer.from(memory);
  }
  write(text: string, at: number, room: number): number {
    return this.bytes.write(text, at, room);
  }
  read(at: number, end: number): string {
    return this.bytes.toString("utf8", at, end);
  }
}

const node: Platform = {
  fillRandom: (target) => void randomFillSync(target),
  byteLength: (text) => Buffer.byteLength(text),
  view: (memory) => new BufferView(memory),
  check: checkNow,
};

let compiled: Promise<WebAssembly.Module> | undefined;

/** The module next to this file, compiled once per thread. */
async function compile(): Promise<WebAssembly.Module> {
  const file = join(__dirname, "..", "..", "tallystick.wasm");
  try {
    return await WebAssembly.compile(await readFile(file));
  } catch (cause) {
    throw misuse("invalid_config", `the WebAssembly core ${file} cannot be loaded: reinstall the package`, { cause });
  }
}

/** A fresh instance of the module in this thread. */
export async function loadWasm(memoryLimit: number): Promise<WasmCore> {
  compiled ??= compile();
  try {
    return new WasmCore(await compiled, node, memoryLimit);
  } catch (error) {
    compiled = undefined;
    throw error instanceof WrongModule ? misuse("invalid_config", error.message) : error;
  }
}
