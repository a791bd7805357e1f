import { checkValue } from "../core/options.js";
import type { TallystickError } from "../errors.js";
import { checkClaim, checkPut, ID, type OwnStore, START, type StoreStart, unavailable } from "./store.js";

/** Live claims and values; one more is refused. */
const MAX_CLAIMS = 100_000;
const MAX_VALUES = 10_000;

interface Entry {
  readonly value: Uint8Array;
  /** In seconds of a clock that is never set. */
  readonly expiresAt: number;
}

/** What expires, up to a number of entries. */
class Entries {
  readonly #entries = new Map<string, Entry>();
  readonly #most: number;
  #sweep = this.#entries.entries();

  constructor(most: number) {
    this.#most = most;
  }

  get(id: string): Uint8Array | null {
    const entry = this.#entries.get(id);
    return entry === undefined || entry.expiresAt <= now() ? null : entry.value;
  }

  /** @throws {@link TallystickError} if there is no room. */
  set(id: string, value: Uint8Array, seconds: number): void {
    this.#prune();
    if (this.#entries.size >= this.#most && !this.#entries.has(id)) throw full(this.#most);
    this.#entries.set(id, { value, expiresAt: now() + seconds });
  }

  delete(id: string): void {
    this.#entries.delete(id);
  }

  /** Looks at some entries, so that all are looked at in turn, and forgets those that expired. */
  #prune(): void {
    const count = this.#entries.size < this.#most ? 2 : 256;
    for (let looked = 0; looked < count; looked++) {
      const { value: next, done } = this.#sweep.next();
      if (done === true) this.#sweep = this.#entries.entries();
      else if (next[1].expiresAt <= now()) this.#entries.delete(next[0]);
    }
  }
}

const CLAIMED = new Uint8Array(0);

/** Seconds of a clock that is never set. */
function now(): number {
  return performance.now() / 1000;
}

/**
 * A store in the memory of this process, for tests: others know nothing of it, and it is gone with
 * the process. It holds up to 100,000 claims and 10,000 values, and refuses more.
 */
export class MemoryStore implements OwnStore {
  /** When it lost what it held, in seconds since 1970: never. */
  readonly lostAt: number | undefined = undefined;
  readonly #claims = new Entries(MAX_CLAIMS);
  readonly #values = new Entries(MAX_VALUES);
  readonly [START]: StoreStart = { setting: "store memory:", required: true, check: async () => {} };

  /**
   * Claims an id.
   *
   * @param id - 32 hex digits in lower case.
   * @param seconds - How long to keep it, in seconds, 1 to 2,147,483,648.
   * @returns true if it was free.
   * @throws {@link TallystickError} `replay_store_unavailable` if it is full, `invalid_argument`.
   */
  async claim(id: string, seconds: number): Promise<boolean> {
    checkClaim(id, seconds);
    if (this.#claims.get(id) !== null) return false;
    this.#claims.set(id, CLAIMED, seconds);
    return true;
  }

  /**
   * Stores a value, in place of an older one.
   *
   * @param value - At most 64 KiB. It is copied.
   * @param seconds - How long to keep it, in seconds, 1 to 2,147,483,648.
   * @throws {@link TallystickError} as {@link MemoryStore.claim}.
   */
  async put(id: string, value: Uint8Array, seconds: number): Promise<void> {
    checkPut(id, value, seconds);
    this.#values.set(id, value.slice(), seconds);
  }

  /** A copy of the value, or null if there is none. */
  async get(id: string): Promise<Uint8Array | null> {
    checkValue("get: id", id, ID);
    return this.#values.get(id)?.slice() ?? null;
  }

  /** The value, which is then gone, or null if there is none. */
  async take(id: string): Promise<Uint8Array | null> {
    checkValue("take: id", id, ID);
    const value = this.#values.get(id);
    this.#values.delete(id);
    return value;
  }

  /** Nothing is freed: what it holds would be lost. */
  async close(): Promise<void> {}
}

function full(most: number): TallystickError {
  return unavailable(
    "store memory:",
    `is full (${most} that have not expired)`,
    'it is for tests, so give the option store "sqlite:" or the URL of a server',
  );
}
