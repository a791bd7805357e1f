// Placeholder until the generator writes this file from core/problem.
import { TallystickError } from "./errors.js";

export const ABI_VERSION = 1;

export const CODES = {
  missing_authorization: { status: 401, words: "Missing/Invalid Authorization header", oauth: "" },
  malformed_token: { status: 401, words: "Invalid Token", oauth: "invalid_token" },
  unsupported_algorithm: { status: 401, words: "Unsupported Algorithm", oauth: "invalid_token" },
  unknown_issuer: { status: 401, words: "Unknown Issuer", oauth: "invalid_token" },
  unknown_key: { status: 401, words: "Unknown Key", oauth: "invalid_token" },
  invalid_signature: { status: 401, words: "Invalid Signature", oauth: "invalid_token" },
  token_expired: { status: 401, words: "Token Expired", oauth: "invalid_token" },
  token_not_yet_valid: { status: 401, words: "Token Not Yet Valid", oauth: "invalid_token" },
  invalid_claims: { status: 401, words: "Invalid Claims", oauth: "invalid_token" },
  invalid_audience: { status: 401, words: "Invalid Audience", oauth: "invalid_token" },
  wrong_target: { status: 401, words: "Wrong Target", oauth: "invalid_token" },
  body_tampered: { status: 401, words: "Body Tampering Detected", oauth: "invalid_token" },
  issuer_denied: { status: 403, words: "Issuer Denied", oauth: "access_denied" },
  trust_denied: { status: 403, words: "Trust Denied", oauth: "access_denied" },
  insufficient_scope: { status: 403, words: "Insufficient Scope", oauth: "insufficient_scope" },
  body_too_large: { status: 413, words: "Body Too Large", oauth: "invalid_request" },
  replay_detected: { status: 429, words: "Replay Detected", oauth: "invalid_token" },
  keys_unavailable: { status: 503, words: "Keys Unavailable", oauth: "temporarily_unavailable" },
  replay_store_unavailable: { status: 503, words: "Replay Store Unavailable", oauth: "temporarily_unavailable" },
  overloaded: { status: 503, words: "Overloaded", oauth: "temporarily_unavailable" },
  body_unavailable: { status: 500, words: "Body Unavailable", oauth: "server_error" },
  invalid_argument: { status: 500, words: "Invalid Argument", oauth: "server_error" },
  invalid_config: { status: 500, words: "Invalid Configuration", oauth: "server_error" },
  invalid_key: { status: 500, words: "Invalid Key", oauth: "server_error" },
  invalid_url: { status: 500, words: "Invalid URL", oauth: "server_error" },
  signer_failed: { status: 500, words: "Signer Failed", oauth: "server_error" },
  unknown_operation: { status: 500, words: "Unknown Operation", oauth: "server_error" },
  unknown_engine: { status: 500, words: "Unknown Engine", oauth: "server_error" },
  unknown_ticket: { status: 500, words: "Unknown Ticket", oauth: "server_error" },
  internal: { status: 500, words: "Internal Error", oauth: "server_error" },
} as const;

export type ErrorCode = keyof typeof CODES;

export class MissingAuthorizationError extends TallystickError {}
export class MalformedTokenError extends TallystickError {}
export class UnsupportedAlgorithmError extends TallystickError {}
export class UnknownIssuerError extends TallystickError {}
export class UnknownKeyError extends TallystickError {}
export class InvalidSignatureError extends TallystickError {}
export class TokenExpiredError extends TallystickError {}
export class TokenNotYetValidError extends TallystickError {}
export class InvalidClaimsError extends TallystickError {}
export class InvalidAudienceError extends TallystickError {}
export class WrongTargetError extends TallystickError {}
export class BodyTamperedError extends TallystickError {}
export class IssuerDeniedError extends TallystickError {}
export class TrustDeniedError extends TallystickError {}
export class InsufficientScopeError extends TallystickError {}
export class BodyTooLargeError extends TallystickError {}
export class ReplayDetectedError extends TallystickError {}
export class KeysUnavailableError extends TallystickError {}
export class ReplayStoreUnavailableError extends TallystickError {}
export class OverloadedError extends TallystickError {}
export class BodyUnavailableError extends TallystickError {}
export class InvalidArgumentError extends TallystickError {}
export class InvalidConfigError extends TallystickError {}
export class InvalidKeyError extends TallystickError {}
export class InvalidUrlError extends TallystickError {}
export class SignerFailedError extends TallystickError {}
export class UnknownOperationError extends TallystickError {}
export class UnknownEngineError extends TallystickError {}
export class UnknownTicketError extends TallystickError {}
export class InternalError extends TallystickError {}

export const ERRORS: Readonly<Record<ErrorCode, typeof TallystickError>> = {
  missing_authorization: MissingAuthorizationError,
  malformed_token: MalformedTokenError,
  unsupported_algorithm: UnsupportedAlgorithmError,
  unknown_issuer: UnknownIssuerError,
  unknown_key: UnknownKeyError,
  invalid_signature: InvalidSignatureError,
  token_expired: TokenExpiredError,
  token_not_yet_valid: TokenNotYetValidError,
  invalid_claims: InvalidClaimsError,
  invalid_audience: InvalidAudienceError,
  wrong_target: WrongTargetError,
  body_tampered: BodyTamperedError,
  issuer_denied: IssuerDeniedError,
  trust_denied: TrustDeniedError,
  insufficient_scope: InsufficientScopeError,
  body_too_large: BodyTooLargeError,
  replay_detected: ReplayDetectedError,
  keys_unavailable: KeysUnavailableError,
  replay_store_unavailable: ReplayStoreUnavailableError,
  overloaded: OverloadedError,
  body_unavailable: BodyUnavailableError,
  invalid_argument: InvalidArgumentError,
  invalid_config: InvalidConfigError,
  invalid_key: InvalidKeyError,
  invalid_url: InvalidUrlError,
  signer_failed: SignerFailedError,
  unknown_operation: UnknownOperationError,
  unknown_engine: UnknownEngineError,
  unknown_ticket: UnknownTicketError,
  internal: InternalError,
};
