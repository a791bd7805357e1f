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

/** Options of a skill and of an authority besides the configuration. */
export interface HostOptions extends SignerOptions {
  /**
   * Signs in place of the key ring in `keysDir`: PEM or JWK text, a `KeyObject`, or a function (a
   * KMS) with `publicKey`.
   */
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

/** The types of these options. */
export const HOST: Rules<HostOptions> = {
  ...SIGNER_RULES,
  keyBits: BITS,
  variables: OBJECT,
  logger: LOGGER,
  backend: BACKEND,
  library: TEXT,
};

export const HOST_NAMES: readonly string[] = Object.keys(HOST);

/** The options of a skill that are no keys of a configuration. */
export const HOST_ONLY: readonly string[] = [...HOST_NAMES, "keys", "replay", "onError"];

/**
 * Refuses a public key that nothing uses: a forgotten signer would leave the signing to a file.
 *
 * @throws {@link TallystickError} `invalid_argument`
 */
export function checkSigner(what: string, { signer, publicKey }: SignerChoice): void {
  if (publicKey === undefined || signer !== undefined) return;
  throw misuse("invalid_argument", `${what}: publicKey needs a signer: a function that signs with its private key`);
}

type SignerChoice = Pick<HostOptions, "signer" | "publicKey">;

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

/**
 * Refuses options in the configuration, with advice; the core would only say that there is no such
 * key.
 *
 * @param name - The file's name, if the configuration is a file.
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
    `${name ?? "AuthSkill"}: ${written} is no key of the configuration: write it in the second argument, ${call}{ ${found} })`,
  );
}

// A file of webagents has it below `skills.auth`.
function authOf(config: unknown): object {
  const { skills } = (config ?? {}) as { skills?: { auth?: unknown } | null };
  const found = skills?.auth ?? config;
  return isPlain(found) ? found : {};
}
