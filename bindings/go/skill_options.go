package tallystick

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/request"
	"github.com/tallystick/tallystick/core/sealed"
	"github.com/tallystick/tallystick/core/settings"
	"github.com/tallystick/tallystick/core/strictjson"
)

// SkillOptions say who an agent is and whom it believes. Give BaseURL or AgentID, and Store. What
// is zero has its default; the keys of a configuration are those of the AOAuth seed.
type SkillOptions struct {
	// Config is a configuration as JSON text, plain or as {"skills": {"auth": …}}; ${NAME} stands
	// for an environment variable. The fields below override it. [SkillFromFile] reads a file.
	Config string `json:"-"`
	// YAML turns a file in YAML into JSON, for [SkillFromFile]: ToJSON of the package yamlconfig. nil:
	// files are JSON.
	YAML func(text []byte) (json []byte, err error) `json:"-"`

	// Authority is the URL of an authority, which then signs.
	Authority string
	// AgentID is sub and client_id of own tokens. "": the end of BaseURL.
	AgentID string
	// BaseURL is the agent's own URL or @name: who it is, and the audience that it accepts.
	BaseURL string
	// TokenTTL is how long own tokens live, whole seconds up to 24 h. 0: 300 s.
	TokenTTL time.Duration
	// AllowedScopes are patterns of what is asked for and granted. nil: read and write.
	AllowedScopes []string
	// TrustedIssuers are let in, and asked for their keys, by configuration.
	TrustedIssuers []TrustedIssuer
	// Allow and Deny are patterns of issuers. Allow empty: everybody who is not denied.
	Allow, Deny []string
	// AcceptFrom says who may call, TalkTo whom tokens are made for. nil: everybody.
	AcceptFrom, TalkTo *Rules
	// JWKSCacheTTL is how long keys of others are kept at most. 0: 1 h.
	JWKSCacheTTL time.Duration
	// Google and Robutler are those keys of a configuration, for people who sign in.
	Google   *GoogleOptions
	Robutler *RobutlerOptions
	// ClientID is at the authority, with one of the next two. "": AgentID.
	ClientID string
	// ClientSecret is the secret there.
	ClientSecret string `json:"-"`
	// ClientKey is a private PEM there, for private_key_jwt.
	ClientKey string `json:"-"`
	// Audience are audiences that are accepted besides BaseURL.
	Audience []string
	// JWKSURI: only one issuer is taken, with these keys. Issuer is that issuer; "": from JWKSURI.
	JWKSURI, Issuer string
	// KeysDir is the folder of the key ring, mode 0700. "": ~/.webagents/keys.
	KeysDir string
	// Clients may use the own token endpoint.
	Clients []ClientConfig
	// DevMode takes plain http on the loopback from issuers that nobody configured.
	DevMode bool
	// Leeway after a token's exp to forgive, and ClockSkew by which clocks may run ahead, up to
	// 300 s. 0: 30 s; negative: none.
	Leeway, ClockSkew time.Duration
	// MaxLifetime is how long a token of others may live. 0: 24 h.
	MaxLifetime time.Duration
	// MaxBody are the bytes of a body that a token is bound to. 0: 10 MiB; negative: no body.
	MaxBody int64
	// MaxBuffered are the bytes that all bodies and forms may hold at one time. 0: 64 MiB, or four
	// times MaxBody.
	MaxBuffered int64
	// RequireBinding takes only tokens that are bound to their request.
	RequireBinding bool
	// Algorithms are those that are taken, of RS256, PS256, ES256 and EdDSA. nil: all.
	Algorithms []string
	// Realm of the WWW-Authenticate challenge. "": tallystick.
	Realm string

	// Signer signs own tokens instead of the key ring in KeysDir: any [crypto.Signer] with an RSA,
	// P-256 or Ed25519 key, such as a KMS.
	Signer crypto.Signer
	// SignerTimeout is how long a Signer may take, up to 50 s. 0: 10 s.
	SignerTimeout time.Duration
	// KeyType is the kind of keys that are made. "": [KeyRSA]. A key ring that exists gets keys of
	// another kind when it rotates.
	KeyType KeyType
	// KeyBits are those of RSA keys that are made: 2048, 3072 or 4096. 0: 2048.
	KeyBits int
	// Keys are keys of issuers (PEM, JWK or JWKS text), instead of fetching them. These issuers
	// need no entry in Allow; Deny and AcceptFrom still hold for them.
	Keys map[string]string
	// Store is where used tokens that are bound to one request are remembered. Required but with
	// DevMode.
	Store Store
	// StoreKey are 32 bytes as base64 or hex, with a [DocumentStore]: replicas on several machines
	// share one key ring, which lies there, encrypted with this key. It begins with the ring in
	// KeysDir, if there is one.
	StoreKey string `json:"-"`
	// RootCAs are for fetching. nil: the system's.
	RootCAs *x509.CertPool
	// OnError answers a refused request of [Skill.Protect]. nil: the error's Response.
	OnError func(http.ResponseWriter, *http.Request, *Error) `json:"-"`
	// Logger for refusals and for what the operator should know. nil: [slog.Default].
	Logger *slog.Logger
}

// TrustedIssuer is an issuer that is named by configuration.
type TrustedIssuer struct {
	// Issuer is its iss, byte by byte.
	Issuer string `json:"issuer"`
	// JWKSURI is where its keys are. "": by discovery.
	JWKSURI string `json:"jwks_uri,omitempty"`
	// Type is "agent", "portal" or "user". "": agent, of the authority portal.
	Type string `json:"type,omitempty"`
}

// GoogleOptions are an agent's credentials at Google.
type GoogleOptions struct {
	ClientID     string `json:"client_id,omitempty"`
	ClientSecret string `json:"client_secret,omitempty"`
	HostedDomain string `json:"hosted_domain,omitempty"`
}

// String keeps ClientSecret out of every log.
func (o GoogleOptions) String() string { return fmt.Sprintf("GoogleOptions(%q)", o.ClientID) }

// Format is String, whatever the verb.
func (o GoogleOptions) Format(f fmt.State, _ rune) { show(f, o) }

// LogValue is String.
func (o GoogleOptions) LogValue() slog.Value { return slog.StringValue(o.String()) }

// RobutlerOptions are an agent's credentials at robutler.
type RobutlerOptions struct {
	ClientID     string `json:"client_id,omitempty"`
	ClientSecret string `json:"client_secret,omitempty"`
}

// String keeps ClientSecret out of every log.
func (o RobutlerOptions) String() string { return fmt.Sprintf("RobutlerOptions(%q)", o.ClientID) }

// Format is String, whatever the verb.
func (o RobutlerOptions) Format(f fmt.State, _ rune) { show(f, o) }

// LogValue is String.
func (o RobutlerOptions) LogValue() slog.Value { return slog.StringValue(o.String()) }

// Rules are who may call, or be called: everyone, nobody, family, platform, patterns of agents,
// #label and #reputation:N. Deny goes first; nobody is allowed where Allow is empty.
type Rules struct {
	Allow []string `json:"allow"`
	Deny  []string `json:"deny,omitempty"`
}

// ClientConfig is a client of the own token endpoint. [NewClientSecret] makes a SecretHash.
type ClientConfig struct {
	ClientID   string   `json:"client_id"`
	SecretHash string   `json:"secret_hash,omitempty"`
	PublicKey  string   `json:"public_key,omitempty"` // PEM, JWK or JWKS, for private_key_jwt
	Scopes     []string `json:"scopes"`               // patterns of what it may ask for
	Namespaces []string `json:"namespaces,omitempty"` // what an authority's tokens give it
	Trust      []string `json:"trust,omitempty"`      // labels that an authority's tokens give it
	Targets    []string `json:"targets,omitempty"`    // patterns of agents; nil: every agent
}

// String keeps SecretHash out of every log.
func (c ClientConfig) String() string { return fmt.Sprintf("ClientConfig(%q)", c.ClientID) }

// Format is String, whatever the verb.
func (c ClientConfig) Format(f fmt.State, _ rune) { show(f, c) }

// LogValue is String.
func (c ClientConfig) LogValue() slog.Value { return slog.StringValue(c.String()) }

// String keeps the secrets out of every log.
func (o SkillOptions) String() string {
	return fmt.Sprintf("SkillOptions(base_url %q, agent_id %q)", o.BaseURL, o.AgentID)
}

// Format is String, whatever the verb.
func (o SkillOptions) Format(f fmt.State, _ rune) { show(f, o) }

// LogValue is String.
func (o SkillOptions) LogValue() slog.Value { return slog.StringValue(o.String()) }

// ownOptions are the options that are no keys of a configuration, as one might write them there.
var ownOptions = map[string]string{
	"signer": "Signer", "signer_timeout": "SignerTimeout", "key_type": "KeyType",
	"key_bits": "KeyBits", "keys": "Keys", "store": "Store",
	"store_key": "StoreKey", "root_cas": "RootCAs", "on_error": "OnError", "logger": "Logger",
}

// overrides are the fields that are keys of a configuration, where they are given.
func (o *SkillOptions) overrides() (json.RawMessage, error) {
	members := map[string]any{}
	put := func(name string, given bool, value any) {
		if given {
			members[name] = value
		}
	}
	text := func(name, value string) { put(name, value != "", value) }
	seconds := func(name string, value time.Duration) { put(name, value != 0, value.Seconds()) }
	text("authority", o.Authority)
	text("agent_id", o.AgentID)
	text("base_url", o.BaseURL)
	seconds("token_ttl", o.TokenTTL)
	put("allowed_scopes", o.AllowedScopes != nil, o.AllowedScopes)
	put("trusted_issuers", o.TrustedIssuers != nil, o.TrustedIssuers)
	put("allow", o.Allow != nil, o.Allow)
	put("deny", o.Deny != nil, o.Deny)
	put("accept_from", o.AcceptFrom != nil, o.AcceptFrom)
	put("talk_to", o.TalkTo != nil, o.TalkTo)
	seconds("jwks_cache_ttl", o.JWKSCacheTTL)
	put("google", o.Google != nil, o.Google)
	put("robutler", o.Robutler != nil, o.Robutler)
	text("client_id", o.ClientID)
	text("client_secret", o.ClientSecret)
	text("client_key", o.ClientKey)
	put("audience", o.Audience != nil, o.Audience)
	text("jwks_uri", o.JWKSURI)
	text("issuer", o.Issuer)
	text("keys_dir", o.KeysDir)
	put("clients", o.Clients != nil, o.Clients)
	put("dev_mode", o.DevMode, true)
	put("leeway", o.Leeway != 0, max(o.Leeway, 0).Seconds())
	put("clock_skew", o.ClockSkew != 0, max(o.ClockSkew, 0).Seconds())
	seconds("max_lifetime", o.MaxLifetime)
	put("max_body", o.MaxBody != 0, max(o.MaxBody, 0))
	put("max_buffered", o.MaxBuffered != 0, o.MaxBuffered)
	put("require_binding", o.RequireBinding, true)
	put("algorithms", o.Algorithms != nil, o.Algorithms)
	text("realm", o.Realm)
	return strictText("options", members)
}

// strictText writes options as the core reads them.
func strictText(source string, members map[string]any) (json.RawMessage, error) {
	text, err := json.Marshal(members)
	if err == nil {
		err = strictjson.CheckObject(text)
	}
	if err != nil {
		return nil, invalidConfig("%s: %s", source, err)
	}
	return text, nil
}

// settings reads the configuration, with the fields over it.
func (o *SkillOptions) settings(source string) (*settings.Access, error) {
	overrides, err := o.overrides()
	if err != nil {
		return nil, err
	}
	config := json.RawMessage(o.Config)
	if o.Config == "" {
		config = json.RawMessage("{}")
	}
	where := orDefault(source, "configuration")
	if o.Config == "" {
		source = optionsSource
	}
	if len(config) > settings.MaxConfig {
		return nil, invalidConfig("%s: the configuration is over %d bytes", where, settings.MaxConfig)
	}
	if err := strictjson.CheckObject(config); err != nil {
		return nil, invalidConfig("%s: %s: correct the JSON there", where, err)
	}
	variables := map[string]string{}
	for _, name := range settings.Variables(config) {
		if value, there := os.LookupEnv(name); there {
			variables[name] = value
		}
	}
	access, p := settings.Read(settings.Input{
		Config: config, Variables: variables, Source: source, Options: overrides, HostOptions: ownOptions,
	})
	if p != nil {
		return nil, o.worded(misuse(p))
	}
	return access, nil
}

// worded has an error name what the program wrote: an option, or a key of a configuration.
func (o *SkillOptions) worded(err error) error {
	var e *Error
	if errors.As(err, &e) && (o.Config == "" || strings.HasPrefix(e.Message, optionsSource+": ")) {
		e.Message = inGo(e.Message)
	}
	return err
}

// check refuses wrong options of the program.
func (o *SkillOptions) check() error {
	if err := checkKeyType(&o.KeyType, &o.KeyBits); err != nil {
		return err
	}
	switch {
	case o.Signer == nil && o.SignerTimeout != 0:
		return wrongArgument("SignerTimeout needs a Signer")
	case o.SignerTimeout < 0 || o.SignerTimeout > maxSignerTimeout:
		return wrongArgument("SignerTimeout must be over 0 and at most %v", maxSignerTimeout)
	}
	return nil
}

func checkKeyType(kind *KeyType, bits *int) error {
	*kind = orDefault(*kind, KeyRSA)
	if err := jose.CheckKeyType(*kind, *bits); err != nil {
		return wrongArgument("KeyType and KeyBits: %s", err)
	}
	if *kind == KeyRSA {
		*bits = orDefault(*bits, jose.DefaultBits)
	}
	return nil
}

func givenKeys(texts map[string]string) (*authorizedkeys.Set, error) {
	keys, err := authorizedkeys.FromTexts(texts)
	if err != nil {
		return nil, misuse(problem.New(problem.InvalidKey, "Keys: "+err.Error()))
	}
	return keys, nil
}

// documents opens documents of replicas in a store.
type documents struct {
	store   DocumentStore
	setting string
	key     []byte // nil: there must be none
}

func newDocuments(store Store, key string) (*documents, error) {
	holder, ok := store.(DocumentStore)
	switch {
	case !ok && key == "":
		return nil, nil
	case !ok:
		return nil, wrongArgument("StoreKey needs a Store that keeps documents, such as that of stores/postgresql: " +
			"key rings lie there or in files")
	}
	d := &documents{store: holder, setting: settingOf(store)}
	if key != "" {
		var err error
		if d.key, err = sealed.ParseKey(key); err != nil {
			return nil, wrongArgument("StoreKey: %s", err)
		}
	}
	return d, nil
}

// open returns a document; what names it in errors. Without a key there is none, or an error where
// it is there: an agent that made another one for itself would sign with keys that nobody looks for.
func (d *documents) open(kind, baseURL, what string) (*storedDocument, error) {
	if d == nil || baseURL == "" {
		return nil, nil
	}
	document := &storedDocument{
		store: d.store, setting: d.setting, key: d.key, name: sealed.Name(kind, baseURL), what: what,
	}
	if d.key != nil {
		return document, nil
	}
	if there, err := document.exists(); err != nil || !there {
		return nil, nil // the store itself says so when it starts
	}
	return nil, wrongArgument("the %s of this agent lies in %s: give StoreKey, the key that it was encrypted with",
		what, d.setting)
}

// kmsOf reads a crypto.Signer.
func kmsOf(key crypto.Signer, timeout time.Duration) (*Signer, *request.SignerConfig, error) {
	if private, ok := key.(*rsa.PrivateKey); ok && private == nil {
		return nil, nil, wrongArgument("Signer is nil")
	}
	s := &Signer{timeout: orDefault(timeout, defaultSignerTimeout), open: make(chan struct{}, maxSignings)}
	config := &request.SignerConfig{}
	if err := s.takeSigner(key, config); err != nil {
		return nil, nil, err
	}
	return s, config, nil
}
