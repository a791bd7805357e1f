package access

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tallystick/tallystick/core/agent"
	"github.com/tallystick/tallystick/core/authorization"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/limits"
	"github.com/tallystick/tallystick/core/oauthclient"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/scope"
	"github.com/tallystick/tallystick/core/trust"
	"github.com/tallystick/tallystick/core/weburl"
)

// Defaults, in seconds.
const (
	DefaultTokenTTL     = 300
	DefaultJWKSCacheTTL = 3600
	DefaultLeeway       = 30
	DefaultClockSkew    = 30
	DefaultMaxLifetime  = 24 * 60 * 60
)

// Bounds of numbers, in seconds. That of TokenTTL is MaxTTL.
const (
	MaxCacheTTL = 7 * 24 * 60 * 60
	MaxLifetime = 365 * 24 * 60 * 60
	maxTime     = 1 << 53
)

// Options are an identity as a host's user gives it: a configuration, and what the host adds.
// Pointers tell "not given" from zero.
type Options struct {
	IsAuthority    bool
	Authority      string
	AgentID        string
	BaseURL        string
	TokenTTL       *int64
	AllowedScopes  *[]string
	TrustedIssuers []trust.Issuer
	Allow, Deny    []string
	AcceptFrom     string // JSON of rules; "": everyone
	TalkTo         string // JSON of rules; "": everyone
	JWKSCacheTTL   *float64
	Google         bool // it is there
	Robutler       *Credentials
	ClientID       string
	ClientSecret   string
	ClientKey      string // PEM
	Audience       []string
	JWKSURI        string
	Issuer         string
	DevMode        bool
	Leeway         *float64
	ClockSkew      *float64
	MaxLifetime    *float64
	MaxBody        *int
	MaxBuffered    *int
	RequireBinding bool
	Algorithms     []string // nil: all
	Realm          *string

	Providers []authorization.Provider

	HostReplay     bool
	ReplayCapacity *int
	ReplayFloor    int64
	ReplayLostAt   int64
	RSA            pipeline.RSA
	Signing        pipeline.By
	HostDerives    bool
}

// Credentials are a client's at a token endpoint.
type Credentials struct{ ClientID, ClientSecret string }

// Config compiles the options, or says which of them is wrong.
func (o Options) Config() (Config, *problem.Problem) {
	c := &compiler{Options: o, config: Config{
		Authority: o.Authority, RSA: o.RSA, Signing: o.Signing, HostDerives: o.HostDerives,
	}}
	for _, step := range []func() *problem.Problem{c.mode, c.identity, c.numbers, c.trust, c.credentials} {
		if p := step(); p != nil {
			return Config{}, p
		}
	}
	c.config.Fixed = c.fixed()
	return c.config, nil
}

func wrong(format string, args ...any) *problem.Problem {
	return problem.Newf(problem.InvalidConfig, format, args...)
}

// compiler gathers a configuration; the first problem ends it.
type compiler struct {
	Options
	config Config
}

// fixed lists what says who the agent is, and what its host has taken over.
func (c *compiler) fixed() []Member {
	config := &c.config
	number := func(n float64) string { return strconv.FormatFloat(n, 'g', -1, 64) }
	return []Member{
		{Name: "role", Value: strconv.FormatBool(c.IsAuthority)},
		{Name: "authority", Value: config.Authority},
		{Name: "base_url", Value: config.BaseURL},
		{Name: "agent_id", Value: config.AgentID},
		{Name: "audience", Value: strings.Join(config.Audience, "\n")},
		{Name: "client_id", Value: config.ClientID},
		{Name: "client_secret", Value: config.ClientSecret},
		{Name: "client_key", Value: c.ClientKey},
		{Name: "dev_mode", Value: strconv.FormatBool(c.DevMode)},
		{Name: "token_ttl", Value: strconv.FormatInt(config.TokenTTL, 10)}, // old keys are published for so long
		{Name: "leeway", Value: number(config.Forgiven.Leeway)},
		{Name: "clock_skew", Value: number(config.Forgiven.ClockSkew)},
		{Name: "jwks_cache_ttl", Value: number(config.CacheTTL)},
		{Name: "max_body", Value: strconv.Itoa(config.MaxBody)},
		{Name: "max_buffered", Value: strconv.Itoa(given(c.MaxBuffered, 0))},
		{Name: "realm", Value: given(c.Realm, limits.DefaultRealm)},
		{Name: "providers", Value: fmt.Sprint(c.Providers)},
	}
}

func given[T any](value *T, otherwise T) T {
	if value == nil {
		return otherwise
	}
	return *value
}

func (c *compiler) mode() *problem.Problem {
	switch {
	case c.IsAuthority && c.Authority != "":
		return wrong("authority: an authority has none of its own: leave it out")
	case c.IsAuthority:
		c.config.Mode = Authority
	case c.Authority != "":
		c.config.Mode = Portal
	default:
		c.config.Mode = SelfIssued
	}
	if err := limits.CheckRealm(given(c.Realm, limits.DefaultRealm)); err != nil {
		return wrong("realm %s", err)
	}
	return nil
}

// identity settles base_url and agent_id: each gives the other when it is missing.
func (c *compiler) identity() *problem.Problem {
	reference := c.BaseURL
	if reference == "" {
		reference = c.AgentID
	} else if err := agent.CheckBase(reference); err != nil && c.config.Mode != Authority {
		return wrong("base_url: %s", err)
	}
	if reference == "" && len(c.Audience) > 0 && agent.CheckBase(c.Audience[0]) == nil {
		reference = c.Audience[0]
	}
	if reference == "" {
		return wrong("base_url is missing: the URL of this agent, or its @name (or agent_id)")
	}
	if _, err := weburl.Parse(reference); err != nil && c.config.Mode == Authority {
		return wrong("base_url: an authority is named by its URL, such as https://portal.example.com: %s", err)
	}
	url, err := agent.Resolve(reference, c.Authority)
	if err != nil {
		return wrong("base_url: %s", err)
	}
	id := c.AgentID
	if id == "" {
		id = lastSegment(url)
	}
	if err := agent.CheckName(id); err != nil {
		return wrong("agent_id: %s", err)
	}
	c.config.BaseURL, c.config.AgentID, c.config.Audience = url, id, c.Audience
	return nil
}

// lastSegment names an agent by the end of its URL, or by its host.
func lastSegment(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	return rest[strings.LastIndexByte(rest, '/')+1:]
}

func (c *compiler) numbers() *problem.Problem {
	config := &c.config
	config.TokenTTL = given(c.TokenTTL, DefaultTokenTTL)
	config.CacheTTL = given(c.JWKSCacheTTL, DefaultJWKSCacheTTL)
	config.Forgiven = pipeline.Tolerance{
		Leeway:    given(c.Leeway, DefaultLeeway),
		ClockSkew: given(c.ClockSkew, DefaultClockSkew),
	}
	config.MaxLifetime = given(c.MaxLifetime, DefaultMaxLifetime)
	config.MaxBody = given(c.MaxBody, limits.DefaultMaxBody)
	config.VerifyOnly = c.JWKSURI != ""
	config.BoundOnly = c.RequireBinding
	var err error
	if config.Algorithms, err = pipeline.NewAllowed(c.Algorithms); err != nil {
		return wrong("algorithms: %s", err)
	}
	config.Once = pipeline.ReplayConfig{
		Host: c.HostReplay, Capacity: given(c.ReplayCapacity, limits.DefaultReplayCapacity),
		Floor: c.ReplayFloor, LostAt: c.ReplayLostAt, Forgiven: config.Forgiven,
	}
	return limits.CheckBounds(
		limits.In("token_ttl", float64(config.TokenTTL), 1, MaxTTL, limits.Seconds),
		limits.In("jwks_cache_ttl", config.CacheTTL, 1, MaxCacheTTL, limits.Seconds),
		limits.In("leeway", config.Forgiven.Leeway, 0, limits.MaxLeeway, limits.Seconds),
		limits.In("clock_skew", config.Forgiven.ClockSkew, 0, limits.MaxClockSkew, limits.Seconds),
		limits.In("max_lifetime", config.MaxLifetime, 1, MaxLifetime, limits.Seconds),
		limits.In("max_body", float64(config.MaxBody), 0, limits.MaxBody, limits.Bytes),
		limits.In("replay_floor", float64(config.Once.Floor), 0, maxTime, limits.Seconds),
		limits.In("replay_lost_at", float64(config.Once.LostAt), 0, maxTime, limits.Seconds),
		limits.In("replay_capacity", float64(config.Once.Capacity), 1, limits.MaxReplayCapacity, limits.Tokens),
	)
}

func (c *compiler) trust() *problem.Problem {
	config := &c.config
	config.AllowedScopes = given(c.AllowedScopes, []string{"read", "write"})
	if config.AnyScope = config.Mode == Authority && c.AllowedScopes == nil; config.AnyScope {
		config.AllowedScopes = []string{"*"}
	}
	if len(config.AllowedScopes) > scope.MaxPatterns {
		return wrong("allowed_scopes may have %d patterns", scope.MaxPatterns)
	}
	for _, pattern := range config.AllowedScopes {
		if err := scope.CheckPattern(pattern); err != nil {
			return wrong("allowed_scopes: %s", err)
		}
	}
	own := ""
	if config.Mode == SelfIssued {
		own = config.BaseURL
	}
	believed := trust.Config{Authority: c.Authority, Own: own, Allow: c.Allow, Deny: c.Deny, DevMode: c.DevMode}
	believed.Trusted = append(believed.Trusted, c.TrustedIssuers...)
	if c.JWKSURI != "" {
		issuer, p := c.pinnedIssuer()
		if p != nil {
			return p
		}
		believed.Pinned = true
		believed.Trusted = append(believed.Trusted, issuer)
	}
	issuers, err := trust.NewIssuers(believed)
	if err != nil {
		return wrong("%s", err)
	}
	config.Issuers, config.TrustedIssuers = issuers, len(believed.Trusted)
	var p *problem.Problem
	if config.AcceptFrom, p = parseRules("accept_from", c.AcceptFrom); p != nil {
		return p
	}
	config.TalkTo, p = parseRules("talk_to", c.TalkTo)
	return p
}

// pinnedIssuer is the seed's TypeScript form: one key set, and whose it is.
func (c *compiler) pinnedIssuer() (trust.Issuer, *problem.Problem) {
	issuer := c.Issuer
	if issuer == "" {
		u, err := weburl.Parse(c.JWKSURI)
		if err != nil {
			return trust.Issuer{}, wrong("jwks_uri: %s", err)
		}
		issuer = u.Origin
	}
	return trust.Issuer{Issuer: issuer, JWKSURI: c.JWKSURI, Type: trust.TypePortal}, nil
}

func parseRules(name, text string) (*trust.Rules, *problem.Problem) {
	if text == "" {
		return nil, nil
	}
	rules, err := trust.ParseRules(gjson.Parse(text))
	if err != nil {
		return nil, wrong("%s: %s", name, err)
	}
	return rules, nil
}

// credentials are those at the authority.
func (c *compiler) credentials() *problem.Problem {
	config := &c.config
	if c.config.Mode != Portal {
		for _, of := range []struct{ name, value string }{
			{"client_secret", c.ClientSecret}, {"client_key", c.ClientKey},
		} {
			if of.value != "" {
				return wrong("authority is missing or empty: %s is what this agent shows to an authority;"+
					" set authority to its URL, or leave %s out where the agent signs its own tokens", of.name, of.name)
			}
		}
	}
	config.ClientID, config.ClientSecret, config.Providers = c.ClientID, c.ClientSecret, c.Providers
	if len(c.Providers) > 0 && config.Mode == Portal {
		return wrong("providers: users sign in at this agent's authority, %s: configure them there", config.Authority)
	}
	if len(c.Providers) > 0 && !c.HostReplay {
		return wrong("providers: what waits for a browser lies in a store: give one, such as sqlite:///path")
	}
	if c.Google {
		config.Inactive = append(config.Inactive, "google: signing in with Google is not built yet")
	}
	if c.Robutler != nil {
		used := ""
		if c.ClientSecret == "" && c.ClientKey == "" && c.Robutler.ClientSecret != "" {
			config.ClientSecret = c.Robutler.ClientSecret
			if config.ClientID == "" {
				config.ClientID = c.Robutler.ClientID
			}
			used = "; its client_id and client_secret are used at the authority's token endpoint"
		}
		config.Inactive = append(config.Inactive, "robutler: signing in with Robutler is not built yet"+used)
	}
	if config.ClientID == "" {
		config.ClientID = config.AgentID
	}
	if c.ClientKey != "" {
		key, err := jose.OnePrivate([]byte(c.ClientKey))
		if err != nil {
			return problem.New(problem.InvalidKey, "client_key: "+err.Error())
		}
		config.ClientKey = key
	}
	return nil
}

// NewClients compiles the clients of a token endpoint, or names the one that is wrong.
func NewClients(configs []oauthclient.Config) (*oauthclient.Registry, *problem.Problem) {
	clients, p := oauthclient.New(configs)
	if p != nil {
		return nil, p
	}
	for _, c := range configs {
		if _, err := agent.NewAccessList(c.Targets); err != nil {
			return nil, wrong("client %s: targets%s", problem.Quote(c.ID), err)
		}
	}
	return clients, nil
}
