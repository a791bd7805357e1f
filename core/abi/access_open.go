package abi

import (
	"encoding/json"

	"github.com/tidwall/gjson"

	"github.com/tallystick/tallystick/core/access"
	"github.com/tallystick/tallystick/core/authorization"
	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/engine"
	"github.com/tallystick/tallystick/core/keyring"
	"github.com/tallystick/tallystick/core/limits"
	"github.com/tallystick/tallystick/core/oauthclient"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/trust"
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
	result.Paths, result.RootPaths = a.Paths()
	result.ResourceMetadata = a.ResourceMetadata()
	e := engine.New(nil, nil, orDefault(config.Realm, limits.DefaultRealm))
	e.SetAccess(a)
	return e, nil
}

// policy compiles all but keys and clients.
func (o *accessOpening) policy() (config access.Config, p *problem.Problem) {
	options, p := o.options()
	if p != nil {
		return config, p
	}
	o.config, p = options.Config()
	return o.config, p
}

// options are the configuration, and who does what of the host's choices.
func (o *accessOpening) options() (*access.Options, *problem.Problem) {
	c := o.c
	options := &access.Options{
		IsAuthority: c.Role == roleAuthority, Authority: c.Authority, AgentID: c.AgentID, BaseURL: c.BaseURL,
		TokenTTL: c.TokenTTL, AllowedScopes: c.AllowedScopes, Allow: c.Allow, Deny: c.Deny,
		AcceptFrom: string(c.AcceptFrom), TalkTo: string(c.TalkTo), JWKSCacheTTL: c.JWKSCacheTTL,
		Google: c.Google != nil, ClientID: c.ClientID, ClientSecret: c.ClientSecret, ClientKey: c.ClientKey,
		Audience: c.Audience, JWKSURI: c.JWKSURI, Issuer: c.Issuer, DevMode: c.DevMode, Leeway: c.Leeway,
		ClockSkew: c.ClockSkew, MaxLifetime: c.MaxLifetime, MaxBody: c.MaxBody, MaxBuffered: c.MaxBuffered,
		RequireBinding: c.RequireBinding, Algorithms: c.Algorithms, Realm: c.Realm, HostReplay: c.Replay == choiceHost,
		ReplayCapacity: c.ReplayCapacity, ReplayFloor: c.ReplayFloor, ReplayLostAt: c.ReplayLostAt,
		HostDerives: c.Derive == choiceHost,
	}
	for _, p := range c.Providers {
		options.Providers = append(options.Providers, authorization.Provider(p))
	}
	for _, issuer := range c.TrustedIssuers {
		options.TrustedIssuers = append(options.TrustedIssuers, trust.Issuer(issuer))
	}
	if c.Robutler != nil {
		options.Robutler = &access.Credentials{ClientID: c.Robutler.ClientID, ClientSecret: c.Robutler.ClientSecret}
	}
	return options, o.choices(options)
}

// choices are who does what: the core or its host.
func (o *accessOpening) choices(options *access.Options) (p *problem.Problem) {
	c := o.c
	if c.Role != "" && c.Role != roleAgent && c.Role != roleAuthority {
		return badConfig("role must be agent or authority")
	}
	if options.RSA, p = o.core.rsa(c.RSA); p != nil {
		return p
	}
	if options.Signing, p = signingBy("signing", c.Signing); p != nil {
		return p
	}
	if c.Signing == "" && options.RSA.Host {
		options.Signing = pipeline.ByExternal
	}
	if c.Derive != "" && c.Derive != choiceCore && c.Derive != choiceHost {
		return badConfig("derive must be core or host")
	}
	if c.Replay != "" && c.Replay != choiceMemory && c.Replay != choiceHost {
		return badConfig("replay must be memory or host")
	}
	return nil
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
	o.clients, p = access.NewClients(orDefault(o.c.Clients, nil))
	return p
}
