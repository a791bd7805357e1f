import { misuse } from "../core/answers.js";
import { jsonText } from "../core/json.js";
import {
  checkTypes,
  FUNCTION,
  ISSUER_KEYS,
  isPlain,
  kindOf,
  newName,
  OBJECT,
  withFormerNames,
} from "../core/options.js";
import type { OnError } from "../http/refusal.js";
import { checkStore, STORE } from "../stores/open.js";
import type { Store } from "../stores/store.js";
import { type AuthConfig, ConfigSource } from "./config.js";
import { checkSigner, HOST, HOST_NAMES, type HostOptions } from "./options.js";

/**
 * The options of a skill besides its configuration. Keys of the configuration are taken, too, and
 * override those of `config`.
 */
export interface AuthSkillOptions extends HostOptions, AuthConfig {
  /** Values for `${NAME}` in the configuration. Default: the environment. */
  readonly variables?: Readonly<Record<string, string | undefined>> | undefined;
  /**
   * Public keys by issuer (PEM, JWK or JWKS text), which are then not fetched. These issuers are
   * trusted: they need not be in `allow`, but `deny` and `acceptFrom` still hold.
   */
  readonly keys?: Readonly<Record<string, string>> | undefined;
  /**
   * Where used bound tokens are remembered: a URL or an object, as of {@link
   * AgentAuthOptions.store}. Default: `sqlite:`.
   */
  readonly store?: string | Store | undefined;
  /** Called with each refusal; the answer that it returns is sent in place of the core's. */
  readonly onError?: OnError | undefined;
}

/** The options of a skill that are no keys of a configuration. */
const HOST_ONLY: readonly string[] = [...HOST_NAMES, "variables", "keys", "store", "onError"];

/** Those and their former names, with what to write. */
export const HOST_OPTIONS: Readonly<Record<string, string>> = withFormerNames(HOST_ONLY);

/**
 * Refuses what a skill cannot be made of, before anything is loaded.
 *
 * @throws {@link TallystickError} `invalid_argument` for an option or a configuration of a wrong type.
 */
export function checkSkillOptions(config: unknown, options: AuthSkillOptions): void {
  if (!isPlain(options)) {
    const found = kindOf(options);
    throw misuse("invalid_argument", `AuthSkill: the options must be a plain object (there is ${found})`);
  }
  const old = Object.keys(options).find((name) => newName(name, HOST_ONLY) !== undefined);
  if (old !== undefined) {
    throw misuse("invalid_argument", `AuthSkill: unknown option "${old}": write ${newName(old, HOST_ONLY)}`);
  }
  // All other members are keys of the configuration, which the core checks.
  checkTypes("AuthSkill", options, {
    ...HOST,
    variables: OBJECT,
    onError: FUNCTION,
    keys: ISSUER_KEYS,
    store: STORE,
  });
  checkSigner("AuthSkill", options);
  checkStore("AuthSkill", options.store);
  if (!(config instanceof ConfigSource)) checkConfig(config);
}

/**
 * The keys of a configuration among the options, as JSON has them.
 *
 * @throws {@link TallystickError} `invalid_argument` for a value that JSON would drop: a check
 *   would be gone with it.
 */
export function overridesOf(options: AuthSkillOptions): object {
  const names = Object.getOwnPropertyNames(options).filter((name) => !HOST_ONLY.includes(name));
  const given = names.map((name) => [name, (options as Readonly<Record<string, unknown>>)[name]]);
  return JSON.parse(jsonText(Object.fromEntries(given), "AuthSkill: the options"));
}

/**
 * Refuses a configuration that is no plain object, before anything is loaded.
 *
 * @throws {@link TallystickError} `invalid_argument`
 */
export function checkConfig(config: unknown): void {
  if (isPlain(config)) return;
  const advice =
    typeof config === "string" ? "use AuthSkill.fromFile(path) for a file" : "write new AuthSkill({ baseUrl: … })";
  throw misuse(
    "invalid_argument",
    `AuthSkill: the configuration must be a plain object (it is ${kindOf(config)}): ${advice}`,
  );
}
