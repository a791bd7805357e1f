import type { Logger } from "../core/console.js";
import { failed, type Reply, within } from "../core/need.js";
import type { Rule } from "../core/options.js";
import { reason } from "../core/text.js";

/** A memory of used tokens that processes and machines share and that outlives restarts. */
export interface ReplayStore {
  /**
   * Claims a token. It must be one atomic step: of two callers with the same token exactly one gets
   * true.
   *
   * @param issuer - Who signed.
   * @param jti - Id of the token, at most 256 bytes.
   * @param expiresAt - When it may be forgotten, in seconds since 1970.
   * @param id - 32 hex digits, one for each (issuer, jti): a key for stores that want a short one.
   * @returns true if it was new, false if it was there. Anything else, an exception, or no answer
   *   within 5 s refuses the request.
   */
  claim(issuer: string, jti: string, expiresAt: number, id: string): boolean | Promise<boolean>;
}

/** The members of the need `claim`. */
export interface Claim {
  readonly issuer: string;
  readonly jti: string;
  readonly id: string;
  readonly expires_at: number;
  readonly now: number;
}

const STORE_LIMIT = 5;

/** The need `claim` by a store. It fails closed. */
async function claimIn(store: ReplayStore, claim: Claim): Promise<Reply> {
  try {
    const taken = await within(STORE_LIMIT, "the store", async () =>
      store.claim(claim.issuer, claim.jti, claim.expires_at, claim.id),
    );
    if (typeof taken === "boolean") return { members: { claim: taken ? "claimed" : "exists" } };
    return unavailable(`claim() must return true or false, not ${typeof taken}`);
  } catch (error) {
    return unavailable(reason(error));
  }
}

function unavailable(why: string): Reply {
  return { members: { claim: "unavailable", failed: why } };
}

/** The memory of one engine's used tokens: the core's own window, or a store. */
export class UsedTokens {
  readonly #store: ReplayStore | undefined;
  #latestExpiry = 0;

  constructor(replay: "memory" | ReplayStore | undefined) {
    this.#store = isStore(replay) ? replay : undefined;
  }

  /**
   * Members of `engine.open`. When an engine is opened again, the window of the first is lost;
   * tokens that it may have held are refused.
   */
  configuration(): { readonly replay: "memory" | "host"; readonly replay_floor?: number } {
    return this.#store === undefined
      ? { replay: "memory", replay_floor: Math.ceil(this.#latestExpiry) }
      : { replay: "host" };
  }

  /** Notes that a single-use token was used, and when it expires (seconds since 1970). */
  accepted(expiresAt: number): void {
    this.#latestExpiry = Math.max(this.#latestExpiry, expiresAt);
  }

  claim(claim: Claim): Reply | Promise<Reply> {
    return this.#store === undefined ? failed("this agent has no replay store") : claimIn(this.#store, claim);
  }
}

export function isStore(replay: "memory" | ReplayStore | undefined): replay is ReplayStore {
  return typeof replay === "object";
}

/** The same text in every language. */
const MEMORY_OF_ONE_PROCESS =
  "used tokens are remembered in the memory of this process alone: a token works once in each process (worker, " +
  "container, machine), and again after a restart; give the option replay a store that all of them share";

let warned = false;

/** Warns, once in each process, that a restart and other processes do not know the used tokens. */
export function warnOfMemory(logger: Logger): void {
  if (warned) return;
  warned = true;
  logger.warn(MEMORY_OF_ONE_PROCESS);
}

/** The type of `replay`. */
export const REPLAY: Rule = {
  must: '"memory" or an object with claim(issuer, jti, expiresAt)',
  holds: (value) =>
    value === "memory" ||
    (typeof value === "object" && value !== null && typeof (value as ReplayStore).claim === "function"),
};
