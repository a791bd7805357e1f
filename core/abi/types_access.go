package abi

import (
	"encoding/json"

	"github.com/tallystick/tallystick/core/client"
)

// AccessConfig is one identity of the access-token profile: what config.read
// gives back, and what a host adds.
type AccessConfig struct {
	Authority      string           `json:"authority,omitempty"`
	AgentID        string           `json:"agent_id,omitempty"`
	BaseURL        string           `json:"base_url,omitempty"`
	TokenTTL       *int64           `json:"token_ttl,omitempty"`
	AllowedScopes  *[]string        `json:"allowed_scopes,omitempty"`
	TrustedIssuers []TrustedIssuer  `json:"trusted_issuers,omitempty"`
	Allow          []string         `json:"allow,omitempty"`
	Deny           []string         `json:"deny,omitempty"`
	AcceptFrom     json.RawMessage  `json:"accept_from,omitempty"`
	TalkTo         json.RawMessage  `json:"talk_to,omitempty"`
	JWKSCacheTTL   *float64         `json:"jwks_cache_ttl,omitempty"`
	Google         *ProviderConfig  `json:"google,omitempty"`
	Robutler       *ProviderConfig  `json:"robutler,omitempty"`
	ClientID       string           `json:"client_id,omitempty"`
	ClientSecret   string           `json:"client_secret,omitempty"`
	ClientKey      string           `json:"client_key,omitempty"`
	Audience       []string         `json:"audience,omitempty"`
	JWKSURI        string           `json:"jwks_uri,omitempty"`
	Issuer         string           `json:"issuer,omitempty"`
	KeysDir        string           `json:"keys_dir,omitempty"`
	Clients        *[]client.Config `json:"clients,omitempty"`
	DevMode        bool             `json:"dev_mode,omitempty"`
	Leeway         *float64         `json:"leeway,omitempty"`
	ClockSkew      *float64         `json:"clock_skew,omitempty"`
	MaxLifetime    *float64         `json:"max_lifetime,omitempty"`
	MaxBody        *int             `json:"max_body,omitempty"`
	MaxBuffered    *int             `json:"max_buffered,omitempty"`
	RequireBinding bool             `json:"require_binding,omitempty"`
	Realm          *string          `json:"realm,omitempty"`

	Role           string            `json:"role,omitempty"`
	Ring           json.RawMessage   `json:"ring,omitempty"`
	Keys           map[string]string `json:"keys,omitempty"`
	Replay         string            `json:"replay,omitempty"`
	ReplayCapacity *int              `json:"replay_capacity,omitempty"`
	ReplayFloor    int64             `json:"replay_floor,omitempty"`
	RSA            string            `json:"rsa,omitempty"`
	Signing        string            `json:"signing,omitempty"`
}

// TrustedIssuer is an issuer that is named by configuration.
type TrustedIssuer struct {
	Issuer  string `json:"issuer"`
	JWKSURI string `json:"jwks_uri,omitempty"`
	Type    string `json:"type,omitempty"`
}

// ProviderConfig is a login provider's: google or robutler.
type ProviderConfig struct {
	ClientID     string `json:"client_id,omitempty"`
	ClientSecret string `json:"client_secret,omitempty"`
	HostedDomain string `json:"hosted_domain,omitempty"`
}

// AccessVerifyRequest is for access.verify.
type AccessVerifyRequest struct {
	Engine         uint64   `json:"engine"`
	Now            float64  `json:"now"`
	Authorization  []string `json:"authorization,omitempty"`
	Token          *string  `json:"token,omitempty"`
	Method         string   `json:"method,omitempty" abi:"wire"`
	Path           string   `json:"path,omitempty" abi:"wire"`
	Query          string   `json:"query,omitempty" abi:"wire"`
	Mount          string   `json:"mount,omitempty" abi:"wire"`
	PathDecoded    bool     `json:"path_decoded,omitempty"`
	RawTarget      string   `json:"raw_target,omitempty" abi:"wire"`
	RequiredScopes []string `json:"required_scopes,omitempty"`
	RequireBinding bool     `json:"require_binding,omitempty"`
}

// AccessVerifyResult answers access.verify: the seed's AuthContext and what
// follows from the verified token.
type AccessVerifyResult struct {
	Authenticated bool            `json:"authenticated"`
	UserID        *string         `json:"user_id"`
	AgentID       *string         `json:"agent_id"`
	SourceAgent   *string         `json:"source_agent"`
	Scopes        []string        `json:"scopes"`
	Namespaces    []string        `json:"namespaces"`
	Issuer        string          `json:"issuer"`
	IssuerType    string          `json:"issuer_type"`
	AgentURL      string          `json:"agent_url"`
	Name          string          `json:"name"`
	Namespace     string          `json:"namespace"`
	TrustLabels   []string        `json:"trust_labels"`
	JTI           *string         `json:"jti"`
	IssuedAt      *float64        `json:"issued_at"`
	ExpiresAt     float64         `json:"expires_at"`
	KeyID         string          `json:"key_id"`
	ClientID      *string         `json:"client_id"`
	Bound         bool            `json:"bound"`
	RawClaims     json.RawMessage `json:"raw_claims"`
}

// AccessIssueRequest is for access.issue.
type AccessIssueRequest struct {
	Engine      uint64          `json:"engine"`
	Now         float64         `json:"now"`
	Target      string          `json:"target"`
	Scopes      *[]string       `json:"scopes,omitempty"`
	ExtraClaims json.RawMessage `json:"extra_claims,omitempty"`
	TTL         int64           `json:"ttl,omitempty"`
	JTI         string          `json:"jti,omitempty"`
	Reuse       bool            `json:"reuse,omitempty"`
	Bind        *BindRequest    `json:"bind,omitempty"`
}

// BindRequest is the one request that a token is for.
type BindRequest struct {
	Method     string `json:"method"`
	URL        string `json:"url"`
	BodySHA256 string `json:"body_sha256,omitempty"`
}

// AccessIssueResult answers access.issue.
type AccessIssueResult struct {
	Token         string `json:"token"`
	Authorization string `json:"authorization"`
	Audience      string `json:"audience"`
	Scope         string `json:"scope"`
	IssuedAt      int64  `json:"issued_at"`
	ExpiresAt     int64  `json:"expires_at"`
	KeyID         string `json:"key_id"`
	Reused        bool   `json:"reused"`
}

// AccessServeRequest is for access.serve.
type AccessServeRequest struct {
	Engine        uint64   `json:"engine"`
	Now           float64  `json:"now"`
	Method        string   `json:"method"`
	Path          string   `json:"path"`
	Authorization []string `json:"authorization,omitempty"`
	ContentType   string   `json:"content_type,omitempty"`
	IfNoneMatch   string   `json:"if_none_match,omitempty"`
	BodyTooLarge  bool     `json:"body_too_large,omitempty"`
	BodyMalformed bool     `json:"body_malformed,omitempty"`
	Overloaded    bool     `json:"overloaded,omitempty"`
}

// AccessServeResult answers access.serve.
type AccessServeResult struct {
	Handled  bool          `json:"handled"`
	Response *HTTPResponse `json:"response,omitempty"`
	Log      string        `json:"log,omitempty"`
	Level    string        `json:"level,omitempty"`
}

// HTTPResponse is an HTTP answer, ready to send. Header names are lower case.
type HTTPResponse struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// AccessCommandRequest is for access.command.
type AccessCommandRequest struct {
	Engine uint64  `json:"engine"`
	Now    float64 `json:"now"`
	Line   string  `json:"line"`
}

// AccessCommandResult answers access.command.
type AccessCommandResult struct {
	Data    json.RawMessage `json:"data"`
	Display string          `json:"display"`
}

// AccessStats tells what an access engine holds.
type AccessStats struct {
	Issuers  IssuerStats `json:"issuers"`
	Tokens   int         `json:"tokens"`
	Verified int         `json:"verified"`
}

// IssuerStats tells how full the JWKS cache is.
type IssuerStats struct {
	Cached   int `json:"cached"`
	Capacity int `json:"capacity"`
}
