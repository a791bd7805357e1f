// The entry tallystick/testing: what users' own tests need.
import { randomBytes } from "node:crypto";
import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { checkOptions, FUNCTION, type Rule, type Rules } from "../core/options.js";
import { Processes, type Task } from "./processes.js";
import type { Outcome } from "./worker.js";

export type { OpenStore, TestedStore } from "./worker.js";

/** What the store test may do besides. */
export interface StoreTestOptions {
  /** Processes that open the store, 1 to 64. Default: 4. */
  readonly processes?: number | undefined;
  /** Claimants of one id at the same time, in all processes together, 2 to 1,024. Default: 64. */
  readonly claimants?: number | undefined;
  /** Restarts the server of the store, and resolves when it runs. Default: none. */
  readonly restart?: (() => unknown) | undefined;
  /** Makes the server hang, such as by SIGSTOP; goes with resume. Default: none. */
  readonly pause?: (() => unknown) | undefined;
  /** Ends what pause began. Default: none. */
  readonly resume?: (() => unknown) | undefined;
  /** Told the name of each check when it begins. Default: none. */
  readonly onProgress?: ((check: string) => void) | undefined;
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

/** The time within which a store must answer, in seconds. */
const DEADLINE = 2;

/** Ids that are claimed by many at the same time. */
const CONTESTED = 200;

const whole = (least: number, most: number): Rule => ({
  must: `a whole number, ${least} to ${most}`,
  holds: (value) => Number.isInteger(value) && (value as number) >= least && (value as number) <= most,
});

const RULES: Rules<StoreTestOptions> = {
  processes: whole(1, 64),
  claimants: whole(2, 1024),
  restart: FUNCTION,
  pause: FUNCTION,
  resume: FUNCTION,
  onProgress: FUNCTION,
};

/**
 * Checks that a store does what Tallystick needs of it: that of many claimants in several processes
 * exactly one gets an id, that no id is forgotten before its time, that values are kept, and, where
 * its server can be paused and restarted, that an outage is one and nothing is accepted twice after
 * it. It takes about half a minute.
 *
 * @param module - A file or its URL. Its default export is a function that opens the store, which
 *   each process calls once: an object with `claim(id, seconds)`, and maybe `put`, `get`, `take`.
 * @throws {@link StoreTestError} which names the check that failed.
 */
export async function checkStore(module: URL | string, options: StoreTestOptions = {}): Promise<void> {
  checkOptions("checkStore", options, RULES);
  const { processes: count = 4, onProgress } = options;
  let current = "open";
  const begin = (name: string) => {
    current = name;
    onProgress?.(name);
  };
  begin(current);
  let processes: Processes | undefined;
  try {
    processes = await Processes.open(urlOf(module), count);
    const test = new StoreTest(processes, options);
    for (const [name, check] of test.checks()) {
      begin(name);
      await check();
    }
  } catch (error) {
    throw new StoreTestError(current, error instanceof Error ? error.message : String(error));
  } finally {
    processes?.close();
  }
}

function urlOf(module: URL | string): URL {
  if (module instanceof URL) return module;
  return module.startsWith("file:") ? new URL(module) : pathToFileURL(resolve(module));
}

type Check = readonly [name: string, check: () => unknown];

/** Seconds within which a store must answer again after its server does. */
const RECOVERY = 10;

class StoreTest {
  readonly #processes: Processes;
  readonly #claimants: number;
  readonly #options: StoreTestOptions;
  #calls = 0;

  constructor(processes: Processes, options: StoreTestOptions) {
    this.#processes = processes;
    this.#claimants = options.claimants ?? 64;
    this.#options = options;
  }

  checks(): readonly Check[] {
    const { pause, resume, restart } = this.#options;
    const checks: Check[] = [
      ["returns", () => this.#returns()],
      ["one of many", () => this.#oneOfMany()],
      ["expiry", () => this.#expiry()],
      ["values", () => this.#values()],
    ];
    if (pause !== undefined && resume !== undefined) checks.push(["pause", () => this.#pause(pause, resume)]);
    if (restart !== undefined) checks.push(["restart", () => this.#restart(restart)]);
    return checks;
  }

  /** claim() returns true and false, and nothing that passes for these. */
  async #returns(): Promise<void> {
    const id = newId();
    expect(await this.#one(claimOf(id)), true, "the first claim of an id");
    expect(await this.#one(claimOf(id)), false, "the second claim of an id");
  }

  /** Exactly one of the claimants gets an id. */
  async #oneOfMany(): Promise<void> {
    for (let round = 0; round < CONTESTED; round++) {
      const outcomes = await this.#processes.all(this.#claimants, claimOf(newId()));
      const winners = outcomes.map(answerIn).filter((answer) => answer === true).length;
      expect(winners, 1, `the number of ${outcomes.length} claimants that got one id, claimed at the same time,`);
    }
  }

  /** An id is kept for its seconds, by every process; later it may be forgotten. */
  async #expiry(): Promise<void> {
    const seconds = 3;
    const [short, long, longest] = [newId(), newId(), newId()];
    expect(await this.#one(claimOf(long, 86_400)), true, "a claim for a day");
    expect(await this.#one(claimOf(longest, 2 ** 31)), true, "a claim for 2^31 s");
    expect(await this.#one(claimOf(short, seconds)), true, `a claim for ${seconds} s`);
    const end = performance.now() + seconds * 1000;
    while (performance.now() < end - 500) {
      expect(await this.#one(claimOf(short)), false, `a second claim of an id within its ${seconds} s`);
      await sleep(100);
    }
    await sleep(1000);
    for (const id of [long, longest]) {
      expect(await this.#one(claimOf(id)), false, `a second claim, after ${seconds} s, of an id that is kept longer`);
    }
  }

  /** Values come back as they were put; of several takers one gets it; they expire. */
  async #values(): Promise<void> {
    for (const method of ["put", "get", "take"]) {
      if ((await this.#one(task("has", method))) !== true) return;
    }
    const [id, empty, short] = [newId(), newId(), newId()];
    const value = randomBytes(65_536).toString("hex");
    expect(await this.#one(task("get", id)), null, "get of nothing");
    expect(await this.#one(task("take", id)), null, "take of nothing");
    await this.#one(task("put", id, "00ff0a", 3600));
    expect(await this.#one(claimOf(id)), true, "a claim of an id under which a value lies");
    expect(await this.#one(task("get", id)), "00ff0a", "get of a value");
    await this.#one(task("put", id, value, 3600));
    expect((await this.#one(task("get", id))) === value, true, "get of what was put last being the same");
    await this.#one(task("put", empty, "", 3600));
    expect(await this.#one(task("get", empty)), "", "get of an empty value");
    const taken = (await this.#processes.all(this.#claimants, task("take", id))).map(answerIn);
    expect(taken.filter((answer) => answer !== null).length, 1, "the number of takers that got one value");
    expect(await this.#one(task("get", id)), null, "get of a value that was taken");
    await this.#one(task("put", short, "00", 1));
    await sleep(1500);
    expect(await this.#one(task("get", short)), null, "get of a value that has expired");
    expect(await this.#one(task("take", short)), null, "take of a value that has expired");
  }

  /** While the server hangs, every claim fails in time; afterwards nothing is accepted twice. */
  async #pause(pause: () => unknown, resume: () => unknown): Promise<void> {
    const [before, during] = [claimOf(newId()), claimOf(newId())];
    expect(await this.#one(before), true, "a claim before the pause");
    await pause();
    try {
      for (const outcome of await this.#processes.all(this.#claimants, during)) refuseAnswer(outcome);
    } finally {
      await resume();
    }
    await this.#refuses(before);
    await this.#settled(during);
    await this.#refuses(during);
  }

  /** After a restart claims go on. What was claimed stays so, unless the store knows that it is lost. */
  async #restart(restart: () => unknown): Promise<void> {
    const before = claimOf(newId());
    expect(await this.#one(before), true, "a claim before the restart");
    const stop = new AbortController();
    const load = this.#load(stop.signal);
    try {
      await Promise.race([restart(), load]);
      await sleep(1000);
    } finally {
      stop.abort();
    }
    for (const accepted of [before, ...(await load)]) await this.#refuses(accepted);
    expect(answerIn(await this.#settled(claimOf(newId()))), true, "a claim of a new id after the restart");
  }

  /** Has new ids claimed until it is told to stop; returns those that were accepted. */
  async #load(signal: AbortSignal): Promise<Task[]> {
    const accepted: Task[] = [];
    while (!signal.aborted) {
      const claim = claimOf(newId());
      const outcomes = await this.#processes.all(this.#claimants, claim);
      const winners = outcomes.filter((outcome) => "value" in outcome && outcome.value === true).length;
      if (winners > 1) throw new Error(`of ${outcomes.length} claimants of one id ${winners} got it`);
      if (winners === 1) accepted.push(claim);
      await sleep(20);
    }
    return accepted;
  }

  /** That an id which was accepted is not accepted again. */
  async #refuses(claim: Task): Promise<void> {
    const outcome = await this.#settled(claim);
    if (!("lost" in outcome)) expect(answerIn(outcome), false, "a second claim of an id, after an outage,");
  }

  /** The outcome of a call once the server answers again. */
  async #settled(task: Task): Promise<Outcome> {
    const end = performance.now() + RECOVERY * 1000;
    for (;;) {
      const outcome = await this.#processes.one(this.#calls++, task);
      if (!("error" in outcome)) return outcome;
      if (performance.now() > end)
        throw new Error(`it does not answer ${RECOVERY} s after its server: ${outcome.error}`);
      await sleep(100);
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

function claimOf(id: string, seconds = 3600): Task {
  return task("claim", id, seconds);
}

function answerIn(outcome: Outcome): unknown {
  if ("value" in outcome) return outcome.value;
  if ("error" in outcome) throw new Error(`it failed: ${outcome.error}`);
  if ("lost" in outcome) throw new Error("it says that it lost what it held");
  throw new Error(`it returned ${outcome.odd}; claim() must return true or false, get() and take() bytes or null`);
}

function expect(found: unknown, wanted: unknown, what: string): void {
  if (found !== wanted) throw new Error(`${what} is ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
}

function refuseAnswer(outcome: Outcome): void {
  if (!("error" in outcome)) throw new Error("a claim was answered while the server hung: it must fail");
  if (outcome.seconds <= 2 * DEADLINE) return;
  throw new Error(`a claim took ${outcome.seconds.toFixed(1)} s, more than twice the ${DEADLINE} s it may take`);
}
