import type { Logger } from "../logger.js";
import type { ClientEntry, ClientsDocument } from "./documents.js";
import { SharedDocument } from "./shared-document.js";

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
