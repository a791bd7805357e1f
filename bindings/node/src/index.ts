export { AuthSkill, type CommandResult } from "./access/auth-skill.js";
export {
  Authority,
  type AuthorityOptions,
  type NewClient,
  type RegisteredClient,
  type Registration,
} from "./access/authority.js";
export type { AuthorizeOptions } from "./access/authorize.js";
export { type ClientSecret, newClientSecret } from "./access/clients.js";
export type {
  AuthConfig,
  AuthConfigInput,
  ClientConfig,
  Preset,
  Snake,
  TrustedIssuer,
  TrustRules,
} from "./access/config.js";
export type { AccessStatistics, Identity } from "./access/engine.js";
export type { ConnectionContext, HeaderBag, Identified, OutgoingContext, OutgoingHeaders } from "./access/hooks.js";
export type { HostOptions } from "./access/options.js";
export type { Rotation, RotationOptions } from "./access/signing-keys.js";
export type { AuthSkillOptions } from "./access/skill-options.js";
export * from "./codes.js";
export type { Logger } from "./core/console.js";
export { type Backend, type Core, type CoreOptions, loadCore } from "./core/load.js";
export { ABI_VERSION } from "./core/operations.js";
export type { Signer, SignerOptions, SignFunction } from "./core/signer.js";
export * from "./error-classes.js";
export { type HttpAnswer, type Problem, TallystickError } from "./errors.js";
export type { Endpoint, Endpoints, MountOptions } from "./hosts/endpoints.js";
export { type AuthMiddleware, authOf, callerOf, type Middleware } from "./hosts/express.js";
export {
  type FetchEndpoints,
  type FetchHandler,
  fetchEndpoints,
  type IdentifiedFetchHandler,
  type VerifiedFetchHandler,
} from "./hosts/fetch.js";
export type {
  IdentifiedHandler,
  NodeHandler,
  VerifiedNodeHandler,
} from "./hosts/node.js";
export { type NodeEndpoints, nodeEndpoints } from "./hosts/node-endpoints.js";
export type { FetchForOptions, OutboundFetch } from "./outbound/fetch.js";
export type { SignedRequestInit } from "./outbound/request.js";
export { AgentAuth } from "./request/agent-auth.js";
export type { AgentAuthOptions } from "./request/agent-options.js";
export { type DevToken, DevTools, type SetupOptions, type TokenOptions } from "./request/dev-tools.js";
export { KeyManager, type KeyPair, type KeyPairOptions, type PublicKey } from "./request/keys.js";
export {
  type AgentAnswer,
  OrchestratorClient,
  type OrchestratorClientOptions,
  type SecureRequest,
  type SendOptions,
} from "./request/orchestrator-client.js";
export { MemoryStore } from "./stores/memory.js";
export { PostgreSQLStore, type PostgreSQLStoreOptions, type VersionedDocument } from "./stores/postgresql.js";
export type { PostgreSQLPool } from "./stores/postgresql-pool.js";
export { type RedisClient, RedisStore, type RedisStoreOptions } from "./stores/redis.js";
export { SQLiteStore, type SQLiteStoreOptions } from "./stores/sqlite.js";
export type { Store } from "./stores/store.js";
export {
  AuthContext,
  type AuthContextJson,
  type AuthRequest,
  type Body,
  type BodyReader,
  type Caller,
  type GuardOptions,
  type IdentifiedRequest,
  type NodeRequest,
  type RequestFacts,
  type Requirements,
  type SignedHeaders,
  type VerifiedNodeRequest,
} from "./types.js";
