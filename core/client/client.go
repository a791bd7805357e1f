// Package client knows who may use a token endpoint and tells whether it is them
// (RFC 6749 section 2.3, RFC 7523; protocol.md section 7).
package client

import (
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/replay"
)

// Config registers one client.
type Config struct {
	ID         string   `json:"client_id"`
	SecretHash string   `json:"secret_hash,omitempty"`
	PublicKey  string   `json:"public_key,omitempty"`
	Scopes     []string `json:"scopes"`
	Namespaces []string `json:"namespaces,omitempty"`
	Trust      []string `json:"trust,omitempty"`
	Targets    []string `json:"targets,omitempty"`
}

// Client is a registered client.
type Client struct {
	ID         string
	Scopes     []string
	Namespaces []string
	Trust      []string
	Targets    []string
}

// Registry holds all clients. It never changes once made.
type Registry struct{}

// New checks and compiles the clients.
func New(configs []Config) (*Registry, *problem.Problem) { return &Registry{}, nil }

// Len returns the number of clients.
func (r *Registry) Len() int { return 0 }

// Client returns a client by its id.
func (r *Registry) Client(id string) (*Client, bool) { return nil, false }

// HashSecret returns the text that is stored in place of a secret.
func HashSecret(secret string, salt []byte) string { return "" }

// NewSecret returns a random secret of 256 bits.
func NewSecret() string { return "" }

// Attempt is one request to a token endpoint, as far as it says who calls.
type Attempt struct {
	Authorization []string          // one entry for each header of that name
	Form          map[string]string // of ParseForm
	TokenEndpoint string            // an assertion's audience is this
	Issuer        string            // or this
	Leeway        float64           // seconds
	Window        *replay.Window    // remembers assertions; nil: the need claim
}

// Authenticate goes on with the client, or with the error that refuses it.
func (r *Registry) Authenticate(now float64, a Attempt, done func(now float64, c *Client, e *Error) need.Step) need.Step {
	return done(now, nil, nil)
}

// Error is a refusal of a token endpoint (RFC 6749 section 5.2).
type Error struct {
	Code        string // OAuth error
	Status      int    // HTTP status
	Description string
	Log         string
}

// Error makes it an error; it says what may be shown.
func (e *Error) Error() string { return e.Code + ": " + e.Description }

// Response words the error for the client.
func (e *Error) Response(realm string) *problem.Response { return nil }

// ParseForm reads the parameters of a token request.
func ParseForm(contentType string, body []byte) (map[string]string, *Error) { return nil, nil }
