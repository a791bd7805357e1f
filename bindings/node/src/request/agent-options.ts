import { misuse } from "../core/answers.js";
import type { Logger } from "../core/console.js";
import { checkLibrary } from "../core/load.js";
import {
  BACKEND,
  BOOLEAN,
  CRYPTO,
  checkOptions,
  FUNCTION,
  ISSUER_KEYS,
  LOGGER,
  NUMBER,
  PATH,
  type Rules,
  TEXT,
  TEXTS,
  WHOLE,
} from "../core/options.js";
import type { Backend } from "../core/portable/core.js";
import type { OnError } from "../http/refusal.js";
import { checkStore, STORE } from "../stores/open.js";
import type { Store } from "../stores/store.js";

/** How an agent decides who may call it. All options may be left out. */
export interface AgentAuthOptions {
  /**
   * Folder with one file of public keys for each caller (`ISSUER.pem`). Default:
   * `./authorized_keys`.
   */
  readonly keysDir?: string | undefined;
  /** Public keys by issuer (PEM, JWK or JWKS text), in place of a folder. */
  readonly keys?: Readonly<Record<string, string>> | undefined;
  /**
   * Skips the replay check and the body check; signature and expiry are checked. Default: whether
   * `APP_ENV` is exactly `development`.
   */
  readonly devMode?: boolean | undefined;
  /**
   * URL under which callers reach the root of this server. With it a token must name this origin.
   */
  readonly baseUrl?: string | undefined;
  /** Refuse tokens that name no method and URL, as rotagent's do. Default: false. */
  readonly requireTarget?: boolean | undefined;
  /** How long a token is accepted after its `exp`, in seconds, 0 to 300. Default: 0. */
  readonly leeway?: number | undefined;
  /**
   * How far a caller's clock may run ahead (`iat` and `nbf` in the future), in seconds, 0 to 300.
   * Default: 5.
   */
  readonly clockSkew?: number | undefined;
  /** Longest lifetime that a token may have, in seconds. Default: 3,600; in development 21,600. */
  readonly maxLifetime?: number | undefined;
  /** Largest body that is read, in bytes. Default: 10 MiB. */
  readonly maxBody?: number | undefined;
  /** Memory for all bodies at one time, in bytes. Default: 64 MiB, or four times `maxBody`. */
  readonly maxBuffered?: number | undefined;
  /**
   * Where used tokens are remembered: a URL (`sqlite:` is one file of this user, for all processes
   * of this machine; `sqlite:///path` another one; `redis://`, `rediss://`, `valkey://`,
   * `valkeys://` and `postgresql://` are for many machines; `memory:` is this process alone, which
   * is logged once in production), or any object with `claim`. Default: `sqlite:`, where Node has
   * SQLite (22.13 and later) or the package better-sqlite3 is installed; else `memory:`.
   */
  readonly store?: string | Store | undefined;
  /** Name in the challenge of a refusal (RFC 6750). Default: `tallystick`. */
  readonly realm?: string | undefined;
  /** Called with each refusal; the answer that it returns is sent in place of the core's. */
  readonly onError?: OnError | undefined;
  /** Default: refusals, warnings and errors on the console. */
  readonly logger?: Logger | undefined;
  /** Which algorithms are taken, of RS256, PS256, ES256 and EdDSA. Default: all. */
  readonly algorithms?: readonly string[] | undefined;
  /** Who verifies signatures: `node:crypto`, which is faster, or the core. Default: "host". */
  readonly crypto?: "host" | "core" | undefined;
  /** Default: `TALLYSTICK_BACKEND`, else "wasm". */
  readonly backend?: Backend | undefined;
  /** Path of libtallystick for the native backend. Default: `TALLYSTICK_LIBRARY`. */
  readonly library?: string | undefined;
}

const OPTIONS: Rules<AgentAuthOptions> = {
  keysDir: PATH,
  keys: ISSUER_KEYS,
  devMode: BOOLEAN,
  // An empty text would switch off the check of the origin.
  baseUrl: TEXT,
  requireTarget: BOOLEAN,
  leeway: NUMBER,
  clockSkew: NUMBER,
  maxLifetime: NUMBER,
  maxBody: WHOLE,
  maxBuffered: WHOLE,
  store: STORE,
  realm: TEXT,
  onError: FUNCTION,
  logger: LOGGER,
  algorithms: TEXTS,
  crypto: CRYPTO,
  backend: BACKEND,
  library: PATH,
};

export const AGENT_OPTIONS: readonly string[] = Object.keys(OPTIONS);

/**
 * Checks the options and copies them, so that later changes have no effect.
 *
 * @throws {@link TallystickError} `invalid_argument` for an unknown option or a wrong type, and where
 *   options contradict each other.
 */
export function checkAgentOptions(options: AgentAuthOptions): AgentAuthOptions {
  const own = checkOptions("AgentAuth", options, OPTIONS);
  if (own.keys !== undefined && own.keysDir !== undefined) {
    throw misuse("invalid_argument", "AgentAuth: give keysDir or keys, not both");
  }
  checkStore("AgentAuth", own.store);
  checkLibrary("AgentAuth", own);
  return own;
}
