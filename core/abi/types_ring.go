package abi

import "encoding/json"

// RingUpdateRequest is for ring.update. Times are in seconds.
type RingUpdateRequest struct {
	// the document; without one a ring is made
	Ring json.RawMessage `json:"ring,omitempty"`
	// seconds since 1970
	Now float64 `json:"now"`
	// next becomes active; default false
	Rotate bool `json:"rotate,omitempty"`
	// also where next has been published for less than publish; default false
	Force bool `json:"force,omitempty"`
	// all keys are dropped at once and two fresh ones begin, for keys that were stolen; default
	// false
	Revoke bool `json:"revoke,omitempty"`
	// seconds of the longest token, leeway included: as long a retired key is published
	Lifetime float64 `json:"lifetime"`
	// seconds that next must have been published; default 300
	Publish *float64 `json:"publish,omitempty"`
	// of new keys: "rsa", "ec" (P-256) or "ed25519"; default any of those
	Type string `json:"type,omitempty"`
	// of new RSA keys: 2048, 3072 or 4096; default any of those
	Bits int `json:"bits,omitempty"`
	// keys that the host has made, PEM: private, or public where a KMS signs
	Fresh []string `json:"fresh,omitempty"`
}

// RingUpdateResult answers ring.update. Without a ring, and as long as keys are
// missing for one, Ring is left out and the key ids are empty.
type RingUpdateResult struct {
	// to be stored where it changed
	Ring json.RawMessage `json:"ring,omitempty"`
	// the document is another one
	Changed bool `json:"changed"`
	// so many more keys must the host make, and call again; nothing was changed
	Missing int `json:"missing"`
	// the active key is another one
	Rotated bool `json:"rotated"`
	// kid
	Active string `json:"active"`
	// kid
	Next string `json:"next"`
	// kids
	Retired []string `json:"retired"`
}

// ClientSecretRequest is for client.secret. With derive "host" it is called twice:
// the second time with the secret and the salt that the first one gave.
type ClientSecretRequest struct {
	// 16 to 1,024 characters of printable ASCII; default 256 random bits
	Secret *string `json:"secret,omitempty"`
	// who hashes it: "core" or "host"; default "core"
	Derive string `json:"derive,omitempty"`
	// what the first call with derive "host" gave; then the body is what the host derived
	Salt *string `json:"salt,omitempty"`
}

// ClientSecretResult answers client.secret.
type ClientSecretResult struct {
	Secret string `json:"secret"`
	// pbkdf2-sha256$iterations$salt$hash; absent as long as the host must derive
	SecretHash string `json:"secret_hash,omitempty"`
	// what the host must derive first
	Derive *DeriveNeed `json:"derive,omitempty"`
}

// DeriveNeed are the members of the need derive: PBKDF2 with HMAC-SHA-256.
type DeriveNeed struct {
	// a text, in UTF-8
	Secret string `json:"secret"`
	// base64url
	Salt string `json:"salt"`
	// of PBKDF2
	Iterations int `json:"iterations"`
	// bytes that are wanted
	Length int `json:"length"`
}

// DocumentRequest is for document.seal and document.open.
type DocumentRequest struct {
	// the key-encryption key: 32 bytes as base64, base64url or hex
	Key string `json:"key"`
	// what the document is called where it lies: 1 to 200 letters, digits, dots, _ and -
	Name string `json:"name"`
	// its version there, from 1
	Version int64 `json:"version"`
}

// DocumentResult answers document.seal and document.open.
type DocumentResult struct {
	// base64url: what is stored, or the document
	Value string `json:"value"`
}
