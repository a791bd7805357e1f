import { misuse } from "../core/answers.js";
import { type OwnStore, START, type StoreStart, TIMEOUT } from "./store.js";

/** The options of a store in Redis or Valkey. */
export interface RedisStoreOptions {
  /** In front of each key. Default: `tallystick:`. */
  readonly prefix?: string | undefined;
  /** How long a call may take, in seconds, with all that it waits for. Default: 2. */
  readonly timeout?: number | undefined;
  /** Whether an agent may not start while it cannot be reached. Default: true. */
  readonly required?: boolean | undefined;
}

/** A store in Redis or Valkey, for many machines. */
export class RedisStore implements OwnStore {
  readonly lostAt: number | undefined = undefined;
  readonly [START]: StoreStart;

  constructor(_server: string | object, { required = true, timeout: _timeout = TIMEOUT }: RedisStoreOptions = {}) {
    this[START] = { setting: "store redis:", required, check: async () => missing() };
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
