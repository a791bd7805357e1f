export type { HostOptions } from "./access/access-engine.js";
export { AuthSkill, type AuthSkillOptions, type CommandResult } from "./access/auth-skill.js";
export {
  Authority,
  type AuthorityOptions,
  type NewClient,
  type RegisteredClient,
  type Registration,
} from "./access/authority.js";
export type { AuthorizeOptions } from "./access/authorization.js";
export { type ClientSecret, newClientSecret } from "./access/client-secret.js";
export type { AuthConfig, AuthConfigInput, ClientConfig, Snake, TrustedIssuer, TrustRules } from "./access/config.js";
export type { CoveredFetch, FetchForOptions } from "./access/covered-fetch.js";
export type { ConnectionContext, HeaderBag, Identified, Injected, OutgoingContext } from "./access/hooks.js";
export type { Rotation, RotationOptions } from "./access/key-ring.js";
export type { AccessStatistics, Identity } from "./access/status.js";
export { AgentAuth } from "./agent-auth.js";
export type { AgentAuthOptions } from "./agent-options.js";
export {
  type AgentAnswer,
  OrchestratorClient,
  type OrchestratorClientOptions,
  type SecureRequest,
  type SendOptions,
} from "./client.js";
export * from "./codes.js";
export { type Backend, type Core, type CoreOptions, loadCore } from "./core.js";
export { type DevToken, DevTools, type SetupOptions, type TokenOptions } from "./dev-tools.js";
export { type HttpAnswer, type Problem, TallystickError } from "./errors.js";
export { ABI_VERSION } from "./generated.js";
export type { Endpoint, Endpoints, MountOptions } from "./hosts/endpoints.js";
export type { AuthMiddleware, Middleware } from "./hosts/express.js";
export {
  type FetchEndpoints,
  type FetchHandler,
  fetchEndpoints,
  type IdentifiedFetchHandler,
  type VerifiedFetchHandler,
} from "./hosts/fetch.js";
export {
  type AuthRequest,
  authOf,
  callerOf,
  type IdentifiedHandler,
  type IdentifiedRequest,
  type NodeEndpoints,
  type NodeHandler,
  type NodeRequest,
  nodeEndpoints,
  type VerifiedNodeHandler,
  type VerifiedNodeRequest,
} from "./hosts/node.js";
export { KeyManager, type KeyPair, type PublicKey } from "./keys.js";
export type { Logger } from "./logger.js";
export type { SignedRequestInit } from "./outgoing.js";
export type { ReplayStore } from "./replay.js";
export type { Signer, SignerOptions, SignFunction } from "./signer.js";
export {
  AuthContext,
  type AuthContextJson,
  type Body,
  type BodyReader,
  type Caller,
  type RequestFacts,
  type Requirements,
  type SignedHeaders,
} from "./types.js";
