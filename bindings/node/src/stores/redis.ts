import { misuse } from "../core/answers.js";
import { shownAs } from "../core/console.js";
import { within } from "../core/need.js";
import { BOOLEAN, checkOptions, checkValue, type Rules, STRING, seconds } from "../core/options.js";
import { reason } from "../core/text.js";
import { TallystickError } from "../errors.js";
import { type Address, type Client, type Command, clientOf } from "./redis-client.js";
import { inspectServer } from "./redis-server.js";
import { GivenSessions, OwnSessions, type Session, type Sessions } from "./redis-sessions.js";
import { RefusedServer } from "./refused-server.js";
import {
  checkClaim,
  checkPut,
  ID,
  type OwnStore,
  START,
  type StoreStart,
  settingOf,
  TIMEOUT,
  unavailable,
} from "./store.js";

/** The options of a store in Redis or Valkey. */
export interface RedisStoreOptions {
  /** In front of each key. Stores that shall share claims have the same. Default: `tallystick:`. */
  readonly prefix?: string | undefined;
  /** How long a call may take, in seconds, with all that it waits for. Default: 2. */
  readonly timeout?: number | undefined;
  /** Whether an agent may not start while it cannot be reached. Default: true. */
  readonly required?: boolean | undefined;
}

const RULES: Rules<RedisStoreOptions> = { prefix: STRING, timeout: seconds(60), required: BOOLEAN };

/**
 * A client of the package redis (4 to 6: `createClient`, `createCluster`) or ioredis (5 and 6:
 * `Redis`, `Cluster`).
 */
export interface RedisClient {
  on(event: string, listener: (...values: unknown[]) => void): unknown;
}

/** Seconds for which a loss is told to stores that connect later. */
const TELL_LOSS = 86_400;

/**
 * A store in Redis 6.2 or later, or in Valkey, for many machines. It connects by itself, and anew
 * when a connection ends, with no restart; a program may end without closing it. Each worker thread
 * and process makes one of its own.
 *
 * On each new connection it looks at the server. One that evicts keys, that is a replica, or whose
 * clock differs from this machine's by more than 60 s is refused. Behind a connection to a server
 * that has restarted, or to another one, used tokens may be lost: see {@link RedisStore.lostAt}.
 */
export class RedisStore implements OwnStore {
  readonly [START]: StoreStart;
  readonly #prefix: string;
  readonly #timeout: number;
  readonly #password: string;
  readonly #sessions: Sessions;
  readonly #warnings = new Set<string>();
  #runIds: readonly string[] = [];
  #lostAt: number | undefined;

  /**
   * @param server - A URL, such as `redis://user:password@host:6379/0`, with `rediss:` for TLS,
   *   `valkey:` and `valkeys:` the same; it needs the package redis or ioredis. Or a client of one
   *   of these, which is not closed by {@link RedisStore.close}.
   * @throws {@link TallystickError} `invalid_argument`
   */
  constructor(server: string | RedisClient, options: RedisStoreOptions = {}) {
    checkOptions("RedisStore", options, RULES);
    const { prefix = "tallystick:", timeout = TIMEOUT, required = true } = options;
    const url = typeof server === "string" ? urlOf(server) : undefined;
    const address = url === undefined ? undefined : addressOf(url);
    const setting = url === undefined ? "store RedisStore(client)" : settingOf(url);
    this.#prefix = prefix;
    this.#timeout = timeout;
    this.#password = address?.password ?? "";
    const look = (client: Client) => this.#look(client);
    this.#sessions =
      address === undefined ? new GivenSessions(clientOf(server), look) : new OwnSessions(address, timeout, look);
    this[START] = { setting, required, check: (warn) => this.#check(warn) };
    shownAs(this, `RedisStore { ${setting} }`);
  }

  /**
   * When used tokens were lost, as far as this store saw or was told: it connected to a server that
   * had restarted, or to another one. In seconds since 1970 by the clock of this machine; undefined
   * if never.
   */
  get lostAt(): number | undefined {
    return this.#lostAt;
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
    const reply = await this.#ask(["SET", `${this.#prefix}used:${id}`, "1", "NX", "PX", String(seconds * 1000)]);
    if (reply === "OK" || reply === null) return reply === "OK";
    throw this.#failed(new RefusedServer(`it answered a claim with ${typeof reply}`, "give it a client of its own"));
  }

  /**
   * Stores a value, in place of an older one.
   *
   * @param value - At most 64 KiB.
   * @param seconds - How long to keep it, in seconds, 1 to 2,147,483,648.
   * @throws {@link TallystickError} as {@link RedisStore.claim}.
   */
  async put(id: string, value: Uint8Array, seconds: number): Promise<void> {
    checkPut(id, value, seconds);
    const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    await this.#ask(["SET", this.#valueKey(id), bytes, "PX", String(seconds * 1000)]);
  }

  /** The value, or null if there is none. */
  async get(id: string): Promise<Uint8Array | null> {
    checkValue("get: id", id, ID);
    return (await this.#ask(["GET", this.#valueKey(id)], true)) as Uint8Array | null;
  }

  /** The value, which is then gone, or null if there is none. Of several callers one gets it. */
  async take(id: string): Promise<Uint8Array | null> {
    checkValue("take: id", id, ID);
    return (await this.#ask(["GETDEL", this.#valueKey(id)], true)) as Uint8Array | null;
  }

  /** Ends the connection that it made; the next call makes another. */
  async close(): Promise<void> {
    this.#sessions.close();
  }

  #valueKey(id: string): string {
    return `${this.#prefix}value:${id}`;
  }

  async #check(warn: (line: string) => void): Promise<void> {
    await this.#withSession(async () => {});
    for (const warning of this.#warnings) warn(warning);
  }

  #ask(command: Command, binary?: boolean): Promise<unknown> {
    return this.#withSession(async (session) => {
      const reply = await session.send(command, binary);
      if (session.isCurrent()) return reply;
      throw new Error("the connection was lost before the answer came");
    });
  }

  /** All that a call waits for has one deadline. What comes too late is not sent. */
  async #withSession<T>(work: (session: Session) => Promise<T>): Promise<T> {
    let used: Session | undefined;
    let isLate = false;
    try {
      await this.#sessions.loaded;
      return await within(this.#timeout, "it", async () => {
        const session = await this.#sessions.current();
        if (isLate) throw new Error("it is too late");
        used = session;
        return await work(session);
      });
    } catch (error) {
      isLate = true;
      if (used !== undefined) this.#sessions.drop(used);
      throw this.#failed(error);
    }
  }

  /** Looks at what is behind a new connection. */
  async #look(client: Client): Promise<void> {
    const states = await Promise.all(client.primaries().map((node) => inspectServer(node, client.isCluster)));
    for (const warning of states.flatMap(({ warnings }) => warnings)) this.#warnings.add(warning);
    await this.#noteLoss(
      client,
      states.flatMap(({ runId }) => runId ?? []),
    );
  }

  /** Whoever sees a loss tells it to stores that connect later. */
  async #noteLoss(client: Client, runIds: readonly string[]): Promise<void> {
    const key = `${this.#prefix}lost`;
    const now = Math.ceil(Date.now() / 1000);
    const told = timeIn(key, await client.send(["GET", key]));
    const isOther = this.#runIds.length > 0 && !runIds.every((runId) => this.#runIds.includes(runId));
    const lost = Math.max(this.#lostAt ?? 0, Math.min(told, now), isOther ? now : 0);
    if (lost > 0) this.#lostAt = lost;
    if (runIds.length > 0) this.#runIds = runIds;
    if (lost <= Math.max(told, now - TELL_LOSS)) return;
    await client.send(["SET", key, String(lost), "EX", String(TELL_LOSS)]);
  }

  /** The error for the operator. It has no cause: those of clients hold commands with passwords. */
  #failed(error: unknown): TallystickError {
    if (error instanceof TallystickError) return error;
    const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
    const said = reason(first);
    const what = this.#password === "" ? said : said.replaceAll(this.#password, "***");
    return unavailable(
      this[START].setting,
      `cannot be used (${what})`,
      first instanceof RefusedServer ? first.fix : fixOf(said),
    );
  }
}

/** Seconds since 1970, or 0 if there are none. */
function timeIn(key: string, reply: unknown): number {
  const text = reply === null ? "0" : String(reply);
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new RefusedServer(`the key ${key} holds no time`, "delete that key");
}

const FIXES: readonly (readonly [RegExp, string])[] = [
  [/WRONGPASS|NOAUTH|invalid password/i, "correct user and password in its URL"],
  [/NOPERM/, "allow its user SET, GET, GETDEL, TIME, INFO and CONFIG|GET on the keys of its prefix"],
  [/certificate|self.signed/i, "let Node trust its certificate (NODE_EXTRA_CA_CERTS), or give a client object"],
  [/SSL|TLS/, "see whether it speaks TLS: rediss: is with TLS, redis: without"],
  [/ENOTFOUND|EAI_AGAIN/, "correct the name of its host"],
  [/READONLY|MASTERDOWN/, "name the primary"],
  [/OOM|MISCONF/, "give it memory or disk: it takes no claims while it is full"],
  [/database|DB index/i, "correct the number of the database in its URL"],
  [/GETDEL/, "it needs Redis 6.2 or later, or Valkey"],
  [/subscribe|PubSub/i, "give the store a client of its own"],
];

function fixOf(said: string): string {
  const fix = FIXES.find(([pattern]) => pattern.test(said))?.[1];
  return fix ?? "see whether the server runs and can be reached from here, by TLS (rediss:) or without (redis:)";
}

const PROTOCOLS: Readonly<Record<string, { readonly tls: boolean }>> = {
  "redis:": { tls: false },
  "rediss:": { tls: true },
  "valkey:": { tls: false },
  "valkeys:": { tls: true },
};

/** Errors do not quote a URL, which may hold a password. */
function urlOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !Object.hasOwn(PROTOCOLS, url.protocol) || url.hostname === "") {
    throw wrongUrl("it is none: write redis://HOST:PORT/DATABASE, or rediss:, valkey: or valkeys:");
  }
  if (url.search !== "" || url.hash !== "") {
    throw wrongUrl("it has settings after the database: give a client object in its place");
  }
  return url;
}

function addressOf(url: URL): Address {
  const [, database = ""] = /^\/?(\d{0,9})$/.exec(url.pathname) ?? [];
  if (database === "" && url.pathname.length > 1)
    throw wrongUrl("its path must be the number of a database, such as /0");
  try {
    return {
      host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: Number(url.port || 6379),
      tls: PROTOCOLS[url.protocol]?.tls === true,
      username: decodeURIComponent(url.username),
      password: decodeURIComponent(url.password),
      database: Number(database),
    };
  } catch {
    throw wrongUrl("write % in its user or password as %25");
  }
}

function wrongUrl(what: string): TallystickError {
  return misuse("invalid_argument", `store: the URL of Redis: ${what}`);
}
