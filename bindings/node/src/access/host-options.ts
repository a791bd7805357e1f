import { misuse } from "../answers.js";
import { BACKEND, BITS, camelCase, isPlain, kindOf, LOGGER, newName, OBJECT, type Rules, TEXT } from "../options.js";
import { SIGNER_RULES } from "../signer.js";
import type { HostOptions } from "./access-engine.js";

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
