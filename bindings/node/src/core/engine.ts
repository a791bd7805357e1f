import { type Answer, ask, errorFrom, type LastClaim, misuse } from "./answers.js";
import { failed, type Need, type Needs, type Reply } from "./need.js";
import type { EngineOpenRequest, EngineOpenResult } from "./operations.js";
import type { Core } from "./portable/core.js";

/**
 * How many operations may be suspended. An engine of the core holds 1,024 tickets: fewer than that,
 * so that operations wait here and the core refuses none. At most 512 of them may wait for bodies:
 * more than that, so that slow senders are refused and delay nobody else.
 */
const MAX_SUSPENDED = 896;

/** How many further operations wait for a place; above that they are refused as overloaded. */
const MAX_WAITING = 8192;

const MAX_RESTARTS = 2;

/** Frees engines that were garbage-collected without being closed. */
const forgotten = new FinalizationRegistry<{ core: Core; generation: number; engine: number }>(
  ({ core, generation, engine }) => {
    if (core.generation === generation) core.call("engine.close", JSON.stringify({ engine }));
  },
);

/** The core's instance was replaced while an operation was under way. */
const REPLACED = Symbol("replaced");

/** The engine that gave a ticket, and the generation of its core. */
interface Place {
  readonly engine: number;
  readonly generation: number;
}

/** An answer that asks for something. */
type Pending<T> = Extract<Answer<T>, { readonly need: Need }>;

/** One operation under way. */
class Run {
  starts = 0;
  /** One of its needs was answered asynchronously. */
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

/** Seconds since 1970. The core has no clock, so each call brings the time. */
export function now(): number {
  return Date.now() / 1000;
}

/** The error of a call to an object that was closed, also of one that was under way. */
export function closedError(name: string): Error {
  return misuse("invalid_argument", `this ${name} was closed: make a new one`);
}

/** Whether a value is a promise. Not by `instanceof`: programs replace the global `Promise`. */
export function isLater<T>(value: T | PromiseLike<T>): value is PromiseLike<T> {
  return typeof (value as { readonly then?: unknown } | null | undefined)?.then === "function";
}

/**
 * Adds the engine and the time, which every request has, to `members`, the text of a JSON object.
 */
function withNow(engine: number, members: string): string {
  const separator = members === "{}" ? "" : ",";
  return `{"engine":${engine},"now":${now()}${separator}${members.slice(1)}`;
}

/**
 * One engine of the core, and the loop that serves its needs. After a WebAssembly instance was
 * replaced, the engine is opened again from its configuration.
 */
export class Engine {
  readonly #name: string;
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
   * @param name - The class that it works for, in errors.
   * @param configuration - Gives the request of `engine.open`; called again when the engine is
   *   opened again.
   * @param needs - What the host does for the core.
   * @param finished - Called with each result of {@link Engine.run}, before any other call reaches
   *   the core.
   */
  constructor(
    name: string,
    core: Core,
    configuration: () => EngineOpenRequest,
    needs: Needs,
    finished?: (result: unknown) => void,
  ) {
    this.#name = name;
    this.#core = core;
    this.#configuration = configuration;
    this.#needs = needs;
    this.#finished = finished;
    this.#generation = core.generation;
    this.#opened = this.#open();
  }

  /** The core's answer to the present `engine.open`: its number and its limits. */
  get opened(): EngineOpenResult {
    this.#refuseIfClosed();
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
   * An operation that may have needs: while the answer is a need, do it and resume. The result is a
   * promise only if a need was answered asynchronously, because a promise costs as much time as
   * some operations of the core.
   *
   * @param members - The request without engine and time, as an object or as JSON text.
   * @param own - Needs of this operation alone, such as the body of the request that it verifies.
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

  #refuseIfClosed(): void {
    if (this.#closed) throw closedError(this.#name);
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
    // The core does not count claims that end a verification, since they have no ticket.
    if (ticket === undefined && !run.suspended && this.#suspended >= MAX_SUSPENDED) {
      return { members: { claim: "overloaded" } };
    }
    // A verification may start again; its token is claimed once all the same.
    return need.kind === "claim" && run.claimed !== undefined ? run.claimed : this.#serve(need, run.own);
  }

  /**
   * Goes on once a need is answered. The operation counts as suspended from its first asynchronous
   * need until its end.
   */
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

  /**
   * The next answer. For a claim that ends the operation it is the result inside the need, or the
   * core's refusal.
   */
  #goOn<T>(run: Run, place: Place, { ticket, need }: Pending<T>, found: Reply): Answer<T> | typeof REPLACED {
    if (ticket !== undefined) return this.#resume<T>(run, place, ticket, need, found);
    const { issuer, jti, claimed } = need as LastClaim<T>;
    if (found.members["claim"] === "claimed") return claimed;
    run.cause = found.cause;
    const { engine } = this.opened;
    return this.#ask("claim.refuse", JSON.stringify({ engine, issuer, jti, ...found.members }), undefined);
  }

  /**
   * The next answer, or REPLACED when the instance that gave the ticket is gone: another instance
   * does not know the ticket, or knows another one by that number.
   */
  #resume<T>(run: Run, place: Place, ticket: number, need: Need, found: Reply): Answer<T> | typeof REPLACED {
    if (need.kind === "claim") run.claimed = found;
    run.cause = found.cause;
    this.#refuseIfClosed(); // the ticket went with the engine
    if (this.#core.generation !== place.generation) return REPLACED;
    const members = JSON.stringify({ ticket, ...found.members });
    const answer = this.#ask<T>("engine.resume", withNow(place.engine, members), found.body);
    // The core keeps a ticket whose answer it could not read.
    if (answer.error?.code === "invalid_argument") this.#giveUp(place, ticket);
    return answer;
  }

  /** Gives a ticket back. Otherwise it takes a place in the core for a minute. */
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
