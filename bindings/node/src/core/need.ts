import type { DeriveNeed } from "./operations.js";

/** Something that the core asks the host to do; see the table of needs in abi.md. */
export type Need =
  | { readonly kind: "keys"; readonly issuer: string }
  | {
      readonly kind: "claim";
      readonly issuer: string;
      readonly jti: string;
      readonly id: string;
      readonly expires_at: number;
      readonly now: number;
    }
  | { readonly kind: "sign"; readonly input: string; readonly key: string }
  | { readonly kind: "check"; readonly input: string; readonly signature: string; readonly key: string }
  | {
      readonly kind: "fetch";
      readonly flight: number;
      readonly method: "GET" | "POST";
      readonly url: string;
      readonly headers: Readonly<Record<string, string>>;
      readonly body?: string;
      readonly redirects: number;
      readonly address: "public" | "any";
      readonly max_bytes: number;
      readonly timeout: number;
      readonly read: readonly string[];
    }
  | { readonly kind: "body"; readonly max_bytes: number }
  | ({ readonly kind: "derive" } & DeriveNeed);

/** What `engine.resume` takes for a need. */
export interface Reply {
  readonly members: Readonly<Record<string, unknown>>;
  readonly body?: Uint8Array;
  /** What was thrown, where the reply is `failed`: the cause of the error that comes of it. */
  readonly cause?: unknown;
}

/** How a host does one kind of need. A failure is a reply with `failed`; what is thrown ends the operation. */
export type Needs = {
  readonly [Kind in Need["kind"]]?: (need: Extract<Need, { kind: Kind }>) => Reply | Promise<Reply>;
};

/** A reply to `failed`, for the log of the core. */
export function failed(why: string): Reply {
  return { members: { failed: why } };
}

/** Seconds since 1970, which the core, having no clock, is told with each call. */
export function now(): number {
  return Date.now() / 1000;
}

/**
 * The result of work, or an error where it takes too long; the work itself goes on unheard.
 *
 * @param limit - In seconds.
 * @param who - Whom the error blames.
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
