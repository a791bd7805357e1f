// Package oauthclient knows who may use a token endpoint and tells whether it is them
// (RFC 6749 section 2.3, RFC 7523; protocol.md section 7).
package oauthclient

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/scope"
)

// Bounds of a registry and of one client, in clients, entries and bytes.
const (
	MaxClients = 10_000
	maxList    = 1_000
	maxID      = 256
	maxTarget  = 2_048
)

// Config registers one client. SecretHash is of HashSecret; PublicKey is PEM, a
// JWK or a JWKS text. One of the two is there, or both.
type Config struct {
	// printable ASCII
	ID string `json:"client_id"`
	// of client.secret
	SecretHash string `json:"secret_hash,omitempty"`
	// keys text, for private_key_jwt
	PublicKey  string   `json:"public_key,omitempty"`
	Scopes     []string `json:"scopes"`               // patterns of what it may ask for
	Namespaces []string `json:"namespaces,omitempty"` // what it is given as namespace:…
	Trust      []string `json:"trust,omitempty"`      // labels that it is given as trust:…
	Targets    []string `json:"targets,omitempty"`    // patterns of agents; none: every agent
	// where the browser goes after a sign-in
	RedirectURIs []string `json:"redirect_uris,omitempty"`
	// it has no secret: an app on its user's machine
	Public bool `json:"public,omitempty"`
}

// Client is a registered client. It must not be changed.
type Client struct {
	ID         string
	Scopes     []string
	Namespaces []string
	Trust      []string
	Targets    []string
	// RedirectURIs are where a user's browser may be sent to with a code; none: users do not sign in for it.
	RedirectURIs []string
	Public       bool // it has nothing to authenticate with

	hash *secretHash           // nil: it has no secret
	keys authorizedkeys.Issuer // for assertions
}

// Registry holds all clients. It never changes once made; safe for concurrent use.
type Registry struct {
	clients map[string]*Client
	work    int                                // the iterations of the costliest secret
	decoys  map[jose.Algorithm]*jose.PublicKey // are tried for whoever has no key
}

// New checks and compiles the clients. The problem is invalid_config and names
// the client by its place.
func New(configs []Config) (*Registry, *problem.Problem) {
	if len(configs) > MaxClients {
		return nil, problem.Newf(problem.InvalidConfig, "clients: %d clients, there may be %d", len(configs), MaxClients)
	}
	r := &Registry{clients: make(map[string]*Client, len(configs)), decoys: map[jose.Algorithm]*jose.PublicKey{}}
	for i, config := range configs {
		c, err := config.compile()
		if err == nil && r.clients[c.ID] != nil {
			err = errors.New("client_id: another client has the same")
		}
		if err != nil {
			return nil, problem.Newf(problem.InvalidConfig, "clients[%d]: %s", i, err)
		}
		r.add(c)
	}
	return r, nil
}

func (r *Registry) add(c *Client) {
	r.clients[c.ID] = c
	if c.hash != nil {
		r.work = max(r.work, c.hash.iterations)
	}
	for _, key := range c.keys.Keys {
		if algorithm := key.Public.Algorithm(); r.decoys[algorithm] == nil {
			r.decoys[algorithm] = key.Public
		}
	}
}

func (c Config) compile() (*Client, error) {
	if err := checkID(c.ID); err != nil {
		return nil, err
	}
	if c.Public && c.SecretHash+c.PublicKey != "" {
		return nil, errors.New("public: a public client has neither secret_hash nor public_key")
	}
	if c.SecretHash == "" && c.PublicKey == "" && !c.Public {
		return nil, errors.New("secret_hash or public_key is missing: make a client secret, or give the client's public key")
	}
	if err := c.checkLists(); err != nil {
		return nil, err
	}
	client := &Client{ID: c.ID, Scopes: c.Scopes, Namespaces: c.Namespaces, Trust: c.Trust, Targets: c.Targets,
		RedirectURIs: c.RedirectURIs, Public: c.Public}
	if c.SecretHash != "" {
		hash, err := parseHash(c.SecretHash)
		if err != nil {
			return nil, fmt.Errorf("secret_hash: %w", err)
		}
		client.hash = hash
	}
	if c.PublicKey != "" {
		set, err := authorizedkeys.FromTexts(map[string]string{c.ID: c.PublicKey})
		if err != nil {
			return nil, fmt.Errorf("public_key: %w", err)
		}
		client.keys, _ = set.Issuer(c.ID)
	}
	return client, nil
}

// checkID: an id becomes the sub of a token and the last segment of an agent's
// URL, so it must not be able to climb out of it.
func checkID(id string) error {
	if id == "" || len(id) > maxID {
		return fmt.Errorf("client_id must have 1 to %d characters", maxID)
	}
	for i := 0; i < len(id); i++ {
		if c := id[i]; c <= 0x20 || c >= 0x7F || strings.IndexByte(`*"\?#%`, c) >= 0 {
			return errors.New(`client_id must be printable ASCII without white space and * " \ ? # %`)
		}
	}
	for segment := range strings.SplitSeq(id, "/") {
		if segment == "." || segment == ".." {
			return errors.New("client_id must not have . or .. as a segment")
		}
	}
	return nil
}

func (c Config) checkLists() error {
	for _, list := range [...]struct {
		name   string
		values []string
		check  func(string) error
	}{
		{"scopes", c.Scopes, scope.CheckPattern},
		{"namespaces", c.Namespaces, CheckWord},
		{"trust", c.Trust, CheckWord},
		{"targets", c.Targets, checkTarget},
		{"redirect_uris", c.RedirectURIs, checkRedirect},
	} {
		if len(list.values) > maxList {
			return fmt.Errorf("%s: %d entries, there may be %d", list.name, len(list.values), maxList)
		}
		for i, value := range list.values {
			if err := list.check(value); err != nil {
				return fmt.Errorf("%s[%d]: %w", list.name, i, err)
			}
		}
	}
	return nil
}

// CheckWord is for a namespace or a label, which becomes part of one scope.
func CheckWord(word string) error {
	for _, mark := range [...]string{"#", scope.NamespacePrefix, "trust:"} {
		if strings.HasPrefix(word, mark) {
			return errors.New("must be the word alone, without #, namespace: or trust: before it")
		}
	}
	scopes, err := scope.Parse(word)
	if err != nil || len(scopes) != 1 || strings.Contains(word, "*") || len(word) > scope.MaxPattern {
		return errors.New(`must be 1 to 256 characters of printable ASCII without space, * " and \`)
	}
	return nil
}

// checkTarget leaves the grammar to whoever matches targets.
func checkTarget(value string) error {
	if value == "" || len(value) > maxTarget || strings.ContainsFunc(value, func(c rune) bool { return c <= 0x20 || c >= 0x7F }) {
		return fmt.Errorf("a target must be 1 to %d characters of printable ASCII without white space", maxTarget)
	}
	return nil
}

// Client returns a client, nil where there is none.
func (r *Registry) Client(id string) *Client { return r.clients[id] }

// Len returns the number of clients.
func (r *Registry) Len() int { return len(r.clients) }

// Key returns the key of a name, whosever it is: for hosts that check
// signatures. nil where there is none.
func (r *Registry) Key(name string) *jose.PublicKey {
	for _, c := range r.clients {
		for _, key := range c.keys.Keys {
			if key.Public.Name() == name {
				return key.Public
			}
		}
	}
	return nil
}
