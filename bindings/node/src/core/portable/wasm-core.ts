import { ABI_VERSION } from "../operations.js";
import { oneLine, reason } from "../text.js";
import type { Core } from "./core.js";
import type { Platform, View } from "./platform.js";
import { ProcessExit, Wasi } from "./wasi.js";

/**
 * One buffer inside the module serves every call whose operation, request and body fit, in bytes.
 */
const SCRATCH = 65_536;

/** How the core's answer begins when it caught a panic of its own. */
const PANICKED = '{"error":{"code":"internal"';

const NOTHING = new Uint8Array(0);

/** The module is not of this package's version; `message` has both versions. */
export class WrongModule extends Error {}

/**
 * Checks the types of a call. A text as body would become other bytes, and an ArrayBuffer, which
 * has no `length`, would become none.
 *
 * @throws TypeError
 */
export function checkCall(op: unknown, request: unknown, body: unknown): void {
  if (typeof op !== "string" || typeof request !== "string") {
    throw new TypeError("a call of the core takes the operation and the request as texts");
  }
  // The second test accepts bytes of another realm, such as a test runner's.
  if (!(body instanceof Uint8Array) && Object.prototype.toString.call(body) !== "[object Uint8Array]") {
    throw new TypeError("a call of the core takes the body as a Uint8Array: encode a text, wrap an ArrayBuffer");
  }
}

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

/**
 * One running copy of the module. After a trap its state is broken and it must not be called again.
 */
class Instance {
  readonly wasi: Wasi;
  readonly #exports: Exports;
  readonly #platform: Platform;
  readonly #scratch: number;

  constructor(module: WebAssembly.Module, platform: Platform) {
    this.#platform = platform;
    this.wasi = new Wasi(platform);
    const instance = new WebAssembly.Instance(module, this.wasi.imports(module));
    this.#exports = instance.exports as unknown as Exports;
    this.wasi.attach(this.#exports.memory);
    this.#exports._initialize();
    const version = this.#exports.tally_abi_version();
    if (version !== ABI_VERSION) {
      throw new WrongModule(`the WebAssembly core speaks ABI ${version}, this package ABI ${ABI_VERSION}`);
    }
    this.#scratch = this.#exports.tally_alloc(SCRATCH) >>> 0;
  }

  /** Bytes of memory that the instance has taken; it never gives any back. */
  get size(): number {
    return this.#exports.memory.buffer.byteLength;
  }

  call(op: string, request: string, body: Uint8Array): string {
    // A UTF-16 unit takes at most three bytes, so the texts need not be counted.
    if ((op.length + request.length) * 3 + body.length <= SCRATCH) {
      return this.#callAt(this.#scratch, op, request, request.length * 3, body);
    }
    const requestRoom = this.#platform.byteLength(request);
    const at = this.#exports.tally_alloc(op.length * 3 + requestRoom + body.length) >>> 0;
    const answer = this.#callAt(at, op, request, requestRoom, body);
    this.#exports.tally_free(at);
    return answer;
  }

  // Some platforms refuse a range beyond the memory's end, even for a short text.
  #callAt(at: number, op: string, request: string, requestRoom: number, body: Uint8Array): string {
    const { view } = this.wasi.seen();
    const opLength = writeOperation(view, op, at);
    const requestAt = at + opLength;
    const requestLength = view.write(request, requestAt, requestRoom);
    const bodyAt = requestAt + requestLength;
    if (body.length > 0) view.bytes.set(body, bodyAt);
    const packed = this.#exports.tally_call(at, opLength, requestAt, requestLength, bodyAt, body.length);
    const pointer = Number((packed >> 32n) & 0xffff_ffffn);
    return this.wasi.seen().view.read(pointer, pointer + Number(packed & 0xffff_ffffn));
  }
}

/**
 * Names of operations are ASCII, which is quick to write. Others are written as UTF-8, and the core
 * refuses them.
 */
function writeOperation(view: View, op: string, at: number): number {
  for (let index = 0; index < op.length; index++) {
    const code = op.charCodeAt(index);
    if (code > 0x7f) return view.write(op, at, op.length * 3);
    view.bytes[at + index] = code;
  }
  return op.length;
}
