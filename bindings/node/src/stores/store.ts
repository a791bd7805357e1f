import { misuse } from "../core/answers.js";
import { checkValue, type Rule } from "../core/options.js";
import { oneLine } from "../core/text.js";
import type { TallystickError } from "../errors.js";

/** A memory of used tokens that processes and machines share: what an agent needs of a store. */
export interface Store {
  /**
   * Claims an id for a time. It must be one atomic step: of many callers exactly one gets true.
   *
   * @param id - 32 hex digits in lower case, one for each pair of issuer and jti: the key.
   * @param seconds - How long to keep it, in seconds. It is a duration, so that a store whose clock
   *   differs forgets nothing too early.
   * @returns true if it was free, false if it was taken. Anything else, an exception, or no answer
   *   within 2 s refuses the request with 503.
   */
  claim(id: string, seconds: number): boolean | Promise<boolean>;
}

/** A store of this package: claims, and values for flows that wait. */
export interface OwnStore extends Store {
  /** When it lost what it held, in seconds since 1970 by the host's clock; undefined: never seen. */
  readonly lostAt?: number | undefined;
  claim(id: string, seconds: number): Promise<boolean>;
  put(id: string, value: Uint8Array, seconds: number): Promise<void>;
  get(id: string): Promise<Uint8Array | null>;
  take(id: string): Promise<Uint8Array | null>;
  close(): Promise<void>;
  readonly [START]: StoreStart;
}

/** Where a store of this package says how an agent starts with it. */
export const START: unique symbol = Symbol("start");

/** How an agent starts with a store. */
export interface StoreStart {
  /** The setting, without secrets, as messages name it: `store redis://127.0.0.1:6379/0`. */
  readonly setting: string;
  /** Whether an agent may not start without it; else there is a warning. */
  readonly required: boolean;
  /**
   * Connects, and checks all that can be known before the first claim.
   *
   * @param warn - Told what an operator should change, such as a server that does not persist.
   * @throws {@link TallystickError} `replay_store_unavailable`, see {@link unavailable};
   *   `invalid_argument` for a package that is not installed.
   */
  check(warn: (line: string) => void): Promise<void>;
}

/** Whether a store is one of this package. */
export function isOwn(store: Store): store is OwnStore {
  return START in store;
}

/** Seconds that a store may take for one answer, with all that it waits for. */
export const TIMEOUT = 2;

const MAX_VALUE = 65_536;
const MAX_DOCUMENT = 8_388_608;

export const ID: Rule = {
  must: "32 hex digits in lower case",
  holds: (value) => typeof value === "string" && /^[0-9a-f]{32}$/.test(value),
};
export const SECONDS: Rule = {
  must: "a whole number of seconds, 1 to 2147483648",
  holds: (value) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 2 ** 31,
};
export const VALUE: Rule = {
  must: "a Uint8Array of at most 64 KiB",
  holds: (value) => value instanceof Uint8Array && value.length <= MAX_VALUE,
};
export const DOCUMENT: Rule = {
  must: "a Uint8Array of at most 8 MiB",
  holds: (value) => value instanceof Uint8Array && value.length <= MAX_DOCUMENT,
};
export const NAME: Rule = {
  must: "1 to 200 letters, digits and signs of ._-",
  holds: (value) => typeof value === "string" && /^[A-Za-z0-9._-]{1,200}$/.test(value),
};
export const VERSION: Rule = {
  must: "a whole number, 0 or more",
  holds: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
};

/** @throws {@link TallystickError} `invalid_argument` */
export function checkClaim(id: string, seconds: number): void {
  checkValue("claim: id", id, ID);
  checkValue("claim: seconds", seconds, SECONDS);
}

/** @throws {@link TallystickError} `invalid_argument` */
export function checkPut(id: string, value: Uint8Array, seconds: number): void {
  checkValue("put: id", id, ID);
  checkValue("put: value", value, VALUE);
  checkValue("put: seconds", seconds, SECONDS);
}

/**
 * A store that can neither make nor deny a claim.
 *
 * @param setting - As {@link StoreStart.setting}.
 * @param what - What happened, as the rest of a sentence: `cannot be reached (ECONNREFUSED)`. It must
 *   not hold a secret.
 * @param fix - What the operator can do.
 */
export function unavailable(setting: string, what: string, fix: string, cause?: unknown): TallystickError {
  const options = cause === undefined ? undefined : { cause };
  return misuse("replay_store_unavailable", oneLine(`${setting} ${what}: ${fix}`), options);
}

/** The setting of a URL without user, password, query and fragment, which may be secrets. */
export function settingOf(url: URL): string {
  return `store ${url.protocol}//${url.host}${url.pathname}`;
}
