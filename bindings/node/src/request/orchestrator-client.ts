import { createHash } from "node:crypto";
import { ask, misuse } from "../core/answers.js";
import { Engine, isLater } from "../core/engine.js";
import { bodyDigest } from "../core/host-crypto.js";
import { jsonText } from "../core/json.js";
import { checkLibrary, sharedCore } from "../core/load.js";
import { failed, type Needs } from "../core/need.js";
import type { RequestEndpointResult, RequestSignResult } from "../core/operations.js";
import {
  BACKEND,
  checkOptions,
  checkValue,
  coreNames,
  OBJECT,
  PATH,
  type Rules,
  SIZE,
  STRING,
  seconds,
  TEXT,
  URL_TEXT,
  WHOLE,
  withOptions,
} from "../core/options.js";
import type { Backend, Core } from "../core/portable/core.js";
import { resolveSigner, SIGNER_RULES, type Signer, type SignerOptions } from "../core/signer.js";
import { reason } from "../core/text.js";
import { TallystickError } from "../errors.js";
import { readStream } from "../http/body.js";
import { outgoing, type SignedRequestInit, wireBody, wireUrl } from "../outbound/request.js";
import type { SignedHeaders } from "../types.js";

/** Who signs, and how. */
export interface OrchestratorClientOptions extends SignerOptions {
  /** The name under which agents know the key: claim `iss`. */
  readonly issuerId: string;
  readonly signer: Signer;
  /** Lifetime of a token, in seconds. Default: 60. */
  readonly ttl?: number | undefined;
  /** Largest body that is signed, in bytes; `fetch` buffers a stream up to it. Default: 10 MiB. */
  readonly maxBody?: number | undefined;
  /** Largest answer that {@link OrchestratorClient.send} reads, in bytes. Default: 10 MiB. */
  readonly maxAnswer?: number | undefined;
  /** Default: `TALLYSTICK_BACKEND`, else "wasm". */
  readonly backend?: Backend | undefined;
  /** Path of libtallystick for the native backend. Default: `TALLYSTICK_LIBRARY`. */
  readonly library?: string | undefined;
}

/** Limits of one call. */
export interface SendOptions {
  /** Ends the call, which rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** How long the agent may take, in seconds, at most 3,600. Default: 30. */
  readonly timeout?: number | undefined;
}

/** The options of `sendSecureRequest`. */
export interface SecureRequest extends SendOptions {
  /** URL of the agent, without `/agent`. */
  readonly url: string;
  /** A JSON value. */
  readonly payload: unknown;
  readonly issuerId: string;
  readonly privateKeyPem: string;
}

/** The agent's JSON object, or `error` if there is none; `agent_url` as it was given. */
export interface AgentAnswer {
  readonly agent_url: string;
  readonly error?: unknown;
  readonly [member: string]: unknown;
}

const OPTIONS: Rules<OrchestratorClientOptions> = {
  ...SIGNER_RULES,
  issuerId: TEXT,
  ttl: WHOLE,
  maxBody: SIZE,
  maxAnswer: SIZE,
  backend: BACKEND,
  library: PATH,
};
const NAMES = { ...coreNames(Object.keys(OPTIONS)), issuer: "issuerId" };
const REQUIRED = ["issuerId", "signer"] as const;
const TEN_MIB = 10_485_760;
const DEFAULT_TIMEOUT = 30;
const MAX_TIMEOUT = 3_600;

const SEND: Rules<SendOptions> = {
  signal: { must: "an AbortSignal", holds: (value) => value instanceof AbortSignal },
  timeout: seconds(MAX_TIMEOUT),
};
/** The texts are checked where they are used. */
const SECURE: Rules<SecureRequest> = {
  ...SEND,
  url: STRING,
  payload: { must: "a JSON value", holds: () => true },
  issuerId: STRING,
  privateKeyPem: STRING,
};
const NOTHING = new Uint8Array(0);

/**
 * Signs requests to agents, each with a token of its own that names the method, the URL and the
 * body (rotagent). One object serves about 9,000 calls at once; further ones fail with `overloaded`
 * and can be repeated.
 */
export class OrchestratorClient {
  readonly #options: OrchestratorClientOptions;
  readonly #started: Promise<Started>;
  #ready: Started | undefined;

  /**
   * Starts to load the core. If the core refuses the key or the value of an option, each call
   * fails.
   *
   * @throws {@link TallystickError} `invalid_argument` for an option that is unknown, missing or of
   *   a wrong type.
   */
  constructor(options: OrchestratorClientOptions) {
    this.#options = checkOptions("OrchestratorClient", options, OPTIONS);
    for (const name of REQUIRED) checkValue(`OrchestratorClient: ${name}`, this.#options[name], OPTIONS[name]);
    checkLibrary("OrchestratorClient", this.#options);
    this.#started = start(this.#options);
    this.#started.then(
      (started) => {
        this.#ready = started;
      },
      () => {},
    );
  }

  /**
   * Waits until the core and the key are ready.
   *
   * @throws {@link TallystickError} `invalid_key`; `invalid_argument` for the value of an option,
   *   and once it is closed; `invalid_config` if koffi is missing for the native backend.
   */
  async ready(): Promise<void> {
    void (await this.#started).engine.opened;
  }

  /**
   * Signs one request, which the caller must send exactly so.
   *
   * @param method - As it will be sent, for example `POST`. Case counts, and HTTP clients send
   *   `post` as `POST`.
   * @param url - Absolute. It is written as `fetch` sends it.
   * @param body - The exact bytes; text is UTF-8. Default: none.
   * @returns the headers to add.
   * @throws {@link TallystickError} `invalid_url`, `invalid_argument`, `body_too_large`,
   *   `signer_failed`, and what {@link OrchestratorClient.ready} throws.
   */
  async sign(
    method: string,
    url: string | URL,
    body: string | Uint8Array | ArrayBuffer = NOTHING,
  ): Promise<SignedHeaders> {
    checkValue("sign: method", method, STRING);
    if (typeof url !== "string" && !(url instanceof URL)) checkValue("sign: url", url, URL_TEXT);
    const body_sha256 = bodyDigest(wireBody(body, this.#options.maxBody ?? TEN_MIB));
    const request = { method, url: wireUrl(String(url)), ttl: this.#options.ttl, body_sha256 };
    const { engine } = this.#ready ?? (await this.#started);
    const signed = engine.run<RequestSignResult>("request.sign", request);
    const { authorization } = isLater(signed) ? await signed : signed;
    return { authorization };
  }

  /**
   * `fetch` with a signature, for any method and any body that `fetch` takes.
   *
   * @throws {@link TallystickError} for what cannot be signed; TypeError of `fetch` if the agent
   *   cannot be reached.
   */
  async fetch(input: string | URL | Request, init?: SignedRequestInit | null): Promise<Response> {
    const options = init ?? {};
    checkValue("fetch: init", options, OBJECT);
    if (!(input instanceof Request)) checkValue("fetch: input", input, URL_TEXT);
    const address = input instanceof Request ? input.url : String(input);
    // `Request` would throw an error without a code; the core says what is wrong.
    if (!URL.canParse(address)) await this.sign("GET", address);
    const { request, body } = await outgoing(input, options, this.#options.maxBody ?? TEN_MIB);
    const headers = new Headers(request.headers);
    headers.set("authorization", (await this.sign(request.method, request.url, body)).authorization);
    const hasBody = request.body !== null;
    return fetch(request.url, {
      ...extras(options),
      method: request.method,
      headers,
      signal: request.signal,
      redirect: options.redirect ?? "manual",
      ...(hasBody ? { body } : {}),
    });
  }

  /**
   * Posts a JSON payload to an agent (rotagent's `send_secure_request`). Network and HTTP failures
   * are no exceptions: the answer has `error`.
   *
   * @param url - URL of the agent, without `/agent`.
   * @param payload - A JSON value.
   * @throws {@link TallystickError} `invalid_url`, `invalid_argument` (payload), `signer_failed`,
   *   and what {@link OrchestratorClient.ready} throws; the signal's reason if the caller ends the
   *   call.
   */
  async send(url: string, payload: unknown, options: SendOptions = {}): Promise<AgentAnswer> {
    const own = checkOptions("send", options, SEND);
    checkValue("send: url", url, STRING);
    const timeout = own.timeout ?? DEFAULT_TIMEOUT;
    const body = Buffer.from(jsonText(payload));
    const { core } = await this.#started;
    const endpoint = ask<RequestEndpointResult>(core, "request.endpoint", { url }).url;
    const { authorization } = await this.sign("POST", endpoint, body);
    const deadline = new AbortController();
    const signals = own.signal === undefined ? [] : [own.signal];
    const signal = AbortSignal.any([deadline.signal, ...signals]);
    const timer = setTimeout(() => deadline.abort(), timeout * 1000);
    try {
      const headers = { authorization, "content-type": "application/json" };
      const response = await fetch(endpoint, { method: "POST", headers, body, signal, redirect: "manual" });
      const limit = this.#options.maxAnswer ?? TEN_MIB;
      const answer = await readStream(response.body, limit);
      if (answer === undefined) return { error: `The agent's answer is over ${limit} bytes`, agent_url: url };
      return outcome(core, url, response.status, answer);
    } catch (error) {
      if (error instanceof TallystickError) throw error;
      own.signal?.throwIfAborted();
      return { error: networkFailure(error, deadline.signal), agent_url: url };
    } finally {
      clearTimeout(timer);
    }
  }

  /** Frees what the core holds; later calls fail with `invalid_argument`. */
  async close(): Promise<void> {
    (await this.#started).engine.close();
  }

  /**
   * Sends one signed request (rotagent's static method, with named members in place of positions
   * and a session). It keeps a client for each key, so that a key is parsed once.
   */
  static async sendSecureRequest(request: SecureRequest): Promise<AgentAnswer> {
    const own = checkOptions("sendSecureRequest", request, SECURE);
    const { url, payload, signal, timeout } = own;
    return keptClient(own.issuerId, own.privateKeyPem).send(url, payload, { signal, timeout });
  }
}

interface Started {
  readonly core: Core;
  readonly engine: Engine;
}

async function start(options: OrchestratorClientOptions): Promise<Started> {
  const core = await sharedCore({ backend: options.backend, library: options.library });
  const signer = resolveSigner(core, "OrchestratorClient", options.signer, options);
  const configuration = {
    signer: { issuer: options.issuerId, ttl: options.ttl, ...signer.configuration },
  };
  const needs: Needs = {
    sign: (need) => signer.sign(need.input, need.alg),
    check: () => failed("a client checks nothing"),
  };
  const name = "OrchestratorClient";
  const engine = withOptions(name, NAMES, () => new Engine(name, core, () => configuration, needs));
  return { core, engine };
}

/** Options of `fetch` that a Request does not keep: undici's dispatcher. */
function extras(init: SignedRequestInit): RequestInit {
  return init.dispatcher === undefined ? {} : { dispatcher: init.dispatcher };
}

function outcome(core: Core, url: string, status: number, answer: Uint8Array): AgentAnswer {
  return ask<{ result: AgentAnswer }>(core, "request.outcome", { agent_url: url, status }, answer).result;
}

function networkFailure(error: unknown, deadline: AbortSignal): string {
  if (deadline.aborted) return "The agent did not answer in time";
  const cause = error instanceof Error ? error.cause : undefined;
  const { code } = (cause ?? {}) as { code?: unknown };
  return reason(cause instanceof Error && cause.message !== "" ? cause : (code ?? error));
}

const MAX_KEPT = 64;
const kept = new Map<string, OrchestratorClient>();

/**
 * The client for an issuer and a key. The map is keyed by a digest, so that it holds no second copy
 * of a private key.
 */
function keptClient(issuerId: string, privateKeyPem: string): OrchestratorClient {
  if (typeof issuerId !== "string" || typeof privateKeyPem !== "string") {
    throw misuse("invalid_argument", "issuerId and privateKeyPem must be strings");
  }
  const name = createHash("sha256")
    .update(JSON.stringify([issuerId, privateKeyPem]))
    .digest("base64");
  let client = kept.get(name);
  if (client === undefined) {
    client = new OrchestratorClient({ issuerId, signer: privateKeyPem });
    client.ready().catch(() => kept.delete(name)); // the next call tries again
  }
  // Moves it to the end: the least recently used client is dropped. Its calls under way still hold
  // it.
  kept.delete(name);
  kept.set(name, client);
  if (kept.size > MAX_KEPT) kept.delete(kept.keys().next().value as string);
  return client;
}
