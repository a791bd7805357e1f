import { misuse } from "../core/answers.js";
import { plainJson } from "../core/json.js";
import {
  checkedCopy,
  FUNCTION,
  ISSUER_KEYS,
  isPlain,
  kindOf,
  nearest,
  newName,
  type Rules,
  VARIABLES,
  withFormerNames,
} from "../core/options.js";
import type { OnError } from "../http/refusal.js";
import { checkStore, checkStoreKey, STORE } from "../stores/open.js";
import type { Store } from "../stores/store.js";
import { type AuthConfig, ConfigSource, notPlain, shownKey } from "./config.js";
import { checkTogether, HOST, HOST_NAMES, type HostOptions } from "./options.js";

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

const HOST_RULES: Rules<Omit<AuthSkillOptions, keyof AuthConfig>> = {
  ...HOST,
  variables: VARIABLES,
  onError: FUNCTION,
  keys: ISSUER_KEYS,
  store: STORE,
};

/** What a skill is made of, checked and copied. */
export interface CheckedOptions {
  /** The options of the program. */
  readonly host: AuthSkillOptions;
  /** The keys of a configuration among the options, as JSON has them. */
  readonly overrides: object;
}

/**
 * Refuses what a skill cannot be made of, before anything is loaded.
 *
 * @throws {@link TallystickError} `invalid_argument` for an option or a configuration of a wrong
 *   type, `invalid_config` for a key of the configuration whose value is not plain data.
 */
export function checkSkillOptions(config: unknown, options: AuthSkillOptions): CheckedOptions {
  if (!isPlain(options)) {
    const found = kindOf(options);
    throw misuse("invalid_argument", `AuthSkill: the options must be a plain object (there is ${found})`);
  }
  const given = Object.fromEntries(Object.getOwnPropertyNames(options).map((name) => [name, options[name]]));
  const old = Object.keys(given).find((name) => newName(name, HOST_ONLY) !== undefined);
  if (old !== undefined) {
    throw misuse("invalid_argument", `AuthSkill: unknown option "${old}": write ${newName(old, HOST_ONLY)}`);
  }
  if (Object.hasOwn(given, "file")) throw misuse("invalid_argument", `AuthSkill: unknown option "file": ${FROM_FILE}`);
  const host = checkedCopy("AuthSkill", given as AuthSkillOptions, HOST_RULES);
  checkTogether("AuthSkill", host);
  checkStore("AuthSkill", host.store);
  checkStoreKey("AuthSkill", host.store, host.storeKey);
  if (!(config instanceof ConfigSource)) checkConfig(config);
  return { host, overrides: overridesOf(given) };
}

const FROM_FILE = "use AuthSkill.fromFile(path) for a file";

/**
 * The core checks the keys. What JSON would drop is refused here: a check would be gone with it.
 */
function overridesOf(given: Readonly<Record<string, unknown>>): object {
  const keys = Object.entries(given).filter(([name, value]) => !HOST_ONLY.includes(name) && value !== undefined);
  return Object.fromEntries(
    keys.map(([name, value]) => {
      const { text, fault } = name.isWellFormed() ? plainJson(value) : { fault: "its name has an unpaired surrogate" };
      if (text === undefined) throw misuse("invalid_config", `options: ${shownKey(name)}: ${adviceOn(name, fault)}`);
      return [name, JSON.parse(text)];
    }),
  );
}

/** The options that may be a function or have one. */
const WITH_FUNCTIONS = ["signer", "logger", "store", "onError"];
/** Farther than any key of a configuration is from them. */
const MOST_WRONG = 2;

function adviceOn(name: string, fault: string): string {
  const meant = nearest(name, WITH_FUNCTIONS, MOST_WRONG);
  return meant === undefined ? notPlain(fault) : `there is no such key: write ${meant} or remove it`;
}

/**
 * Refuses a configuration that is no plain object, before anything is loaded.
 *
 * @throws {@link TallystickError} `invalid_argument`
 */
export function checkConfig(config: unknown): void {
  if (isPlain(config)) {
    if (!Object.hasOwn(config, "file")) return;
    throw misuse("invalid_config", `configuration: file: there is no such key: ${FROM_FILE}`);
  }
  const advice = typeof config === "string" ? FROM_FILE : "write new AuthSkill({ baseUrl: … })";
  throw misuse(
    "invalid_argument",
    `AuthSkill: the configuration must be a plain object (it is ${kindOf(config)}): ${advice}`,
  );
}
