import { checkValue } from "../core/options.js";
import { checkClaim, checkPut, ID, type OwnStore, START, type StoreStart, unavailable } from "./store.js";

/** Claims at one time. */
const MAX_CLAIMS = 1_000_000;

/** What all values may hold at one time, in bytes, each with its id. */
const MAX_BYTES = 67_108_864;
const ENTRY_BYTES = 256;

interface Entry {
  readonly value: Uint8Array;
  /** In seconds of a clock that is never set. */
  readonly expiresAt: number;
}

/** Values that expire, up to a number of bytes. */
class Entries {
  readonly #entries = new Map<string, Entry>();
  readonly #maxBytes: number;
  #bytes = 0;
  #sweep = this.#entries.entries();

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get(id: string): Uint8Array | undefined {
    const entry = this.#entries.get(id);
    return entry === undefined || entry.expiresAt <= now() ? undefined : entry.value;
  }

  /** False if there is no room. */
  set(id: string, value: Uint8Array, seconds: number): boolean {
    this.#prune(this.#isFull ? 256 : 2);
    this.delete(id);
    if (this.#isFull) return false;
    this.#entries.set(id, { value, expiresAt: now() + seconds });
    this.#bytes += sizeOf(value);
    return true;
  }

  delete(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    this.#bytes -= sizeOf(entry.value);
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  get #isFull(): boolean {
    return this.#bytes >= this.#maxBytes;
  }

  /** Looks at the next entries, so that all are looked at in turn, and forgets the expired ones. */
  #prune(count: number): void {
    for (let looked = 0; looked < count; looked++) {
      const { value: next, done } = this.#sweep.next();
      if (done === true) this.#sweep = this.#entries.entries();
      else if (next[1].expiresAt <= now()) this.delete(next[0]);
    }
  }
}

const CLAIMED = new Uint8Array(0);

function sizeOf(value: Uint8Array): number {
  return ENTRY_BYTES + value.length;
}

/** Seconds of a clock that is never set. */
function now(): number {
  return performance.now() / 1000;
}

/**
 * A store in the memory of this process, for tests and for one process alone: others know nothing
 * of it, and a restart forgets it. It holds up to a million claims and 64 MiB of values; a full one
 * refuses, and forgets no live claim.
 */
export class MemoryStore implements OwnStore {
  readonly #claims = new Entries(MAX_CLAIMS * ENTRY_BYTES);
  readonly #values = new Entries(MAX_BYTES);
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
    if (this.#claims.get(id) !== undefined) return false;
    if (this.#claims.set(id, CLAIMED, seconds)) return true;
    throw full(`it holds ${MAX_CLAIMS} claims`);
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
    if (!this.#values.set(id, value.slice(), seconds)) throw full(`its values hold ${MAX_BYTES} bytes`);
  }

  /** A copy of the value, or null if there is none. */
  async get(id: string): Promise<Uint8Array | null> {
    checkValue("get: id", id, ID);
    return this.#values.get(id)?.slice() ?? null;
  }

  /** The value, which is then gone, or null if there is none. */
  async take(id: string): Promise<Uint8Array | null> {
    checkValue("take: id", id, ID);
    const value = this.#values.get(id) ?? null;
    this.#values.delete(id);
    return value;
  }

  /** Forgets everything. */
  async close(): Promise<void> {
    this.#claims.clear();
    this.#values.clear();
  }
}

function full(what: string): Error {
  return unavailable("store memory:", what, "use a store that holds more, such as sqlite:");
}
