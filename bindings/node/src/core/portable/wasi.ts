import type { Platform, View } from "./platform.js";

// Codes of the WASI preview 1 `errno`.
const SUCCESS = 0;
const BAD_DESCRIPTOR = 8;
const IO_ERROR = 29;

// How the module asks for a check within a call (abi.md): it writes to a descriptor that no host
// has, and what was "written" is the answer.
const CHECK_DESCRIPTOR = 0x7461_6c79;
const CHECK_VALID = 0x7461_6c01;
const CHECK_INVALID = 0x7461_6c02;

/** What the monotonic clock adds to what the runtime says, in nanoseconds. */
const MONOTONIC_START = 1_000_000_000n;

/** How much of a Go panic's text is kept for the error, in characters. */
const OUTPUT_LIMIT = 4096;

/**
 * How many random bytes are fetched ahead, and the largest draw that is served from them, in bytes.
 */
const ENTROPY_AHEAD = 512;
const SMALL_DRAW = 32;

type Functions = Record<string, (...values: never[]) => number>;

/** A running module's memory. */
interface Seen {
  readonly view: View;
  readonly data: DataView;
}

/** Thrown to unwind the stack of a module that called `proc_exit`. */
export class ProcessExit extends Error {
  constructor(status: number) {
    super(`the module ended itself with status ${status}`);
  }
}

/**
 * The few functions of `wasi_snapshot_preview1` that a Go reactor without files, network and
 * arguments imports. It is our own because `node:wasi` is experimental and can corrupt memory when
 * it grows.
 */
export class Wasi {
  /** What the module printed, such as a Go panic, up to a limit. */
  output = "";
  #memory: WebAssembly.Memory | undefined;
  #seen: Seen | undefined;
  readonly #platform: Platform;
  readonly #entropy: Entropy;

  constructor(platform: Platform) {
    this.#platform = platform;
    this.#entropy = new Entropy(platform);
  }

  /** Must be called before any function of the module runs. */
  attach(memory: WebAssembly.Memory): void {
    this.#memory = memory;
  }

  /**
   * The import object. Other functions of WASI (files, network) exist and fail: there are no
   * descriptors to use them on.
   */
  imports(module: WebAssembly.Module): WebAssembly.Imports {
    const known: Functions = { ...this.#system(), ...this.#nothing() };
    const chosen: Functions = {};
    for (const { module: namespace, name } of WebAssembly.Module.imports(module)) {
      if (namespace !== "wasi_snapshot_preview1") throw new Error(`the WebAssembly module imports from ${namespace}`);
      chosen[name] = known[name] ?? (() => BAD_DESCRIPTOR);
    }
    return { wasi_snapshot_preview1: chosen };
  }

  /** The present view of the memory. Growth detaches it, so each function asks anew. */
  seen(): Seen {
    if (this.#memory === undefined) throw new Error("the WebAssembly module ran before its memory was known");
    const { buffer } = this.#memory;
    if (this.#seen?.data.buffer !== buffer) {
      this.#seen = { view: this.#platform.view(buffer), data: new DataView(buffer) };
    }
    return this.#seen;
  }

  #system(): Functions {
    return {
      clock_time_get: (clock: number, _precision: bigint, at: number) => {
        const milliseconds = clock === 0 ? Date.now() : performance.now();
        // A browser or a worker may say that none has gone by; Go ends itself when its clock stands
        // at 0.
        const now = BigInt(Math.round(milliseconds * 1_000_000)) + (clock === 0 ? 0n : MONOTONIC_START);
        this.seen().data.setBigUint64(at >>> 0, now, true);
        return SUCCESS;
      },
      random_get: (at: number, length: number) => {
        try {
          this.#entropy.fill(new Uint8Array(this.seen().data.buffer, at >>> 0, length >>> 0));
          return SUCCESS;
        } catch {
          return IO_ERROR; // Go ends itself rather than go on without entropy.
        }
      },
      fd_write: (descriptor: number, vectors: number, count: number, written: number) =>
        this.#write(descriptor, vectors >>> 0, count, written >>> 0),
      poll_oneoff: (_subscriptions: number, events: number, _count: number, ready: number) => {
        // Only Go's timed sleeps come here. Waking early is allowed; blocking the event loop is
        // not.
        const view = this.seen().data;
        new Uint8Array(view.buffer, events >>> 0, 32).fill(0);
        view.setUint32(ready >>> 0, 1, true);
        return SUCCESS;
      },
      sched_yield: () => SUCCESS,
      proc_exit: (status: number) => {
        throw new ProcessExit(status);
      },
    };
  }

  // No arguments and no environment, which may hold secrets.
  #nothing(): Functions {
    const empty = (count: number, size: number) => {
      const view = this.seen().data;
      view.setUint32(count >>> 0, 0, true);
      view.setUint32(size >>> 0, 0, true);
      return SUCCESS;
    };
    return {
      args_sizes_get: empty,
      args_get: () => SUCCESS,
      environ_sizes_get: empty,
      environ_get: () => SUCCESS,
    };
  }

  #write(descriptor: number, vectors: number, count: number, written: number): number {
    if (descriptor === CHECK_DESCRIPTOR) return this.#check(vectors, written);
    if (descriptor !== 1 && descriptor !== 2) return BAD_DESCRIPTOR;
    const view = this.seen().data;
    let total = 0;
    for (let index = 0; index < count; index++) {
      const at = view.getUint32(vectors + index * 8, true);
      const length = view.getUint32(vectors + index * 8 + 4, true);
      const room = OUTPUT_LIMIT - this.output.length;
      this.output += String.fromCharCode(...new Uint8Array(view.buffer, at, Math.min(length, room)));
      total += length;
    }
    view.setUint32(written, total, true);
    return SUCCESS;
  }

  // Three vectors: the key's thumbprint, the signing input, the signature.
  #check(vectors: number, answer: number): number {
    const { view, data } = this.seen();
    const key = data.getUint32(vectors, true);
    const input = data.getUint32(vectors + 8, true);
    const signature = data.getUint32(vectors + 16, true);
    const valid = this.#platform.check?.(
      view.read(key, key + data.getUint32(vectors + 4, true)),
      view.bytes.subarray(input, input + data.getUint32(vectors + 12, true)),
      view.bytes.subarray(signature, signature + data.getUint32(vectors + 20, true)),
    );
    if (valid === undefined) return BAD_DESCRIPTOR;
    data.setUint32(answer, valid ? CHECK_VALID : CHECK_INVALID, true);
    return SUCCESS;
  }
}

/**
 * Random bytes of the system, fetched ahead for the small draws (a jti takes 16), as `randomUUID`
 * does: a call to the system costs more than the rest of a small draw. Handed out once and wiped;
 * larger draws, for keys, are not fetched ahead.
 */
class Entropy {
  readonly #platform: Platform;
  readonly #ahead = new Uint8Array(ENTROPY_AHEAD);
  #used = ENTROPY_AHEAD;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  fill(target: Uint8Array): void {
    if (target.length > SMALL_DRAW) {
      this.#platform.fillRandom(target);
      return;
    }
    if (this.#used + target.length > ENTROPY_AHEAD) {
      this.#platform.fillRandom(this.#ahead);
      this.#used = 0;
    }
    const drawn = this.#ahead.subarray(this.#used, this.#used + target.length);
    target.set(drawn);
    drawn.fill(0);
    this.#used += target.length;
  }
}
