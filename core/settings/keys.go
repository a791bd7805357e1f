package settings

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/tallystick/tallystick/core/agent"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/limits"
	"github.com/tallystick/tallystick/core/oauthclient"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/provider"
	"github.com/tallystick/tallystick/core/scope"
	"github.com/tallystick/tallystick/core/strictjson"
	"github.com/tallystick/tallystick/core/trust"
)

const (
	exampleURL   = `"https://partner.example"`
	exampleKeys  = `"https://partner.example/.well-known/jwks.json"`
	exampleRules = `["family", "@partner.*"]`
)

// The tables are the reference of the configuration.
var accessKeys = []key[Access]{
	{"authority", `"https://robutler.ai"`, textKey(func(a *Access) *string { return &a.Authority }, trust.CheckIssuer)},
	{"agent_id", `"my-agent"`, textKey(func(a *Access) *string { return &a.AgentID }, agent.CheckName)},
	{"base_url", `"@my-agent"`, textKey(func(a *Access) *string { return &a.BaseURL }, nil)},
	{"token_ttl", "300", integerKey(func(a *Access) *int64 { return &a.TokenTTL }, 1, MaxTokenTTL, limits.Seconds)},
	{"allowed_scopes", `["read", "write"]`, func(a *Access, v strictjson.Value) *fault {
		list, f := texts(v, scope.CheckPattern)
		a.AllowedScopes = &list
		return f
	}},
	{"trusted_issuers", `[{issuer: "https://partner.example"}]`, readIssuers},
	{"allow", `["@partner.*"]`, textsKey(func(a *Access) *[]string { return &a.Allow }, checkPattern)},
	{"deny", `["@banned"]`, textsKey(func(a *Access) *[]string { return &a.Deny }, checkPattern)},
	{"accept_from", exampleRules, rulesKey(func(a *Access) *json.RawMessage { return &a.AcceptFrom })},
	{"talk_to", exampleRules, rulesKey(func(a *Access) *json.RawMessage { return &a.TalkTo })},
	{"jwks_cache_ttl", "3600", integerKey(func(a *Access) *int64 { return &a.JWKSCacheTTL }, 1, MaxCacheTTL,
		limits.Seconds)},
	{"google", `{client_id: "${GOOGLE_CLIENT_ID}", client_secret: "${GOOGLE_CLIENT_SECRET}"}`, func(a *Access, v strictjson.Value) *fault {
		a.Google = &Google{}
		return readObject(a.Google, v, googleKeys)
	}},
	{"robutler", `{client_id: "my-agent", client_secret: "${ROBUTLER_SECRET}"}`, func(a *Access, v strictjson.Value) *fault {
		a.Robutler = &Robutler{}
		return readObject(a.Robutler, v, robutlerKeys)
	}},
	{"client_id", `"my-agent"`, textKey(func(a *Access) *string { return &a.ClientID }, checkClientID)},
	{"client_secret", `"${CLIENT_SECRET}"`, textKey(func(a *Access) *string { return &a.ClientSecret }, nil)},
	{"client_key", `"${CLIENT_KEY}"`, func(a *Access, v strictjson.Value) (f *fault) {
		a.ClientKey, f = text(v, MaxKeyText, checkPrivateKey)
		return f
	}},
	{"audience", exampleURL, audienceKey(func(a *Access) *[]string { return &a.Audience })},
	{"jwks_uri", exampleKeys, textKey(func(a *Access) *string { return &a.JWKSURI }, trust.CheckKeysURL)},
	{"issuer", exampleURL, textKey(func(a *Access) *string { return &a.Issuer }, trust.CheckIssuer)},
	{"keys_dir", `"` + DefaultKeysDir + `"`, textKey(func(a *Access) *string { return &a.KeysDir }, nil)},
	{"clients", `[{client_id: "caller", secret_hash: "…", scopes: ["read"]}]`, func(a *Access, v strictjson.Value) (f *fault) {
		a.Clients, f = objects(v, clientKeys)
		return f
	}},
	{"dev_mode", "true", flagKey(func(a *Access) *bool { return &a.DevMode })},
	{"leeway", "30", secondsKey(func(a *Access) *float64 { return &a.Leeway }, 0, limits.MaxLeeway)},
	{"clock_skew", "30", secondsKey(func(a *Access) *float64 { return &a.ClockSkew }, 0, limits.MaxClockSkew)},
	{"max_lifetime", "86400", secondsKey(func(a *Access) *float64 { return &a.MaxLifetime }, 1, MaxLifetime)},
	{"max_body", "10485760", integerKey(func(a *Access) *int64 { return &a.MaxBody }, 0, limits.MaxBody, limits.Bytes)},
	{"max_buffered", "67108864", integerKey(func(a *Access) *int64 { return &a.MaxBuffered }, 1, limits.MaxBuffered,
		limits.Bytes)},
	{"require_binding", "true", flagKey(func(a *Access) *bool { return &a.RequireBinding })},
	{"algorithms", `["RS256", "ES256"]`, readAlgorithms},
	{"realm", `"tallystick"`, textKey(func(a *Access) *string { return &a.Realm }, limits.CheckRealm)},
}

var (
	issuerKeys = keysOfIssuer(trust.CheckIssuer, trust.CheckKeysURL)
	// internalIssuerKeys are those of an entry that may name URLs of plain http.
	internalIssuerKeys = keysOfIssuer(trust.CheckInternalIssuer, trust.CheckInternalKeysURL)
)

func keysOfIssuer(checkIssuer, checkKeys func(string) error) []key[TrustedIssuer] {
	return []key[TrustedIssuer]{
		{"issuer", exampleURL, textKey(func(i *TrustedIssuer) *string { return &i.Issuer }, checkIssuer)},
		{"jwks_uri", exampleKeys, textKey(func(i *TrustedIssuer) *string { return &i.JWKSURI }, checkKeys)},
		{"type", `"agent"`, textKey(func(i *TrustedIssuer) *string { return &i.Type }, checkType)},
		{"preset", examplePreset, func(i *TrustedIssuer, v strictjson.Value) *fault {
			i.Preset = &provider.Preset{}
			return readObject(i.Preset, v, presetKeys)
		}},
		{"audience", `["api://my-agent"]`, audienceKey(func(i *TrustedIssuer) *[]string { return &i.Audience })},
		{"scope_claims", `["scope", "roles"]`, textsKey(func(i *TrustedIssuer) *[]string { return &i.ScopeClaims },
			trust.CheckScopeClaim)},
		{"client_audience", `["a client's id"]`, textsKey(func(i *TrustedIssuer) *[]string { return &i.ClientAudience }, nil)},
		{"internal_http", "true", func(i *TrustedIssuer, v strictjson.Value) (f *fault) {
			i.InternalHTTP, f = flag(v)
			return f
		}},
	}
}

const examplePreset = `{name: "auth0", domain: "example.eu.auth0.com"}`

var presetKeys = []key[provider.Preset]{
	{"name", `"auth0"`, textKey(func(p *provider.Preset) *string { return &p.Name }, nil)},
	{"domain", `"example.eu.auth0.com"`, textKey(func(p *provider.Preset) *string { return &p.Domain }, nil)},
	{"tenant", "the directory's id, a UUID", textKey(func(p *provider.Preset) *string { return &p.Tenant }, nil)},
	{"region", `"eu-central-1"`, textKey(func(p *provider.Preset) *string { return &p.Region }, nil)},
	{"pool", `"eu-central-1_AbCdEfGhI"`, textKey(func(p *provider.Preset) *string { return &p.Pool }, nil)},
	{"realm", `"agents"`, textKey(func(p *provider.Preset) *string { return &p.Realm }, nil)},
}

// readIssuers reads an entry's flag for plain http before its URLs.
func readIssuers(a *Access, v strictjson.Value) *fault {
	list := []TrustedIssuer{}
	f := each(v, "a list of mappings", func(entry strictjson.Value) *fault {
		keys := issuerKeys
		for _, name := range [...]string{"internal_http", "internalHttp"} {
			if said, _ := member(entry, name); said.Raw == "true" {
				keys = internalIssuerKeys
			}
		}
		var one TrustedIssuer
		f := readObject(&one, entry, keys)
		list = append(list, one)
		return f
	})
	a.TrustedIssuers = list
	return f
}

var googleKeys = []key[Google]{
	{"client_id", `"${GOOGLE_CLIENT_ID}"`, textKey(func(g *Google) *string { return &g.ClientID }, nil)},
	{"client_secret", `"${GOOGLE_CLIENT_SECRET}"`, textKey(func(g *Google) *string { return &g.ClientSecret }, nil)},
	{"hosted_domain", `"company.com"`, textKey(func(g *Google) *string { return &g.HostedDomain }, nil)},
}

var robutlerKeys = []key[Robutler]{
	{"client_id", `"my-agent"`, textKey(func(r *Robutler) *string { return &r.ClientID }, checkClientID)},
	{"client_secret", `"${ROBUTLER_SECRET}"`, textKey(func(r *Robutler) *string { return &r.ClientSecret }, nil)},
}

var clientKeys = []key[oauthclient.Config]{
	{"client_id", `"caller"`, textKey(func(c *oauthclient.Config) *string { return &c.ID }, checkClientID)},
	{"secret_hash", "the secret_hash of a new client secret",
		textKey(func(c *oauthclient.Config) *string { return &c.SecretHash }, nil)},
	{"public_key", "a public key as PEM, JWK or JWKS", func(c *oauthclient.Config, v strictjson.Value) (f *fault) {
		c.PublicKey, f = text(v, MaxKeyText, checkPublicKeys)
		return f
	}},
	{"scopes", `["read"]`, textsKey(func(c *oauthclient.Config) *[]string { return &c.Scopes }, scope.CheckPattern)},
	{"namespaces", `["production"]`, textsKey(func(c *oauthclient.Config) *[]string { return &c.Namespaces },
		oauthclient.CheckWord)},
	{"trust", `["verified"]`, textsKey(func(c *oauthclient.Config) *[]string { return &c.Trust },
		oauthclient.CheckWord)},
	{"targets", `["@partner.*"]`, textsKey(func(c *oauthclient.Config) *[]string { return &c.Targets }, checkPattern)},
}

func textKey[T any](field func(*T) *string, check func(string) error) func(*T, strictjson.Value) *fault {
	return func(into *T, v strictjson.Value) (f *fault) {
		*field(into), f = text(v, MaxText, check)
		return f
	}
}

func textsKey[T any](field func(*T) *[]string, check func(string) error) func(*T, strictjson.Value) *fault {
	return func(into *T, v strictjson.Value) (f *fault) {
		*field(into), f = texts(v, check)
		return f
	}
}

func integerKey(field func(*Access) *int64, min, max int64, unit string) func(*Access, strictjson.Value) *fault {
	return func(a *Access, v strictjson.Value) (f *fault) {
		*field(a), f = integer(v, min, max, unit)
		return f
	}
}

func secondsKey(field func(*Access) *float64, min, max int64) func(*Access, strictjson.Value) *fault {
	return func(a *Access, v strictjson.Value) (f *fault) {
		*field(a), f = seconds(v, min, max)
		return f
	}
}

func flagKey(field func(*Access) *bool) func(*Access, strictjson.Value) *fault {
	return func(a *Access, v strictjson.Value) (f *fault) {
		*field(a), f = flag(v)
		return f
	}
}

func rulesKey(field func(*Access) *json.RawMessage) func(*Access, strictjson.Value) *fault {
	return func(a *Access, v strictjson.Value) *fault {
		if _, err := trust.ParseRules(v); err != nil {
			var at *trust.RuleError
			if errors.As(err, &at) {
				return &fault{path: at.Path, what: at.Err.Error()}
			}
			return wrong(err.Error())
		}
		*field(a) = json.RawMessage(v.Raw)
		return nil
	}
}

func readAlgorithms(a *Access, v strictjson.Value) (f *fault) {
	if a.Algorithms, f = texts(v, nil); f != nil {
		return f
	}
	if _, err := pipeline.NewAllowed(a.Algorithms); err != nil {
		return wrong(err.Error())
	}
	return nil
}

// audienceKey takes one audience or a list.
func audienceKey[T any](field func(*T) *[]string) func(*T, strictjson.Value) *fault {
	return func(into *T, v strictjson.Value) (f *fault) {
		if v.IsArray() {
			*field(into), f = texts(v, nil)
			return f
		}
		one, f := text(v, MaxText, nil)
		*field(into) = []string{one}
		return f
	}
}

func checkPattern(pattern string) error {
	if _, err := agent.ParsePattern(pattern); err != nil {
		return err
	}
	return agent.CheckListed(pattern)
}

func checkType(t string) error {
	if t != trust.TypeAgent && t != trust.TypePortal && t != trust.TypeUser {
		return errors.New("must be agent, portal or user")
	}
	return nil
}

// checkClientID is VSCHAR of RFC 6749 appendix A.1.
func checkClientID(id string) error {
	if len(id) > agent.MaxName || strings.ContainsFunc(id, func(r rune) bool { return r < 0x20 || r > 0x7E }) { //guard:config-client-id never; config-client-id-size drop 1
		return errors.New("must be 1 to 256 characters of printable ASCII")
	}
	return nil
}

func checkPrivateKey(text string) error {
	_, err := jose.OnePrivate([]byte(text))
	return err
}

func checkPublicKeys(text string) error {
	keys, err := jose.ParseKeys([]byte(text))
	if err != nil {
		return err
	}
	for _, key := range keys {
		if key.Private != nil {
			return errors.New("holds a private key; consider it exposed, and put the public key here")
		}
	}
	return nil
}
