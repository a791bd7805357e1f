package abi

import (
	"encoding/json"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/oauthclient"
)

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
	// seconds: when the host's replay store last lost what it held. Tokens that were issued by then,
	// give or take leeway and clock_skew, are refused
	ReplayLostAt int64 `json:"replay_lost_at,omitempty"`
	// who verifies signatures: "core", "host" (the need check) or "import" (the host within the
	// call, else the need check); default "core"
	RSA string `json:"rsa,omitempty"`
	// what is taken of "RS256", "PS256", "ES256" and "EdDSA"; default all
	Algorithms []string `json:"algorithms,omitempty"`
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

	// how a host reads bodies (abi.md, the need body): one of at most so many bytes may be
	// read before request.verify is called
	BodyAtOnce int `json:"body_at_once"`
	// bytes that all bodies which are read so may hold together
	BufferAtOnce int `json:"buffer_at_once"`
	// bytes that all bodies which a need body asks for may hold together
	BufferAsked int `json:"buffer_asked"`

	// how many callers have keys that were given, not fetched
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
	// the paths that access.serve answers below the agent's own URL
	Paths []string `json:"paths,omitempty"`
	// those that it answers at the root of the agent's server, where its URL has a path
	RootPaths []string `json:"root_paths,omitempty"`
	// URL of its document of RFC 9728, for challenges; not of an authority
	ResourceMetadata string `json:"resource_metadata,omitempty"`
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
	// of an access engine: the configuration anew, with the policy that holds from now on. Its
	// clients replace those of the token endpoint where it has any
	Policy *AccessConfig `json:"policy,omitempty"`
	// seconds: the replay store has lost what it held, now or before
	ReplayLostAt int64 `json:"replay_lost_at,omitempty"`
}

// EngineFeedResult answers engine.feed.
type EngineFeedResult struct {
	// how many callers have keys that were given, not fetched
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
	// as a need check names it: the thumbprint, of a key for PS256 with ".PS256" behind it
	Key string `json:"key"`
}

// EngineKeyResult answers engine.key.
type EngineKeyResult struct {
	// what it is good for: "RS256", "PS256", "ES256" or "EdDSA"
	Alg jose.Algorithm `json:"alg"`
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
	// how many callers have keys that were given, not fetched
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
