import type { Logger } from "../core/console.js";
import { failed, type Reply, within } from "../core/need.js";
import { reason } from "../core/text.js";
import { TallystickError } from "../errors.js";
import { MemoryStore } from "./memory.js";
import { defaultStore, openStore } from "./open.js";
import { isOwn, type OwnStore, START, type Store, TIMEOUT } from "./store.js";

/** The members of the need `claim`. */
export interface Claim {
  readonly id: string;
  readonly seconds: number;
}

/** The members of the need `put`. */
interface Value extends Claim {
  readonly value: string;
}

/** The engine that asks. */
interface Asking {
  call(op: string, members: object): unknown;
}

/** Where the used tokens of an engine are remembered. */
interface Choice {
  /** Undefined: in the core's own window. */
  readonly store: Store | undefined;
  /** Whether it was made here. */
  readonly isOurs: boolean;
  /** Why it is not the default. */
  readonly why: string;
}

const NO_SQLITE =
  '; without the option it is an SQLite file, for which Node must be 22.13 or later, or run "npm install better-sqlite3"';

async function choose(option: string | Store | undefined): Promise<Choice> {
  if (typeof option === "object") return { store: option, isOurs: false, why: "" };
  if (option === "memory:") return { store: undefined, isOurs: true, why: "" };
  if (option !== undefined) return { store: openStore(option), isOurs: true, why: "" };
  const store = await defaultStore();
  return { store, isOurs: true, why: store === undefined ? NO_SQLITE : "" };
}

/** Distinct failures that are logged until the store is well again. */
const MAX_FAILURES = 16;

/** Without a failure for that long, a store that answers is well again. In milliseconds. */
const QUIET = 1000;

/** The memory of one engine's used tokens: the core's own window, or a store. */
export class UsedTokens {
  readonly #store: Store | undefined;
  readonly #isOurs: boolean;
  readonly #logger: Logger;
  readonly #failures = new Set<string>();
  #failedAt = 0;
  #latestExpiry = 0;
  #lostAt = 0;

  private constructor({ store, isOurs }: Choice, logger: Logger) {
    this.#store = store;
    this.#isOurs = isOurs;
    this.#logger = logger;
  }

  /** Without a store, for an engine that claims nothing. */
  static none(logger: Logger): UsedTokens {
    return new UsedTokens({ store: undefined, isOurs: true, why: "" }, logger);
  }

  /**
   * By the option `store`. Connects to the store, and warns of what an operator should know.
   *
   * @param isWarned - Whether a memory of this process alone is worth a warning.
   * @throws {@link TallystickError} if the store cannot be used now and is required.
   */
  static async open(option: string | Store | undefined, logger: Logger, isWarned = true): Promise<UsedTokens> {
    const choice = await choose(option);
    const { store, why } = choice;
    if (isWarned && (store === undefined || store instanceof MemoryStore)) warnOfMemory(logger, why);
    const used = new UsedTokens(choice, logger);
    await used.#check();
    return used;
  }

  /** Undefined: in the core's own window. */
  get store(): Store | undefined {
    return this.#store;
  }

  /**
   * Members of `engine.open`. When an engine is opened again, the window of the first is lost;
   * tokens that it may have held are refused.
   */
  configuration(): object {
    if (this.#store === undefined) return { replay: "memory", replay_floor: Math.ceil(this.#latestExpiry) };
    this.#lostAt = lossOf(this.#store);
    return { replay: "host", replay_lost_at: this.#lostAt };
  }

  /** Notes that a single-use token was used, and when it expires (seconds since 1970). */
  accepted(expiresAt: number): void {
    this.#latestExpiry = Math.max(this.#latestExpiry, expiresAt);
  }

  /** Answers the need `claim`. It fails closed. */
  async claim(claim: Claim, engine: Asking): Promise<Reply> {
    const store = this.#store;
    if (store === undefined) return failed("this agent has no store");
    const known = this.#lostAt;
    try {
      const taken = await claimIn(store, claim);
      this.#tellLoss(store, engine);
      // The core compared the token with the loss when it asked, before it was told.
      if (this.#lostAt > known) throw new Error(`${settingOf(store)} lost what it held during the request`);
      this.#noteAnswer();
      return { members: { claim: taken ? "claimed" : "exists" } };
    } catch (error) {
      this.#tellLoss(store, engine);
      return unavailable(this.#noteFailure(error));
    }
  }

  /** Answers the need `put`. It fails closed. */
  async put({ id, value, seconds }: Value): Promise<Reply> {
    return this.#values(async (store) => {
      await store.put(id, new TextEncoder().encode(value), seconds);
      return null;
    });
  }

  /** Answers the needs `get` and `take`. It fails closed. */
  async value(kind: "get" | "take", id: string): Promise<Reply> {
    return this.#values((store) => store[kind](id));
  }

  async #values(ask: (store: OwnStore) => Promise<Uint8Array | null>): Promise<Reply> {
    const store = this.#store;
    if (store === undefined || !isOwn(store)) return failed("the store of this agent keeps no values");
    try {
      const body = await ask(store);
      this.#noteAnswer();
      return body === null ? { members: {} } : { members: {}, body };
    } catch (error) {
      return failed(this.#noteFailure(error));
    }
  }

  /** What is made with it; if that fails, it is closed. */
  async closedOnFailure<T>(make: () => T | Promise<T>): Promise<T> {
    try {
      return await make();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Frees a store that was made here. */
  async close(): Promise<void> {
    if (this.#isOurs && this.#store !== undefined && isOwn(this.#store)) await this.#store.close();
  }

  async #check(): Promise<void> {
    if (this.#store === undefined || !isOwn(this.#store)) return;
    const { setting, required, check } = this.#store[START];
    try {
      await check((line) => this.#logger.warn(`${setting}: ${line}`));
    } catch (error) {
      const isOut = error instanceof TallystickError && error.code === "replay_store_unavailable";
      if (required || !isOut) throw error;
      this.#noteFailure(error, "warn");
    }
  }

  #noteAnswer(): void {
    if (this.#failures.size === 0 || performance.now() - this.#failedAt < QUIET) return;
    this.#failures.clear();
    this.#logger.warn(`${settingOf(this.#store)} answers again`);
  }

  /** Logs each failure of an outage once. */
  #noteFailure(error: unknown, level: "error" | "warn" = "error"): string {
    const why = error instanceof TallystickError ? error.message : reason(error);
    this.#failedAt = performance.now();
    if (this.#failures.size >= MAX_FAILURES || this.#failures.has(why)) return why;
    this.#failures.add(why);
    this.#logger[level](why);
    return why;
  }

  /** Tells the core that the store has lost what it held. */
  #tellLoss(store: Store, engine: Asking): void {
    const lostAt = lossOf(store);
    if (lostAt <= this.#lostAt) return;
    this.#lostAt = lostAt;
    engine.call("engine.feed", { replay_lost_at: lostAt });
  }
}

async function claimIn(store: Store, { id, seconds }: Claim): Promise<boolean> {
  // A store of this package has its own deadline.
  const taken: unknown = isOwn(store)
    ? await store.claim(id, seconds)
    : await within(TIMEOUT, "claim() of the option store", async () => store.claim(id, seconds));
  if (typeof taken === "boolean") return taken;
  const found = taken === null ? "null" : typeof taken;
  throw new Error(`claim() of the option store must return true or false, not ${found}`);
}

function unavailable(why: string): Reply {
  return { members: { claim: "unavailable", failed: why } };
}

/** When a store lost what it held, in whole seconds since 1970; 0: never. */
function lossOf(store: Store): number {
  return isOwn(store) ? Math.ceil(store.lostAt ?? 0) : 0;
}

function settingOf(store: Store | undefined): string {
  return store !== undefined && isOwn(store) ? store[START].setting : "the option store";
}

/** The same text in every language. */
const MEMORY_OF_ONE_PROCESS =
  "used tokens are remembered in the memory of this process alone: a token works once in each process (worker, " +
  "container, machine), and again after a restart; give the option store a store that all of them share";

let warned = false;

/** Warns, once in each process, that a restart and other processes do not know the used tokens. */
function warnOfMemory(logger: Logger, why: string): void {
  if (warned) return;
  warned = true;
  logger.warn(MEMORY_OF_ONE_PROCESS + why);
}
