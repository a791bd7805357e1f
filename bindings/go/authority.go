package tallystick

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"github.com/tallystick/tallystick/core/oauthclient"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/settings"
)

// DefaultAuthorityKeysDir is where an authority keeps its keys and clients unless it is told.
const DefaultAuthorityKeysDir = "~/.tallystick/authority"

// AuthorityOptions say how an authority works. Give Store.
type AuthorityOptions struct {
	// KeysDir is the folder of its key ring and, by default, of its clients, mode 0700. "":
	// [DefaultAuthorityKeysDir].
	KeysDir string
	// ClientsFile is the JSON file of the registered clients, mode 0600. "": {KeysDir}/clients.json.
	// Several processes may use it at once.
	ClientsFile string
	// TokenTTL is how long its tokens live, whole seconds up to 24 h. 0: 300 s.
	TokenTTL time.Duration
	// AllowedScopes are patterns of what clients may ask for at all. A client gets those that these
	// and its own allow; nil: all that its own allow. Namespaces and labels are assigned instead.
	AllowedScopes []string
	// Leeway and ClockSkew are by how much a client's assertion may be late, and its clock ahead, up
	// to 300 s. 0: 30 s; negative: none.
	Leeway, ClockSkew time.Duration
	// Realm of the WWW-Authenticate challenge. "": tallystick.
	Realm string
	// KeyType is the kind of keys that are made. "": [KeyRSA].
	KeyType KeyType
	// KeyBits are those of RSA keys that are made: 2048, 3072 or 4096. 0: 2048.
	KeyBits int
	// Store is where used assertions are remembered. Required.
	Store Store
	// StoreKey is as of [SkillOptions]; the clients lie in that store, too, and begin with those of
	// ClientsFile, if there is one.
	StoreKey string `json:"-"`
	// Providers say who users are, by the name that becomes part of each user's id, such as
	// "google": users sign in at this authority, and clients with RedirectURIs act for them. They
	// need a store that keeps values, as all of this package do. None: nobody signs in.
	Providers map[string]ProviderOptions
	// Logger is for what the operator should know. nil: [slog.Default].
	Logger *slog.Logger
}

// ProviderOptions are an OpenID provider, and what it calls this authority.
type ProviderOptions struct {
	// Issuer is its URL, whose discovery document says where users sign in. "" of the provider named
	// google: Google's.
	Issuer string
	// ClientID and ClientSecret are those of this authority there. The provider must know
	// {issuer}/auth/callback/{name} as redirect URI.
	ClientID     string
	ClientSecret string `json:"-"`
	// HostedDomain has Google let only users of that Workspace domain in.
	HostedDomain string
}

// String keeps the secret out of every log.
func (o ProviderOptions) String() string { return fmt.Sprintf("ProviderOptions(%q)", o.Issuer) }

// Format is String, whatever the verb.
func (o ProviderOptions) Format(f fmt.State, _ rune) { show(f, o) }

// LogValue is String.
func (o ProviderOptions) LogValue() slog.Value { return slog.StringValue(o.String()) }

// String keeps StoreKey out of every log.
func (o AuthorityOptions) String() string { return "AuthorityOptions" }

// Format is String, whatever the verb.
func (o AuthorityOptions) Format(f fmt.State, _ rune) { show(f, o) }

// LogValue is String.
func (o AuthorityOptions) LogValue() slog.Value { return slog.StringValue(o.String()) }

// Authority is a portal of your own: it registers clients, issues access tokens to them and
// publishes its keys. Safe for concurrent use. The zero Authority refuses everything, and so does a
// closed one.
type Authority struct{ *identity }

const authorityMaker = "NewAuthority"

// NewAuthority returns an authority. The issuer is its URL: iss of what it signs, and the agents'
// Authority. Errors: [ErrInvalidArgument], and [ErrInvalidConfig] for a damaged file.
func NewAuthority(issuer string, options AuthorityOptions) (*Authority, error) {
	o := &options
	o.Logger = orLogger(o.Logger)
	if err := checkKeyType(&o.KeyType, &o.KeyBits); err != nil {
		return nil, err
	}
	if err := checkStore(o.Store, false); err != nil {
		return nil, err
	}
	config, err := o.settings(issuer)
	if err != nil {
		return nil, err
	}
	keysDir, err := folderOf("KeysDir", orDefault(o.KeysDir, DefaultAuthorityKeysDir))
	if err != nil {
		return nil, err
	}
	m := material{options: config.Options(), store: o.Store, fetcher: newFetcher(nil), logger: o.Logger}
	m.options.IsAuthority = true
	if m.options.Providers, err = providersOf(o); err != nil {
		return nil, err
	}
	if err := m.takeAuthority(o, config, keysDir); err != nil {
		return nil, err
	}
	made, err := newIdentity(m)
	if err != nil {
		return nil, err
	}
	return &Authority{made}, nil
}

func (o *AuthorityOptions) settings(issuer string) (*settings.Access, error) {
	if issuer == "" {
		return nil, wrongArgument("issuer is missing: the URL of this authority, such as https://portal.example.com")
	}
	members := map[string]any{"base_url": issuer, "agent_id": "authority"}
	if o.TokenTTL != 0 {
		members["token_ttl"] = o.TokenTTL.Seconds()
	}
	if o.AllowedScopes != nil {
		members["allowed_scopes"] = o.AllowedScopes
	}
	if o.Leeway != 0 {
		members["leeway"] = max(o.Leeway, 0).Seconds()
	}
	if o.ClockSkew != 0 {
		members["clock_skew"] = max(o.ClockSkew, 0).Seconds()
	}
	if o.Realm != "" {
		members["realm"] = o.Realm
	}
	given, err := strictText("options", members)
	if err != nil {
		return nil, err
	}
	config, p := settings.Read(settings.Input{Config: []byte("{}"), Options: given, Authority: true})
	if p != nil {
		return nil, wrongOption(p)
	}
	return config, nil
}

func (m *material) takeAuthority(o *AuthorityOptions, config *settings.Access, keysDir string) error {
	stored, err := newDocuments(o.Store, o.StoreKey)
	if err != nil {
		return err
	}
	ring, err := stored.open("ring", config.BaseURL, "key ring")
	if err != nil {
		return err
	}
	clients, err := stored.open("clients", config.BaseURL, "list of clients")
	if err != nil {
		return err
	}
	path := filepath.Join(keysDir, "clients.json")
	if o.ClientsFile != "" {
		if path, err = folderOf("ClientsFile", o.ClientsFile); err != nil {
			return err
		}
	}
	m.clients = newClientsKeeper(path, clients, o.Logger)
	m.ring, err = newRingKeeper(keysDir, config.AgentID, ring, ringKeeper{
		lifetime: float64(config.TokenTTL) + config.Leeway, kind: o.KeyType, bits: o.KeyBits,
		logger: o.Logger,
	})
	return err
}

func (a *Authority) usable(maker string) *Error {
	if a == nil {
		return (*identity)(nil).usable(maker)
	}
	return a.identity.usable(maker)
}

// Issuer returns the authority's URL: iss of its tokens.
func (a *Authority) Issuer() string {
	if a.usable(authorityMaker) != nil {
		return ""
	}
	return a.agent().Issuer()
}

// String names the authority.
func (a *Authority) String() string {
	if a.usable(authorityMaker) != nil {
		return "Authority(none)"
	}
	return fmt.Sprintf("Authority(%q)", a.Issuer())
}

// Format is String, whatever the verb.
func (a *Authority) Format(f fmt.State, _ rune) { show(f, a) }

// Close has the authority refuse every later request ([ErrUnknownEngine]). The store is its owner's
// to close.
func (a *Authority) Close() error {
	if a != nil {
		a.close()
	}
	return nil
}

// Endpoints returns the handler of the documents, the key set and the token endpoint; see
// [Skill.Endpoints].
func (a *Authority) Endpoints() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.usable(authorityMaker); err != nil {
			logger := slog.Default()
			if a != nil && a.identity != nil {
				logger = a.logger
			}
			logRefusal(r, logger, err)
			writeResponse(w, err.Response)
			return
		}
		a.serve(w, r)
	})
}

// AuthorityStats tell how much an authority holds.
type AuthorityStats struct {
	// Clients that may ask for tokens.
	Clients int
}

// Stats returns how much is held at this moment.
func (a *Authority) Stats() AuthorityStats {
	if a.usable(authorityMaker) != nil {
		return AuthorityStats{}
	}
	return AuthorityStats{a.agent().Clients().Len()}
}

// RotateKeys signs with the next key from now on; see [Skill.RotateKeys].
func (a *Authority) RotateKeys(ctx context.Context, options RotateOptions) (Rotation, error) {
	if err := a.usable(authorityMaker); err != nil {
		return Rotation{}, err
	}
	return a.rotate(ctx, options)
}

// Client is what a client is registered with.
type Client struct {
	ClientID string
	// Secret has at least 16 characters. "": drawn at random. Only its salted hash is stored; but
	// this value marshals with it.
	Secret string
	// PublicKey is PEM, JWK or JWKS in place of a secret: the client authenticates with
	// private_key_jwt (RFC 7523).
	PublicKey string
	// Scopes are patterns of what it may ask for.
	Scopes []string
	// Namespaces and Trust are what its tokens get as namespace: scopes and trust: labels.
	Namespaces, Trust []string
	// Targets are patterns of the agents that it may get tokens for; nil is all.
	Targets []string
	// RedirectURIs are where browsers may be sent to when a user has signed in: https URLs, to the
	// letter; http://127.0.0.1 and http://[::1], with any port, for an app on its user's machine; or
	// com.example.app:/callback. nil: users do not sign in for it.
	RedirectURIs []string
	// Public has no secret and no key: an app on its user's machine, which could keep none. Without
	// RedirectURIs it is for devices that have no browser (RFC 8628).
	Public bool
}

// String keeps the secret out of every log.
func (c Client) String() string { return fmt.Sprintf("Client(%q)", c.ClientID) }

// Format is String, whatever the verb.
func (c Client) Format(f fmt.State, _ rune) { show(f, c) }

// LogValue is String.
func (c Client) LogValue() slog.Value { return slog.StringValue(c.String()) }

// RegisterClient registers a client, or replaces one of that id. Only this call returns its secret.
// It counts at once here, and within a second in other processes that serve this authority. A client
// that is replaced loses its old secret and permissions, which is logged. Errors:
// [ErrInvalidArgument] if the core refuses the client, [ErrInvalidConfig] if the file cannot be
// used; then nothing changes.
func (a *Authority) RegisterClient(ctx context.Context, client Client) (Registration, error) {
	if err := a.usable(authorityMaker); err != nil {
		return Registration{}, err
	}
	config := oauthclient.Config{ID: client.ClientID, PublicKey: client.PublicKey, Scopes: client.Scopes,
		Namespaces: client.Namespaces, Trust: client.Trust, Targets: client.Targets,
		RedirectURIs: client.RedirectURIs, Public: client.Public}
	if config.Scopes == nil {
		config.Scopes = []string{}
	}
	made := Registration{ClientID: client.ClientID}
	switch {
	case client.PublicKey != "" && client.Secret != "":
		return Registration{}, wrongArgument("a client has a PublicKey or a Secret, not both")
	case client.Public && client.PublicKey+client.Secret != "":
		return Registration{}, wrongArgument("a Public client has neither PublicKey nor Secret")
	case client.Public:
	case client.PublicKey == "":
		secret, err := NewClientSecret(client.Secret)
		if err != nil {
			return Registration{}, err
		}
		made.ClientSecret, config.SecretHash = secret.Secret, secret.SecretHash
	}
	if err := a.clients.register(ctx, a.feedClients, config); err != nil {
		return Registration{}, err
	}
	return made, nil
}

// RemoveClient forgets a client, and reports whether there was one of that id. Its tokens stay valid
// until they expire.
func (a *Authority) RemoveClient(ctx context.Context, clientID string) (bool, error) {
	if err := a.usable(authorityMaker); err != nil {
		return false, err
	}
	return a.clients.remove(ctx, a.feedClients, clientID)
}

// ListClients returns the clients, without their secrets.
func (a *Authority) ListClients() ([]RegisteredClient, error) {
	if err := a.usable(authorityMaker); err != nil {
		return nil, err
	}
	return a.clients.listed()
}

// ClientSecret is a client's secret and its salted hash.
type ClientSecret struct {
	// Secret is for the client: its ClientSecret. Marshalled, too: do not log that.
	Secret string
	// SecretHash is for [ClientConfig].
	SecretHash string
}

// String keeps both out of every log.
func (ClientSecret) String() string { return "ClientSecret" }

// Format is String, whatever the verb.
func (c ClientSecret) Format(f fmt.State, _ rune) { show(f, c) }

// LogValue is String.
func (c ClientSecret) LogValue() slog.Value { return slog.StringValue(c.String()) }

// NewClientSecret returns a secret with its hash. "" is drawn at random (256 bits); a given one has
// at least 16 characters of printable ASCII, else [ErrInvalidArgument]. Each call makes another salt
// and so another hash.
func NewClientSecret(secret string) (ClientSecret, error) {
	if secret == "" {
		secret = oauthclient.NewSecret()
	}
	if err := oauthclient.CheckSecret(secret); err != nil {
		return ClientSecret{}, misuse(problem.New(problem.InvalidArgument, "secret: "+err.Error()))
	}
	return ClientSecret{secret, oauthclient.HashSecret(secret, oauthclient.NewSalt())}, nil
}
