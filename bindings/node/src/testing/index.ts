// The entry tallystick/testing: what users' own tests need.
import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { checkOptions, FUNCTION, type Rule, type Rules, seconds } from "../core/options.js";
import { reason } from "../core/text.js";
import { Processes, type Task } from "./processes.js";
import type { Outcome } from "./worker.js";

/** What the store test may do besides. */
export interface StoreTestOptions {
  /** Processes that open the store, 1 to 64. Default: 4. */
  readonly processes?: number | undefined;
  /** Claimants of one id at the same time, in all processes together, 2 to 1,024. Default: 64. */
  readonly claimants?: number | undefined;
  /** Ids that they fight for, 1 to 100,000. Default: 200. */
  readonly ids?: number | undefined;
  /** Seconds that the store gives a call. In an outage none may take twice as long. Default: 2. */
  readonly timeout?: number | undefined;
  /** Makes the server of the store hang, such as by SIGSTOP; goes with resume. Default: none. */
  readonly pause?: (() => unknown) | undefined;
  /** Ends what pause began. Default: none. */
  readonly resume?: (() => unknown) | undefined;
  /** Ends the server at once and starts it again, and resolves when it runs. Default: none. */
  readonly restart?: (() => unknown) | undefined;
  /** Gets a line of text for each check that was passed. Default: none. */
  readonly onProgress?: ((line: string) => void) | undefined;
}

/** A check of the store test failed. */
export class StoreTestError extends Error {
  override readonly name = "StoreTestError";
  /** The name of the check. */
  readonly check: string;

  constructor(check: string, message: string) {
    super(`${check}: ${message}`);
    this.check = check;
  }
}

const whole = (least: number, most: number): Rule => ({
  must: `a whole number, ${least} to ${most}`,
  holds: (value) => Number.isInteger(value) && (value as number) >= least && (value as number) <= most,
});

const RULES: Rules<StoreTestOptions> = {
  processes: whole(1, 64),
  claimants: whole(2, 1024),
  ids: whole(1, 100_000),
  timeout: seconds(60),
  pause: FUNCTION,
  resume: FUNCTION,
  restart: FUNCTION,
  onProgress: FUNCTION,
};

/**
 * Checks that a store does what agents rely on: of many claimants in several processes exactly one
 * gets an id, no id is forgotten before its time, values are kept, and, where its server can be
 * paused and restarted, what hangs is refused in time and nothing is accepted twice. It takes some
 * 20 s, and more with outages.
 *
 * @param module - A file or its URL. Its default export is a function that opens the store, which
 *   each process calls once: any object with `claim(id, seconds)`. `put`, `get` and `take` are
 *   checked where it has them, and after a restart `lostAt`, in seconds since 1970: a store that
 *   forgot claims must say so.
 * @throws {@link StoreTestError} for the first thing that is wrong. `invalid_argument`.
 */
export async function checkStore(module: URL | string, options: StoreTestOptions = {}): Promise<void> {
  checkOptions("checkStore", options, RULES);
  const processes = await opened(urlOf(module), options.processes ?? 4);
  try {
    for (const [name, check] of new StoreTest(processes, options).checks()) {
      const start = performance.now();
      await named(name, check);
      options.onProgress?.(`${name}: passed in ${((performance.now() - start) / 1000).toFixed(1)} s`);
    }
  } finally {
    processes.close();
  }
}

async function opened(module: URL, count: number): Promise<Processes> {
  return named("open", () => Processes.open(module, count));
}

async function named<T>(name: string, check: () => Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (error) {
    throw new StoreTestError(name, reason(error));
  }
}

function urlOf(module: URL | string): URL {
  if (module instanceof URL) return module;
  return module.startsWith("file:") ? new URL(module) : pathToFileURL(resolve(module));
}

type Check = readonly [name: string, check: () => Promise<void>];

/** Seconds for which ids are claimed, unless a check is about them. */
const KEPT = 120;

/** Seconds of claims around a restart. */
const LOAD = 3;

/** Seconds that a store may take to answer after an outage. */
const RECOVERY = 20;

class StoreTest {
  readonly #processes: Processes;
  readonly #options: StoreTestOptions;
  readonly #claimants: number;
  readonly #timeout: number;
  #calls = 0;

  constructor(processes: Processes, options: StoreTestOptions) {
    this.#processes = processes;
    this.#options = options;
    this.#claimants = options.claimants ?? 64;
    this.#timeout = options.timeout ?? 2;
  }

  checks(): readonly Check[] {
    const { pause, resume, restart } = this.#options;
    const checks: Check[] = [
      ["wrong arguments are refused", () => this.#refusesWrong()],
      ["claim: one of many gets an id", () => this.#oneOfMany()],
      ["claim: other ids are free", () => this.#othersAreFree()],
      ["claim: kept for its seconds", () => this.#isKept()],
      ["put, get, take", () => this.#withValues(() => this.#values())],
      ["take: one of many gets a value", () => this.#withValues(() => this.#oneTakes())],
      ["put: gone after its seconds", () => this.#withValues(() => this.#valuesGo())],
    ];
    if (pause !== undefined && resume !== undefined) {
      checks.push(["a server that hangs", () => this.#hangs(pause, resume)]);
    }
    if (restart !== undefined) checks.push(["a server that restarts", () => this.#restarts(restart)]);
    return checks;
  }

  async #refusesWrong(): Promise<void> {
    const taken = await this.#one(task("wrong"));
    if (taken !== null) throw new Error(`${taken} did not throw invalid_argument`);
  }

  async #oneOfMany(): Promise<void> {
    for (let round = 0; round < (this.#options.ids ?? 200); round++) {
      const outcomes = await this.#processes.all(this.#claimants, claimOf(newId()));
      const winners = outcomes.map(answerIn).filter((answer) => answer === true).length;
      if (winners === 1) continue;
      throw new Error(
        `of ${outcomes.length} claimants of one id, ${winners} were told that it was free: claim must be one atomic ` +
          "step for all processes",
      );
    }
  }

  async #othersAreFree(): Promise<void> {
    const digits = [...newId()];
    // They differ in one digit each.
    const others = digits.map((digit, at) => digits.with(at, (Number.parseInt(digit, 16) ^ 1).toString(16)));
    for (const id of [digits, ...others]) {
      expect(await this.#one(claimOf(id.join(""))), true, "an id that nobody claimed is free");
    }
  }

  async #isKept(): Promise<void> {
    const long = [86_400, 2 ** 31].map((time) => claimOf(newId(), time));
    for (const claim of long) expect(await this.#one(claim), true, "an id that nobody claimed is free");
    const short = claimOf(newId(), 2);
    const start = performance.now();
    expect(await this.#one(short), true, "an id that nobody claimed is free");
    // A call may be late itself; later the id may be free or taken.
    for (let at = start; at < start + 1500; at = performance.now()) {
      const again = await this.#one(short);
      if (performance.now() < start + 2000) expect(again, false, "an id that is claimed for 2 s is taken before that");
      await sleep(100);
    }
    await sleep(2500);
    await this.#one(short);
    for (const claim of long) expect(await this.#one(claim), false, "an id that is claimed for a day is taken");
  }

  /** Checks values, where the store has them. */
  async #withValues(check: () => Promise<void>): Promise<void> {
    const has = await Promise.all(["put", "get", "take"].map((method) => this.#one(task("has", method))));
    if (has.every((each) => each === true)) await check();
  }

  async #values(): Promise<void> {
    const id = newId();
    expect(await this.#one(task("get", id)), null, "there is no value yet");
    expect(await this.#one(task("take", id)), null, "there is no value yet");
    const values = ["", "00ff0a00ff0a", randomBytes(65_536).toString("hex")];
    for (const value of values) {
      await this.#one(task("put", id, value, KEPT));
      expect(await this.#one(task("get", id)), value, "another process put this value");
    }
    expect(await this.#one(claimOf(id)), true, "to put a value claims no id");
    expect(await this.#one(task("take", id)), values.at(-1), "it was put");
    expect(await this.#one(task("get", id)), null, "the value was taken");
  }

  async #oneTakes(): Promise<void> {
    for (let round = 0; round < Math.ceil((this.#options.ids ?? 200) / 10); round++) {
      const id = newId();
      await this.#one(task("put", id, id, KEPT));
      const taken = (await this.#processes.all(this.#claimants, task("take", id))).map(answerIn);
      const winners = taken.filter((answer) => answer !== null);
      if (winners.length !== 1) throw new Error(`${winners.length} took one value: take must be one atomic step`);
      expect(winners[0], id, "it was put");
    }
  }

  async #valuesGo(): Promise<void> {
    const id = newId();
    const start = performance.now();
    await this.#one(task("put", id, "00", 2));
    await sleep(1000);
    const found = await this.#one(task("get", id));
    if (performance.now() < start + 2000) expect(found, "00", "it was put for 2 s, 1 s ago");
    await sleep(2500);
    for (const method of ["get", "take"] as const) {
      expect(await this.#one(task(method, id)), null, "it was put for 2 s, more than 3 s ago");
    }
  }

  async #hangs(pause: () => unknown, resume: () => unknown): Promise<void> {
    const [before, during] = [claimOf(newId()), claimOf(newId())];
    expect(await this.#one(before), true, "an id that nobody claimed is free");
    await pause();
    try {
      for (const outcome of await this.#processes.all(this.#claimants, during)) {
        if (!("error" in outcome)) throw new Error("claim was answered while its server hung: it must throw");
        this.#mustBeInTime(outcome);
      }
    } finally {
      await resume();
    }
    await this.#refuses(before);
    // The server may have made the claims that it did not answer.
    await this.#settled(during);
    await this.#refuses(during);
  }

  async #restarts(restart: () => unknown): Promise<void> {
    const end = performance.now() + LOAD * 1000;
    const load = this.#load(end);
    load.catch(() => {});
    await sleep((LOAD * 1000) / 3);
    await restart();
    const accepted = await load;
    if (accepted.length === 0) throw new Error("no claim was answered");
    for (const claim of accepted) await this.#refuses(claim);
    await this.#recovers();
  }

  /** Has new ids claimed for a time; returns those that were accepted. */
  async #load(end: number): Promise<Task[]> {
    const accepted: Task[] = [];
    while (performance.now() < end) {
      const claim = claimOf(newId());
      const outcomes = await this.#processes.all(this.#claimants, claim);
      for (const outcome of outcomes) this.#mustBeInTime(outcome);
      const winners = outcomes.filter((outcome) => "value" in outcome && outcome.value === true).length;
      if (winners > 1)
        throw new Error(`of ${outcomes.length} claimants of one id, ${winners} were told that it was free`);
      if (winners === 1) accepted.push(claim);
      await sleep(20);
    }
    return accepted;
  }

  #mustBeInTime({ seconds }: Outcome): void {
    if (seconds <= 2 * this.#timeout) return;
    throw new Error(`a call took ${seconds.toFixed(1)} s, and its timeout is ${this.#timeout} s`);
  }

  /** An id that was accepted is not accepted again, or the store knows that it lost it. */
  async #refuses(claim: Task): Promise<void> {
    const outcome = await this.#settled(claim);
    if ("lost" in outcome || answerIn(outcome) === false) return;
    throw new Error(
      "an id that was claimed around an outage was free once more: what a store forgets it must tell in lostAt",
    );
  }

  /** The outcome of a call once the store answers. */
  async #settled(task: Task): Promise<Outcome> {
    const end = performance.now() + RECOVERY * 1000;
    for (;;) {
      const outcome = await this.#processes.one(this.#calls++, task);
      if (!("error" in outcome)) return outcome;
      if (performance.now() > end) throw new Error(`it does not answer after an outage: ${outcome.error}`);
      await sleep(50);
    }
  }

  /** New ids are free again. */
  async #recovers(): Promise<void> {
    const end = performance.now() + RECOVERY * 1000;
    for (;;) {
      const outcome = await this.#settled(claimOf(newId()));
      if (!("lost" in outcome)) return expect(answerIn(outcome), true, "an id that nobody claimed is free");
      if (performance.now() > end) answerIn(outcome);
      await sleep(50);
    }
  }

  /** Makes a call, in another process each time. */
  async #one(task: Task): Promise<unknown> {
    return answerIn(await this.#processes.one(this.#calls++, task));
  }
}

function newId(): string {
  return randomBytes(16).toString("hex");
}

function task(method: Task["method"], ...args: Task["args"]): Task {
  return { method, args, issued: Date.now() / 1000 };
}

function claimOf(id: string, seconds = KEPT): Task {
  return task("claim", id, seconds);
}

function answerIn(outcome: Outcome): unknown {
  if ("value" in outcome) return outcome.value;
  if ("error" in outcome) throw new Error(`a call threw: ${outcome.error}`);
  if ("lost" in outcome) throw new Error("it says that it lost what it held");
  throw new Error(`a call returned ${outcome.odd}: claim must return true or false, get and take bytes or null`);
}

function expect(found: unknown, wanted: unknown, why: string): void {
  if (found === wanted) return;
  const [has, needs] = [found, wanted].map((value) => JSON.stringify(value)?.slice(0, 60));
  throw new Error(`a call returned ${has}, not ${needs}: ${why}`);
}
