import { accessSync, closeSync, constants, lstatSync, mkdirSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import type { Database, OpenDatabase } from "./sqlite-driver.js";

// The file's form is that of every language; the Python package has the same statements.

/** A claim writes one page; a small one costs half as much as a usual one. */
export const PAGE_SIZE = 1024;

/** KiB of pages that a connection caches: some 400,000 live ids. Claims go to random pages. */
const CACHE_KIB = 16_384;

/** Pages in the log before they are moved into the file. */
const CHECKPOINT_PAGES = 4000;

const APPLICATION = 0x54414c59;
const FORMAT = 1;

/** Claims of a connection between two prunings, and rows that one pruning looks at. */
const PRUNE_EVERY = 64;
const PRUNE_ROWS = 256;

const SCHEMA = `
CREATE TABLE IF NOT EXISTS tallystick_used (
    id BLOB PRIMARY KEY, expires_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tallystick_values (
    id BLOB PRIMARY KEY, value BLOB NOT NULL, expires_at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tallystick_state (
    one INTEGER PRIMARY KEY CHECK (one = 1), pruned INTEGER NOT NULL,
    lost_at INTEGER NOT NULL DEFAULT 0, born BLOB NOT NULL);
INSERT OR IGNORE INTO tallystick_state (one, pruned, born) VALUES (1, 0, randomblob(16));
PRAGMA application_id = ${APPLICATION};
PRAGMA user_version = ${FORMAT};
`;

// One statement is one atomic step. Nothing is claimed that would expire before the last pruning, so
// that a clock that steps back reopens nothing; and nothing before a loss is known that another
// process noted.
const CLAIM = `
INSERT INTO tallystick_used (id, expires_at)
SELECT ?, ? FROM tallystick_state WHERE pruned < ? AND lost_at <= ?
ON CONFLICT (id) DO NOTHING`;

const STATE = "SELECT lost_at, born, pruned >= ? AS stale FROM tallystick_state";
const LOSE = "UPDATE tallystick_state SET lost_at = max(lost_at, ?)";

// Rows are looked at in the order of their ids: an index by expiry would double what each claim
// writes.
const look = (table: string) => `
SELECT count(*) AS seen, max(id) AS last, max(CASE WHEN expires_at < ? THEN expires_at END) AS latest
FROM (SELECT id, expires_at FROM ${table} WHERE id > ? ORDER BY id LIMIT ?)`;
const forget = (table: string) => `DELETE FROM ${table} WHERE id > ? AND id <= ? AND expires_at <= ?`;
const RAISE = "UPDATE tallystick_state SET pruned = max(pruned, ?)";

const PUT = `
INSERT INTO tallystick_values (id, value, expires_at) VALUES (?, ?, ?)
ON CONFLICT (id) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at`;
const GET = "SELECT value FROM tallystick_values WHERE id = ? AND expires_at > ?";
const TAKE = "DELETE FROM tallystick_values WHERE id = ? RETURNING value, expires_at > ? AS live";

/** Before every id: an empty one is NULL to some drivers. */
const FIRST = Uint8Array.of(0);

interface State {
  readonly lost_at: number;
  readonly born: Uint8Array;
  readonly stale: number;
}

/**
 * An open file. All is synchronous and short: what another process has locked is an error at once.
 */
export class SQLiteFile {
  /** Of this file alone: a random number in it, and its place. A copy of it has another place. */
  readonly identity: string;
  #lostAt: number;
  readonly #path: string;
  readonly #place: string | undefined;
  readonly #database: Database;
  readonly #statements = new Map<string, ReturnType<Database["prepare"]>>();
  readonly #turns: Record<Table, number> = { tallystick_used: 0, tallystick_values: 0 };
  readonly #swept: Record<Table, Uint8Array> = { tallystick_used: FIRST, tallystick_values: FIRST };

  private constructor(path: string, place: string | undefined, database: Database, state: State) {
    this.#path = path;
    this.#place = place;
    this.#database = database;
    this.identity = `${hex(state.born)} ${place}`;
    this.#lostAt = state.lost_at;
  }

  /** Opens a file, and makes it where it is missing. */
  static open(open: OpenDatabase, path: string, maxBytes: number): SQLiteFile {
    create(path);
    const place = placeOf(path);
    const database = open(path);
    try {
      const state = prepare(database, maxBytes);
      if (placeOf(path) !== place) throw new Error("it was replaced while it was being opened");
      return new SQLiteFile(path, place, database, state);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** When a file before this one was lost, in seconds since 1970, as far as it is known; 0: never. */
  get lostAt(): number {
    return this.#lostAt;
  }

  /** Whether the file was deleted, or another one is in its place. */
  get isReplaced(): boolean {
    return placeOf(this.#path) !== this.#place;
  }

  /** Notes for all processes that what the file before this one held was lost, in seconds since 1970. */
  lose(at: number): void {
    this.#run(LOSE, at);
    this.#lostAt = Math.max(this.#lostAt, at);
  }

  /**
   * What became of a claim. "lost": another process noted that a file before this one was lost.
   * "stale": the clock was set back behind what the file has forgotten, so nobody knows.
   */
  claim(id: Uint8Array, seconds: number): "claimed" | "exists" | "lost" | "stale" {
    this.#pruneAtTimes("tallystick_used");
    const until = expiry(seconds);
    const changed = this.#withRoom("tallystick_used", () => this.#run(CLAIM, id, until, until, this.#lostAt));
    if (changed === 1) return "claimed";
    const [state] = this.#all<State>(STATE, until);
    if (state === undefined) throw new Error("its table tallystick_state is empty");
    if (state.lost_at <= this.#lostAt) return state.stale === 1 ? "stale" : "exists";
    this.#lostAt = state.lost_at;
    return "lost";
  }

  put(id: Uint8Array, value: Uint8Array, seconds: number): void {
    this.#pruneAtTimes("tallystick_values");
    this.#withRoom("tallystick_values", () => this.#run(PUT, id, value, expiry(seconds)));
  }

  get(id: Uint8Array): Uint8Array | undefined {
    return this.#all<{ readonly value: Uint8Array }>(GET, id, Date.now() / 1000)[0]?.value;
  }

  take(id: Uint8Array): Uint8Array | undefined {
    const [row] = this.#all<{ readonly value: Uint8Array; readonly live: number }>(TAKE, id, Date.now() / 1000);
    return row?.live === 1 ? row.value : undefined;
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }

  #pruneAtTimes(table: Table): void {
    if (this.#turns[table] % PRUNE_EVERY === 0) this.#prune(table);
    this.#turns[table] += 1;
  }

  /** Does what needs room. In a full file what has expired is forgotten first. */
  #withRoom<T>(table: Table, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!/\bfull\b/.test(String(error))) throw error;
      // Twice: the first pruning may be near the end of the table.
      this.#prune(table);
      this.#prune(table);
      return work();
    }
  }

  #prune(table: Table): void {
    const before = this.#swept[table];
    const now = Math.floor(Date.now() / 1000);
    const [found] = this.#all<Look>(look(table), now, before, PRUNE_ROWS);
    const { seen, last, latest } = found as Look;
    if (last !== null && latest !== null) {
      transaction(this.#database, () => {
        if (table === "tallystick_used") this.#run(RAISE, latest);
        this.#run(forget(table), before, last, latest);
      });
    }
    this.#swept[table] = last !== null && seen === PRUNE_ROWS ? Uint8Array.from(last) : FIRST;
  }

  #all<Row>(sql: string, ...parameters: (number | Uint8Array)[]): Row[] {
    return this.#prepared(sql).all(...parameters) as Row[];
  }

  #run(sql: string, ...parameters: (number | Uint8Array)[]): number {
    return Number(this.#prepared(sql).run(...parameters).changes);
  }

  #prepared(sql: string): ReturnType<Database["prepare"]> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

type Table = "tallystick_used" | "tallystick_values";

interface Look {
  readonly seen: number;
  readonly last: Uint8Array | null;
  readonly latest: number | null;
}

function expiry(seconds: number): number {
  return Math.ceil(Date.now() / 1000) + seconds;
}

/** Makes the file before SQLite does, which would take its mode from the umask. */
function create(path: string): void {
  mkdirSync(dirname(path), { mode: 0o700, recursive: true });
  try {
    closeSync(openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600));
  } catch (reason) {
    if ((reason as NodeJS.ErrnoException).code !== "EEXIST") throw reason;
    // Not opened here: to close it would end the locks that other connections of this process have
    // on it (POSIX).
    mustBeOwnFile(path);
  }
}

function mustBeOwnFile(path: string): void {
  const { mode } = lstatSync(path);
  // A symbolic link would let its owner choose the file that is made or written.
  const kind = mode & constants.S_IFMT;
  if (kind === constants.S_IFLNK) throw new Error("ELOOP: it is a symbolic link");
  if (kind === constants.S_IFDIR) throw new Error("EISDIR: it is a directory");
  // On Windows every file that is not read-only shows as writable for all.
  if (process.platform !== "win32" && (mode & 0o002) !== 0) {
    throw new Error("every user may write to it and so free used tokens: chmod 600");
  }
  accessSync(path, constants.R_OK | constants.W_OK);
}

function prepare(database: Database, maxBytes: number): State {
  database.exec(`PRAGMA page_size = ${PAGE_SIZE}`);
  isOurs(database); // before anything is written to what may be another application's
  switchToWAL(database);
  database.exec(`PRAGMA synchronous = NORMAL; PRAGMA cache_size = -${CACHE_KIB};
    PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA max_page_count = ${Math.floor(maxBytes / PAGE_SIZE)}`);
  transaction(database, () => {
    if (!isOurs(database)) database.exec(SCHEMA);
  });
  return database.prepare(STATE).all(0)[0] as State;
}

/** False for a new file. */
function isOurs(database: Database): boolean {
  const [found] = database
    .prepare(
      `SELECT application_id AS application, user_version AS format, (SELECT count(*) FROM sqlite_schema) AS tables
       FROM pragma_application_id, pragma_user_version`,
    )
    .all() as { readonly application: number; readonly format: number; readonly tables: number }[];
  const { application, format, tables } = found ?? { application: 0, format: 0, tables: 0 };
  if (application === 0 && tables === 0) return false;
  if (application !== APPLICATION) throw new Error("it belongs to another application");
  if (format !== FORMAT) throw new Error(`its format is version ${format}, and this package has ${FORMAT}`);
  return true;
}

function switchToWAL(database: Database): void {
  const [mode] = database.prepare("PRAGMA journal_mode = WAL").all() as { readonly journal_mode: string }[];
  if (mode?.journal_mode !== "wal") throw new Error("this file system cannot share memory: a local one is needed");
}

function transaction(database: Database, work: () => void): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    work();
    database.exec("COMMIT");
  } catch (error) {
    rollBack(database);
    throw error;
  }
}

/** A failure may have ended the transaction already. */
function rollBack(database: Database): void {
  try {
    database.exec("ROLLBACK");
  } catch {}
}

function placeOf(path: string): string | undefined {
  const status = statSync(path, { bigint: true, throwIfNoEntry: false });
  return status === undefined ? undefined : `${status.dev} ${status.ino}`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
