import type { AgentAuthOptions } from "./agent-auth.js";
import { AuthorizedKeys } from "./authorized-keys.js";
import { type Core, sharedCore } from "./core.js";
import { Engine, type Needs } from "./engine.js";
import type { EngineKeyResult, RequestVerifyResult } from "./generated.js";
import { KeyCache, rsaBy } from "./host-crypto.js";
import type { Logger } from "./logger.js";
import { openWithOptions } from "./options.js";
import { isStore, UsedTokens, warnOfMemory } from "./replay.js";

/** What the core answers for an accepted request; it has checked the types of these claims. */
export interface Verified extends Pick<RequestVerifyResult, "key_id" | "development"> {
  readonly claims: {
    readonly iss: string;
    readonly jti?: string;
    readonly iat?: number;
    readonly exp: number;
    readonly [name: string]: unknown;
  };
}

/** Opens the verifier of an agent, with its keys. */
export async function startVerifier(options: AgentAuthOptions, logger: Logger): Promise<Engine> {
  const core = await sharedCore({ backend: options.backend, library: options.library });
  const development = options.devMode ?? process.env["APP_ENV"] === "development";
  const keys =
    options.keys === undefined ? new AuthorizedKeys(options.keysDir ?? "authorized_keys", logger) : undefined;
  const engine = openVerifier(core, options, development, keys);
  if (development) logger.warn("development mode: used tokens and changed bodies are NOT refused");
  else if (!isStore(options.replay)) warnOfMemory(logger);
  await keys?.load(engine);
  return engine;
}

function openVerifier(core: Core, options: AgentAuthOptions, development: boolean, keys: AuthorizedKeys | undefined) {
  const used = new UsedTokens(options);
  const cache = new KeyCache((key) => engine.call<EngineKeyResult>("engine.key", { key }).public_pem);
  const needs: Needs = {
    check: (need) => cache.check(need),
    claim: (need) => used.claim(need),
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
      realm: options.realm,
    },
  });
  const accepted = (result: unknown) => used.accepted((result as Verified).claims.exp);
  const engine = openWithOptions(() => new Engine(core, configuration, needs, accepted));
  return engine;
}
