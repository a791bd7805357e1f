// Package access is the profile of access tokens: one token, one audience, many
// requests (AOAuth; protocol.md sections 2 to 8). One Agent is one identity: it
// verifies what it receives, gets or issues what it sends, and answers for its
// token endpoint. An authority is an Agent too, which issues for others.
package access

import (
	"strings"
	"sync/atomic"

	"github.com/tallystick/tallystick/core/agent"
	"github.com/tallystick/tallystick/core/authorization"
	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/keyring"
	"github.com/tallystick/tallystick/core/keyset"
	"github.com/tallystick/tallystick/core/oauthclient"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/scope"
	"github.com/tallystick/tallystick/core/trust"
)

// Mode says who signs.
type Mode string

// The modes: an agent whose authority signs, an agent that signs itself, and an
// authority.
const (
	Portal     Mode = "portal"
	SelfIssued Mode = "self-issued"
	Authority  Mode = "authority"
)

const (
	// maxIssuers bounds the JWKS cache (protocol.md section 6).
	maxIssuers = 1000
	// maxVerified and maxVerifiedBytes bound each half of the memory of verified
	// tokens, maxRemembered is the size of a token that is not kept, in bytes.
	maxVerified      = 1024
	maxVerifiedBytes = 2 << 20
	maxRemembered    = 4 << 10
	// maxKept and maxKeptBytes bound each half of the memory of tokens to be sent.
	maxKept      = 512
	maxKeptBytes = 1 << 20
)

// Config is compiled once. Times are in seconds, sizes in bytes.
type Config struct {
	Mode          Mode
	Authority     string // issuer of the portal
	AgentID       string
	BaseURL       string // canonical
	TokenTTL      int64
	AllowedScopes []string
	AnyScope      bool // an authority: what each of its clients may have is the only bound
	Issuers       *trust.Issuers
	AcceptFrom    *trust.Rules // nil: everyone
	TalkTo        *trust.Rules // nil: everyone
	CacheTTL      float64
	Audience      []string // accepted besides BaseURL
	ClientID      string
	ClientSecret  string
	ClientKey     *jose.PrivateKey
	Forgiven      pipeline.Tolerance
	MaxLifetime   float64
	MaxBody       int
	BoundOnly     bool
	RSA           pipeline.RSA
	Algorithms    pipeline.Allowed
	Signing       pipeline.By // with whose the need sign
	HostDerives   bool        // the need derive
	Once          pipeline.ReplayConfig
	VerifyOnly    bool // no ring is required
	Inactive      []string
	Providers     []authorization.Provider // who says who users are; none: nobody signs in here

	TrustedIssuers int // how many are configured, for displays

	// Fixed is what cannot change while the agent runs, in the order of errors.
	Fixed []Member
}

// Member is a member of a configuration in one spelling. It may be a secret.
type Member struct{ Name, Value string }

// Agent is one compiled identity. Safe for concurrent use.
type Agent struct {
	config   Config
	allowed  *scope.Patterns
	name     string
	external bool
	places   []pipeline.Place // where it is reached: BaseURL, and audiences that are URLs
	audience map[string]struct{}
	routes   routes

	ring    atomic.Pointer[keyring.Ring]
	static  atomic.Pointer[authorizedkeys.Set] // keys of issuers given by configuration
	clients atomic.Pointer[oauthclient.Registry]

	keys     *keyset.Cache
	guard    *pipeline.ReplayGuard
	verified *generations[*remembered]
	kept     *generations[*keptToken]
	flights  *flights
	people   *authorization.Server // nil: nobody signs in here
	replaced atomic.Bool           // another policy holds now
}

// New compiles a configuration whose numbers have been checked. ring is nil where
// the agent signs nothing itself.
func New(
	c Config, r *keyring.Ring, static *authorizedkeys.Set, clients *oauthclient.Registry,
) (*Agent, *problem.Problem) {
	name, err := agent.Name(c.BaseURL)
	if err != nil {
		return nil, problem.Newf(problem.InvalidConfig, "base_url: %s", err)
	}
	places, err := placesOf(c)
	if err != nil {
		return nil, problem.Newf(problem.InvalidConfig, "base_url: %s", err)
	}
	if r == nil && c.Mode != Portal && !c.VerifyOnly {
		return nil, problem.New(problem.InvalidConfig, "ring: a key ring is required where no authority signs (ring.update makes one)")
	}
	a := &Agent{
		config: c, allowed: scope.Compile(c.AllowedScopes), name: name, external: true, places: places, audience: map[string]struct{}{},
		routes: newRoutes(&c),
		keys:   keyset.New(c.CacheTTL, maxIssuers), guard: pipeline.NewReplayGuard(c.Once),
		verified: newGenerations[*remembered](maxVerified, maxVerifiedBytes),
		kept:     newGenerations[*keptToken](maxKept, maxKeptBytes),
		flights:  newFlights(),
	}
	if c.Mode == Portal {
		// The portal knows its own agents by the names that resolve to them.
		if alias, there := agent.Alias(c.BaseURL, c.Authority); there {
			a.name, a.external = alias, false
		}
	}
	for _, audience := range append([]string{c.BaseURL}, c.Audience...) {
		a.audience[canonical(audience)] = struct{}{}
	}
	a.ring.Store(r)
	a.static.Store(static)
	a.clients.Store(clients)
	if p := a.openPeople(); p != nil {
		return nil, p
	}
	return a, nil
}

// openPeople has users sign in, where somebody is configured to say who they are.
func (a *Agent) openPeople() *problem.Problem {
	if len(a.config.Providers) == 0 {
		return nil
	}
	server, p := authorization.New(authorization.Options{
		Host: people{a}, Providers: a.config.Providers, Keys: a.keys, Forgiven: a.config.Forgiven, RSA: a.config.RSA,
	})
	a.people = server
	return p
}

// Renew returns the agent with another policy: who may come in, who may be called, and
// what may be done. It has the keys, the clients' registry and the memory of used tokens
// in common with this one; what was concluded from the old policy is forgotten. A problem
// names a member that needs a restart, and changes nothing.
func (a *Agent) Renew(c Config, clients *oauthclient.Registry) (*Agent, *problem.Problem) {
	var changed []string // agent_id alone gives another base_url, too
	for i, member := range c.Fixed {
		if a.config.Fixed[i] != member { //guard:renew-fixed never
			changed = append(changed, member.Name)
		}
	}
	if changed != nil {
		return nil, problem.Newf(problem.InvalidConfig,
			"%s: changes with a restart only: restart the agent, or put the old value back", strings.Join(changed, ", "))
	}
	// How the host works is not a policy's to say.
	c.Once, c.RSA, c.Signing, c.HostDerives = a.config.Once, a.config.RSA, a.config.Signing, a.config.HostDerives
	renewed, p := New(c, a.ring.Load(), a.static.Load(), clients)
	if p != nil {
		return nil, p
	}
	renewed.keys, renewed.guard, renewed.flights = a.keys, a.guard, a.flights
	renewed.openPeople() // it has the same providers, which were checked
	return renewed, nil
}

// Replaced says that another policy holds now: what this one has not ended must be
// asked again.
func (a *Agent) Replaced() { a.replaced.Store(true) }

// placesOf: a portal's agent has its URL at the portal, and may be served elsewhere.
func placesOf(c Config) ([]pipeline.Place, error) {
	place, err := pipeline.NewPlace(c.BaseURL)
	if err != nil {
		return nil, err
	}
	places := []pipeline.Place{place.Whole()}
	for _, audience := range c.Audience {
		if place, err := pipeline.NewPlace(audience); err == nil {
			places = append(places, place.Whole())
		}
	}
	return places, nil
}

// canonical spells an audience so that a trailing slash, a default port and the
// case of a host make no difference. What is no URL stays as it is.
func canonical(audience string) string {
	if url, err := agent.Canonical(audience); err == nil {
		return url
	}
	return audience
}

// Mode returns who signs.
func (a *Agent) Mode() Mode { return a.config.Mode }

// BaseURL returns the agent's own canonical URL.
func (a *Agent) BaseURL() string { return a.config.BaseURL }

// ID returns the agent's own id: sub of what it signs.
func (a *Agent) ID() string { return a.config.AgentID }

// Name returns the agent's own dotted name.
func (a *Agent) Name() string { return a.name }

// Issuer returns the iss of this agent's tokens.
func (a *Agent) Issuer() string {
	if a.config.Mode == Portal {
		return a.config.Authority
	}
	return a.config.BaseURL
}

// KeyID returns the thumbprint of the key that signs, "" where an authority does.
func (a *Agent) KeyID() string {
	if r := a.ring.Load(); r != nil {
		return r.Active().Public.Thumbprint()
	}
	return ""
}

// FeedRing replaces the own keys.
func (a *Agent) FeedRing(r *keyring.Ring) {
	a.ring.Store(r)
	a.verified.clear()
}

// FeedKeys replaces the keys that were given for issuers.
func (a *Agent) FeedKeys(keys *authorizedkeys.Set) {
	a.static.Store(keys)
	a.verified.clear()
}

// FeedClients replaces the clients of the token endpoint.
func (a *Agent) FeedClients(clients *oauthclient.Registry) { a.clients.Store(clients) }

// ReplayLost notes that the host's replay store lost what it held, in seconds since 1970.
func (a *Agent) ReplayLost(at int64) { a.guard.Lost(at) }

// Clients returns who may use the token endpoint.
func (a *Agent) Clients() *oauthclient.Registry { return a.clients.Load() }

// Key returns the public key of a name, whosever it is.
func (a *Agent) Key(name string) *jose.PublicKey {
	if key := a.ring.Load().Named(name); key != nil {
		return key
	}
	if key := a.static.Load().Key(name); key != nil {
		return key
	}
	if key := a.clients.Load().Key(name); key != nil {
		return key
	}
	return a.keys.Key(name)
}

// Given returns the keys that were given for issuers.
func (a *Agent) Given() *authorizedkeys.Set { return a.static.Load() }

// Stats tells how much is held.
type Stats struct {
	Issuers, IssuerCapacity, Kept, Verified int
}

// Stats returns what is held at this moment.
func (a *Agent) Stats() Stats {
	return Stats{a.keys.Stats().Cached, maxIssuers, a.kept.len(), a.verified.len()}
}

// Guard returns the memory of used jtis.
func (a *Agent) Guard() *pipeline.ReplayGuard { return a.guard }
