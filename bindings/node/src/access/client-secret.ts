import { result } from "../answers.js";
import { type Core, sharedCore } from "../core.js";
import type { ClientSecretResult, DeriveNeed } from "../generated.js";
import { derive } from "../host-crypto.js";
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

/** A secret, drawn at random where none is given, and what is stored of it, derived off the event loop. */
export async function makeSecret(core: Core, secret: string | undefined): Promise<ClientSecret> {
  const first = ask<ClientSecretResult>(core, "client.secret", { secret, derive: "host" });
  const asked = first.derive as DeriveNeed;
  const told = JSON.stringify({ secret: first.secret, derive: "host", salt: asked.salt });
  const made = result<ClientSecretResult>(core.call("client.secret", told, await derive(asked)));
  return { secret: made.secret, secretHash: made.secret_hash as string };
}

/**
 * A secret for an entry of `clients` in a configuration. An {@link Authority} makes those of its clients itself.
 *
 * @param secret - One that there is, at least 16 characters. Default: 256 random bits.
 * @throws {@link TallystickError} `invalid_argument` where it is too short.
 */
export async function newClientSecret(secret?: string): Promise<ClientSecret> {
  if (secret !== undefined) checkValue("newClientSecret: secret", secret, TEXT);
  const both = await makeSecret(await sharedCore(), secret);
  return shownAs(both, `{ secret: (not shown), secretHash: '${both.secretHash}' }`);
}
