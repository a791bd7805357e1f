package abi

import (
	"encoding/json"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/jose"
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
	// "rsa", "ec" (P-256) or "ed25519"; default "rsa"
	Type *string `json:"type,omitempty"`
	// of an RSA key: 2048, 3072 or 4096; default 2048
	Bits *int `json:"bits,omitempty"`
}

// KeyGenerateResult answers key.generate.
type KeyGenerateResult struct {
	// what it signs: "RS256", "ES256" or "EdDSA"
	Alg jose.Algorithm `json:"alg"`
	// the size of the modulus, or of the curve's field
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
	// what it is good for: "RS256", "PS256", "ES256" or "EdDSA"
	Alg jose.Algorithm `json:"alg"`
	// the size of the modulus, or of the curve's field
	Bits int `json:"bits"`
	// the RFC 7638 thumbprint
	Kid string `json:"kid"`
	// the JWK's own kid, else ""
	KeyID string `json:"key_id"`
	// SPKI
	PublicPEM string `json:"public_pem"`
	// PKCS#1, as PEM; of an RSA key alone
	PublicPKCS1 string          `json:"public_pkcs1,omitempty"`
	PublicJWK   json.RawMessage `json:"public_jwk"`
	// PKCS#8, with include_private alone
	PrivatePEM string `json:"private_pem,omitempty"`
	// PKCS#1, as PEM, with include_private alone; of an RSA key alone
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
	// what it is good for
	Alg jose.Algorithm `json:"alg"`
	// the size of the modulus, or of the curve's field
	Bits int `json:"bits"`
	// SPKI
	PublicPEM string          `json:"public_pem"`
	PublicJWK json.RawMessage `json:"public_jwk"`
}

// JWSSignRequest is for jws.sign.
type JWSSignRequest struct {
	// PEM or JWK
	PrivateKey string `json:"private_key"`
	// its text is used byte for byte; it says the key's alg and has no crit or b64. Default
	// {"alg":…,"typ":"JWT"}
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
