import { misuse } from "../core/answers.js";
import type { Logger } from "../core/console.js";
import {
  BACKEND,
  BITS,
  camelCase,
  isPlain,
  kindOf,
  LOGGER,
  newName,
  OBJECT,
  type Rules,
  TEXT,
} from "../core/options.js";
import type { Backend } from "../core/portable/core.js";
import { SIGNER_RULES, type Signer, type SignerOptions } from "../core/signer.js";

/** What a host brings besides the configuration, to a skill and to an authority alike. */
export interface HostOptions extends SignerOptions {
  /** Signs instead of the key ring in `keysDir`: PEM or JWK text, a `KeyObject`, or a function (a KMS) with `publicKey`. */
  readonly signer?: Signer | undefined;
  /**
   * Who verifies signatures: `node:crypto`, which is faster, or the core. Own keys always sign in
   * `node:crypto`, off the event loop, and are not given to the core. Default: "host".
   */
  readonly crypto?: "host" | "core" | undefined;
  /** Size of the keys that are made, in bits. Default: 2048. */
  readonly keyBits?: 2048 | 3072 | 4096 | undefined;
  /** Values for `${NAME}` in the configuration. Default: the environment. */
  readonly variables?: Readonly<Record<string, string | undefined>> | undefined;
  /** Default: refusals, warnings and errors on the console. */
  readonly logger?: Logger | undefined;
  /** Default: `TALLYSTICK_BACKEND`, else "wasm". */
  readonly backend?: Backend | undefined;
  /** Path of libtallystick for the native backend. Default: `TALLYSTICK_LIBRARY`. */
  readonly library?: string | undefined;
}

/** The types of what a host brings. */
export const HOST: Rules<HostOptions> = {
  ...SIGNER_RULES,
  keyBits: BITS,
  variables: OBJECT,
  logger: LOGGER,
  backend: BACKEND,
  library: TEXT,
};

export const HOST_NAMES: readonly string[] = Object.keys(HOST);

const HOST_ONLY: readonly string[] = [...HOST_NAMES, "keys", "replay", "onError"];

/**
 * Refuses what can be no configuration, before anything is loaded.
 *
 * @throws {@link TallystickError} `invalid_argument` for another type than a plain object.
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

/**
 * Refuses options of the host in a configuration, where the core would only say that there is no such key.
 *
 * @param name - Of the file, where it is one.
 * @throws {@link TallystickError} `invalid_config`
 */
export function refuseHostOptions(config: unknown, name: string | undefined): void {
  const misplaced = Object.keys(authOf(config)).map(camelCase);
  const written = misplaced.find((key) => HOST_ONLY.includes(newName(key, HOST_NAMES) ?? key));
  if (written === undefined) return;
  const found = newName(written, HOST_NAMES) ?? written;
  const call = name === undefined ? "new AuthSkill(config, " : "AuthSkill.fromFile(path, ";
  throw misuse(
    "invalid_config",
    `${name ?? "AuthSkill"}: ${written} belongs to no configuration: write it in the second argument, ${call}{ ${found} })`,
  );
}

// The seed's file has it below `skills.auth`.
function authOf(config: unknown): object {
  const { skills } = (config ?? {}) as { skills?: { auth?: unknown } | null };
  const found = skills?.auth ?? config;
  return isPlain(found) ? found : {};
}
