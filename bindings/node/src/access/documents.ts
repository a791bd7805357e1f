// The documents that lie in files, which the Python binding reads and writes too.
import type { Config } from "../generated.js";

/** One key of a ring. */
export interface RingKey {
  /** RFC 7638 thumbprint. */
  readonly kid: string;
  readonly state: "next" | "active" | "retired";
  readonly private_pem?: string;
  /** Instead of the private half, where another holds it. */
  readonly public_pem?: string;
  /** Seconds since 1970. */
  readonly published_at: number;
  /** Seconds since 1970: when the last token of a retired key is dead. */
  readonly dead_at?: number;
}

/** `{agent}.ring.json` */
export interface RingDocument {
  readonly version: number;
  readonly keys: readonly RingKey[];
}

/** `clients.json` */
export interface ClientsDocument {
  readonly version: 1;
  readonly clients: readonly ClientEntry[];
}

/** One registered client. */
export type ClientEntry = Config;
