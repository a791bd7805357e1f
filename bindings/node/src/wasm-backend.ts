import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { misuse, oneLine, reason } from "./answers.js";
import type { Core } from "./core.js";
import { ABI_VERSION } from "./generated.js";
import { ProcessExit, Wasi } from "./wasi.js";

/** One buffer inside the module serves every call whose operation, request and body fit, in bytes. */
const SCRATCH = 65_536;

/** How the core's answer begins when it caught a panic of its own. */
const PANICKED = '{"error":{"code":"internal"';

const NOTHING = new Uint8Array(0);

interface Exports {
  readonly memory: WebAssembly.Memory;
  _initialize(): void;
  tally_abi_version(): number;
  tally_alloc(size: number): number;
  tally_free(pointer: number): void;
  tally_call(
    op: number,
    opLength: number,
    request: number,
    requestLength: number,
    body: number,
    bodyLength: number,
  ): bigint;
}

let compiled: Promise<WebAssembly.Module> | undefined;

/** The module next to this file, compiled once per thread. */
async function compile(): Promise<WebAssembly.Module> {
  const file = join(__dirname, "..", "tallystick.wasm");
  try {
    return await WebAssembly.compile(await readFile(file));
  } catch (cause) {
    throw misuse("invalid_config", `the WebAssembly core ${file} cannot be loaded: reinstall the package`, { cause });
  }
}

/** One running copy of the module. After a trap its state is broken and it must not be called again. */
class Instance {
  readonly wasi = new Wasi();
  readonly #exports: Exports;
  readonly #scratch: number;
  #bytes = Buffer.alloc(0);

  constructor(module: WebAssembly.Module) {
    const instance = new WebAssembly.Instance(module, this.wasi.imports(module));
    this.#exports = instance.exports as unknown as Exports;
    this.wasi.attach(this.#exports.memory);
    this.#exports._initialize();
    const version = this.#exports.tally_abi_version();
    if (version !== ABI_VERSION) {
      throw misuse("invalid_config", `the WebAssembly core speaks ABI ${version}, this package ABI ${ABI_VERSION}`);
    }
    this.#scratch = this.#exports.tally_alloc(SCRATCH) >>> 0;
  }

  /** Bytes of memory that the instance has taken; it never gives any back. */
  get size(): number {
    return this.#exports.memory.buffer.byteLength;
  }

  call(op: string, request: string, body: Uint8Array): string {
    // A character takes at most three bytes, so what passes this test fits without counting.
    if (op.length + request.length * 3 + body.length <= SCRATCH) {
      return this.#callAt(this.#scratch, op, request, request.length * 3, body);
    }
    const requestRoom = Buffer.byteLength(request);
    const at = this.#exports.tally_alloc(op.length + requestRoom + body.length) >>> 0;
    const answer = this.#callAt(at, op, request, requestRoom, body);
    this.#exports.tally_free(at);
    return answer;
  }

  #callAt(at: number, op: string, request: string, requestRoom: number, body: Uint8Array): string {
    const bytes = this.#view();
    bytes.write(op, at, "latin1");
    const requestAt = at + op.length;
    const requestLength = bytes.write(request, requestAt, requestRoom);
    const bodyAt = requestAt + requestLength;
    if (body.length > 0) bytes.set(body, bodyAt);
    const packed = this.#exports.tally_call(at, op.length, requestAt, requestLength, bodyAt, body.length);
    const pointer = Number((packed >> 32n) & 0xffff_ffffn);
    const answer = this.#view().toString("utf8", pointer, pointer + Number(packed & 0xffff_ffffn));
    return answer;
  }

  // Growth detaches every view of the memory.
  #view(): Buffer {
    const { buffer } = this.#exports.memory;
    if (this.#bytes.buffer !== buffer) this.#bytes = Buffer.from(buffer);
    return this.#bytes;
  }
}

/** The core as a WebAssembly module in this thread's JavaScript engine. */
export class WasmBackend implements Core {
  readonly backend = "wasm";
  readonly #module: WebAssembly.Module;
  readonly #memoryLimit: number;
  #instance: Instance | undefined;
  #generation = 0;

  private constructor(module: WebAssembly.Module, memoryLimit: number) {
    this.#module = module;
    this.#memoryLimit = memoryLimit;
    this.#instance = new Instance(module);
  }

  static async load(memoryLimit: number): Promise<WasmBackend> {
    compiled ??= compile();
    try {
      return new WasmBackend(await compiled, memoryLimit);
    } catch (error) {
      compiled = undefined;
      throw error;
    }
  }

  get generation(): number {
    return this.#generation;
  }

  call(op: string, request: string, body: Uint8Array = NOTHING): string {
    const instance = (this.#instance ??= new Instance(this.#module));
    try {
      const answer = instance.call(op, request, body);
      // WebAssembly memory never shrinks; and after a panic, though it was caught, nothing in it can be trusted.
      if (instance.size > this.#memoryLimit || answer.startsWith(PANICKED)) this.#retire();
      return answer;
    } catch (error) {
      this.#retire();
      return broken(error, instance.wasi.output);
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
