package abi

import (
	"encoding/json"

	"github.com/tallystick/tallystick/core/authorized"
	"github.com/tallystick/tallystick/core/client"
)

// The requests and results of all operations. A member without omitempty is
// required; the tag abi says what else is asked of it (reader.go). What Python,
// TypeScript and the reference page know of them is generated from here
// (cmd/generate).

// Empty is the request or result without members.
type Empty struct{}

// VersionResult answers version.
type VersionResult struct {
	Version    string   `json:"version"`
	ABI        int      `json:"abi"`
	Operations []string `json:"operations"`
}

// KeyGenerateRequest is for key.generate.
type KeyGenerateRequest struct {
	Bits *int `json:"bits,omitempty"`
}

// KeyGenerateResult answers key.generate.
type KeyGenerateResult struct {
	Bits       int             `json:"bits"`
	Kid        string          `json:"kid"`
	PrivatePEM string          `json:"private_pem"`
	PublicPEM  string          `json:"public_pem"`
	PrivateJWK json.RawMessage `json:"private_jwk"`
	PublicJWK  json.RawMessage `json:"public_jwk"`
}

// KeyInspectRequest is for key.inspect.
type KeyInspectRequest struct {
	Text           string `json:"text"`
	Encoding       string `json:"encoding,omitempty"`
	Want           string `json:"want,omitempty"`
	IncludePrivate bool   `json:"include_private,omitempty"`
}

// KeyInspectResult answers key.inspect.
type KeyInspectResult struct {
	Keys []InspectedKey `json:"keys"`
}

// InspectedKey is one key of a text.
type InspectedKey struct {
	Kind         string          `json:"kind"`
	Bits         int             `json:"bits"`
	Kid          string          `json:"kid"`
	KeyID        string          `json:"key_id"`
	PublicPEM    string          `json:"public_pem"`
	PublicPKCS1  string          `json:"public_pkcs1"`
	PublicJWK    json.RawMessage `json:"public_jwk"`
	PrivatePEM   string          `json:"private_pem,omitempty"`
	PrivatePKCS1 string          `json:"private_pkcs1,omitempty"`
	PrivateJWK   json.RawMessage `json:"private_jwk,omitempty"`
}

// KeysLoadRequest is for keys.load.
type KeysLoadRequest struct {
	Files []authorized.File `json:"files,omitempty"`
	Keys  map[string]string `json:"keys,omitempty"`
}

// KeysLoadResult answers keys.load.
type KeysLoadResult struct {
	Issuers  map[string][]LoadedKey `json:"issuers"`
	Warnings []authorized.Warning   `json:"warnings"`
}

// LoadedKey is one public key of an issuer.
type LoadedKey struct {
	Kid       string          `json:"kid"`
	KeyID     string          `json:"key_id"`
	Bits      int             `json:"bits"`
	PublicPEM string          `json:"public_pem"`
	PublicJWK json.RawMessage `json:"public_jwk"`
}

// JWSSignRequest is for jws.sign.
type JWSSignRequest struct {
	PrivateKey string          `json:"private_key"`
	Header     json.RawMessage `json:"header,omitempty"`
}

// JWSSignResult answers jws.sign.
type JWSSignResult struct {
	Token string `json:"token"`
}

// JWSVerifyRequest is for jws.verify.
type JWSVerifyRequest struct {
	Token string `json:"token"`
	Key   string `json:"key"`
}

// JWSVerifyResult answers jws.verify. Payload is base64url.
type JWSVerifyResult struct {
	Header  json.RawMessage `json:"header"`
	Payload string          `json:"payload"`
}

// DigestBodyResult answers digest.body.
type DigestBodyResult struct {
	ContentSHA256 string `json:"content_sha256"`
	ContentDigest string `json:"content_digest"`
}

// ScopeMatchRequest is for scope.match.
type ScopeMatchRequest struct {
	Pattern string `json:"pattern"`
	Scope   string `json:"scope"`
}

// ScopeMatchResult answers scope.match.
type ScopeMatchResult struct {
	Match bool `json:"match"`
}

// ScopeFilterRequest is for scope.filter.
type ScopeFilterRequest struct {
	Scope   string   `json:"scope"`
	Allowed []string `json:"allowed"`
}

// ScopeFilterResult answers scope.filter.
type ScopeFilterResult struct {
	Granted    []string `json:"granted"`
	Namespaces []string `json:"namespaces"`
}

// RequestEndpointRequest is for request.endpoint.
type RequestEndpointRequest struct {
	URL string `json:"url"`
}

// RequestEndpointResult answers request.endpoint.
type RequestEndpointResult struct {
	URL string `json:"url"`
}

// RequestOutcomeRequest is for request.outcome.
type RequestOutcomeRequest struct {
	AgentURL string `json:"agent_url"`
	Status   int    `json:"status"`
}

// RequestOutcomeResult answers request.outcome.
type RequestOutcomeResult struct {
	Result json.RawMessage `json:"result"`
}

// RequestSignRequest is for request.sign.
type RequestSignRequest struct {
	Engine     uint64  `json:"engine,omitempty"`
	Issuer     string  `json:"issuer,omitempty"`
	PrivateKey string  `json:"private_key,omitempty"`
	Now        float64 `json:"now"`
	Method     string  `json:"method,omitempty"`
	URL        string  `json:"url,omitempty"`
	Unbound    bool    `json:"unbound,omitempty"`
	JTI        string  `json:"jti,omitempty"`
	TTL        *int64  `json:"ttl,omitempty"`
	BodySHA256 string  `json:"body_sha256,omitempty" abi:"digest"`
}

// RequestSignResult answers request.sign: the value of the Authorization header.
// Whoever wants to know what stands in the token reads the token.
type RequestSignResult struct {
	Authorization string `json:"authorization"`
}

// RequestVerifyRequest is for request.verify.
type RequestVerifyRequest struct {
	Engine          uint64   `json:"engine"`
	Now             float64  `json:"now"`
	Authorization   []string `json:"authorization"`
	Method          string   `json:"method" abi:"wire"`
	Path            string   `json:"path" abi:"wire"`
	Query           string   `json:"query,omitempty" abi:"wire"`
	Mount           string   `json:"mount,omitempty" abi:"wire"`
	PathDecoded     bool     `json:"path_decoded,omitempty"`
	RawTarget       string   `json:"raw_target,omitempty" abi:"wire"`
	BodyPending     bool     `json:"body_pending,omitempty"`
	BodySHA256      string   `json:"body_sha256,omitempty" abi:"digest"`
	BodyTooLarge    bool     `json:"body_too_large,omitempty"`
	BodyUnavailable bool     `json:"body_unavailable,omitempty"`
	BodyMalformed   bool     `json:"body_malformed,omitempty"`
}

// RequestVerifyResult answers request.verify. Who called and when is said by the
// claims iss, jti, iat and exp, which have been checked.
type RequestVerifyResult struct {
	KeyID       string          `json:"key_id"`
	Development bool            `json:"development"`
	Claims      json.RawMessage `json:"claims"`
}

// ClaimRefuseRequest is for claim.refuse.
type ClaimRefuseRequest struct {
	Engine uint64 `json:"engine"`
	Issuer string `json:"issuer"`
	JTI    string `json:"jti"`
	Claim  string `json:"claim"`
	Failed string `json:"failed,omitempty"`
}

// EngineOpenRequest is for engine.open.
type EngineOpenRequest struct {
	Verifier *VerifierConfig `json:"verifier,omitempty"`
	Signer   *SignerConfig   `json:"signer,omitempty"`
	Access   *AccessConfig   `json:"access,omitempty"`
}

// VerifierConfig is the policy of an agent. Pointers tell "not given" from zero.
type VerifierConfig struct {
	Files          []authorized.File `json:"files,omitempty"`
	Keys           map[string]string `json:"keys,omitempty"`
	Reload         bool              `json:"reload,omitempty"`
	ReloadSeconds  *float64          `json:"reload_seconds,omitempty"`
	BaseURL        string            `json:"base_url,omitempty"`
	RequireTarget  bool              `json:"require_target,omitempty"`
	Leeway         float64           `json:"leeway,omitempty"`
	ClockSkew      *float64          `json:"clock_skew,omitempty"`
	MaxLifetime    *float64          `json:"max_lifetime,omitempty"`
	MaxBody        *int              `json:"max_body,omitempty"`
	MaxBuffered    *int              `json:"max_buffered,omitempty"`
	Development    bool              `json:"development,omitempty"`
	Replay         string            `json:"replay,omitempty"`
	ReplayCapacity *int              `json:"replay_capacity,omitempty"`
	ReplayFloor    int64             `json:"replay_floor,omitempty"`
	RSA            string            `json:"rsa,omitempty"`
	Realm          *string           `json:"realm,omitempty"`
}

// SignerConfig is who signs and with what.
type SignerConfig struct {
	Issuer     string `json:"issuer"`
	PrivateKey string `json:"private_key,omitempty"`
	PublicKey  string `json:"public_key,omitempty"`
	RSA        string `json:"rsa,omitempty"`
	TTL        *int64 `json:"ttl,omitempty"`
}

// EngineOpenResult answers engine.open.
type EngineOpenResult struct {
	Engine  uint64 `json:"engine"`
	MaxBody int    `json:"max_body"`

	// How a host reads bodies (ABI.md, the need body), in bytes.
	BodyAtOnce   int `json:"body_at_once"`
	BufferAtOnce int `json:"buffer_at_once"`
	BufferAsked  int `json:"buffer_asked"`

	Issuers  int                  `json:"issuers"`
	Warnings []authorized.Warning `json:"warnings"`
	KeyID    string               `json:"key_id"`

	// Of an access engine.
	Mode     string   `json:"mode,omitempty"`
	Issuer   string   `json:"issuer,omitempty"`
	AgentID  string   `json:"agent_id,omitempty"`
	BaseURL  string   `json:"base_url,omitempty"`
	Name     string   `json:"name,omitempty"`
	MaxForm  int      `json:"max_form,omitempty"`
	Inactive []string `json:"inactive,omitempty"`
}

// EngineFeedRequest is for engine.feed. Ring and clients are an access engine's.
type EngineFeedRequest struct {
	Engine  uint64            `json:"engine"`
	Files   []authorized.File `json:"files,omitempty"`
	Keys    map[string]string `json:"keys,omitempty"`
	Ring    json.RawMessage   `json:"ring,omitempty"`
	Clients *[]client.Config  `json:"clients,omitempty"`
}

// EngineFeedResult answers engine.feed.
type EngineFeedResult struct {
	Issuers  int                  `json:"issuers"`
	Warnings []authorized.Warning `json:"warnings"`
	KeyID    string               `json:"key_id,omitempty"` // of an access engine: the key that signs now
}

// EngineResumeRequest is for engine.resume.
type EngineResumeRequest struct {
	Engine    uint64            `json:"engine"`
	Ticket    uint64            `json:"ticket"`
	Now       float64           `json:"now"`
	Files     []authorized.File `json:"files,omitempty"`
	Keys      map[string]string `json:"keys,omitempty"`
	Unchanged bool              `json:"unchanged,omitempty"`
	Failed    *string           `json:"failed,omitempty"`
	Claim     string            `json:"claim,omitempty"`
	Valid     *bool             `json:"valid,omitempty"`

	Status          int               `json:"status,omitempty" abi:"status"`
	Headers         map[string]string `json:"headers,omitempty" abi:"latin1"`
	BodySHA256      string            `json:"body_sha256,omitempty" abi:"digest"`
	BodyTooLarge    bool              `json:"body_too_large,omitempty"`
	BodyUnavailable bool              `json:"body_unavailable,omitempty"`
	BodyMalformed   bool              `json:"body_malformed,omitempty"`
	Overloaded      bool              `json:"overloaded,omitempty"`
}

// EngineKeyRequest is for engine.key.
type EngineKeyRequest struct {
	Engine uint64 `json:"engine"`
	Key    string `json:"key"`
}

// EngineKeyResult answers engine.key.
type EngineKeyResult struct {
	PublicPEM string          `json:"public_pem"`
	PublicJWK json.RawMessage `json:"public_jwk"`
}

// EngineRequest names an engine: for engine.stats and engine.close.
type EngineRequest struct {
	Engine uint64 `json:"engine"`
}

// EngineStatsResult answers engine.stats.
type EngineStatsResult struct {
	Issuers int          `json:"issuers"`
	Keys    int          `json:"keys"`
	Tickets int          `json:"tickets"`
	Replay  ReplayStats  `json:"replay"`
	Access  *AccessStats `json:"access,omitempty"`
}

// ReplayStats tells how full the core's own window is; zeroes where the host remembers.
type ReplayStats struct {
	Live     int `json:"live"`
	Capacity int `json:"capacity"`
}
