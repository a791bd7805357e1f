export type { HostOptions } from "./access/access-engine.js";
export type { Endpoints, MountOptions } from "./access/agents.js";
export { AuthContext, type AuthContextJson } from "./access/auth-context.js";
export { AuthSkill, type AuthSkillOptions, type CommandResult } from "./access/auth-skill.js";
export {
  Authority,
  type AuthorityOptions,
  type NewClient,
  type RegisteredClient,
  type Registration,
} from "./access/authority.js";
export type { AuthorizationHeaders, AuthorizationOptions } from "./access/authorization.js";
export { type ClientSecret, newClientSecret } from "./access/client-secret.js";
export type { AuthConfig, AuthConfigInput, ClientConfig, Snake, TrustedIssuer, TrustRules } from "./access/config.js";
export type { CoveredFetch, FetchForOptions } from "./access/covered-fetch.js";
export type { Endpoint, EndpointRequest } from "./access/endpoint.js";
export { type FetchEndpoints, fetchEndpoints } from "./access/fetch-endpoints.js";
export type { AuthFetchHandler, IdentifiedFetchHandler } from "./access/fetch-guard.js";
export type { AccessFacts, Requirements } from "./access/guard.js";
export type { ConnectionContext, HeaderBag, Identified, Injected, OutgoingContext } from "./access/hooks.js";
export type { Rotation, RotationOptions } from "./access/key-ring.js";
export { type NodeEndpoints, nodeEndpoints } from "./access/node-endpoints.js";
export {
  type AuthMiddleware,
  type AuthRequest,
  authOf,
  type IdentifiedHandler,
  type IdentifiedRequest,
} from "./access/node-guard.js";
export type { AccessStatistics, Identity } from "./access/status.js";
export { AgentAuth, type AgentAuthOptions, type Caller, type RequestFacts } from "./agent-auth.js";
export type { Body, BodyReader } from "./body.js";
export {
  type AgentAnswer,
  OrchestratorClient,
  type OrchestratorClientOptions,
  type SecureRequest,
  type SendOptions,
  type SignedHeaders,
} from "./client.js";
export * from "./codes.js";
export { type Backend, type Core, type CoreOptions, loadCore } from "./core.js";
export { type DevToken, DevTools, type SetupOptions, type TokenOptions } from "./dev-tools.js";
export { type HttpAnswer, type Problem, TallystickError } from "./errors.js";
export type { FetchHandler, VerifiedFetchHandler } from "./fetch-handler.js";
export { ABI_VERSION } from "./generated.js";
export { KeyManager, type KeyPair, type PublicKey } from "./keys.js";
export type { Logger } from "./logger.js";
export {
  callerOf,
  type Middleware,
  type NodeHandler,
  type NodeRequest,
  type VerifiedNodeHandler,
  type VerifiedNodeRequest,
} from "./node-http.js";
export type { SignedRequestInit } from "./outgoing.js";
export type { ReplayStore } from "./replay.js";
export type { Signer, SignerOptions, SignFunction } from "./signer.js";
