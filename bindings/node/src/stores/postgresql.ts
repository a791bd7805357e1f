import { misuse } from "../core/answers.js";
import { shownAs } from "../core/console.js";
import { BOOLEAN, checkOptions, checkValue, type Rules, seconds } from "../core/options.js";
import { reason } from "../core/text.js";
import { TallystickError } from "../errors.js";
import { type Answer, Connections, type PostgreSQLPool, type Statement } from "./postgresql-pool.js";
import { inspectServer, Tables } from "./postgresql-tables.js";
import { RefusedServer } from "./refused-server.js";
import {
  checkClaim,
  checkPut,
  DOCUMENT,
  ID,
  NAME,
  type OwnStore,
  START,
  type StoreStart,
  settingOf,
  TIMEOUT,
  unavailable,
  VERSION,
} from "./store.js";

/** The options of a store in PostgreSQL. */
export interface PostgreSQLStoreOptions {
  /**
   * How the names of its tables begin: up to 41 of a-z, 0-9 and _, optionally with a schema and a
   * dot in front. Stores that shall share claims have the same. Default: `tallystick`.
   */
  readonly table?: string | undefined;
  /** How long a call may take, in seconds, with all that it waits for. Default: 2. */
  readonly timeout?: number | undefined;
  /** Whether an agent may not start while it cannot be reached. Default: true. */
  readonly required?: boolean | undefined;
}

const RULES: Rules<PostgreSQLStoreOptions> = {
  table: {
    must: "up to 41 of a-z, 0-9 and _, optionally with a schema and a dot in front",
    holds: (value) => typeof value === "string" && /^([a-z_][a-z0-9_]{0,40}\.)?[a-z_][a-z0-9_]{0,40}$/.test(value),
  },
  timeout: seconds(60),
  required: BOOLEAN,
};

/** A document and its version, which begins at 1 and grows by 1. */
export interface VersionedDocument {
  readonly version: number;
  readonly value: Uint8Array;
}

/** Claims, or values, between two prunings. */
const PRUNE_EVERY = 64;

/**
 * A store in PostgreSQL, for many machines. It makes three tables, or uses those that were made by
 * hand. It needs the package pg (8). It connects by itself, and anew when a connection ends, with
 * no restart; a program may end without closing it. Each worker thread and process makes one of its
 * own, with up to 8 connections.
 *
 * On each new connection it looks at the server. One that is read-only, or whose clock differs from
 * this machine's by more than 60 s, is refused. A standby that takes over should be a synchronous
 * one: what others lack is not seen.
 */
export class PostgreSQLStore implements OwnStore {
  /** When it lost what it held, in seconds since 1970: undefined, since a loss cannot be seen. */
  readonly lostAt: number | undefined = undefined;
  readonly [START]: StoreStart;
  readonly #tables: Tables;
  readonly #connections: Connections;
  readonly #password: string;
  #hasTables = false;
  #claims = 0;
  #values = 0;

  /**
   * @param server - A URL, such as `postgresql://user:password@host:5432/database`, or a `Pool` of
   *   the package pg, which is not ended by {@link PostgreSQLStore.close}. A pool should have
   *   `connectionTimeoutMillis`.
   * @throws {@link TallystickError} `invalid_argument`
   */
  constructor(server: string | PostgreSQLPool, options: PostgreSQLStoreOptions = {}) {
    checkOptions("PostgreSQLStore", options, RULES);
    const { table = "tallystick", timeout = TIMEOUT, required = true } = options;
    const url = typeof server === "string" ? urlOf(server) : undefined;
    const setting = url === undefined ? "store PostgreSQLStore(pool)" : settingOf(url);
    this.#password = url === undefined ? "" : passwordOf(url);
    this.#tables = new Tables(table);
    this.#connections = new Connections(server, timeout, async (connection) => {
      await inspectServer(connection);
      if (!this.#hasTables) await this.#tables.prepare(connection);
      this.#hasTables = true;
    });
    this[START] = { setting, required, check: () => this.#check() };
    shownAs(this, `PostgreSQLStore { ${setting} }`);
  }

  /**
   * Claims an id, in one atomic step.
   *
   * @param id - 32 hex digits in lower case.
   * @param seconds - How long to keep it, in seconds, 1 to 2,147,483,648.
   * @returns true if it was free.
   * @throws {@link TallystickError} `replay_store_unavailable` if it cannot tell: the id may be
   *   claimed then. `invalid_argument`.
   */
  async claim(id: string, seconds: number): Promise<boolean> {
    checkClaim(id, seconds);
    const { rowCount } = await this.#ask(this.#tables.claim, [bytesOf(id), seconds]);
    if (++this.#claims % PRUNE_EVERY === 0) this.#prune(this.#tables.pruneClaims);
    return rowCount === 1;
  }

  /**
   * Stores a value, in place of an older one.
   *
   * @param value - At most 64 KiB.
   * @param seconds - How long to keep it, in seconds, 1 to 2,147,483,648.
   * @throws {@link TallystickError} as {@link PostgreSQLStore.claim}.
   */
  async put(id: string, value: Uint8Array, seconds: number): Promise<void> {
    checkPut(id, value, seconds);
    await this.#ask(this.#tables.put, [bytesOf(id), bufferOf(value), seconds]);
    if (++this.#values % PRUNE_EVERY === 0) this.#prune(this.#tables.pruneValues);
  }

  /** The value, or null if there is none. */
  async get(id: string): Promise<Uint8Array | null> {
    checkValue("get: id", id, ID);
    return valueIn(await this.#ask(this.#tables.get, [bytesOf(id)]));
  }

  /** The value, which is then gone, or null if there is none. Of several callers one gets it. */
  async take(id: string): Promise<Uint8Array | null> {
    checkValue("take: id", id, ID);
    return valueIn(await this.#ask(this.#tables.take, [bytesOf(id)]));
  }

  /**
   * A document that {@link PostgreSQLStore.write} stored, or null if there is none.
   *
   * @param name - 1 to 200 letters, digits and signs of ._-
   * @throws {@link TallystickError} as {@link PostgreSQLStore.claim}.
   */
  async read(name: string): Promise<VersionedDocument | null> {
    checkValue("read: name", name, NAME);
    const { rows } = await this.#ask(this.#tables.read, [name]);
    const [version, value] = rows[0] ?? [];
    return version == null || value == null ? null : { version: Number(version), value: Buffer.from(value, "hex") };
  }

  /**
   * Stores a document in place of the version that was read.
   *
   * @param name - 1 to 200 letters, digits and signs of ._-
   * @param expectedVersion - 0 if there was none.
   * @param value - At most 8 MiB.
   * @returns true if it was written: its version is expectedVersion + 1. false if there is another
   *   version by now.
   * @throws {@link TallystickError} as {@link PostgreSQLStore.claim}: it may be written then.
   */
  async write(name: string, expectedVersion: number, value: Uint8Array): Promise<boolean> {
    checkValue("write: name", name, NAME);
    checkValue("write: expectedVersion", expectedVersion, VERSION);
    checkValue("write: value", value, DOCUMENT);
    const { create, update } = this.#tables;
    const { rowCount } =
      expectedVersion === 0
        ? await this.#ask(create, [name, bufferOf(value)])
        : await this.#ask(update, [name, bufferOf(value), expectedVersion]);
    return rowCount === 1;
  }

  /** Ends the connections that it made; the next call makes others. */
  async close(): Promise<void> {
    await this.#connections.close();
  }

  async #check(): Promise<void> {
    try {
      await this.#connections.use(async () => {});
    } catch (error) {
      throw this.#failed(error);
    }
  }

  async #ask(statement: Statement, values: readonly unknown[]): Promise<Answer> {
    try {
      return await this.#connections.use((connection) => connection.ask(statement, values));
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** In the background. What fails is left to the next one. */
  #prune(statement: Statement): void {
    this.#ask(statement, []).catch(() => {});
  }

  /** The error for the operator. It has no cause, which could show what is secret. */
  #failed(error: unknown): TallystickError {
    if (error instanceof TallystickError) return error;
    const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
    const said = reason(first);
    const what = this.#password === "" ? said : said.replaceAll(this.#password, "***");
    return unavailable(
      this[START].setting,
      `cannot be used (${what})`,
      first instanceof RefusedServer ? first.fix : fixOf(first, said),
    );
  }
}

const FIXES: readonly (readonly [RegExp, string])[] = [
  [/^28|password/, "correct user and password in its URL"],
  [/^3D000/, "correct the name of the database in its URL"],
  [/^42501/, "GRANT its role SELECT, INSERT, UPDATE and DELETE on the tables"],
  [/^(53300|.*timeout exceeded)/, "raise max_connections of the server or max of the pool, or run fewer processes"],
  [/^25006/, "name the primary"],
  [/^42P01/, "a table was dropped while in use: used tokens may pass again when it is made anew"],
  [/prepared statement/, "a PgBouncer in between must be 1.21 or later, with max_prepared_statements"],
  [/certificate|self.signed/i, "give the server's certificate with sslrootcert=FILE in its URL"],
  [/SSL|TLS/, "see whether it speaks TLS: sslmode=disable in its URL is without"],
  [/ENOTFOUND|EAI_AGAIN/, "correct the name of its host"],
];

function fixOf(error: unknown, said: string): string {
  const { code = "" } = (error ?? {}) as { readonly code?: unknown };
  const fix = FIXES.find(([pattern]) => pattern.test(String(code)) || pattern.test(said))?.[1];
  return fix ?? "see whether the server runs and can be reached from here";
}

function bytesOf(id: string): Buffer {
  return Buffer.from(id, "hex");
}

function bufferOf(value: Uint8Array): Buffer {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

function valueIn({ rows }: Answer): Uint8Array | null {
  const hex = rows[0]?.[0] ?? null;
  return hex === null ? null : Buffer.from(hex, "hex");
}

/** Errors do not quote a URL, which may hold a password. */
function urlOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^postgres(ql)?:\/\//i.test(text)) {
    throw wrongUrl("it is none: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE");
  }
  // Else a part of a password would be taken for the database.
  if (`${url.pathname}${url.search}${url.hash}`.includes("@")) {
    throw wrongUrl("write / ? # and @ in its user or password as %2F %3F %23 and %40");
  }
  return url;
}

function passwordOf(url: URL): string {
  try {
    return decodeURIComponent(url.password) || (url.searchParams.get("password") ?? "");
  } catch {
    throw wrongUrl("write % in its user or password as %25");
  }
}

function wrongUrl(what: string): TallystickError {
  return misuse("invalid_argument", `store: the URL of PostgreSQL: ${what}`);
}
