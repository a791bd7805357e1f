package abi

import (
	"encoding/json"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/oauthclient"
)

// The requests and results of all operations. A member without omitempty is
// required; the tag abi says what else is asked of it (reader.go). What Python,
// TypeScript and the reference page know of them is generated from here
// (cmd/generate).

// Empty is the request or result without members.
type Empty struct{}

// VersionResult answers version.
type VersionResult struct {
	// the release of the core
	Version string `json:"version"`
	// changes where a host must change
	ABI int `json:"abi"`
	// the names of all operations, sorted
	Operations []string `json:"operations"`
}

// KeyGenerateRequest is for key.generate.
type KeyGenerateRequest struct {
	// 2048, 3072 or 4096; default 2048
	Bits *int `json:"bits,omitempty"`
}

// KeyGenerateResult answers key.generate.
type KeyGenerateResult struct {
	// the size of the modulus
	Bits int `json:"bits"`
	// the RFC 7638 thumbprint
	Kid string `json:"kid"`
	// PKCS#8
	PrivatePEM string `json:"private_pem"`
	// SPKI
	PublicPEM  string          `json:"public_pem"`
	PrivateJWK json.RawMessage `json:"private_jwk"`
	PublicJWK  json.RawMessage `json:"public_jwk"`
}

// KeyInspectRequest is for key.inspect.
type KeyInspectRequest struct {
	// PEM, a JWK or a JWKS
	Text string `json:"text"`
	// "base64" where the text is base64 of it, as DEV_PRIVATE_KEY is
	Encoding string `json:"encoding,omitempty"`
	// "private" or "public": the other kind is invalid_key
	Want string `json:"want,omitempty"`
	// the private forms are in the answer; default false
	IncludePrivate bool `json:"include_private,omitempty"`
}

// KeyInspectResult answers key.inspect.
type KeyInspectResult struct {
	// in the order of the text
	Keys []InspectedKey `json:"keys"`
}

// InspectedKey is one key of a text.
type InspectedKey struct {
	// "public" or "private"
	Kind string `json:"kind"`
	// the size of the modulus
	Bits int `json:"bits"`
	// the RFC 7638 thumbprint
	Kid string `json:"kid"`
	// the JWK's own kid, else ""
	KeyID string `json:"key_id"`
	// SPKI
	PublicPEM string `json:"public_pem"`
	// PKCS#1, as PEM
	PublicPKCS1 string          `json:"public_pkcs1"`
	PublicJWK   json.RawMessage `json:"public_jwk"`
	// PKCS#8, with include_private alone
	PrivatePEM string `json:"private_pem,omitempty"`
	// PKCS#1, as PEM, with include_private alone
	PrivatePKCS1 string `json:"private_pkcs1,omitempty"`
	// with include_private alone
	PrivateJWK json.RawMessage `json:"private_jwk,omitempty"`
}

// KeysLoadRequest is for keys.load.
type KeysLoadRequest struct {
	// the content of a folder of keys
	Files []authorizedkeys.File `json:"files,omitempty"`
	// keys text by issuer, in place of a folder
	Keys map[string]string `json:"keys,omitempty"`
}

// KeysLoadResult answers keys.load.
type KeysLoadResult struct {
	// the usable keys by issuer
	Issuers map[string][]LoadedKey `json:"issuers"`
	// what is not used, and why
	Warnings []authorizedkeys.Warning `json:"warnings"`
}

// LoadedKey is one public key of an issuer.
type LoadedKey struct {
	// the RFC 7638 thumbprint
	Kid string `json:"kid"`
	// the JWK's own kid, else ""
	KeyID string `json:"key_id"`
	// the size of the modulus
	Bits int `json:"bits"`
	// SPKI
	PublicPEM string          `json:"public_pem"`
	PublicJWK json.RawMessage `json:"public_jwk"`
}

// JWSSignRequest is for jws.sign.
type JWSSignRequest struct {
	// PEM or JWK
	PrivateKey string `json:"private_key"`
	// its text is used byte for byte; it says alg RS256 and has no crit or b64. Default
	// {"alg":"RS256","typ":"JWT"}
	Header json.RawMessage `json:"header,omitempty"`
}

// JWSSignResult answers jws.sign.
type JWSSignResult struct {
	// the compact JWS
	Token string `json:"token"`
}

// JWSVerifyRequest is for jws.verify.
type JWSVerifyRequest struct {
	// a compact JWS
	Token string `json:"token"`
	// one public key, PEM or JWK
	Key string `json:"key"`
}

// JWSVerifyResult answers jws.verify. Payload is base64url.
type JWSVerifyResult struct {
	// as it stands in the token
	Header json.RawMessage `json:"header"`
	// base64url
	Payload string `json:"payload"`
}

// DigestBodyResult answers digest.body.
type DigestBodyResult struct {
	// lower-case hex
	ContentSHA256 string `json:"content_sha256"`
	// "sha-256=:…:" (RFC 9530)
	ContentDigest string `json:"content_digest"`
}

// ScopeMatchRequest is for scope.match.
type ScopeMatchRequest struct {
	// may have wildcards
	Pattern string `json:"pattern"`
	// one scope
	Scope string `json:"scope"`
}

// ScopeMatchResult answers scope.match.
type ScopeMatchResult struct {
	// whether it does
	Match bool `json:"match"`
}

// ScopeFilterRequest is for scope.filter.
type ScopeFilterRequest struct {
	// the scopes of a token, separated by spaces
	Scope string `json:"scope"`
	// patterns
	Allowed []string `json:"allowed"`
}

// ScopeFilterResult answers scope.filter.
type ScopeFilterResult struct {
	// order kept, no repeats
	Granted []string `json:"granted"`
	// what follows "namespace:" in them
	Namespaces []string `json:"namespaces"`
}

// RequestEndpointRequest is for request.endpoint.
type RequestEndpointRequest struct {
	// http or https, without user info, query and fragment
	URL string `json:"url"`
}

// RequestEndpointResult answers request.endpoint.
type RequestEndpointResult struct {
	// ends in /agent
	URL string `json:"url"`
}

// RequestOutcomeRequest is for request.outcome.
type RequestOutcomeRequest struct {
	// as the caller gave it
	AgentURL string `json:"agent_url"`
	// of the agent's answer
	Status int `json:"status"`
}

// RequestOutcomeResult answers request.outcome.
type RequestOutcomeResult struct {
	// the answer's object with agent_url, or error and agent_url in rotagent's words
	Result json.RawMessage `json:"result"`
}

// RequestSignRequest is for request.sign.
type RequestSignRequest struct {
	// one with a signer; or issuer and private_key
	Engine uint64 `json:"engine,omitempty"`
	// who signs, where there is no engine
	Issuer string `json:"issuer,omitempty"`
	// PEM or JWK, where there is no engine
	PrivateKey string `json:"private_key,omitempty"`
	// seconds since 1970
	Now float64 `json:"now"`
	// the HTTP method; required unless unbound
	Method string `json:"method,omitempty"`
	// absolute and ASCII, as the HTTP client will send it; required unless unbound. Its query is
	// hashed, its fragment ignored
	URL string `json:"url,omitempty"`
	// leaves out htm and htu: the token names no receiver, as rotagent writes it; default false
	Unbound bool `json:"unbound,omitempty"`
	// 1 to 256 bytes; default 128 random bits in hex
	JTI string `json:"jti,omitempty"`
	// seconds, 1 to 86,400; default the signer's, else 60
	TTL *int64 `json:"ttl,omitempty"`
	// of the exact body bytes, 64 lower-case hex digits, in place of the call's body
	BodySHA256 string `json:"body_sha256,omitempty" abi:"digest"`
}

// RequestSignResult answers request.sign: the value of the Authorization header.
// Whoever wants to know what stands in the token reads the token.
type RequestSignResult struct {
	// "Bearer " and the token
	Authorization string `json:"authorization"`
}

// RequestVerifyRequest is for request.verify.
type RequestVerifyRequest struct {
	// one with a verifier
	Engine uint64 `json:"engine"`
	// seconds since 1970
	Now float64 `json:"now"`
	// the value of each Authorization header
	Authorization []string `json:"authorization"`
	// the HTTP method
	Method string `json:"method" abi:"wire"`
	// below the mount point, percent-encoded as it was sent
	Path string `json:"path" abi:"wire"`
	// the raw text after "?", without it
	Query string `json:"query,omitempty" abi:"wire"`
	// where the application is mounted (WSGI's SCRIPT_NAME, Express's baseUrl), in the form of path
	Mount string `json:"mount,omitempty" abi:"wire"`
	// path and mount were percent-decoded by the host, as in WSGI's PATH_INFO; default false
	PathDecoded bool `json:"path_decoded,omitempty"`
	// with path_decoded: the request target as it was received (gunicorn's RAW_URI), from which the
	// spelling is recovered
	RawTarget string `json:"raw_target,omitempty" abi:"wire"`
	// the body is unread: the need body asks for it; default false
	BodyPending bool `json:"body_pending,omitempty"`
	// of the exact body bytes, 64 lower-case hex digits, in place of the call's body
	BodySHA256 string `json:"body_sha256,omitempty" abi:"digest"`
	// the host stopped reading at max_body
	BodyTooLarge bool `json:"body_too_large,omitempty"`
	// something read the body before
	BodyUnavailable bool `json:"body_unavailable,omitempty"`
	// the body's transfer is broken
	BodyMalformed bool `json:"body_malformed,omitempty"`
}

// RequestVerifyResult answers request.verify. Who called and when is said by the
// claims iss, jti, iat and exp, which have been checked.
type RequestVerifyResult struct {
	// the thumbprint of the key that made the signature
	KeyID string `json:"key_id"`
	// the replay and body checks were skipped
	Development bool `json:"development"`
	// all claims of the token
	Claims json.RawMessage `json:"claims"`
}

// ClaimRefuseRequest is for claim.refuse.
type ClaimRefuseRequest struct {
	// the engine that asked
	Engine uint64 `json:"engine"`
	// as the need said
	Issuer string `json:"issuer"`
	// as the need said
	JTI string `json:"jti"`
	// "exists", "unavailable" or "overloaded": too many claims are open
	Claim string `json:"claim"`
	// why the store did not answer, for the log
	Failed string `json:"failed,omitempty"`
}

// EngineOpenRequest is for engine.open.
type EngineOpenRequest struct {
	// verifies signed requests
	Verifier *VerifierConfig `json:"verifier,omitempty"`
	// signs requests
	Signer *SignerConfig `json:"signer,omitempty"`
	// one identity of the access-token profile; alone
	Access *AccessConfig `json:"access,omitempty"`
}

// VerifierConfig is the policy of an agent. Pointers tell "not given" from zero.
type VerifierConfig struct {
	// the content of a folder of authorized keys
	Files []authorizedkeys.File `json:"files,omitempty"`
	// keys text by issuer, in place of a folder. An unusable text is an error, not a warning
	Keys map[string]string `json:"keys,omitempty"`
	// the host answers the need keys; default false
	Reload bool `json:"reload,omitempty"`
	// how old keys may be before the host is asked, 1 to 3,600; default 1
	ReloadSeconds *float64 `json:"reload_seconds,omitempty"`
	// the URL under which callers reach the application's root. With it the origin of htu is
	// checked too
	BaseURL string `json:"base_url,omitempty"`
	// htm and htu are required claims; default false
	RequireTarget bool `json:"require_target,omitempty"`
	// seconds after exp, 0 to 300; default 0
	Leeway float64 `json:"leeway,omitempty"`
	// seconds by which iat and nbf may lie ahead, 0 to 300; default 5
	ClockSkew *float64 `json:"clock_skew,omitempty"`
	// seconds from iat to exp, 1 to 86,400; default 3,600, in development 21,600
	MaxLifetime *float64 `json:"max_lifetime,omitempty"`
	// bytes, 0 to 67,108,864; default 10,485,760
	MaxBody *int `json:"max_body,omitempty"`
	// bytes that all bodies may hold at one time in one process, max_body to 2^40; default
	// 67,108,864, or four times max_body where that is more
	MaxBuffered *int `json:"max_buffered,omitempty"`
	// no replay check and no body check; default false
	Development bool `json:"development,omitempty"`
	// "memory", the core's own window, or "host", the need claim; default "memory"
	Replay string `json:"replay,omitempty"`
	// tokens in the window, 1 to 10,000,000; default 1,000,000. A full window refuses
	ReplayCapacity *int `json:"replay_capacity,omitempty"`
	// seconds: tokens that expire then or before may have been used in a window that was lost, and
	// are refused
	ReplayFloor int64 `json:"replay_floor,omitempty"`
	// who verifies signatures: "core", "host" (the need check) or "import" (the host within the
	// call, else the need check); default "core"
	RSA string `json:"rsa,omitempty"`
	// of the challenge, at most 128 characters; default "tallystick"
	Realm *string `json:"realm,omitempty"`
}

// SignerConfig is who signs and with what.
type SignerConfig struct {
	// 1 to 512 bytes, no control characters
	Issuer string `json:"issuer"`
	// PEM or JWK; required with rsa "core"
	PrivateKey string `json:"private_key,omitempty"`
	// keys text, where the host holds the private key
	PublicKey string `json:"public_key,omitempty"`
	// who signs: "core", "host" (its own crypto library, by the need sign) or "external" (somebody
	// else behind the host, such as a KMS: what it made is verified before it is used); default "core"
	RSA string `json:"rsa,omitempty"`
	// seconds, 1 to 86,400; default 60
	TTL *int64 `json:"ttl,omitempty"`
}

// EngineOpenResult answers engine.open.
type EngineOpenResult struct {
	// its number
	Engine uint64 `json:"engine"`
	// bytes
	MaxBody int `json:"max_body"`

	// how a host reads bodies (docs/abi.md, the need body): one of at most so many bytes may be
	// read before request.verify is called
	BodyAtOnce int `json:"body_at_once"`
	// bytes that all bodies which are read so may hold together
	BufferAtOnce int `json:"buffer_at_once"`
	// bytes that all bodies which a need body asks for may hold together
	BufferAsked int `json:"buffer_asked"`

	// how many callers have keys
	Issuers int `json:"issuers"`
	// keys that are not used
	Warnings []authorizedkeys.Warning `json:"warnings"`
	// the thumbprint of the key that signs, "" where nothing does
	KeyID string `json:"key_id"`

	// of an access engine, as all that follow: "portal", "self-issued" or "authority"
	Mode string `json:"mode,omitempty"`
	// the iss of what it signs, or its authority
	Issuer string `json:"issuer,omitempty"`
	// sub of its own tokens
	AgentID string `json:"agent_id,omitempty"`
	// canonical
	BaseURL string `json:"base_url,omitempty"`
	// its dotted name
	Name string `json:"name,omitempty"`
	// bytes of a request to the token endpoint
	MaxForm int `json:"max_form,omitempty"`
	// keys of the configuration that have no effect, and why
	Inactive []string `json:"inactive,omitempty"`
}

// EngineFeedRequest is for engine.feed. Ring and clients are an access engine's.
type EngineFeedRequest struct {
	// its number
	Engine uint64 `json:"engine"`
	// replaces all keys of a verifier
	Files []authorizedkeys.File `json:"files,omitempty"`
	// replaces all keys of a verifier, or those that were given for issuers
	Keys map[string]string `json:"keys,omitempty"`
	// of an access engine: replaces its own keys
	Ring json.RawMessage `json:"ring,omitempty"`
	// of an access engine: replaces who may use its token endpoint
	Clients *[]oauthclient.Config `json:"clients,omitempty"`
}

// EngineFeedResult answers engine.feed.
type EngineFeedResult struct {
	// how many callers have keys
	Issuers int `json:"issuers"`
	// keys that are not used
	Warnings []authorizedkeys.Warning `json:"warnings"`
	KeyID    string                   `json:"key_id,omitempty"` // of an access engine: the key that signs now
}

// EngineResumeRequest is for engine.resume.
type EngineResumeRequest struct {
	// the engine that asked
	Engine uint64 `json:"engine"`
	// as it stood beside the need
	Ticket uint64 `json:"ticket"`
	// seconds since 1970
	Now float64 `json:"now"`
	// keys: the whole new content
	Files []authorizedkeys.File `json:"files,omitempty"`
	// keys: the same, by issuer
	Keys map[string]string `json:"keys,omitempty"`
	// keys: nothing has changed
	Unchanged bool `json:"unchanged,omitempty"`
	// keys, claim, sign, check, fetch, derive, body: why there is no answer, for the log
	Failed *string `json:"failed,omitempty"`
	// claim: "claimed", "exists" or "unavailable"
	Claim string `json:"claim,omitempty"`
	// check: whether the signature is
	Valid *bool `json:"valid,omitempty"`

	// fetch: the HTTP status of the answer
	Status int `json:"status,omitempty" abi:"status"`
	// fetch: those that were asked for, lower-case names
	Headers map[string]string `json:"headers,omitempty" abi:"latin1"`
	// body: 64 lower-case hex digits, in place of the call's body
	BodySHA256 string `json:"body_sha256,omitempty" abi:"digest"`
	// body: it is over max_bytes
	BodyTooLarge bool `json:"body_too_large,omitempty"`
	// body: something read it before
	BodyUnavailable bool `json:"body_unavailable,omitempty"`
	// body: its transfer is broken
	BodyMalformed bool `json:"body_malformed,omitempty"`
	// body: there is no room for it now
	Overloaded bool `json:"overloaded,omitempty"`
}

// EngineKeyRequest is for engine.key.
type EngineKeyRequest struct {
	// its number
	Engine uint64 `json:"engine"`
	// a thumbprint
	Key string `json:"key"`
}

// EngineKeyResult answers engine.key.
type EngineKeyResult struct {
	// SPKI
	PublicPEM string          `json:"public_pem"`
	PublicJWK json.RawMessage `json:"public_jwk"`
}

// EngineRequest names an engine: for engine.stats and engine.close.
type EngineRequest struct {
	// its number
	Engine uint64 `json:"engine"`
}

// EngineStatsResult answers engine.stats.
type EngineStatsResult struct {
	// how many callers have keys
	Issuers int `json:"issuers"`
	// how many keys they have
	Keys int `json:"keys"`
	// suspended operations
	Tickets int `json:"tickets"`
	// the core's own window
	Replay ReplayStats `json:"replay"`
	// of an access engine
	Access *AccessStats `json:"access,omitempty"`
}

// ReplayStats tells how full the core's own window is; zeroes where the host remembers.
type ReplayStats struct {
	// tokens that are remembered
	Live int `json:"live"`
	// tokens that may be
	Capacity int `json:"capacity"`
}
