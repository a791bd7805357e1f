export { AgentAuth, type AgentAuthOptions, type Caller, type RequestFacts } from "./agent-auth.js";
export {
  type AgentAnswer,
  OrchestratorClient,
  type OrchestratorClientOptions,
  type SecureRequest,
  type SendOptions,
  type SignedHeaders,
} from "./client.js";
export { type Backend, type Core, type CoreOptions, loadCore } from "./core.js";
export { type DevToken, DevTools, type SetupOptions, type TokenOptions } from "./dev-tools.js";
export { type HttpAnswer, type Problem, TallystickError } from "./errors.js";
export type { FetchHandler, VerifiedFetchHandler } from "./fetch-handler.js";
export * from "./generated.js";
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
