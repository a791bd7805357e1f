import type { Logger } from "../core/console.js";
import { Engine, isLater } from "../core/engine.js";
import { bodyDigest, KeyCache, rsaBy } from "../core/host-crypto.js";
import { sharedCore } from "../core/load.js";
import type { Needs } from "../core/need.js";
import type { EngineKeyResult, RequestVerifyResult } from "../core/operations.js";
import { coreNames, withOptions } from "../core/options.js";
import type { Core } from "../core/portable/core.js";
import { reason } from "../core/text.js";
import { AuthorizedKeys } from "../files/authorized-keys.js";
import { type BodySource, Buffers, bodyNeed, bytesOrReader, type GivenBody } from "../http/body.js";
import { factMembers } from "../http/facts.js";
import { Guard, Refusals } from "../http/refusal.js";
import { UsedTokens } from "../stores/used-tokens.js";
import type { Caller, RequestFacts } from "../types.js";
import { AGENT_OPTIONS, type AgentAuthOptions } from "./agent-options.js";

/** What the core answers for an accepted request; it has checked the types of these claims. */
interface Verified extends Pick<RequestVerifyResult, "key_id" | "development"> {
  readonly claims: {
    readonly iss: string;
    readonly jti?: string;
    readonly iat?: number;
    readonly exp: number;
    readonly [name: string]: unknown;
  };
}

interface Started {
  readonly engine: Engine;
  readonly used: UsedTokens;
  readonly buffers: Buffers;
}

/** Verifies signed requests. It starts asynchronously. */
export class Verifier {
  /** For handlers of HTTP requests. */
  readonly guard: Guard<Caller>;
  readonly #start: Promise<Started>;
  #started: Started | undefined;

  constructor(options: AgentAuthOptions, logger: Logger) {
    this.guard = new Guard((facts, body) => this.#verifyFrom(facts, body), new Refusals(logger, options.onError));
    this.#start = start(options, logger);
    this.#start.then(
      (started) => {
        this.#started = started;
      },
      (error: unknown) => logger.error(`AgentAuth cannot start: ${reason(error)}`),
    );
  }

  /** Waits for the start. */
  async engine(): Promise<Engine> {
    return (await this.#start).engine;
  }

  async close(): Promise<void> {
    // What could not start has nothing to close; ready() says why.
    const started = await this.#start.catch(() => undefined);
    started?.engine.close();
    await started?.used.close();
  }

  /**
   * The caller, or a promise only where one is needed: it costs time at every request.
   *
   * @throws {@link TallystickError} of the code that says why the request is refused.
   */
  verify(facts: RequestFacts, body: GivenBody): Caller | PromiseLike<Caller> {
    // Before anything is awaited, since the caller's objects may change meanwhile.
    const members = factMembers(facts);
    if (this.#started !== undefined) return verify(this.#started, members, body);
    return this.#start.then((started) => verify(started, members, body));
  }

  /** Verifies a request whose body may be read before the core is asked. */
  async #verifyFrom(facts: RequestFacts, body: BodySource): Promise<Caller> {
    const started = this.#started ?? (await this.#start);
    const early = await body.atOnce(started.buffers);
    return verify(started, factMembers(facts), early === undefined ? body.read : bytesOrReader(early));
  }
}

/** @param facts - As {@link factMembers} gives them. */
function verify({ engine, buffers }: Started, facts: string, body: GivenBody): Caller | PromiseLike<Caller> {
  const members = `${facts},${bodyMember(body, engine.opened.max_body)}}`;
  const own = typeof body === "function" ? bodyNeed(body, buffers.asked) : undefined;
  const verified = engine.run<Verified>("request.verify", members, undefined, own);
  return isLater(verified) ? verified.then(callerOf) : callerOf(verified);
}

/** The member of `request.verify` for a body. */
function bodyMember(body: GivenBody, maxBody: number): string {
  if (typeof body === "function") return '"body_pending":true';
  if (body !== undefined && body.length > maxBody) return '"body_too_large":true';
  return `"body_sha256":"${bodyDigest(body)}"`;
}

function callerOf({ claims, key_id, development }: Verified): Caller {
  return {
    issuer: claims.iss,
    jti: claims.jti ?? "",
    issuedAt: claims.iat ?? null,
    expiresAt: claims.exp,
    keyId: key_id,
    development,
    claims,
  };
}

const NAMES = coreNames(AGENT_OPTIONS);

/** Opens the verifier of an agent, with its keys and its store. */
async function start(options: AgentAuthOptions, logger: Logger): Promise<Started> {
  const core = await sharedCore({ backend: options.backend, library: options.library });
  const development = options.devMode ?? process.env["APP_ENV"] === "development";
  const keys =
    options.keys === undefined ? new AuthorizedKeys(options.keysDir ?? "authorized_keys", logger) : undefined;
  if (development) logger.warn("development mode: used tokens and changed bodies are NOT refused");
  const used = development ? UsedTokens.none(logger) : await UsedTokens.open(options.store, logger);
  return used.closedOnFailure(async () => {
    const engine = openVerifier(core, options, { development, keys, used });
    await keys?.load(engine);
    return { engine, used, buffers: new Buffers(engine.opened) };
  });
}

interface Parts {
  readonly development: boolean;
  readonly keys: AuthorizedKeys | undefined;
  readonly used: UsedTokens;
}

function openVerifier(core: Core, options: AgentAuthOptions, { development, keys, used }: Parts): Engine {
  const cache = new KeyCache((key) => engine.call<EngineKeyResult>("engine.key", { key }));
  const needs: Needs = {
    check: (need) => cache.check(need),
    claim: (need) => used.claim(need, engine),
    ...(keys === undefined ? {} : { keys: () => keys.refresh(engine) }),
  };
  const configuration = () => ({
    verifier: {
      ...(keys === undefined ? { keys: options.keys } : { reload: true }),
      base_url: options.baseUrl,
      require_target: options.requireTarget,
      leeway: options.leeway,
      clock_skew: options.clockSkew,
      max_lifetime: options.maxLifetime,
      max_body: options.maxBody,
      max_buffered: options.maxBuffered,
      development,
      ...used.configuration(),
      rsa: rsaBy(options.crypto),
      algorithms: options.algorithms,
      realm: options.realm,
    },
  });
  const accepted = (result: unknown) => used.accepted((result as Verified).claims.exp);
  const engine: Engine = withOptions(
    "AgentAuth",
    NAMES,
    () => new Engine("AgentAuth", core, configuration, needs, accepted),
  );
  return engine;
}
