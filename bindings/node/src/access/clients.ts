import { ask } from "../core/answers.js";
import { type Logger, shownAs } from "../core/console.js";
import { derive } from "../core/host-crypto.js";
import { sharedCore } from "../core/load.js";
import type { ClientSecretResult, Config, DeriveNeed } from "../core/operations.js";
import { checkValue, TEXT } from "../core/options.js";
import type { Core } from "../core/portable/core.js";
import { SharedDocument } from "../files/shared-document.js";

/** A client's secret, and the hash of it that is stored. */
export interface ClientSecret {
  /** For the client; `console.log` does not show it. */
  readonly secret: string;
  /** For `secretHash` of `clients` in a configuration: PBKDF2 with SHA-256. */
  readonly secretHash: string;
}

/** A secret, random if none is given, and its hash, which is derived off the event loop. */
export async function makeSecret(core: Core, secret: string | undefined): Promise<ClientSecret> {
  const first = ask<ClientSecretResult>(core, "client.secret", { secret, derive: "host" });
  const asked = first.derive as DeriveNeed;
  const request = { secret: first.secret, derive: "host", salt: asked.salt };
  const made = ask<ClientSecretResult>(core, "client.secret", request, await derive(asked));
  return { secret: made.secret, secretHash: made.secret_hash as string };
}

/**
 * A secret for an entry of `clients` in a configuration. An {@link Authority} makes its clients'
 * secrets itself.
 *
 * @param secret - A given secret of at least 16 characters. Default: 256 random bits.
 * @throws {@link TallystickError} `invalid_argument` if it is too short.
 */
export async function newClientSecret(secret?: string): Promise<ClientSecret> {
  if (secret !== undefined) checkValue("newClientSecret: secret", secret, TEXT);
  const both = await makeSecret(await sharedCore(), secret);
  return shownAs(both, `{ secret: (not shown), secretHash: '${both.secretHash}' }`);
}

// The document in the file, which the Python package reads and writes, too.

/** `clients.json` */
export interface ClientsDocument {
  readonly version: 1;
  readonly clients: readonly ClientEntry[];
}

/** One registered client. */
export type ClientEntry = Config;

/** The file of clients. The core checks the entries; here each must have an id. */
export function clientsFile(path: string, logger: Logger): SharedDocument<ClientsDocument> {
  return new SharedDocument(path, "clients file", clientsOf, logger);
}

function clientsOf(value: unknown): ClientsDocument | undefined {
  const { version, clients } = (value ?? {}) as Partial<ClientsDocument>;
  const isList =
    Array.isArray(clients) && clients.every((one) => typeof (one as ClientEntry | null)?.client_id === "string");
  return version === 1 && isList ? (value as ClientsDocument) : undefined;
}
