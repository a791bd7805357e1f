// Package settings reads the configuration of an agent's access tokens: the seed's
// reference (AOAuth skill) and our additions, from whatever the host parsed it out of
// (a YAML file, a mapping, JSON). Every error names the source, the key and the
// fix. A value is never quoted in an error: it may have come out of a secret's
// environment variable.
package settings

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/tallystick/tallystick/core/access"
	"github.com/tallystick/tallystick/core/limits"
	"github.com/tallystick/tallystick/core/oauthclient"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/provider"
	"github.com/tallystick/tallystick/core/strictjson"
	"github.com/tallystick/tallystick/core/trust"
)

// Defaults, in seconds and bytes.
const (
	DefaultTokenTTL     = access.DefaultTokenTTL
	DefaultJWKSCacheTTL = access.DefaultJWKSCacheTTL
	DefaultLeeway       = access.DefaultLeeway
	DefaultClockSkew    = access.DefaultClockSkew
	DefaultMaxLifetime  = access.DefaultMaxLifetime
	DefaultKeysDir      = "~/.webagents/keys"
)

// Bounds of numbers, in seconds and bytes: engine.open takes what config.read gives.
const (
	MaxTokenTTL = access.MaxTTL
	MaxCacheTTL = access.MaxCacheTTL
	MaxLifetime = access.MaxLifetime

	maxHostOptions = 100
)

// Bounds of a configuration, in bytes and entries.
const (
	MaxConfig  = 1 << 20 // as JSON, before and after ${NAME} is replaced
	MaxEntries = 10000   // of one list
	MaxText    = 2048    // of one string
	MaxKeyText = 64 << 10
)

// Access is a configuration with its defaults filled in: what engine.open takes.
// Times are in seconds, sizes in bytes.
type Access struct {
	Authority      string               `json:"authority,omitempty"`
	AgentID        string               `json:"agent_id,omitempty"`
	BaseURL        string               `json:"base_url,omitempty"` // canonical
	TokenTTL       int64                `json:"token_ttl"`
	AllowedScopes  *[]string            `json:"allowed_scopes,omitempty"` // nil: any, of an authority
	TrustedIssuers []TrustedIssuer      `json:"trusted_issuers"`
	Allow          []string             `json:"allow"`
	Deny           []string             `json:"deny"`
	AcceptFrom     json.RawMessage      `json:"accept_from,omitempty"`
	TalkTo         json.RawMessage      `json:"talk_to,omitempty"`
	JWKSCacheTTL   int64                `json:"jwks_cache_ttl"`
	Google         *Google              `json:"google,omitempty"`
	Robutler       *Robutler            `json:"robutler,omitempty"`
	ClientID       string               `json:"client_id,omitempty"`
	ClientSecret   string               `json:"client_secret,omitempty"`
	ClientKey      string               `json:"client_key,omitempty"`
	Audience       []string             `json:"audience,omitempty"`
	JWKSURI        string               `json:"jwks_uri,omitempty"`
	Issuer         string               `json:"issuer,omitempty"` // always there with JWKSURI
	KeysDir        string               `json:"keys_dir"`
	Clients        []oauthclient.Config `json:"clients,omitempty"`
	DevMode        bool                 `json:"dev_mode"`
	Leeway         float64              `json:"leeway"`
	ClockSkew      float64              `json:"clock_skew"`
	MaxLifetime    float64              `json:"max_lifetime"`
	MaxBody        int64                `json:"max_body"`
	MaxBuffered    int64                `json:"max_buffered,omitempty"` // 0: engine.open's default
	RequireBinding bool                 `json:"require_binding"`
	Algorithms     []string             `json:"algorithms,omitempty"`
	Realm          string               `json:"realm"`
}

// TrustedIssuer is an entry of trusted_issuers; its type is always filled in.
type TrustedIssuer struct {
	Issuer         string           `json:"issuer,omitempty"` // "" with Preset
	JWKSURI        string           `json:"jwks_uri,omitempty"`
	Type           string           `json:"type"`
	Preset         *provider.Preset `json:"preset,omitempty"`
	Audience       []string         `json:"audience,omitempty"`
	ScopeClaims    []string         `json:"scope_claims,omitempty"`
	ClientAudience []string         `json:"client_audience,omitempty"`
	InternalHTTP   bool             `json:"internal_http,omitempty"`
}

// Google holds the settings of a login provider that is not active.
type Google struct {
	ClientID     string `json:"client_id,omitempty"`
	ClientSecret string `json:"client_secret,omitempty"`
	HostedDomain string `json:"hosted_domain,omitempty"`
}

// Robutler holds the credentials at the authority's token endpoint.
type Robutler struct {
	ClientID     string `json:"client_id,omitempty"`
	ClientSecret string `json:"client_secret,omitempty"`
}

// Inactive says which key is read and has no effect, or less than its name says.
type Inactive struct {
	Key    string `json:"key"`    // its name
	Reason string `json:"reason"` // why it has no effect
}

// Input is what Read takes.
type Input struct {
	Config    json.RawMessage   // the mapping, or {"skills": {"auth": mapping}}; has passed strictjson
	Variables map[string]string // values of ${NAME} in Config
	Source    string            // what errors call Config; "" for "configuration"
	Options   json.RawMessage   // options of the host's constructor, which override Config; may be nil
	// HostOptions are those options of that constructor that are no keys of a
	// configuration, and what to write for each.
	HostOptions map[string]string
	Authority   bool // the configuration is an authority's
}

// Read reads a configuration. A problem is always invalid_config.
func Read(in Input) (*Access, *problem.Problem) {
	source := in.Source
	switch {
	case source == "" && in.Authority:
		source = "options"
	case source == "":
		source = "configuration"
	}
	a := defaults()
	if in.Authority {
		a.AllowedScopes = nil // what its clients may have
	}
	if f := in.checkHostOptions(); f != nil {
		return nil, f.problem(source)
	}
	text, f := resolve(in.Config, in.Variables)
	if f == nil {
		f = in.misplaced(parse(text))
	}
	if f == nil {
		f = readObject(a, parse(text), accessKeys)
	}
	if f == nil && in.Options != nil {
		if f := in.readOptions(a); f != nil {
			return nil, f.problem("options")
		}
	}
	if f == nil {
		f = a.complete(in.Authority)
	}
	if f != nil {
		return nil, f.problem(source)
	}
	return a, nil
}

func (in *Input) readOptions(a *Access) *fault {
	if len(in.Options) > MaxConfig {
		return tooLarge
	}
	options := parse(in.Options)
	if f := in.misspelt(options); f != nil {
		return f
	}
	return readObject(a, options, accessKeys)
}

// misplaced finds an option of the host's constructor in a configuration.
func (in *Input) misplaced(config strictjson.Value) *fault {
	names := slices.Sorted(maps.Keys(in.HostOptions)) // of two that are alike the first counts
	return firstUnknown(config, func(written string) *fault {
		for _, name := range names {
			if folded(name) == folded(written) {
				return &fault{printable(written), "is an option of the program and no key of a configuration",
					"give it to the constructor, as the option " + printable(in.HostOptions[name])}
			}
		}
		return nil
	})
}

// misspelt finds an option that is neither a key nor the host's own. Either may have
// been meant.
func (in *Input) misspelt(options strictjson.Value) *fault {
	names := append(spellings(accessKeys), slices.Sorted(maps.Keys(in.HostOptions))...)
	return firstUnknown(options, func(written string) *fault {
		if _, own := in.HostOptions[written]; own {
			return &fault{printable(written), "is an option of the host's own", "do not give it to the core"}
		}
		return unknownKey(names, written)
	})
}

func (in *Input) checkHostOptions() *fault {
	for name, now := range in.HostOptions {
		if len(in.HostOptions) > maxHostOptions || len(name) > maxCompared || len(now) > maxCompared {
			return wrong("host_options may have " + printInt(maxHostOptions) + " entries of " + printInt(maxCompared) + " bytes")
		}
	}
	return nil
}

// firstUnknown asks about the keys that no configuration has.
func firstUnknown(v strictjson.Value, judge func(written string) *fault) (f *fault) {
	if !v.IsObject() {
		return nil
	}
	strictjson.Members(v.Raw, func(written string, _ strictjson.Value) bool {
		if lookUp(accessKeys, written) == nil {
			f = judge(written)
		}
		return f == nil
	})
	return f
}

// folded makes key_bits and keyBits one.
func folded(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

var tooLarge = &fault{what: "the configuration is over 1048576 bytes", fix: "make its lists shorter, or use patterns"}

func defaults() *Access {
	return &Access{
		TokenTTL: DefaultTokenTTL, AllowedScopes: &[]string{"read", "write"}, TrustedIssuers: []TrustedIssuer{},
		Allow: []string{}, Deny: []string{}, JWKSCacheTTL: DefaultJWKSCacheTTL, KeysDir: DefaultKeysDir,
		Leeway: DefaultLeeway, ClockSkew: DefaultClockSkew, MaxLifetime: DefaultMaxLifetime, MaxBody: limits.DefaultMaxBody, Realm: limits.DefaultRealm,
	}
}

// The modes.
const (
	ModePortal     = "portal"
	ModeSelfIssued = "self-issued"
)

// Mode tells who signs: with an authority, the portal.
func (a *Access) Mode() string {
	if a.Authority != "" {
		return ModePortal
	}
	return ModeSelfIssued
}

// Inactive lists the keys of features that are not built.
func (a *Access) Inactive() []Inactive {
	list := []Inactive{}
	if a.Google != nil {
		list = append(list, Inactive{"google", "sign-in through Google is not active: the key is read and has no effect"})
	}
	if a.Robutler != nil {
		reason := "sign-in through Robutler is not active: the key has no effect without authority"
		if a.Authority != "" {
			reason = "sign-in through Robutler is not active: client_id and client_secret serve at the authority's token endpoint only"
		}
		list = append(list, Inactive{"robutler", reason})
	}
	return list
}

// Options returns what an identity is compiled from, for hosts that call packages.
func (a *Access) Options() access.Options {
	cacheTTL, maxBody := float64(a.JWKSCacheTTL), int(a.MaxBody)
	o := access.Options{
		Authority: a.Authority, AgentID: a.AgentID, BaseURL: a.BaseURL, TokenTTL: &a.TokenTTL,
		AllowedScopes: a.AllowedScopes, Allow: a.Allow, Deny: a.Deny, AcceptFrom: string(a.AcceptFrom),
		TalkTo: string(a.TalkTo), JWKSCacheTTL: &cacheTTL, Google: a.Google != nil, ClientID: a.ClientID,
		ClientSecret: a.ClientSecret, ClientKey: a.ClientKey, Audience: a.Audience, JWKSURI: a.JWKSURI,
		Issuer: a.Issuer, DevMode: a.DevMode, Leeway: &a.Leeway, ClockSkew: &a.ClockSkew,
		MaxLifetime: &a.MaxLifetime, MaxBody: &maxBody, RequireBinding: a.RequireBinding, Algorithms: a.Algorithms,
		Realm: &a.Realm,
	}
	for _, issuer := range a.TrustedIssuers {
		o.TrustedIssuers = append(o.TrustedIssuers, trust.Issuer(issuer))
	}
	if a.Robutler != nil {
		o.Robutler = &access.Credentials{ClientID: a.Robutler.ClientID, ClientSecret: a.Robutler.ClientSecret}
	}
	if a.MaxBuffered != 0 {
		size := int(a.MaxBuffered)
		o.MaxBuffered = &size
	}
	return o
}

// trust returns whom the agent believes.
func (a *Access) trust() trust.Config {
	c := trust.Config{Authority: a.Authority, Allow: a.Allow, Deny: a.Deny, DevMode: a.DevMode}
	for _, issuer := range a.TrustedIssuers {
		c.Trusted = append(c.Trusted, trust.Issuer(issuer))
	}
	if a.JWKSURI != "" {
		c.Pinned = true
		c.Trusted = append(c.Trusted, trust.Issuer{Issuer: a.Issuer, JWKSURI: a.JWKSURI, Type: trust.TypePortal})
	}
	return c
}
