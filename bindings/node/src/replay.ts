import cluster from "node:cluster";
import { failed, type Reply } from "./engine.js";
import { reason } from "./lines.js";
import type { Logger } from "./logger.js";
import { within } from "./time-limit.js";

/**
 * A memory of used tokens that others share: processes, machines, restarts.
 */
export interface ReplayStore {
  /**
   * Takes a token once. Must be one atomic step: of two callers with the same token exactly one is told true.
   *
   * @param issuer - Who signed.
   * @param jti - Id of the token, at most 256 bytes.
   * @param expiresAt - Until when it must be remembered, in seconds since 1970.
   * @param id - 32 hex digits, one for each (issuer, jti): a key for stores that want a short one.
   * @returns true: taken now; false: it was there. Anything else, a throw or no answer within 5 s refuses the request.
   */
  claim(issuer: string, jti: string, expiresAt: number, id: string): boolean | Promise<boolean>;
}

/** What the need `claim` says. */
export interface Claim {
  readonly issuer: string;
  readonly jti: string;
  readonly id: string;
  readonly expires_at: number;
  readonly now: number;
}

const STORE_LIMIT_MS = 5_000;

/** The need `claim` by a store of the host: fails closed. */
export async function claimIn(store: ReplayStore, claim: Claim): Promise<Reply> {
  try {
    const taken = await within(STORE_LIMIT_MS, "the store", async () =>
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

/** Where the used tokens of one engine are remembered: in the core's own window or in a store that others share. */
export class UsedTokens {
  readonly #store: ReplayStore | undefined;
  readonly #leeway: number;
  #latestExpiry = 0;

  /** @param leeway - Of the engine, in seconds. */
  constructor({ replay, leeway }: { replay?: "memory" | ReplayStore | undefined; leeway?: number | undefined }) {
    this.#store = isStore(replay) ? replay : undefined;
    this.#leeway = leeway ?? 0;
  }

  /** For `engine.open`; a second opening means that the window of the first is lost with all that it held. */
  configuration(): { readonly replay: "memory" | "host"; readonly replay_floor?: number } {
    return this.#store === undefined
      ? { replay: "memory", replay_floor: Math.ceil(this.#latestExpiry + this.#leeway) }
      : { replay: "host" };
  }

  /** A token that can be used once was used; it expires then, in seconds since 1970. */
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

let warned = false;

/** Each worker of a cluster has a memory of its own, so that a token would work once in each of them. */
export function warnIfClustered(logger: Logger): void {
  if (!cluster.isWorker || warned) return;
  warned = true;
  logger.warn(
    "this process is a worker of a cluster and keeps its replay memory to itself: a token works once in EVERY worker. " +
      "Give AgentAuth a store that the workers share: replay: { claim(issuer, jti, expiresAt, id) { … } }",
  );
}
