import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { misuse } from "../core/answers.js";
import { checkOptions, checkValue, type Rule, type Rules, seconds, TEXT } from "../core/options.js";
import { reason } from "../core/text.js";
import { TallystickError } from "../errors.js";
import { type OpenDatabase, sqliteDriver } from "./sqlite-driver.js";
import { PAGE_SIZE, SQLiteFile } from "./sqlite-file.js";
import { checkClaim, checkPut, ID, type OwnStore, START, type StoreStart, TIMEOUT, unavailable } from "./store.js";

/** The options of a store in a file. */
export interface SQLiteStoreOptions {
  /** Largest size of the file, in bytes; a full one refuses new claims. Default: 1 GiB. */
  readonly maxBytes?: number | undefined;
  /** How long a call may wait for other processes, in seconds, up to 60. Default: 2. */
  readonly timeout?: number | undefined;
}

const MAX_BYTES = 1_073_741_824;
const LEAST_BYTES = 16 * PAGE_SIZE;
const SIZE: Rule = {
  must: `a whole number of bytes, at least ${LEAST_BYTES}`,
  holds: (value) => Number.isSafeInteger(value) && (value as number) >= LEAST_BYTES,
};
const OPTIONS: Rules<SQLiteStoreOptions> = { maxBytes: SIZE, timeout: seconds(60) };

const ANOTHER = 'choose another file with the option store: "sqlite:///absolute/path"';
const FIXES: readonly (readonly [RegExp, string])[] = [
  [/EISDIR/, "it is a folder: name a file in it"],
  [/not a database|malformed|another application|format/, `move it away, or ${ANOTHER}`],
  [/\bfull\b/, "free space on that disk, or raise the limit: new SQLiteStore(path, { maxBytes })"],
];
const DEFAULT_FIX = `make the file and its folder writable for this user, or ${ANOTHER}`;

/**
 * A store in one SQLite file, for all processes of a machine, in every language. It survives a
 * restart and `kill -9`; a loss of power may cost the last claims. It needs Node 22.13 or later, or
 * the package better-sqlite3. Each thread of `worker_threads` makes its own object.
 */
export class SQLiteStore implements OwnStore {
  /** The file. */
  readonly path: string;
  readonly [START]: StoreStart;
  readonly #maxBytes: number;
  readonly #timeout: number;
  #driver: OpenDatabase | undefined;
  #file: SQLiteFile | undefined;
  /** The file that was used last, and when, in seconds since 1970. */
  #last = "";
  #usedAt = 0;
  #lostAt = 0;
  #pause: Promise<void> | undefined;

  /**
   * @param path - The file, made with mode 0600 where it is missing. Default:
   *   `$XDG_STATE_HOME/tallystick/store.sqlite3`, else below `~/.local/state`.
   * @throws {@link TallystickError} `invalid_argument`; `invalid_config` where this user has no home
   *   folder for the default.
   */
  constructor(path?: string, options: SQLiteStoreOptions = {}) {
    if (path !== undefined) checkValue("SQLiteStore: path", path, TEXT);
    checkOptions("SQLiteStore", options, OPTIONS);
    this.path = path === undefined ? defaultPath() : resolve(path);
    this.#maxBytes = options.maxBytes ?? MAX_BYTES;
    this.#timeout = options.timeout ?? TIMEOUT;
    this[START] = { setting: settingOf(this.path), required: true, check: () => this.#use(() => {}) };
  }

  /**
   * When the file was last seen to be another one than the one that was used, in seconds since
   * 1970; undefined: never.
   */
  get lostAt(): number | undefined {
    return this.#lostAt === 0 ? undefined : this.#lostAt;
  }

  /**
   * Claims an id.
   *
   * @param id - 32 hex digits in lower case.
   * @param seconds - How long to keep it, in seconds, 1 to 2,147,483,648.
   * @returns true if it was free.
   * @throws {@link TallystickError} `replay_store_unavailable`, whose text names the file and the
   *   fix; `invalid_argument`.
   */
  async claim(id: string, seconds: number): Promise<boolean> {
    checkClaim(id, seconds);
    const claimed = await this.#use((file) => file.claim(bytesOf(id), seconds));
    if (claimed === "lost") throw this.#lost();
    if (claimed !== "stale") return claimed === "claimed";
    throw this.#unavailable(
      "has forgotten claims that expire later than this one",
      "the clock of this host was set back: set it right, or wait until it has caught up",
    );
  }

  /**
   * Stores a value, in place of an older one.
   *
   * @param value - At most 64 KiB.
   * @param seconds - How long to keep it, in seconds, 1 to 2,147,483,648.
   * @throws {@link TallystickError} as {@link SQLiteStore.claim}.
   */
  async put(id: string, value: Uint8Array, seconds: number): Promise<void> {
    checkPut(id, value, seconds);
    const copy = value.slice();
    await this.#use((file) => file.put(bytesOf(id), copy, seconds));
  }

  /**
   * The value, or null if there is none.
   *
   * @throws {@link TallystickError} as {@link SQLiteStore.claim}.
   */
  async get(id: string): Promise<Uint8Array | null> {
    checkValue("get: id", id, ID);
    return plain(await this.#use((file) => file.get(bytesOf(id))));
  }

  /**
   * The value, which is then gone, or null if there is none. Of many callers one gets it.
   *
   * @throws {@link TallystickError} as {@link SQLiteStore.claim}.
   */
  async take(id: string): Promise<Uint8Array | null> {
    checkValue("take: id", id, ID);
    return plain(await this.#use((file) => file.take(bytesOf(id))));
  }

  /** Closes the file; the next call opens it again. */
  async close(): Promise<void> {
    this.#close();
  }

  /** Does what is short with the open file, when no other process has locked it. */
  async #use<T>(work: (file: SQLiteFile) => T): Promise<T> {
    this.#driver ??= await driver();
    const deadline = performance.now() + this.#timeout * 1000;
    for (let turn = 0; ; turn++) {
      try {
        // Who waits for a lock lets others wait, too, so that one tries at a time.
        if (this.#pause === undefined) return this.#noteUse(work(this.#current(this.#driver)));
      } catch (error) {
        if (!/\blocked\b/.test(String(error))) throw this.#failed(error);
        this.#pause = rest(turn).then(() => {
          this.#pause = undefined;
        });
      }
      if (performance.now() >= deadline) throw this.#late();
      await this.#pause;
    }
  }

  #noteUse<T>(result: T): T {
    this.#usedAt = Date.now() / 1000;
    this.#noteLoss(this.#file);
    return result;
  }

  #noteLoss(file: SQLiteFile | undefined): void {
    this.#lostAt = Math.max(this.#lostAt, file?.lostAt ?? 0);
  }

  #current(open: OpenDatabase): SQLiteFile {
    if (this.#file?.isReplaced === false) return this.#file;
    // Whatever takes its place is another file, even an older copy of it.
    if (this.#file !== undefined) this.#last = "lost";
    this.#close();
    this.#file = this.#recognised(SQLiteFile.open(open, this.path, this.#maxBytes));
    return this.#file;
  }

  /** A loss is noted in the file that took the place, for all who use it. */
  #recognised(file: SQLiteFile): SQLiteFile {
    const isLost = this.#last !== "" && this.#last !== file.identity;
    try {
      // What was noted after the last use here covers all that was claimed here.
      if (isLost && file.lostAt < this.#usedAt) file.lose(Math.ceil(Date.now() / 1000));
    } catch (error) {
      file.close();
      throw error;
    }
    this.#last = file.identity;
    this.#usedAt = Date.now() / 1000;
    this.#noteLoss(file);
    if (!isLost) return file;
    file.close();
    throw this.#lost();
  }

  #lost(): TallystickError {
    return this.#unavailable(
      "was deleted or replaced while it was in use",
      `tokens that were issued by ${this.#lostAt} (seconds since 1970) are refused until they have expired, because ` +
        "they may have been used before: leave the new file alone",
    );
  }

  #close(): void {
    const file = this.#file;
    this.#file = undefined;
    try {
      file?.close();
    } catch {}
  }

  #late(): TallystickError {
    return this.#unavailable(`was locked by another process for ${this.#timeout} s`, "see which process holds it");
  }

  /** After any failure the next call starts with a fresh connection. */
  #failed(error: unknown): TallystickError {
    if (error instanceof TallystickError) return error;
    this.#close();
    const text = reason(error);
    const fix = FIXES.find(([words]) => words.test(text))?.[1] ?? DEFAULT_FIX;
    return this.#unavailable(`cannot be used (${text})`, fix, error);
  }

  #unavailable(what: string, fix: string, cause?: unknown): TallystickError {
    return unavailable(this[START].setting, what, fix, cause);
  }
}

function settingOf(path: string): string {
  return `store ${pathToFileURL(path).href.replace(/^file:/, "sqlite:")}`;
}

/** All agents of a user share it, in every language. */
function defaultPath(): string {
  const state = process.env["XDG_STATE_HOME"] ?? "";
  // XDG says that a relative path is ignored.
  return join(isAbsolute(state) ? state : join(home(), ".local", "state"), "tallystick", "store.sqlite3");
}

function home(): string {
  try {
    return homedir();
  } catch (cause) {
    throw misuse(
      "invalid_config",
      "this user has no home folder for the store: choose a file with the option store (sqlite:///PATH), or set " +
        "the environment variable XDG_STATE_HOME",
      { cause },
    );
  }
}

async function driver(): Promise<OpenDatabase> {
  const found = await sqliteDriver();
  if (found !== undefined) return found;
  throw misuse(
    "invalid_argument",
    'SQLiteStore needs Node 22.13 or later, or the package better-sqlite3: run "npm install better-sqlite3"',
  );
}

/** Waits for a lock, which mostly lasts for some 100 us. */
function rest(turn: number): Promise<void> {
  const most = Math.min(2 ** turn, 20);
  return new Promise((resume) => {
    if (turn < 2) setImmediate(resume);
    else setTimeout(resume, most * (0.5 + Math.random() / 2));
  });
}

function bytesOf(id: string): Uint8Array {
  return Buffer.from(id, "hex");
}

/** Not a Buffer, which one of the drivers gives. */
function plain(value: Uint8Array | undefined): Uint8Array | null {
  return value === undefined ? null : new Uint8Array(value);
}
