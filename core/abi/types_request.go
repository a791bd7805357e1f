package abi

import (
	"encoding/json"
)

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
	Status int `json:"status" abi:"status"`
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
	// below the mount point, percent-encoded as it was sent, without the query
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

// GuardPassesRequest is for guard.passes.
type GuardPassesRequest struct {
	// what the guard leaves out: a path, a path that ends in "/*", or one of both behind a method;
	// at most 1,000
	Exclude []string `json:"exclude,omitempty"`
	// the HTTP method
	Method string `json:"method"`
	// as the caller sent it, without the query
	Path string `json:"path"`
	// the value of each Origin header
	Origin []string `json:"origin,omitempty"`
	// the value of each Access-Control-Request-Method header
	RequestMethod []string `json:"request_method,omitempty"`
	// the value of each Authorization header
	Authorization []string `json:"authorization,omitempty"`
}

// GuardPassesResult answers guard.passes.
type GuardPassesResult struct {
	// the request goes on without a look at its token, and nobody is known to have sent it
	Passes bool `json:"passes"`
}
