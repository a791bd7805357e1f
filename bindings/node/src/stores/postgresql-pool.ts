// Connections of a pool of the package pg (8), each looked at before its first claim. One call has
// one deadline: for a place in the pool, for connecting and for the answers.
import { misuse } from "../core/answers.js";
import { within } from "../core/need.js";
import { kindOf } from "../core/options.js";
import { RefusedServer } from "./refused-server.js";

/** A statement. One with a name is prepared once on each connection. */
export interface Statement {
  readonly text: string;
  readonly name?: string | undefined;
}

/** Rows as texts. */
export interface Answer {
  readonly rowCount: number | null;
  readonly rows: readonly (readonly (string | null)[])[];
}

/** A connection, for the time of one call. */
export interface Connection {
  ask(statement: Statement, values?: readonly unknown[]): Promise<Answer>;
}

interface PoolClient {
  query(config: object): Promise<Answer>;
  release(destroy?: boolean): void;
  on(event: "error", listener: () => void): unknown;
  /** "I" outside of a transaction. From pg 8.17 on. */
  getTransactionStatus?(): string | null;
}

/** What is used of a `Pool` of the package pg, or of one that is like it. */
export interface PostgreSQLPool {
  connect(): Promise<unknown>;
  end(): Promise<void>;
  on(event: "error", listener: (error: Error) => void): unknown;
  off(event: "error", listener: (error: Error) => void): unknown;
  readonly totalCount: number;
}

/** Connections of a pool of a store's own. */
const MAX_CONNECTIONS = 8;

/** Milliseconds for which it is not tried again to connect. */
const PAUSE = 250;

/** Whatever an application has set, a value comes as its text. */
const AS_TEXT = { getTypeParser: () => (text: string) => text };

export class Connections {
  readonly #server: string | PostgreSQLPool;
  readonly #timeout: number;
  readonly #look: (connection: Connection) => Promise<void>;
  #pool: Promise<PostgreSQLPool> | undefined;
  /** Those that were looked at. */
  #known = new WeakSet<PoolClient>();
  #failure: unknown;
  #retryAt = 0;

  /**
   * @param server - A URL, or a pool of the application.
   * @param timeout - Of a call, in seconds.
   * @throws {@link TallystickError} `invalid_argument`
   */
  constructor(server: string | PostgreSQLPool, timeout: number, look: (connection: Connection) => Promise<void>) {
    if (typeof server !== "string") mustBePool(server);
    this.#server = server;
    this.#timeout = timeout;
    this.#look = look;
  }

  /** Does some work on a connection. One on which something failed is not used again. */
  async use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const turn = new Turn();
    try {
      // To load a package takes time for which the deadline is not meant.
      const pool = await (this.#pool ??= this.#open());
      const result = await within(this.#timeout, "it", async () => work(await this.#checkOut(pool, turn)));
      turn.end(false);
      return result;
    } catch (error) {
      turn.end(!isOfStatement(error));
      throw error;
    }
  }

  /** Ends the pool if it is its own; the next call makes another. */
  async close(): Promise<void> {
    const pool = await this.#pool?.catch(() => undefined);
    this.#pool = undefined;
    this.#known = new WeakSet();
    pool?.off("error", ignore);
    if (pool !== this.#server) await pool?.end();
  }

  async #checkOut(pool: PostgreSQLPool, turn: Turn): Promise<Connection> {
    const client = await this.#connect(pool);
    turn.begin(client);
    const connection = {
      ask: (statement: Statement, values: readonly unknown[] = []) => ask(client, statement, values),
    };
    if (this.#known.has(client)) return connection;
    // An error of a connection that is in use would end the process.
    client.on("error", ignore);
    await this.#look(connection);
    this.#known.add(client);
    return connection;
  }

  async #connect(pool: PostgreSQLPool): Promise<PoolClient> {
    if (performance.now() < this.#retryAt) throw this.#failure;
    try {
      return (await pool.connect()) as PoolClient;
    } catch (error) {
      this.#failure = error;
      this.#retryAt = performance.now() + PAUSE;
      throw error;
    }
  }

  async #open(): Promise<PostgreSQLPool> {
    const pool = typeof this.#server === "string" ? await ownPool(this.#server, this.#timeout) : this.#server;
    // An idle connection that breaks would end the process.
    pool.on("error", ignore);
    return pool;
  }
}

/** The time for which a call has a connection. */
class Turn {
  #client: PoolClient | undefined;
  #isOver = false;

  begin(client: PoolClient): void {
    if (this.#isOver) {
      client.release();
      throw new Error("it is too late");
    }
    this.#client = client;
    const status = client.getTransactionStatus?.() ?? "I";
    if (status !== "I") {
      throw new RefusedServer(
        "a connection of its pool is in a transaction, which could undo a claim",
        "end each transaction before its connection is released",
      );
    }
  }

  end(destroy: boolean): void {
    const client = this.#client;
    this.#isOver = true;
    this.#client = undefined;
    client?.release(destroy);
  }
}

function ask(client: PoolClient, statement: Statement, values: readonly unknown[]): Promise<Answer> {
  return client.query({ ...statement, values, rowMode: "array", types: AS_TEXT });
}

function ignore(): void {}

/** Whether the server refused a statement, and the connection can be used further. */
function isOfStatement(error: unknown): boolean {
  const { code } = error as { readonly code?: unknown };
  return typeof code === "string" && /^(22|23|42)...$/.test(code);
}

function mustBePool(server: unknown): void {
  const { connect, end, totalCount } = (server ?? {}) as Partial<PostgreSQLPool>;
  if (typeof connect === "function" && typeof end === "function" && typeof totalCount === "number") return;
  throw misuse("invalid_argument", `PostgreSQLStore: server must be a URL or a Pool of pg (it is ${kindOf(server)})`);
}

async function ownPool(url: string, timeout: number): Promise<PostgreSQLPool> {
  const { Pool } = await importPg();
  return new Pool({
    connectionString: url,
    max: MAX_CONNECTIONS,
    connectionTimeoutMillis: timeout * 1000,
    idleTimeoutMillis: 30_000,
    allowExitOnIdle: true,
    keepAlive: true,
    fallback_application_name: "tallystick",
  });
}

type Pg = typeof import("pg");

async function importPg(): Promise<Pg> {
  try {
    return (await import("pg")).default;
  } catch (cause) {
    throw misuse("invalid_argument", 'a store in PostgreSQL needs the package pg: run "npm install pg"', { cause });
  }
}
