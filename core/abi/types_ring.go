package abi

import "encoding/json"

// RingUpdateRequest is for ring.update. Times are in seconds.
type RingUpdateRequest struct {
	Ring     json.RawMessage `json:"ring,omitempty"`
	Now      float64         `json:"now"`
	Rotate   bool            `json:"rotate,omitempty"`
	Force    bool            `json:"force,omitempty"`
	Revoke   bool            `json:"revoke,omitempty"`
	Lifetime float64         `json:"lifetime"`
	Publish  *float64        `json:"publish,omitempty"`
	Bits     int             `json:"bits,omitempty"`
	Fresh    []string        `json:"fresh,omitempty"`
}

// RingUpdateResult answers ring.update. Without a ring, and as long as keys are
// missing for one, Ring is left out and the key ids are empty.
type RingUpdateResult struct {
	Ring    json.RawMessage `json:"ring,omitempty"`
	Changed bool            `json:"changed"`
	Missing int             `json:"missing"`
	Rotated bool            `json:"rotated"`
	Active  string          `json:"active"`
	Next    string          `json:"next"`
	Retired []string        `json:"retired"`
}

// ClientSecretRequest is for client.secret.
type ClientSecretRequest struct {
	Secret *string `json:"secret,omitempty"`
}

// ClientSecretResult answers client.secret.
type ClientSecretResult struct {
	Secret     string `json:"secret"`
	SecretHash string `json:"secret_hash"`
}
