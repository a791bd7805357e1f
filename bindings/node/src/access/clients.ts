import { ask, misuse } from "../core/answers.js";
import { type Logger, shownAs } from "../core/console.js";
import { derive } from "../core/host-crypto.js";
import { sharedCore } from "../core/load.js";
import type { ClientSecretResult, Config, DeriveNeed } from "../core/operations.js";
import { checkValue, TEXT } from "../core/options.js";
import type { Core } from "../core/portable/core.js";
import { TallystickError } from "../errors.js";
import { SharedDocument } from "../files/shared-document.js";
import { SharedFile } from "../files/shared-file.js";
import { leave, type SharedText } from "../files/shared-text.js";

/** A client's secret, and the hash of it that is stored. */
export interface ClientSecret {
  /** For the client; `console.log` does not show it. */
  readonly secret: string;
  /** For `secretHash` of `clients` in a configuration: PBKDF2 with SHA-256. */
  readonly secretHash: string;
}

/**
 * A secret, random if none is given, and its hash, which is derived off the event loop.
 *
 * @param what - Who was given the secret, in errors.
 */
export async function makeSecret(core: Core, what: string, secret: string | undefined): Promise<ClientSecret> {
  const first = firstStep(core, what, secret);
  const asked = first.derive as DeriveNeed;
  const request = { secret: first.secret, derive: "host", salt: asked.salt };
  const made = ask<ClientSecretResult>(core, "client.secret", request, await derive(asked));
  return { secret: made.secret, secretHash: made.secret_hash as string };
}

function firstStep(core: Core, what: string, secret: string | undefined): ClientSecretResult {
  try {
    return ask<ClientSecretResult>(core, "client.secret", { secret, derive: "host" });
  } catch (error) {
    if (!(error instanceof TallystickError) || secret === undefined) throw error;
    throw misuse(error.code, `${what}: secret: ${error.message.replace("client.secret: ", "")}`, { cause: error });
  }
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
  const both = await makeSecret(await sharedCore(), "newClientSecret", secret);
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

/**
 * The registered clients. The core checks the entries; here each must have an id.
 *
 * @param stored - Where they lie instead of in the file. They begin with those of the file, if it
 *   is there.
 */
export async function readClients(
  path: string,
  stored: SharedText | undefined,
  logger: Logger,
): Promise<SharedDocument<ClientsDocument>> {
  const file = new SharedFile(path);
  const clients = new SharedDocument(stored ?? file, "clients file", clientsOf, logger);
  if ((await clients.read()) !== undefined || stored === undefined) return clients;
  const former = await new SharedDocument(file, "clients file", clientsOf, logger).read();
  if (former === undefined) return clients;
  let isMade = false;
  await clients.update(async (present) => {
    isMade = present === undefined;
    return isMade ? former : undefined;
  });
  if (isMade) {
    await leave(file, stored.place);
    logger.warn(`the clients ${file.place} were moved to ${stored.place}`);
  }
  return clients;
}

/**
 * The core's refusal of the client that is registered, as a mistake of the call. What it says of
 * other entries stays as it is: the file is wrong.
 *
 * @param place - Where in the list the client is.
 * @param names - The options by the names that the core has for them.
 */
export function refusedClient(
  error: unknown,
  place: number,
  clientId: string,
  names: Readonly<Record<string, string>>,
): unknown {
  if (!(error instanceof TallystickError)) return error;
  const begins = [`clients[${place}]: `, `client ${JSON.stringify(clientId)}: `];
  const begin = begins.find((each) => error.message.startsWith(each));
  if (begin === undefined) return error;
  const said = error.message.slice(begin.length).replace(/^[a-z_]+/, (name) => names[name] ?? name);
  return misuse("invalid_argument", `registerClient: ${said}`, { cause: error });
}

function clientsOf(value: unknown): ClientsDocument | undefined {
  const { version, clients } = (value ?? {}) as Partial<ClientsDocument>;
  const isList =
    Array.isArray(clients) && clients.every((one) => typeof (one as ClientEntry | null)?.client_id === "string");
  return version === 1 && isList ? (value as ClientsDocument) : undefined;
}
