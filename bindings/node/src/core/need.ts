import type { DeriveNeed } from "./operations.js";

/** What the core asks the host to do; see the table of needs in abi.md. */
/** What a key is good for (JWS). */
export type Algorithm = "RS256" | "PS256" | "ES256" | "EdDSA";

export type Need =
  | { readonly kind: "keys"; readonly issuer: string }
  | {
      readonly kind: "claim";
      readonly issuer: string;
      readonly jti: string;
      readonly id: string;
      readonly seconds: number;
      readonly now: number;
    }
  | { readonly kind: "sign"; readonly alg: Algorithm; readonly input: string; readonly key: string }
  | {
      readonly kind: "check";
      readonly alg: Algorithm;
      readonly input: string;
      readonly signature: string;
      readonly key: string;
    }
  | {
      readonly kind: "fetch";
      readonly flight: number;
      readonly method: "GET" | "POST";
      readonly url: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly body?: string;
      readonly redirects: number;
      readonly address: "public" | "internal" | "any";
      readonly proxy?: boolean;
      readonly max_bytes: number;
      readonly timeout: number;
      readonly read: readonly string[];
    }
  | { readonly kind: "body"; readonly max_bytes: number }
  | { readonly kind: "put"; readonly id: string; readonly seconds: number; readonly value: string }
  | { readonly kind: "get"; readonly id: string }
  | { readonly kind: "take"; readonly id: string }
  | ({ readonly kind: "derive" } & DeriveNeed);

/** The host's answer to a need, for `engine.resume`. */
export interface Reply {
  readonly members: Readonly<Record<string, unknown>>;
  readonly body?: Uint8Array;
  /** What was thrown, if the reply is `failed`: it becomes the cause of the error. */
  readonly cause?: unknown;
}

/**
 * How a host answers each kind of need. A failure is a reply with `failed`; an exception ends the
 * operation.
 */
export type Needs = {
  readonly [Kind in Need["kind"]]?: (need: Extract<Need, { kind: Kind }>) => Reply | Promise<Reply>;
};

/** A reply that says why a need failed; the text is for the log. */
export function failed(why: string): Reply {
  return { members: { failed: why } };
}

/**
 * The result of `work`, or an error if it takes too long. The work itself is not ended.
 *
 * @param limit - In seconds.
 * @param who - Who did not answer, for the error.
 */
export async function within<T>(limit: number, who: string, work: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${who} did not answer within ${limit} s`)), limit * 1000);
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The need `sign`. */
export type SignNeed = Extract<Need, { kind: "sign" }>;
