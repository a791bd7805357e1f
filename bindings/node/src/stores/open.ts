import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { misuse } from "../core/answers.js";
import type { Rule } from "../core/options.js";
import { TallystickError } from "../errors.js";
import { MemoryStore } from "./memory.js";
import { PostgreSQLStore } from "./postgresql.js";
import { RedisStore } from "./redis.js";
import { SQLiteStore } from "./sqlite.js";
import { sqliteDriver } from "./sqlite-driver.js";
import type { OwnStore, Store } from "./store.js";

const SCHEMES: Readonly<Record<string, (url: string) => OwnStore>> = {
  memory: openMemory,
  sqlite: openFile,
  redis: (url) => new RedisStore(url),
  rediss: (url) => new RedisStore(url),
  valkey: (url) => new RedisStore(url),
  valkeys: (url) => new RedisStore(url),
  postgresql: (url) => new PostgreSQLStore(url),
  postgres: (url) => new PostgreSQLStore(url),
};

const FORMS =
  "memory: sqlite: sqlite:///absolute/path redis://HOST rediss://HOST valkey://HOST valkeys://HOST postgresql://HOST/DATABASE";

/**
 * The store that a URL names. It connects to nothing yet.
 *
 * @throws {@link TallystickError} `invalid_argument`, which never quotes what may be a secret.
 */
export function openStore(url: string): OwnStore {
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(url)?.[1]?.toLowerCase();
  if (scheme === undefined) throw wrong(`it is no URL: ${meant(url)}`);
  const open = Object.hasOwn(SCHEMES, scheme) ? SCHEMES[scheme] : undefined;
  if (open === undefined) throw wrong(`there is no store of the scheme ${scheme}: write one of ${FORMS}`);
  return open(url);
}

function wrong(what: string): Error {
  return misuse("invalid_argument", what);
}

/** What was probably meant by a text that is no URL. */
function meant(text: string): string {
  if (text === "memory" || text === "sqlite") return `write "${text}:"`;
  // With these signs it may be the rest of a URL, with a secret.
  if (text === "" || /[@:?#]/.test(text)) return `write one of ${FORMS}`;
  return `for a file write ${pathToFileURL(resolve(text)).href.replace(/^file:/, "sqlite:")}, else one of ${FORMS}`;
}

function openMemory(url: string): OwnStore {
  if (url.length > "memory:".length) throw wrong('nothing follows after "memory:"');
  return new MemoryStore();
}

function openFile(url: string): OwnStore {
  const path = url.slice("sqlite:".length);
  if (path === "") return new SQLiteStore();
  if (!/^\/\/\/[^?#]+$/.test(path)) {
    throw wrong("write sqlite:///absolute/path, with three slashes and nothing after the path, or sqlite: alone");
  }
  return new SQLiteStore(pathOf(`file:${path}`));
}

function pathOf(url: string): string {
  try {
    return fileURLToPath(url);
  } catch {
    throw wrong("the path after sqlite:// is not percent-encoded as a URL's");
  }
}

/** The type of the option; a text must also be one that {@link openStore} takes. */
export const STORE: Rule = {
  must: 'a URL, such as "sqlite:" or "redis://127.0.0.1:6379", or an object with claim(id, seconds)',
  holds: (value) =>
    typeof value === "string" || (typeof value === "object" && value !== null && isClaim((value as Store).claim)),
};

/** One that wants more than id and seconds would take them for something else. */
function isClaim(claim: unknown): boolean {
  return typeof claim === "function" && claim.length <= 2;
}

/** @throws {@link TallystickError} `invalid_argument` for a text that names no store. */
export function checkStore(what: string, store: unknown): void {
  if (typeof store !== "string") return;
  try {
    openStore(store);
  } catch (cause) {
    if (!(cause instanceof TallystickError)) throw cause;
    throw misuse(cause.code, `${what}: store: ${cause.message}`, { cause });
  }
}

/**
 * Refuses a key for documents beside a store that keeps none.
 *
 * @throws {@link TallystickError} `invalid_argument`
 */
export function checkStoreKey(what: string, store: unknown, key: string | undefined): void {
  if (key === undefined) return;
  const own = typeof store === "string" ? openStore(store) : store;
  if (own instanceof PostgreSQLStore) return;
  throw misuse(
    "invalid_argument",
    `${what}: storeKey needs store: a store in PostgreSQL, such as postgresql://HOST/DATABASE; key rings lie ` +
      "there or in files",
  );
}

/** The store of who chose none: the file of this user; undefined where there is no SQLite. */
export async function defaultStore(): Promise<OwnStore | undefined> {
  return (await sqliteDriver()) === undefined ? undefined : new SQLiteStore();
}
