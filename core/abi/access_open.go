package abi

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tallystick/tallystick/core/access"
	"github.com/tallystick/tallystick/core/agent"
	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/engine"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/keyring"
	"github.com/tallystick/tallystick/core/limits"
	"github.com/tallystick/tallystick/core/oauthclient"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/scope"
	"github.com/tallystick/tallystick/core/settings"
	"github.com/tallystick/tallystick/core/trust"
	"github.com/tallystick/tallystick/core/weburl"
)

const (
	roleAuthority = "authority"
	roleAgent     = "agent"
)

// accessOpening gathers what an identity is compiled from; the first problem ends it.
type accessOpening struct {
	core    *Core
	c       *AccessConfig
	config  access.Config
	ring    *keyring.Ring
	keys    *authorizedkeys.Set
	clients *oauthclient.Registry
}

func (c *Core) openAccess(config *AccessConfig, result *EngineOpenResult) (*engine.Engine, *problem.Problem) {
	o := &accessOpening{core: c, c: config}
	if _, p := o.policy(); p != nil {
		return nil, p
	}
	if p := o.material(); p != nil {
		return nil, p
	}
	a, p := access.New(o.config, o.ring, o.keys, o.clients)
	if p != nil {
		return nil, p
	}
	result.MaxBody, result.KeyID, result.Issuers = o.config.MaxBody, a.KeyID(), o.keys.Len()
	if p := result.buffers(config.MaxBuffered); p != nil {
		return nil, p
	}
	result.Mode, result.Issuer, result.AgentID = string(a.Mode()), a.Issuer(), a.ID()
	result.BaseURL, result.Name = a.BaseURL(), a.Name()
	result.MaxForm, result.Inactive = access.MaxForm, o.config.Inactive
	e := engine.New(nil, nil, orDefault(config.Realm, limits.DefaultRealm))
	e.SetAccess(a)
	return e, nil
}

// policy compiles all but keys and clients.
func (o *accessOpening) policy() (access.Config, *problem.Problem) {
	for _, step := range []func() *problem.Problem{o.mode, o.identity, o.numbers, o.trust, o.credentials} {
		if p := step(); p != nil {
			return access.Config{}, p
		}
	}
	o.config.Fixed = o.fixed()
	return o.config, nil
}

// fixed lists what says who the agent is, and what its host has taken over.
func (o *accessOpening) fixed() []access.Member {
	c, config := o.c, &o.config
	number := func(n float64) string { return strconv.FormatFloat(n, 'g', -1, 64) }
	return []access.Member{
		{Name: "role", Value: strconv.FormatBool(c.Role == roleAuthority)},
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
		{Name: "max_buffered", Value: strconv.Itoa(orDefault(c.MaxBuffered, 0))},
		{Name: "realm", Value: orDefault(c.Realm, limits.DefaultRealm)},
	}
}

func (o *accessOpening) mode() *problem.Problem {
	switch {
	case o.c.Role != "" && o.c.Role != roleAgent && o.c.Role != roleAuthority:
		return badConfig("role must be agent or authority")
	case o.c.Role == roleAuthority && o.c.Authority != "":
		return badConfig("authority: an authority has none of its own: leave it out")
	case o.c.Role == roleAuthority:
		o.config.Mode = access.Authority
	case o.c.Authority != "":
		o.config.Mode = access.Portal
	default:
		o.config.Mode = access.SelfIssued
	}
	o.config.Authority = o.c.Authority
	var p *problem.Problem
	if o.config.RSA, p = o.core.rsa(o.c.RSA); p != nil {
		return p
	}
	if o.config.Signing, p = signingBy("signing", o.c.Signing); p != nil {
		return p
	}
	if o.c.Signing == "" && o.config.RSA.Host {
		o.config.Signing = pipeline.ByExternal
	}
	if o.c.Derive != "" && o.c.Derive != choiceCore && o.c.Derive != choiceHost {
		return badConfig("derive must be core or host")
	}
	if o.c.Replay != "" && o.c.Replay != choiceMemory && o.c.Replay != choiceHost {
		return badConfig("replay must be memory or host")
	}
	return checkRealm(orDefault(o.c.Realm, limits.DefaultRealm))
}

// identity settles base_url and agent_id: each gives the other when it is missing.
func (o *accessOpening) identity() *problem.Problem {
	reference := o.c.BaseURL
	if reference == "" {
		reference = o.c.AgentID
	} else if err := agent.CheckBase(reference); err != nil && o.config.Mode != access.Authority {
		return badConfig("base_url: %s", err)
	}
	if reference == "" && len(o.c.Audience) > 0 && agent.CheckBase(o.c.Audience[0]) == nil {
		reference = o.c.Audience[0]
	}
	if reference == "" {
		return badConfig("base_url is missing: the URL of this agent, or its @name (or agent_id)")
	}
	if _, err := weburl.Parse(reference); err != nil && o.config.Mode == access.Authority {
		return badConfig("base_url: an authority is named by its URL, such as https://portal.example.com: %s", err)
	}
	url, err := agent.Resolve(reference, o.c.Authority)
	if err != nil {
		return badConfig("base_url: %s", err)
	}
	id := o.c.AgentID
	if id == "" {
		id = lastSegment(url)
	}
	if err := agent.CheckName(id); err != nil {
		return badConfig("agent_id: %s", err)
	}
	o.config.BaseURL, o.config.AgentID, o.config.Audience = url, id, o.c.Audience
	return nil
}

// lastSegment names an agent by the end of its URL, or by its host.
func lastSegment(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	return rest[strings.LastIndexByte(rest, '/')+1:]
}

func (o *accessOpening) numbers() *problem.Problem {
	c := o.c
	o.config.TokenTTL = orDefault(c.TokenTTL, settings.DefaultTokenTTL)
	o.config.CacheTTL = orDefault(c.JWKSCacheTTL, settings.DefaultJWKSCacheTTL)
	o.config.Forgiven = pipeline.Tolerance{
		Leeway:    orDefault(c.Leeway, settings.DefaultLeeway),
		ClockSkew: orDefault(c.ClockSkew, settings.DefaultClockSkew),
	}
	o.config.MaxLifetime = orDefault(c.MaxLifetime, settings.DefaultMaxLifetime)
	o.config.MaxBody = orDefault(c.MaxBody, limits.DefaultMaxBody)
	o.config.VerifyOnly = c.JWKSURI != ""
	o.config.BoundOnly = c.RequireBinding
	o.config.HostDerives = c.Derive == choiceHost
	o.config.Once = pipeline.ReplayConfig{
		Host: c.Replay == choiceHost, Capacity: orDefault(c.ReplayCapacity, limits.DefaultReplayCapacity),
		Floor: c.ReplayFloor, LostAt: c.ReplayLostAt, Forgiven: o.config.Forgiven,
	}
	return limits.CheckBounds(
		limits.In("token_ttl", float64(o.config.TokenTTL), 1, settings.MaxTokenTTL),
		limits.In("jwks_cache_ttl", o.config.CacheTTL, 1, settings.MaxCacheTTL),
		limits.In("leeway", o.config.Forgiven.Leeway, 0, limits.MaxLeeway),
		limits.In("clock_skew", o.config.Forgiven.ClockSkew, 0, limits.MaxClockSkew),
		limits.In("max_lifetime", o.config.MaxLifetime, 1, settings.MaxLifetime),
		limits.In("max_body", float64(o.config.MaxBody), 0, limits.MaxBody),
		limits.In("replay_floor", float64(o.config.Once.Floor), 0, 1<<53),
		limits.In("replay_lost_at", float64(o.config.Once.LostAt), 0, 1<<53),
		limits.In("replay_capacity", float64(o.config.Once.Capacity), 1, limits.MaxReplayCapacity),
	)
}

func (o *accessOpening) trust() *problem.Problem {
	o.config.AllowedScopes = orDefault(o.c.AllowedScopes, []string{"read", "write"})
	if o.config.AnyScope = o.config.Mode == access.Authority && o.c.AllowedScopes == nil; o.config.AnyScope {
		o.config.AllowedScopes = []string{"*"}
	}
	if len(o.config.AllowedScopes) > scope.MaxPatterns {
		return badConfig("allowed_scopes may have %d patterns", scope.MaxPatterns)
	}
	for _, pattern := range o.config.AllowedScopes {
		if err := scope.CheckPattern(pattern); err != nil {
			return badConfig("allowed_scopes: %s", err)
		}
	}
	config := trust.Config{Authority: o.c.Authority, Allow: o.c.Allow, Deny: o.c.Deny, DevMode: o.c.DevMode}
	for _, issuer := range o.c.TrustedIssuers {
		trusted := trust.Issuer{Issuer: issuer.Issuer, JWKSURI: issuer.JWKSURI, Type: issuer.Type}
		config.Trusted = append(config.Trusted, trusted)
	}
	if o.c.JWKSURI != "" {
		issuer, p := o.pinnedIssuer()
		if p != nil {
			return p
		}
		config.Pinned = true
		config.Trusted = append(config.Trusted, issuer)
	}
	issuers, err := trust.NewIssuers(config)
	if err != nil {
		return badConfig("%s", err)
	}
	o.config.Issuers, o.config.TrustedIssuers = issuers, len(config.Trusted)
	var p *problem.Problem
	if o.config.AcceptFrom, p = parseRules("accept_from", o.c.AcceptFrom); p != nil {
		return p
	}
	o.config.TalkTo, p = parseRules("talk_to", o.c.TalkTo)
	return p
}

// pinnedIssuer is the seed's TypeScript form: one key set, and whose it is.
func (o *accessOpening) pinnedIssuer() (trust.Issuer, *problem.Problem) {
	issuer := o.c.Issuer
	if issuer == "" {
		u, err := weburl.Parse(o.c.JWKSURI)
		if err != nil {
			return trust.Issuer{}, badConfig("jwks_uri: %s", err)
		}
		issuer = u.Origin
	}
	return trust.Issuer{Issuer: issuer, JWKSURI: o.c.JWKSURI, Type: trust.TypePortal}, nil
}

func parseRules(name string, text json.RawMessage) (*trust.Rules, *problem.Problem) {
	if text == nil {
		return nil, nil
	}
	rules, err := trust.ParseRules(gjson.ParseBytes(text))
	if err != nil {
		return nil, badConfig("%s: %s", name, err)
	}
	return rules, nil
}

// credentials are those at the authority.
func (o *accessOpening) credentials() *problem.Problem {
	c := o.c
	o.config.ClientID, o.config.ClientSecret = c.ClientID, c.ClientSecret
	if c.Google != nil {
		o.config.Inactive = append(o.config.Inactive, "google: signing in with Google is not built yet")
	}
	if c.Robutler != nil {
		used := ""
		if c.ClientSecret == "" && c.ClientKey == "" && c.Robutler.ClientSecret != "" {
			o.config.ClientSecret = c.Robutler.ClientSecret
			if o.config.ClientID == "" {
				o.config.ClientID = c.Robutler.ClientID
			}
			used = "; its client_id and client_secret are used at the authority's token endpoint"
		}
		o.config.Inactive = append(o.config.Inactive, "robutler: signing in with Robutler is not built yet"+used)
	}
	if o.config.ClientID == "" {
		o.config.ClientID = o.config.AgentID
	}
	if c.ClientKey != "" {
		key, err := jose.OnePrivate([]byte(c.ClientKey))
		if err != nil {
			return problem.New(problem.InvalidKey, "client_key: "+err.Error())
		}
		o.config.ClientKey = key
	}
	return nil
}

// material is keys and clients.
func (o *accessOpening) material() *problem.Problem {
	var p *problem.Problem
	if o.c.Ring != nil {
		if o.ring, p = keyring.Parse(string(o.c.Ring)); p != nil {
			return p
		}
	}
	if o.keys, _, p = loadKeys(nil, o.c.Keys); p != nil {
		return p
	}
	return o.registry()
}

func (o *accessOpening) registry() (p *problem.Problem) {
	configs := orDefault(o.c.Clients, nil)
	if o.clients, p = oauthclient.New(configs); p != nil {
		return p
	}
	for _, c := range configs {
		if _, err := agent.NewAccessList(c.Targets); err != nil {
			return badConfig("client %s: targets%s", problem.Quote(c.ID), err)
		}
	}
	return nil
}
