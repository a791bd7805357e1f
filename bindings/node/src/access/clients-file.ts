import type { Logger } from "../logger.js";
import { SharedDocument } from "./shared-document.js";
import type { ClientEntry } from "./wire.js";

/** The file of an authority's clients, which the Python binding reads and writes too. */
export interface ClientsDocument {
  readonly version: 1;
  readonly clients: readonly ClientEntry[];
}

/** What an entry says is for the core to judge; the entry must have a name to be found by. */
export function clientsFile(path: string, logger: Logger): SharedDocument<ClientsDocument> {
  return new SharedDocument(path, "clients file", clientsOf, logger);
}

function clientsOf(value: unknown): ClientsDocument | undefined {
  const { version, clients } = (value ?? {}) as Partial<ClientsDocument>;
  const isList =
    Array.isArray(clients) && clients.every((one) => typeof (one as ClientEntry | null)?.client_id === "string");
  return version === 1 && isList ? (value as ClientsDocument) : undefined;
}
