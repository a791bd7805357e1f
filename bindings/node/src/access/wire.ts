// Members of the access operations, as core/abi/ABI.md has them.

export interface ConfigVariablesResult {
  readonly names: readonly string[];
}

export interface Inactive {
  readonly key: string;
  readonly reason: string;
}

export interface ConfigReadResult {
  readonly access: AccessMembers;
  readonly mode: string;
  readonly keys_dir: string;
  readonly inactive: readonly Inactive[];
}

/** The normalised configuration; the host looks at a few members and hands the whole on. */
export interface AccessMembers {
  readonly agent_id?: string;
  readonly base_url?: string;
  readonly token_ttl?: number;
  readonly leeway?: number;
  readonly client_key?: string;
  readonly [member: string]: unknown;
}

export interface RingKey {
  readonly kid: string;
  readonly state: "next" | "active" | "retired";
  readonly private_pem?: string;
  readonly public_pem?: string;
  readonly published_at: number;
  readonly dead_at?: number;
}

export interface RingDocument {
  readonly version: number;
  readonly keys: readonly RingKey[];
}

export interface RingUpdateResult {
  readonly ring: RingDocument;
  readonly changed: boolean;
  readonly missing: number;
  readonly rotated: boolean;
  readonly active: string;
  readonly next: string;
  readonly retired: readonly string[];
}

export interface AgentResolveResult {
  readonly url: string;
  readonly name: string;
  readonly namespace: string;
}

export interface ClientSecretResult {
  readonly secret: string;
  readonly secret_hash: string;
}

/** One entry of the file of clients. */
export interface ClientEntry {
  readonly client_id: string;
  readonly secret_hash?: string | undefined;
  readonly public_key?: string | undefined;
  readonly scopes: readonly string[];
  readonly namespaces?: readonly string[] | undefined;
  readonly trust?: readonly string[] | undefined;
  readonly targets?: readonly string[] | undefined;
}
