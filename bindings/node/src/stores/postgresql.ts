import { misuse } from "../core/answers.js";
import { type OwnStore, START, type StoreStart, TIMEOUT } from "./store.js";

/** The options of a store in PostgreSQL. */
export interface PostgreSQLStoreOptions {
  /** Beginning of the names of its tables, optionally with a schema in front. Default: `tallystick`. */
  readonly table?: string | undefined;
  /** How long a call may take, in seconds, with all that it waits for. Default: 2. */
  readonly timeout?: number | undefined;
  /** Whether an agent may not start while it cannot be reached. Default: true. */
  readonly required?: boolean | undefined;
}

/** A store in PostgreSQL, for many machines. */
export class PostgreSQLStore implements OwnStore {
  readonly [START]: StoreStart;

  constructor(_server: string | object, { required = true, timeout: _timeout = TIMEOUT }: PostgreSQLStoreOptions = {}) {
    this[START] = { setting: "store postgresql:", required, check: async () => missing() };
  }

  claim = missing;
  put = missing;
  get = missing;
  take = missing;
  close = missing;
}

function missing(): never {
  throw misuse("internal", "not written yet");
}
