import { type Answer, errorFrom, misuse, type Need, result } from "./answers.js";
import type { Core } from "./core.js";
import type { EngineOpenRequest, EngineOpenResult } from "./generated.js";

/** What `engine.resume` takes for a need. */
export interface Reply {
  readonly members: Readonly<Record<string, unknown>>;
  readonly body?: Uint8Array;
  /** What was thrown, where the reply is `failed`: the cause of the error that comes of it. */
  readonly cause?: unknown;
}

/** How a host does one kind of need. A failure is a reply with `failed`; what is thrown ends the operation. */
export type Needs = {
  readonly [Kind in Need["kind"]]?: (need: Extract<Need, { kind: Kind }>) => Reply | Promise<Reply>;
};

/** Half of the tickets that an engine of the core can hold, so that none is dropped while its need is met. */
const MAX_SUSPENDED = 512;

/** How many operations wait for one of those; what comes on top is for the core to refuse as overloaded. */
const MAX_WAITING = 8192;

const MAX_RESTARTS = 2;

/** Frees engines that nobody holds any more and nobody closed. */
const forgotten = new FinalizationRegistry<{ core: Core; generation: number; engine: number }>(
  ({ core, generation, engine }) => {
    if (core.generation === generation) core.call("engine.close", JSON.stringify({ engine }));
  },
);

/** A reply to `failed`, for the log of the core. */
export function failed(why: string): Reply {
  return { members: { failed: why } };
}

/** Seconds since 1970, which the core, having no clock, is told with each call. */
export function now(): number {
  return Date.now() / 1000;
}

/**
 * One engine of the core and the loop that serves its needs.
 * Where a WebAssembly instance was replaced, the engine is opened again from its configuration.
 */
export class Engine {
  readonly #core: Core;
  readonly #configuration: () => EngineOpenRequest;
  readonly #needs: Needs;
  readonly #finished: ((result: unknown) => void) | undefined;
  readonly #waiting: (() => void)[] = [];
  #suspended = 0;
  #generation: number;
  #opened: EngineOpenResult;
  #closed = false;

  /**
   * @param configuration - Gives the request of `engine.open`; asked again when the engine must be opened again.
   * @param needs - What the host does for the core.
   * @param finished - Sees each result of {@link Engine.run} before any other call reaches the core.
   */
  constructor(core: Core, configuration: () => EngineOpenRequest, needs: Needs, finished?: (result: unknown) => void) {
    this.#core = core;
    this.#configuration = configuration;
    this.#needs = needs;
    this.#finished = finished;
    this.#generation = core.generation;
    this.#opened = this.#open();
  }

  /** The number under which the core knows the engine now, and what it said about it. */
  get opened(): EngineOpenResult {
    if (this.#closed) throw misuse("unknown_engine", "the engine was closed");
    if (this.#generation !== this.#core.generation) {
      this.#generation = this.#core.generation;
      this.#opened = this.#open();
    }
    return this.#opened;
  }

  /** An operation on this engine that has no needs. */
  call<T>(op: string, members: object = {}): T {
    const { engine } = this.opened;
    return result<T>(this.#core.call(op, JSON.stringify({ engine, ...members })));
  }

  /**
   * An operation that may have needs: while the answer is a need, do it and resume.
   *
   * @param own - Needs that belong to this operation alone, such as the body of the request that it verifies.
   * @throws {@link TallystickError} of the core's code.
   */
  async run<T>(op: string, members: object, body?: Uint8Array, own?: Needs): Promise<T> {
    if (this.#suspended >= MAX_SUSPENDED && this.#waiting.length < MAX_WAITING)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#suspended += 1;
    try {
      return await this.#run<T>(op, members, body, own);
    } finally {
      this.#suspended -= 1;
      this.#waiting.shift()?.();
    }
  }

  /** Frees the engine in the core; every later call is refused. */
  close(): void {
    if (this.#closed) return;
    if (this.#generation === this.#core.generation) this.call("engine.close");
    this.#closed = true;
    forgotten.unregister(this);
  }

  #open(): EngineOpenResult {
    const opened = result<EngineOpenResult>(this.#core.call("engine.open", JSON.stringify(this.#configuration())));
    forgotten.unregister(this);
    forgotten.register(this, { core: this.#core, generation: this.#generation, engine: opened.engine }, this);
    return opened;
  }

  async #run<T>(op: string, members: object, body?: Uint8Array, own?: Needs): Promise<T> {
    let claimed: Reply | undefined;
    let cause: unknown;
    for (let starts = 0; starts <= MAX_RESTARTS; starts++) {
      const { engine } = this.opened;
      const generation = this.#generation;
      let answer = this.#ask<T>(op, { engine, now: now(), ...members }, body);
      while (answer.need !== undefined) {
        const { kind } = answer.need;
        // A token is claimed once, however often its verification has to start again.
        let found: Reply;
        try {
          const reply = kind === "claim" && claimed !== undefined ? claimed : this.#serve(answer.need, own);
          found = reply instanceof Promise ? await reply : reply;
        } catch (error) {
          this.#giveUp(engine, generation, answer.ticket);
          throw error;
        }
        if (kind === "claim") claimed = found;
        cause = found.cause;
        // The instance that gave the ticket is gone; to another one the ticket says nothing, or something else.
        if (this.#core.generation !== generation) break;
        const request = { engine, ticket: answer.ticket, now: now(), ...found.members };
        answer = this.#ask<T>("engine.resume", request, found.body);
      }
      if (answer.error !== undefined) throw errorFrom(answer.error, cause === undefined ? undefined : { cause });
      if (answer.need === undefined) return this.#finish(answer.ok as T);
    }
    throw misuse("internal", "the WebAssembly core was replaced again and again while a call was under way");
  }

  /** A ticket that nobody comes back for would take a place in the core for a minute. */
  #giveUp(engine: number, generation: number, ticket: number | undefined): void {
    if (this.#closed || this.#core.generation !== generation) return;
    this.#ask("engine.resume", { engine, ticket, now: now(), failed: "the host gave up" }, undefined);
  }

  #finish<T>(ok: T): T {
    this.#finished?.(ok);
    return ok;
  }

  #ask<T>(op: string, request: object, body: Uint8Array | undefined): Answer<T> {
    return JSON.parse(this.#core.call(op, JSON.stringify(request), body)) as Answer<T>;
  }

  #serve(need: Need, own: Needs | undefined): Reply | Promise<Reply> {
    const serve = (own?.[need.kind] ?? this.#needs[need.kind]) as ((need: Need) => Reply | Promise<Reply>) | undefined;
    return serve === undefined ? failed(`this host cannot do ${need.kind}`) : serve(need);
  }
}
