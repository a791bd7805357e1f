// A session is one connection to a server that was looked at before its first claim: what is behind
// the next connection may be another server, or the same one without its memory.
import { within } from "../core/need.js";
import { type Address, type Client, type Command, type Connect, type Connection, loadConnect } from "./redis-client.js";

/** One connection, looked at. */
export interface Session {
  send(command: Command, binary?: boolean): Promise<unknown>;
  /** Whether an answer that came now is from the server that was looked at. */
  isCurrent(): boolean;
}

/** Where sessions come from. */
export interface Sessions {
  /** Loads what is needed, for which a call's deadline is not meant. */
  readonly loaded: Promise<unknown> | undefined;
  /** The present session, or the one that is being made. */
  current(): Promise<Session>;
  /** Ends a session that failed: another is made, and looked at. */
  drop(session: Session): void;
  /** Until the next call of {@link Sessions.current}. */
  close(): void;
}

/** Looks at the servers behind a client. */
export type Look = (client: Client) => Promise<void>;

/** Milliseconds before the next try to connect: the first time, and the most. */
const FIRST_PAUSE = 50;
const MAX_PAUSE = 1000;

/** Connections of a store's own. When one ends, the next is made, with or without a claim. */
export class OwnSessions implements Sessions {
  readonly #address: Address;
  readonly #timeout: number;
  readonly #look: Look;
  #connect: Promise<Connect> | undefined;
  #session: Promise<OwnSession> | undefined;
  #pause = FIRST_PAUSE;
  #timer: NodeJS.Timeout | undefined;
  #failure: unknown;

  /** @param timeout - To connect and to look, in seconds. */
  constructor(address: Address, timeout: number, look: Look) {
    this.#address = address;
    this.#timeout = timeout;
    this.#look = look;
  }

  get loaded(): Promise<unknown> {
    this.#connect ??= loadConnect();
    return this.#connect;
  }

  /** Between two tries to connect, the reason why the last one failed is thrown at once. */
  async current(): Promise<Session> {
    if (this.#timer !== undefined) throw this.#failure;
    return this.#session ?? this.#begin();
  }

  drop(session: Session): void {
    (session as OwnSession).end(new Error("the connection was given up"));
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#session?.then((session) => session.end()).catch(() => {});
    this.#session = undefined;
  }

  #begin(): Promise<OwnSession> {
    const session = this.#open();
    this.#session = session;
    session.then(
      (made) => made.onEnd((failure) => this.#again(session, failure, made.age > MAX_PAUSE)),
      (failure) => this.#again(session, failure, false),
    );
    return session;
  }

  async #open(): Promise<OwnSession> {
    const connect = await (this.#connect ??= loadConnect());
    const connection = connect(this.#address, this.#timeout);
    const session = new OwnSession(connection);
    try {
      await within(this.#timeout, "it", async () => {
        await connection.open();
        await this.#look(connection);
      });
      return session;
    } catch (error) {
      // What the connection said first says why.
      const failure = session.failure ?? error;
      session.end();
      throw failure;
    }
  }

  #again(session: Promise<OwnSession>, failure: unknown, atOnce: boolean): void {
    if (this.#session !== session) return;
    this.#session = undefined;
    if (atOnce) {
      this.#pause = FIRST_PAUSE;
      this.#begin();
      return;
    }
    this.#failure = failure;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#begin();
    }, this.#pause).unref();
    this.#pause = Math.min(2 * this.#pause, MAX_PAUSE);
  }
}

class OwnSession implements Session {
  readonly #connection: Connection;
  readonly #start = performance.now();
  /** Why it ended. */
  failure: unknown;
  #hasEnded = false;
  #listener: ((failure: unknown) => void) | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
    for (const event of ["error", "close", "end"]) {
      connection.on(event, (error) => this.end(error ?? new Error("the connection was closed")));
    }
  }

  /** In milliseconds. */
  get age(): number {
    return performance.now() - this.#start;
  }

  send(command: Command, binary?: boolean): Promise<unknown> {
    return this.#connection.send(command, binary);
  }

  /** Answers come over this connection or not at all. */
  isCurrent(): boolean {
    return true;
  }

  /** Calls the listener when it ends, or now. */
  onEnd(listener: (failure: unknown) => void): void {
    if (this.#hasEnded) listener(this.failure);
    else this.#listener = listener;
  }

  end(failure?: unknown): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.failure = failure;
    this.#connection.destroy();
    this.#listener?.(failure);
  }
}

/** Milliseconds after which the servers of a cluster are looked at again. */
const LOOK_AGAIN = 1000;

/**
 * The connections that a client of the application makes. It may keep commands for its next
 * connection, and send again there what had no answer: such an answer is not current.
 */
export class GivenSessions implements Sessions {
  readonly loaded = undefined;
  readonly #client: Client;
  readonly #look: Look;
  #session: Promise<Session> | undefined;
  /** Counts the connections. */
  #generation = 0;
  #lookedAt = 0;
  #isListening = false;
  #failure: unknown;
  #connected: Promise<unknown> | undefined;

  constructor(client: Client, look: Look) {
    this.#client = client;
    this.#look = look;
  }

  /** While its client cannot connect, the reason is thrown at once. */
  async current(): Promise<Session> {
    this.#listen();
    const state = this.#client.state();
    if (typeof state === "object") throw state;
    if (state === "waiting") await this.#connection();
    if (this.#client.isCluster) this.#lookAgain();
    const session = await (this.#session ?? this.#begin());
    // The connection may be another one by now.
    return session.isCurrent() ? session : this.current();
  }

  drop(): void {
    this.#generation += 1;
    this.#session = undefined;
  }

  close(): void {
    this.#isListening = false;
    this.drop();
    this.#client.off("ready", this.#onReady);
    this.#client.off("error", this.#onError);
  }

  #listen(): void {
    if (this.#isListening) return;
    this.#isListening = true;
    this.#failure = undefined;
    this.#client.on("ready", this.#onReady);
    this.#client.on("error", this.#onError);
  }

  readonly #onReady = (): void => {
    this.drop();
    this.#failure = undefined;
    // A loss is told to other stores as soon as it can be seen.
    this.#begin().catch(() => {});
  };

  readonly #onError = (error: unknown): void => {
    if (this.#client.state() !== "ready") this.#failure = error;
  };

  async #connection(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#connected ??= this.#client.nextReady().finally(() => {
      this.#connected = undefined;
    });
    await this.#connected;
  }

  #begin(): Promise<Session> {
    const session = this.#open();
    this.#session = session;
    session.catch(() => {
      if (this.#session === session) this.#session = undefined;
    });
    return session;
  }

  async #open(): Promise<Session> {
    const generation = this.#generation;
    this.#lookedAt = performance.now();
    await this.#look(this.#client);
    return {
      send: (command, binary) => this.#client.send(command, binary),
      isCurrent: () => generation === this.#generation,
    };
  }

  /** Claims go on while it looks: a cluster does not tell when one of its servers was replaced. */
  #lookAgain(): void {
    if (this.#session === undefined || performance.now() - this.#lookedAt < LOOK_AGAIN) return;
    this.#open().catch(() => this.drop());
  }
}
