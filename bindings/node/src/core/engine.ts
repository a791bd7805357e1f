import { type Answer, ask, errorFrom, type LastClaim, misuse } from "./answers.js";
import { failed, type Need, type Needs, now, type Reply } from "./need.js";
import type { EngineOpenRequest, EngineOpenResult } from "./operations.js";
import type { Core } from "./portable/core.js";

/**
 * Fewer than the 1,024 tickets that an engine of the core can hold, so that it need not refuse what can wait here; and
 * more than the 512 that may wait for bodies there, so that slow senders are refused and do not keep everybody waiting.
 */
const MAX_SUSPENDED = 896;

/** How many operations wait for one of those; what comes on top is refused as overloaded. */
const MAX_WAITING = 8192;

const MAX_RESTARTS = 2;

/** Frees engines that nobody holds any more and nobody closed. */
const forgotten = new FinalizationRegistry<{ core: Core; generation: number; engine: number }>(
  ({ core, generation, engine }) => {
    if (core.generation === generation) core.call("engine.close", JSON.stringify({ engine }));
  },
);

/** The core's instance was replaced while an operation was under way. */
const REPLACED = Symbol("replaced");

/** Where a ticket is good: an engine of one instance. */
interface Place {
  readonly engine: number;
  readonly generation: number;
}

/** An answer that asks for something. */
type Pending<T> = Extract<Answer<T>, { readonly need: Need }>;

/** One operation under way. */
class Run {
  starts = 0;
  /** It met a need that took its time. */
  suspended = false;
  claimed: Reply | undefined;
  cause: unknown;
  constructor(
    readonly op: string,
    readonly members: string,
    readonly body: Uint8Array | undefined,
    readonly own: Needs | undefined,
  ) {}
}

/** Whether a value is still to come: by whatever `Promise`, since programs replace the global one. */
export function isLater<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as { readonly then?: unknown } | null | undefined)?.then === "function";
}

/** A request with what every one has; `members` is a JSON object. */
function withNow(engine: number, members: string): string {
  const separator = members === "{}" ? "" : ",";
  return `{"engine":${engine},"now":${now()}${separator}${members.slice(1)}`;
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
    return ask<T>(this.#core, op, { engine, ...members });
  }

  /**
   * An operation that may have needs: while the answer is a need, do it and resume. It is done when this returns, or is
   * a promise from the first need on that takes its time: a promise costs as much as the core's part of some operations.
   *
   * @param members - What the request has beside engine and time, or the JSON text of it.
   * @param own - Needs that belong to this operation alone, such as the body of the request that it verifies.
   * @throws {@link TallystickError} of the core's code.
   */
  run<T>(op: string, members: object | string, body?: Uint8Array, own?: Needs): T | Promise<T> {
    const run = new Run(op, typeof members === "string" ? members : JSON.stringify(members), body, own);
    const room = this.#suspended < MAX_SUSPENDED || this.#waiting.length >= MAX_WAITING;
    return room ? this.#start<T>(run) : this.#startLater<T>(run);
  }

  /** Frees the engine in the core; every later call is refused. */
  close(): void {
    if (this.#closed) return;
    if (this.#generation === this.#core.generation) this.call("engine.close");
    this.#closed = true;
    forgotten.unregister(this);
  }

  #open(): EngineOpenResult {
    const opened = ask<EngineOpenResult>(this.#core, "engine.open", this.#configuration());
    forgotten.unregister(this);
    forgotten.register(this, { core: this.#core, generation: this.#generation, engine: opened.engine }, this);
    return opened;
  }

  async #startLater<T>(run: Run): Promise<T> {
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await this.#start<T>(run);
    } finally {
      if (!run.suspended) this.#waiting.shift()?.();
    }
  }

  #start<T>(run: Run): T | Promise<T> {
    while (run.starts++ <= MAX_RESTARTS) {
      const { engine } = this.opened;
      const place = { engine, generation: this.#generation };
      const answer = this.#ask<T>(run.op, withNow(engine, run.members), run.body);
      const done = this.#serveAll<T>(run, place, answer);
      if (done !== REPLACED) return done;
    }
    throw misuse("internal", "the WebAssembly core was replaced again and again while a call was under way");
  }

  #serveAll<T>(run: Run, place: Place, first: Answer<T>): T | Promise<T> | typeof REPLACED {
    let answer = first;
    while (answer.need !== undefined) {
      const pending = answer;
      let found: Reply | Promise<Reply>;
      try {
        found = this.#meet(run, pending);
      } catch (error) {
        this.#giveUp(place, pending.ticket);
        throw error;
      }
      if (isLater(found)) return this.#follow<T>(run, place, pending, found);
      const next = this.#goOn<T>(run, place, pending, found);
      if (next === REPLACED) return next;
      answer = next;
    }
    if (answer.error === undefined) return this.#finish(answer.ok as T);
    throw errorFrom(answer.error, run.cause === undefined ? undefined : { cause: run.cause });
  }

  #meet(run: Run, { ticket, need }: Pending<unknown>): Reply | Promise<Reply> {
    // Nothing in the core counts the claims that end a verification.
    if (ticket === undefined && !run.suspended && this.#suspended >= MAX_SUSPENDED) {
      return { members: { claim: "overloaded" } };
    }
    // A token is claimed once, however often its verification has to start again.
    return need.kind === "claim" && run.claimed !== undefined ? run.claimed : this.#serve(need, run.own);
  }

  /** Goes on once a need is met. The operation counts as suspended from its first such need until it has ended. */
  async #follow<T>(run: Run, place: Place, pending: Pending<T>, reply: PromiseLike<Reply>): Promise<T> {
    const first = !run.suspended;
    run.suspended = true;
    if (first) this.#suspended += 1;
    try {
      let found: Reply;
      try {
        found = await reply;
      } catch (error) {
        this.#giveUp(place, pending.ticket);
        throw error;
      }
      const next = this.#goOn<T>(run, place, pending, found);
      const served = next === REPLACED ? next : this.#serveAll<T>(run, place, next);
      const done = served === REPLACED ? this.#start<T>(run) : served;
      return isLater(done) ? await done : done;
    } finally {
      if (first) {
        this.#suspended -= 1;
        this.#waiting.shift()?.();
      }
    }
  }

  /** The next answer: of a claim that ends the operation, the result that lies in it or what the core makes of the refusal. */
  #goOn<T>(run: Run, place: Place, { ticket, need }: Pending<T>, found: Reply): Answer<T> | typeof REPLACED {
    if (ticket !== undefined) return this.#resume<T>(run, place, ticket, need, found);
    const { issuer, jti, claimed } = need as LastClaim<T>;
    if (found.members["claim"] === "claimed") return claimed;
    run.cause = found.cause;
    const { engine } = this.opened;
    return this.#ask("claim.refuse", JSON.stringify({ engine, issuer, jti, ...found.members }), undefined);
  }

  /** The next answer, unless the instance that gave the ticket is gone: to another one it says nothing, or something else. */
  #resume<T>(run: Run, place: Place, ticket: number, need: Need, found: Reply): Answer<T> | typeof REPLACED {
    if (need.kind === "claim") run.claimed = found;
    run.cause = found.cause;
    if (this.#core.generation !== place.generation) return REPLACED;
    const members = JSON.stringify({ ticket, ...found.members });
    const answer = this.#ask<T>("engine.resume", withNow(place.engine, members), found.body);
    // What the core could not read has not used the ticket up.
    if (answer.error?.code === "invalid_argument") this.#giveUp(place, ticket);
    return answer;
  }

  /** A ticket that nobody comes back for would take a place in the core for a minute. */
  #giveUp(place: Place, ticket: number | undefined): void {
    if (ticket === undefined || this.#closed || this.#core.generation !== place.generation) return;
    const members = JSON.stringify({ ticket, failed: "the host gave up" });
    this.#ask("engine.resume", withNow(place.engine, members), undefined);
  }

  #finish<T>(ok: T): T {
    this.#finished?.(ok);
    return ok;
  }

  #ask<T>(op: string, request: string, body: Uint8Array | undefined): Answer<T> {
    return JSON.parse(this.#core.call(op, request, body)) as Answer<T>;
  }

  #serve(need: Need, own: Needs | undefined): Reply | Promise<Reply> {
    const serve = (own?.[need.kind] ?? this.#needs[need.kind]) as ((need: Need) => Reply | Promise<Reply>) | undefined;
    return serve === undefined ? failed(`this host cannot do ${need.kind}`) : serve(need);
  }
}
