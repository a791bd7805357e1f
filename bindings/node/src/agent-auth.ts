import { misuse } from "./answers.js";
import { type BodyReader, bodyNeed } from "./body.js";
import type { Backend } from "./core.js";
import { type Engine, isLater } from "./engine.js";
import type { HttpAnswer } from "./errors.js";
import { type FetchHandler, fetchHandler, type VerifiedFetchHandler } from "./fetch-handler.js";
import { reason } from "./lines.js";
import { consoleLogger, type Logger } from "./logger.js";
import { type Middleware, middleware, type NodeHandler, nodeHandler, type VerifiedNodeHandler } from "./node-http.js";
import {
  BACKEND,
  BOOLEAN,
  CRYPTO,
  checkTypes,
  FUNCTION,
  ISSUER_KEYS,
  knownOptions,
  LOGGER,
  NUMBER,
  type Rules,
  STRING,
  TEXT,
  WHOLE,
} from "./options.js";
import { type OnError, Refusals } from "./refusals.js";
import { checkReplay, type ReplayStore } from "./replay.js";
import { Buffers } from "./room.js";
import { startVerifier, type Verified } from "./verifier.js";
import { verifyRequest } from "./verify-request.js";

/** How an agent decides who may call it. Nothing is required. */
export interface AgentAuthOptions {
  /** Folder with one file of public keys for each caller (`ISSUER.pem`). Default: `./authorized_keys`. */
  readonly keysDir?: string | undefined;
  /** Public keys by issuer, PEM, JWK or JWKS text, instead of a folder. */
  readonly keys?: Readonly<Record<string, string>> | undefined;
  /** No replay check and no body check; signature and expiry stay. Default: `APP_ENV` is exactly `development`. */
  readonly devMode?: boolean | undefined;
  /** URL under which callers reach the root of this server. With it a token must name this origin. */
  readonly baseUrl?: string | undefined;
  /** Refuse tokens that name no method and URL, as rotagent's do. Default: false. */
  readonly requireTarget?: boolean | undefined;
  /** Forgiven after a token's `exp`, in seconds, 0 to 300. Default: 0. */
  readonly leeway?: number | undefined;
  /** How far a caller's clock may run ahead (`iat` and `nbf` in the future), in seconds, 0 to 300. Default: 5. */
  readonly clockSkew?: number | undefined;
  /** Longest lifetime that a token may have, in seconds. Default: 3,600; in development 21,600. */
  readonly maxLifetime?: number | undefined;
  /** Largest body that is read, in bytes. Default: 10 MiB. */
  readonly maxBody?: number | undefined;
  /** What all bodies may hold in memory at one time, in bytes. Default: 64 MiB, or four times `maxBody`. */
  readonly maxBuffered?: number | undefined;
  /**
   * "memory": this process alone remembers used tokens, which the log says once in production. A store: whoever shares it
   * does. Default: "memory".
   */
  readonly replay?: "memory" | ReplayStore | undefined;
  /** Name in the challenge of a refusal (RFC 6750). Default: `tallystick`. */
  readonly realm?: string | undefined;
  /** Sees each refusal; what it returns is sent instead of the answer that the core worded. */
  readonly onError?: OnError | undefined;
  /** Default: refusals, warnings and errors on the console. */
  readonly logger?: Logger | undefined;
  /** Who does the RSA operation: `node:crypto` ("host", default, faster) or the core itself. */
  readonly crypto?: "host" | "core" | undefined;
  /** Default: `TALLYSTICK_BACKEND`, else "wasm". */
  readonly backend?: Backend | undefined;
  /** Path of libtallystick for the native backend. Default: `TALLYSTICK_LIBRARY`. */
  readonly library?: string | undefined;
}

/** One request as it was received. Texts hold one character per byte, as `node:http` gives them. */
export interface RequestFacts {
  /** The value of each `Authorization` header. One text is one header; null or undefined is none. */
  readonly authorization: string | readonly string[] | null | undefined;
  readonly method: string;
  /** Path below `mount`, as it was sent: percent-encoded. */
  readonly path: string;
  /** The text after `?`, without it. Default: none. */
  readonly query?: string | undefined;
  /** Where the application is mounted. Default: at the root. */
  readonly mount?: string | undefined;
  /** The body was longer than `maxBody` and was not read to its end. */
  readonly bodyTooLarge?: boolean | undefined;
  /** Something else read the body before. */
  readonly bodyUnavailable?: boolean | undefined;
}

/** Who called, as far as it was verified. */
export interface Caller {
  readonly issuer: string;
  /** "" in development mode where the token has none. */
  readonly jti: string;
  /** Seconds since 1970, null where the token does not say. */
  readonly issuedAt: number | null;
  /** Seconds since 1970. */
  readonly expiresAt: number;
  /** RFC 7638 thumbprint of the key that signed. */
  readonly keyId: string;
  readonly development: boolean;
  /** All claims of the token. */
  readonly claims: Readonly<Record<string, unknown>>;
}

/**
 * Protects an agent: lets in requests that an authorized key has signed, each once (rotagent; RFC 6750, RFC 9449).
 * One object serves any number of requests at once, of which some 9,000 may wait for an asynchronous replay store; what
 * comes on top is refused with 503.
 */
export class AgentAuth {
  readonly #refusals: Refusals;
  readonly #start: Promise<Started>;
  #started: Started | undefined;

  /**
   * Starts at once to load the core and the keys; requests wait for it.
   *
   * @throws {@link TallystickError} `invalid_argument` for an option that does not exist or has a wrong type,
   *   `invalid_config` where options contradict each other. What only the core can tell, such as a wrong `baseUrl`, is
   *   logged, fails {@link AgentAuth.ready} and answers every request with 500.
   */
  constructor(options: AgentAuthOptions = {}) {
    checkOptions(options);
    const logger = options.logger ?? consoleLogger;
    this.#refusals = new Refusals(logger, options.onError);
    this.#start = startVerifier(options, logger).then((engine) => ({ engine, buffers: new Buffers(engine.opened) }));
    this.#start.then(
      (started) => {
        this.#started = started;
      },
      (error: unknown) => logger.error(`AgentAuth cannot start: ${reason(error)}`),
    );
  }

  /**
   * Waits until the core and the keys are loaded.
   *
   * @returns the largest body that will be read, in bytes.
   * @throws {@link TallystickError} what keeps the agent from starting.
   */
  async ready(): Promise<{ readonly maxBody: number }> {
    return { maxBody: (await this.#start).engine.opened.max_body };
  }

  /** How bodies are read, for adapters. Throws as {@link AgentAuth.ready}. */
  async buffers(): Promise<Buffers> {
    return (await this.#start).buffers;
  }

  /**
   * Verifies one request from its parts; the adapters below do it for whole requests.
   *
   * @param body - The exact bytes after transfer decoding and before content decoding; or what reads them, which is
   *   asked where all but the body is good. Default: there is none.
   * @throws {@link TallystickError} with `response`, the HTTP answer for the caller; `invalid_argument` without one for
   *   arguments of a wrong type.
   */
  async verify(facts: RequestFacts, body?: Uint8Array | BodyReader): Promise<Caller> {
    const { engine, buffers } = this.#started ?? (await this.#start);
    const members = verifyRequest(facts, body, engine.opened.max_body);
    const own = typeof body === "function" ? bodyNeed(body, buffers.asked) : undefined;
    const verified = engine.run<Verified>("request.verify", members, undefined, own);
    const accepted = isLater(verified) ? await verified : verified;
    const { claims } = accepted;
    return {
      issuer: claims.iss,
      jti: claims.jti ?? "",
      issuedAt: claims.iat ?? null,
      expiresAt: claims.exp,
      keyId: accepted.key_id,
      development: accepted.development,
      claims,
    };
  }

  /**
   * Middleware for Express and connect. Sets `req.auth` (the caller), `req.rawBody` and, for JSON, `req.body`; a
   * refused request is answered and goes no further. Use it before anything that reads the body, or keep the bytes
   * in `req.rawBody`.
   */
  middleware(): Middleware;
  middleware(...given: readonly unknown[]): Middleware {
    return middleware(this, given);
  }

  /** Protects a listener of `node:http`; the request has `auth`, `rawBody` and, for JSON, `body`. */
  handler(listener: VerifiedNodeHandler): NodeHandler {
    return nodeHandler(this, listener);
  }

  /**
   * Protects a handler of the Fetch API: `Request` in, `Response` out. The handler is given the request with its body
   * unread, the caller, and whatever else its host passes.
   */
  fetchHandler<Rest extends unknown[]>(handler: VerifiedFetchHandler<Rest>): FetchHandler<Rest> {
    return fetchHandler(this, handler);
  }

  /**
   * The HTTP answer for an error of {@link AgentAuth.verify}: logs it, asks `onError`, and falls back to a bare
   * answer of the error's code where the core worded none.
   */
  refusal(error: unknown, request: unknown): HttpAnswer {
    return this.#refusals.answer(error, request);
  }

  /** Logs what a listener of {@link AgentAuth.handler} threw, and gives the bare 500 for the caller. */
  listenerFailed(error: unknown): HttpAnswer {
    return this.#refusals.handlerFailed(error);
  }

  /** Frees what the core holds; later requests are answered with 500. */
  async close(): Promise<void> {
    (await this.#start).engine.close();
  }
}

interface Started {
  readonly engine: Engine;
  readonly buffers: Buffers;
}

/** What the options must be. `replay` has another code for what is wrong with it, and a check of its own. */
const OPTIONS: Rules<Omit<AgentAuthOptions, "replay">> = {
  keysDir: TEXT,
  keys: ISSUER_KEYS,
  devMode: BOOLEAN,
  // An empty one would be no check of the origin where one was meant.
  baseUrl: TEXT,
  requireTarget: BOOLEAN,
  leeway: NUMBER,
  clockSkew: NUMBER,
  maxLifetime: NUMBER,
  maxBody: WHOLE,
  maxBuffered: WHOLE,
  realm: STRING,
  onError: FUNCTION,
  logger: LOGGER,
  crypto: CRYPTO,
  backend: BACKEND,
  library: TEXT,
};

function checkOptions(options: AgentAuthOptions): void {
  knownOptions("AgentAuth", options, [...Object.keys(OPTIONS), "replay"]);
  checkTypes("AgentAuth", options, OPTIONS);
  const { keys, keysDir, replay } = options;
  if (keys !== undefined && keysDir !== undefined) {
    throw misuse("invalid_config", "AgentAuth: give keysDir or keys, not both");
  }
  checkReplay("AgentAuth", replay);
}
