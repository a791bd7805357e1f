import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { ask, misuse, result } from "../core/answers.js";
import { plainJson } from "../core/json.js";
import type { ConfigReadResult, ConfigVariablesResult } from "../core/operations.js";
import { isPlain } from "../core/options.js";
import type { Core } from "../core/portable/core.js";
import { reason, shown } from "../core/text.js";

/** An issuer that an agent trusts by configuration. */
export interface TrustedIssuer {
  readonly issuer: string;
  /** Where its keys are. Default: what its discovery document says. */
  readonly jwksUri?: string | undefined;
  /** "portal" may name agents and give trust labels. Default: "agent". */
  readonly type?: "agent" | "portal" | "user" | undefined;
}

/** Who may use an agent's own token endpoint. */
export interface ClientConfig {
  readonly clientId: string;
  /** From `newClientSecret()`. */
  readonly secretHash?: string | undefined;
  /** PEM, JWK or JWKS text, for `private_key_jwt`. */
  readonly publicKey?: string | undefined;
  /** Scope patterns that it may ask for. */
  readonly scopes: readonly string[];
  readonly namespaces?: readonly string[] | undefined;
  /** Trust labels. */
  readonly trust?: readonly string[] | undefined;
  /** Patterns of agents that it may ask tokens for. */
  readonly targets?: readonly string[] | undefined;
}

/** Rules for callers or targets: presets, `@pattern`, `#label`, `#reputation:N`. */
export type TrustRules =
  | string
  | readonly string[]
  | { readonly allow?: readonly string[]; readonly deny?: readonly string[] };

/**
 * The AOAuth configuration; nothing is required. Texts may hold `${NAME}`, a variable of the
 * environment.
 */
export interface AuthConfig {
  /** URL of the portal that signs the tokens. Default: the agent signs its own. */
  readonly authority?: string | undefined;
  /** Default: the last segment of `baseUrl`. */
  readonly agentId?: string | undefined;
  /** URL of this agent, or `@name`; the audience that it accepts. */
  readonly baseUrl?: string | undefined;
  /** Lifetime of its tokens, in seconds, 1 to 86,400. Default: 300. */
  readonly tokenTtl?: number | undefined;
  /** Scope patterns that it accepts. Default: read, write. */
  readonly allowedScopes?: readonly string[] | undefined;
  readonly trustedIssuers?: readonly TrustedIssuer[] | undefined;
  /** Patterns of agents that may call. Default: all that are not denied. */
  readonly allow?: readonly string[] | undefined;
  /** Patterns of agents that may not call; they override all other rules. */
  readonly deny?: readonly string[] | undefined;
  readonly acceptFrom?: TrustRules | undefined;
  readonly talkTo?: TrustRules | undefined;
  /** How long keys of others are kept at most, in seconds, 1 to 604,800. Default: 3,600. */
  readonly jwksCacheTtl?: number | undefined;
  /**
   * Folder of the signing keys. Default: `~/.webagents/keys`. The file is named by `agentId`: two
   * agents with the same one (or the same last segment of `baseUrl`) in one folder share one key
   * ring.
   */
  readonly keysDir?: string | undefined;
  /** Login provider; accepted and not active. */
  readonly google?:
    | { readonly clientId?: string; readonly clientSecret?: string; readonly hostedDomain?: string }
    | undefined;
  /** Credentials at the authority's token endpoint; the login provider is not active. */
  readonly robutler?: { readonly clientId?: string; readonly clientSecret?: string } | undefined;
  /** Credentials at the authority, instead of those of `robutler`. */
  readonly clientId?: string | undefined;
  readonly clientSecret?: string | undefined;
  /** Private PEM for `private_key_jwt` at the authority, instead of a secret. */
  readonly clientKey?: string | undefined;
  /** Audiences that are accepted besides `baseUrl`. */
  readonly audience?: string | readonly string[] | undefined;
  /** Key set of the one issuer that is accepted (the form of webagents' TypeScript skill). */
  readonly jwksUri?: string | undefined;
  /** That one issuer. Default: the origin of `jwksUri`. */
  readonly issuer?: string | undefined;
  readonly clients?: readonly ClientConfig[] | undefined;
  /**
   * Accepts plain http on loopback for issuers that are not configured, with a warning at the
   * start. Default: false.
   */
  readonly devMode?: boolean | undefined;
  /** How long a token is accepted after its `exp`, in seconds, 0 to 300. Default: 30. */
  readonly leeway?: number | undefined;
  /**
   * How far a caller's clock may run ahead (`iat` and `nbf` in the future), in seconds, 0 to 300.
   * Default: 30.
   */
  readonly clockSkew?: number | undefined;
  /** Longest lifetime that a caller's token may have, in seconds. Default: 86,400. */
  readonly maxLifetime?: number | undefined;
  /** Largest body of a request with a bound token, in bytes. Default: 10 MiB. */
  readonly maxBody?: number | undefined;
  /**
   * Memory for all bodies, and the forms of a token endpoint, at one time, in bytes. Default: 64
   * MiB, or four times `maxBody`.
   */
  readonly maxBuffered?: number | undefined;
  /** Accept only tokens that are bound to their request. Default: false. */
  readonly requireBinding?: boolean | undefined;
  /** Which algorithms are taken, of RS256, PS256, ES256 and EdDSA. Default: all. */
  readonly algorithms?: readonly string[] | undefined;
  /** Name in the challenge of a refusal. Default: `tallystick`. */
  readonly realm?: string | undefined;
}

type SnakeName<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${SnakeName<Rest>}`
  : Name;

/** A configuration with the names that YAML files and Python use. */
export type Snake<T> = T extends string | number | boolean | null | undefined
  ? T
  : T extends readonly (infer Item)[]
    ? readonly Snake<Item>[]
    : { readonly [Key in keyof T as Key extends string ? SnakeName<Key> : Key]: Snake<T[Key]> };

/**
 * A skill's configuration: with names in camelCase or snake_case, or the content of a webagents
 * file.
 */
export type AuthConfigInput =
  | AuthConfig
  | Snake<AuthConfig>
  | { readonly skills: { readonly auth: AuthConfig | Snake<AuthConfig> } };

/** The file of a configuration. */
export interface ConfigFile {
  /** Absolute. */
  readonly path: string;
  /** Shows that it has changed. It was taken before the file was read. */
  readonly stamp: string | undefined;
}

/** A configuration before the core has read it. */
export class ConfigSource {
  /** One JSON value. */
  readonly json: string;
  /** Its name in errors, such as that of its file. */
  readonly name: string | undefined;
  readonly file: ConfigFile | undefined;

  constructor(json: string, name?: string, file?: ConfigFile) {
    this.json = json;
    this.name = name;
    this.file = file;
  }

  /**
   * @param own - The options of the program, which may be there by mistake.
   * @throws {@link TallystickError} `invalid_config` for a value that JSON cannot hold, such as
   *   NaN; it names the key.
   */
  static of(config: unknown, name?: string, own: ProgramOptions["own"] = {}): ConfigSource {
    const { text, fault } = plainJson(config);
    if (text !== undefined) return new ConfigSource(text, name);
    throw misuse("invalid_config", `${name ?? "configuration"}: ${faultIn(config, own) ?? notPlain(fault)}`);
  }
}

/** The first key whose value JSON cannot hold, and what to do. */
function faultIn(config: unknown, own: ProgramOptions["own"]): string | undefined {
  const { skills } = (config ?? {}) as { readonly skills?: { readonly auth?: unknown } };
  for (const settings of [skills?.auth, config]) {
    for (const [key, value] of isPlain(settings) ? Object.entries(settings) : []) {
      const { fault } = value === undefined ? {} : plainJson(value);
      if (fault !== undefined) return `${shownKey(key)}: ${misplaced(key, own) ?? notPlain(fault)}`;
    }
  }
  return undefined;
}

function misplaced(key: string, own: ProgramOptions["own"]): string | undefined {
  const name = Object.entries(own).find(([option]) => folded(option) === folded(key))?.[1];
  if (name === undefined) return undefined;
  return (
    "is an option of the program and no key of a configuration: give it to the constructor, as in " +
    `new AuthSkill(config, { ${name}: … }) or AuthSkill.fromFile(path, { ${name}: … })`
  );
}

/** Makes key_bits and keyBits one. */
function folded(name: string): string {
  return name.replaceAll("_", "").toLowerCase();
}

/** What is wrong with the value of a key that JSON cannot hold. */
export function notPlain(fault: string): string {
  return `it is not plain data (${fault}): give texts, numbers, true, false, arrays and plain objects`;
}

/** A key for a message. */
export function shownKey(key: string): string {
  return shown(key.slice(0, 100));
}

/** What a program gave besides a configuration. */
export interface ProgramOptions {
  /** Keys that override those of the configuration. */
  readonly overrides: object;
  /** The other options, and what to write for each: they are no keys of a configuration. */
  readonly own: Readonly<Record<string, string>>;
}

/** The values of `${NAME}`. */
type Variables = Readonly<Record<string, string | undefined>>;

/**
 * Has the core read a configuration, with the variables that it names.
 *
 * @throws {@link TallystickError} `invalid_config`, which names source, key and fix.
 */
export function readConfig(
  core: Core,
  config: ConfigSource,
  { overrides, own }: ProgramOptions,
  environment: Variables,
): ConfigReadResult {
  // Inserted as text, so that the core sees a duplicate key, of which JSON.parse takes the last.
  const given = `"config":${config.json}`;
  const { names } = variablesIn(core, given, config.name);
  const values = names.filter((name) => environment[name] !== undefined).map((name) => [name, environment[name]]);
  const rest = JSON.stringify({
    variables: Object.fromEntries(values),
    source: config.name,
    options: overrides,
    host_options: own,
  });
  return result<ConfigReadResult>(core.call("config.read", `{${given},${rest.slice(1)}`));
}

/**
 * Has the core read the options of an authority.
 *
 * @throws {@link TallystickError} `invalid_config`, which names option and fix.
 */
export function readAuthority(core: Core, options: object): ConfigReadResult {
  return ask<ConfigReadResult>(core, "config.read", { config: {}, options, authority: true });
}

/**
 * The names of a text's variables. This is the first look at it: what is refused here is no strict
 * JSON.
 */
function variablesIn(core: Core, given: string, name = "the configuration"): ConfigVariablesResult {
  try {
    return result<ConfigVariablesResult>(core.call("config.variables", `{${given}}`));
  } catch (cause) {
    throw misuse("invalid_config", `${name}: ${reason(cause)}`, { cause });
  }
}

/** An absolute path; `~` is the user's home. */
export function expandHome(path: string): string {
  return resolve(path === "~" || path.startsWith("~/") ? join(homedir(), path.slice(1)) : path);
}
