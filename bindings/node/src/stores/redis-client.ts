// The clients of the packages redis (4 to 6) and ioredis (5 and 6) behind one small interface. It
// is what they have in common, so that neither their types nor their defaults reach further.
import { type EventEmitter, once } from "node:events";
import { misuse } from "../core/answers.js";
import { kindOf } from "../core/options.js";
import { RefusedServer } from "./refused-server.js";

/** One command with its arguments. */
export type Command = readonly (string | Buffer)[];

/** How one client, or one server of a cluster, is asked. */
export interface Node {
  /** Sends a command and gives its reply: texts as text or, if `binary`, as Buffer. */
  send(command: Command, binary?: boolean): Promise<unknown>;
}

/** A client of either package. */
export interface Client extends Node {
  /** Whether it takes commands now, will do so later by itself, or why it never will. */
  state(): "ready" | "waiting" | RefusedServer;
  /** The servers that hold keys: of a cluster each primary, else the client itself. */
  primaries(): readonly Node[];
  readonly isCluster: boolean;
  /** Resolves when it is connected the next time, and rejects when that fails. */
  nextReady(): Promise<unknown>;
  on(event: string, listener: Listener): void;
  off(event: string, listener: Listener): void;
}

/** A client that serves one connection, and ends with it. */
export interface Connection extends Client {
  open(): Promise<void>;
  /** Ends it at once; what waits for an answer fails. */
  destroy(): void;
}

/** Where one server is. */
export interface Address {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly username: string;
  readonly password: string;
  readonly database: number;
}

type Listener = (value?: unknown) => void;

interface NodeRedis extends EventEmitter {
  sendCommand(command: Command, options?: object): Promise<unknown>;
  readonly isOpen: boolean;
  readonly isReady: boolean;
  readonly isPubSubActive?: boolean;
  connect(): Promise<unknown>;
  unref(): void;
  /** From version 5 on; before, it is `disconnect`. */
  destroy?(): void;
  disconnect?(): Promise<unknown>;
}

interface NodeRedisCluster extends EventEmitter {
  sendCommand(key: string | undefined, readOnly: boolean, command: Command, options?: object): Promise<unknown>;
  readonly isOpen: boolean;
  readonly masters: readonly object[];
  nodeClient(node: object): NodeRedis | Promise<NodeRedis>;
}

interface IoRedis extends EventEmitter {
  call(...command: (string | Buffer)[]): Promise<unknown>;
  callBuffer(...command: (string | Buffer)[]): Promise<unknown>;
  readonly status: string;
  readonly mode?: string;
  readonly isCluster?: boolean;
  connect(): Promise<unknown>;
  disconnect(): void;
  /** Of a cluster. */
  nodes?(role: "master"): readonly IoRedis[];
  readonly stream?: { unref(): void };
}

// Version 4 reads the first, later ones the second: "$" is the type of texts in the protocol. No
// timeout: that of version 6 costs more than the command, and a store has one of its own.
const TEXTS = { returnBuffers: false, typeMapping: {}, timeout: 0 };
const BUFFERS = { returnBuffers: true, typeMapping: { [36]: Buffer }, timeout: 0 };

const subscribes = () => new RefusedServer("it subscribes to channels", "give the store a client of its own");
const isClosed = () => new RefusedServer("it is not connected, or closed", "call its connect() first");

abstract class Emitting {
  readonly #emitter: EventEmitter;

  constructor(emitter: EventEmitter) {
    this.#emitter = emitter;
  }

  nextReady(): Promise<unknown> {
    return once(this.#emitter, "ready");
  }

  on(event: string, listener: Listener): void {
    this.#emitter.on(event, listener);
  }

  off(event: string, listener: Listener): void {
    this.#emitter.off(event, listener);
  }
}

class NodeRedisClient extends Emitting implements Connection {
  readonly isCluster = false;
  readonly #client: NodeRedis;

  constructor(client: NodeRedis) {
    super(client);
    this.#client = client;
  }

  send(command: Command, binary = false): Promise<unknown> {
    return this.#client.sendCommand(command, binary ? BUFFERS : TEXTS);
  }

  state(): ReturnType<Client["state"]> {
    if (!this.#client.isOpen) return isClosed();
    if (this.#client.isPubSubActive === true) return subscribes();
    return this.#client.isReady ? "ready" : "waiting";
  }

  primaries(): readonly Node[] {
    return [this];
  }

  async open(): Promise<void> {
    await opened(this.#client);
    this.#client.unref();
  }

  destroy(): void {
    if (!this.#client.isOpen) return;
    if (this.#client.destroy !== undefined) this.#client.destroy();
    else this.#client.disconnect?.().catch(() => {});
  }
}

class NodeRedisClusterClient extends Emitting implements Client {
  readonly isCluster = true;
  readonly #cluster: NodeRedisCluster;

  constructor(cluster: NodeRedisCluster) {
    super(cluster);
    this.#cluster = cluster;
  }

  send(command: Command, binary = false): Promise<unknown> {
    return this.#cluster.sendCommand(String(command[1]), false, command, binary ? BUFFERS : TEXTS);
  }

  state(): ReturnType<Client["state"]> {
    return this.#cluster.isOpen ? "ready" : isClosed();
  }

  primaries(): readonly Node[] {
    return this.#cluster.masters.map((node) => ({
      send: async (command, binary) => new NodeRedisClient(await this.#cluster.nodeClient(node)).send(command, binary),
    }));
  }
}

class IoRedisClient extends Emitting implements Connection {
  readonly isCluster: boolean;
  readonly #client: IoRedis;

  constructor(client: IoRedis) {
    super(client);
    this.#client = client;
    this.isCluster = client.isCluster === true;
  }

  send(command: Command, binary = false): Promise<unknown> {
    return binary ? this.#client.callBuffer(...command) : this.#client.call(...command);
  }

  state(): ReturnType<Client["state"]> {
    const { mode, status } = this.#client;
    if (status === "end") return isClosed();
    if (mode === "subscriber") return subscribes();
    // With lazyConnect the first command connects.
    if (status === "wait") this.#client.connect().catch(() => {});
    return status === "ready" ? "ready" : "waiting";
  }

  primaries(): readonly Node[] {
    return this.#client.nodes?.("master").map((node) => new IoRedisClient(node)) ?? [this];
  }

  async open(): Promise<void> {
    await opened(this.#client);
    this.#client.stream?.unref();
  }

  destroy(): void {
    this.#client.disconnect();
  }
}

/**
 * A client of the application, of either package.
 *
 * @throws {@link TallystickError} `invalid_argument`
 */
export function clientOf(given: unknown): Client {
  const members = (typeof given === "object" && given !== null ? given : {}) as Readonly<Record<string, unknown>>;
  const has = (...names: string[]) => names.every((name) => typeof members[name] === "function");
  if (has("call", "callBuffer", "on")) return new IoRedisClient(given as IoRedis);
  if (has("sendCommand", "nodeClient", "on")) return new NodeRedisClusterClient(given as NodeRedisCluster);
  if (has("sendCommand", "on") && "isReady" in members) return new NodeRedisClient(given as NodeRedis);
  throw misuse(
    "invalid_argument",
    `RedisStore: server must be a URL, or a client of the package redis or ioredis (it is ${kindOf(given)}); ` +
      "a pool or a sentinel client of redis is none",
  );
}

/**
 * A connection that is still to be opened. It is not made anew when it ends, keeps no command for
 * later and sends none twice, and the program may end while it is idle.
 *
 * @param timeout - To connect, in seconds.
 */
export type Connect = (address: Address, timeout: number) => Connection;

/**
 * Loads the package redis or ioredis, which may take a second.
 *
 * @throws {@link TallystickError} `invalid_argument` if neither is installed.
 */
export async function loadConnect(): Promise<Connect> {
  const redis = await installed(() => import("redis"));
  if (redis !== undefined) return (...server) => viaNodeRedis(redis.createClient as never, ...server);
  const ioRedis = await installed(() => import("ioredis"));
  if (ioRedis !== undefined) return (...server) => viaIoRedis(ioRedis.Redis as never, ...server);
  throw misuse("invalid_argument", 'a store in Redis needs the package redis or ioredis: run "npm install redis"');
}

/** A package, or undefined if it is not installed. */
async function installed<T>(load: () => Promise<T>): Promise<T | undefined> {
  try {
    return await load();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "MODULE_NOT_FOUND" || code === "ERR_MODULE_NOT_FOUND") return undefined;
    throw error;
  }
}

function viaNodeRedis(createClient: (options: object) => NodeRedis, address: Address, timeout: number): Connection {
  const { host, port, tls, database } = address;
  const client = createClient({
    socket: { host, port, ...(tls ? { tls } : {}), connectTimeout: timeout * 1000, reconnectStrategy: false },
    ...credentialsOf(address),
    database,
    disableOfflineQueue: true,
    disableClientInfo: true,
    RESP: 2,
    maintNotifications: "disabled",
  });
  return new NodeRedisClient(client);
}

function viaIoRedis(Redis: new (options: object) => IoRedis, address: Address, timeout: number): Connection {
  const { host, port, tls, database } = address;
  const client = new Redis({
    host,
    port,
    ...(tls ? { tls: {} } : {}),
    ...credentialsOf(address),
    db: database,
    connectTimeout: timeout * 1000,
    lazyConnect: true,
    retryStrategy: null,
    enableOfflineQueue: false,
    enableReadyCheck: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    disableClientInfo: true,
    protocol: 2,
  });
  return new IoRedisClient(client);
}

function credentialsOf({ username, password }: Address): object {
  return { ...(username === "" ? {} : { username }), ...(password === "" ? {} : { password }) };
}

/** Waits until a client is ready. What it emits says more than the rejection that follows. */
async function opened(client: EventEmitter & { connect(): Promise<unknown> }): Promise<void> {
  let failure: unknown;
  const note = (error: unknown) => {
    failure ??= error;
  };
  client.on("error", note);
  try {
    await client.connect();
  } catch (error) {
    throw failure ?? error;
  }
  // ioredis goes on in another database when the one that was named cannot be had.
  if (failure !== undefined) throw failure;
}
