import type { EngineOpenResult, EngineStatsResult } from "../generated.js";

/** Who an agent or an authority is. */
export interface Identity {
  /** "portal": its authority signs its tokens; "self-issued": it does. */
  readonly mode: "portal" | "self-issued" | "authority";
  /** Claim `iss` of its tokens. */
  readonly issuer: string;
  readonly agentId: string;
  /** The audience that it accepts. */
  readonly baseUrl: string;
  /** Its dotted name. */
  readonly name: string;
  /** Thumbprint of the key that signs; "" where the authority does. */
  readonly keyId: string;
}

/** How much is held at a moment. */
export interface AccessStatistics {
  /** Issuers whose keys are kept, and how many may be. */
  readonly issuers: { readonly cached: number; readonly capacity: number };
  /** Tokens to send that are kept for reuse. */
  readonly tokens: number;
  /** Tokens of others that are remembered as verified. */
  readonly verified: number;
  /** Bound tokens that were used, and how many may be remembered. */
  readonly replay: { readonly live: number; readonly capacity: number };
}

export function identityOf(opened: EngineOpenResult, keyId: string): Identity {
  const { mode, issuer = "", agent_id = "", base_url = "", name = "" } = opened;
  return { mode: mode as Identity["mode"], issuer, agentId: agent_id, baseUrl: base_url, name, keyId };
}

export function statisticsOf({ access, replay }: EngineStatsResult): AccessStatistics {
  const { issuers = { cached: 0, capacity: 0 }, tokens = 0, verified = 0 } = access ?? {};
  return { issuers, tokens, verified, replay };
}
