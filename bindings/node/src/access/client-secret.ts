import { sharedCore } from "../core.js";
import type { ClientSecretResult } from "../generated.js";
import { checkValue, TEXT } from "../options.js";
import { shownAs } from "../shown.js";
import { ask } from "./start.js";

/** The secret of a client, and what is stored of it. */
export interface ClientSecret {
  /** For the client; `console.log` does not show it. */
  readonly secret: string;
  /** For `secretHash` of `clients` in a configuration: PBKDF2 with SHA-256. */
  readonly secretHash: string;
}

/**
 * A secret for an entry of `clients` in a configuration. An {@link Authority} makes those of its clients itself.
 *
 * @param secret - One that there is, at least 16 characters. Default: 256 random bits.
 * @throws {@link TallystickError} `invalid_argument` where it is too short.
 */
export async function newClientSecret(secret?: string): Promise<ClientSecret> {
  if (secret !== undefined) checkValue("newClientSecret: secret", secret, TEXT);
  const made = ask<ClientSecretResult>(await sharedCore(), "client.secret", { secret });
  const both = { secret: made.secret, secretHash: made.secret_hash };
  return shownAs(both, `{ secret: (not shown), secretHash: '${both.secretHash}' }`);
}
