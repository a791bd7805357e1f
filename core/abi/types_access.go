package abi

import (
	"encoding/json"

	"github.com/tallystick/tallystick/core/oauthclient"
	"github.com/tallystick/tallystick/core/provider"
)

// AccessConfig is one identity of the access-token profile: what config.read
// gives back, and what a host adds.
type AccessConfig struct {
	// the portal's URL. With it the portal signs (portal mode)
	Authority string `json:"authority,omitempty"`
	// sub and client_id of own tokens; default the last segment of base_url
	AgentID string `json:"agent_id,omitempty"`
	// own agent URL or reference (@name): the audience that is accepted and, self-issued, the iss;
	// default agent_id resolved
	BaseURL string `json:"base_url,omitempty"`
	// seconds, 1 to 86,400; default 300
	TokenTTL *int64 `json:"token_ttl,omitempty"`
	// patterns; default ["read","write"], of an authority whatever its clients may have
	AllowedScopes *[]string `json:"allowed_scopes,omitempty"`
	// issuers that are let in and asked for keys by configuration
	TrustedIssuers []TrustedIssuer `json:"trusted_issuers,omitempty"`
	// patterns of agents; empty: everybody who is not denied
	Allow []string `json:"allow,omitempty"`
	// patterns of agents
	Deny []string `json:"deny,omitempty"`
	// who may call: rules, a list or {"allow","deny"}; default everyone
	AcceptFrom json.RawMessage `json:"accept_from,omitempty"`
	// whom it may call: rules, in the same form; default everyone
	TalkTo json.RawMessage `json:"talk_to,omitempty"`
	// seconds, 1 to 604,800; default 3,600
	JWKSCacheTTL *float64 `json:"jwks_cache_ttl,omitempty"`
	// accepted for webagents' sake; not active
	Google *ProviderConfig `json:"google,omitempty"`
	// its client_id and client_secret are used at the authority where the three below are not
	// given; else not active
	Robutler *ProviderConfig `json:"robutler,omitempty"`
	// credentials at the authority; default agent_id
	ClientID string `json:"client_id,omitempty"`
	// credentials at the authority
	ClientSecret string `json:"client_secret,omitempty"`
	// a private key in PEM, for private_key_jwt
	ClientKey string `json:"client_key,omitempty"`
	// accepted besides base_url; those that are URLs are also where bound tokens may be meant for
	Audience []string `json:"audience,omitempty"`
	// only one issuer is accepted, with this key set, of type portal
	JWKSURI string `json:"jwks_uri,omitempty"`
	// that one issuer; default the origin of jwks_uri
	Issuer string `json:"issuer,omitempty"`
	// for the host; the core ignores it
	KeysDir string `json:"keys_dir,omitempty"`
	// who may use its own token endpoint
	Clients *[]oauthclient.Config `json:"clients,omitempty"`
	// plain http and loopback addresses are allowed for issuers that nobody configured; default
	// false
	DevMode bool `json:"dev_mode,omitempty"`
	// seconds after exp, 0 to 300; default 30
	Leeway *float64 `json:"leeway,omitempty"`
	// seconds by which iat and nbf may lie ahead, 0 to 300; default 30
	ClockSkew *float64 `json:"clock_skew,omitempty"`
	// seconds from iat to exp of a foreign token, 1 to 31,536,000; default 86,400
	MaxLifetime *float64 `json:"max_lifetime,omitempty"`
	// bytes of the body of a bound request, 0 to 67,108,864; default 10,485,760
	MaxBody *int `json:"max_body,omitempty"`
	// bytes that bodies and forms may hold at one time in one process; default as of a verifier
	MaxBuffered *int `json:"max_buffered,omitempty"`
	// only tokens that are bound to their request are accepted; default false
	RequireBinding bool `json:"require_binding,omitempty"`
	// what is taken of "RS256", "PS256", "ES256" and "EdDSA"; default all
	Algorithms []string `json:"algorithms,omitempty"`
	// of the challenge, at most 128 characters; default "tallystick"
	Realm *string `json:"realm,omitempty"`

	// "agent" or "authority"; default "agent"
	Role string `json:"role,omitempty"`
	// the document of ring.update; required where the agent signs itself
	Ring json.RawMessage `json:"ring,omitempty"`
	// keys text by issuer: nothing is fetched for these
	Keys map[string]string `json:"keys,omitempty"`
	// as of a verifier; bound tokens and client assertions work once
	Replay string `json:"replay,omitempty"`
	// as of a verifier
	ReplayCapacity *int `json:"replay_capacity,omitempty"`
	// as of a verifier
	ReplayFloor int64 `json:"replay_floor,omitempty"`
	// seconds: when the host's replay store last lost what it held. Tokens that were issued by then,
	// give or take leeway and clock_skew, are refused
	ReplayLostAt int64 `json:"replay_lost_at,omitempty"`
	// who verifies signatures, as of a verifier
	RSA string `json:"rsa,omitempty"`
	// who signs, as of a signer; default "core", or "external" where the host verifies
	Signing string `json:"signing,omitempty"`
	// who computes PBKDF2 of a client's secret at the token endpoint: "core" or "host" (the need
	// derive); default "core". The core compares
	Derive string `json:"derive,omitempty"`
	// who says who users are; they sign in here then. Needs replay "host", and a host that keeps values
	Providers []SignInProvider `json:"providers,omitempty"`
}

// SignInProvider is an OpenID provider at which users sign in, and what it calls this server.
type SignInProvider struct {
	// 1 to 32 of a-z, 0-9 and -: part of each user's id, and of the callback's URL
	Name string `json:"name"`
	// its iss; default, of google alone: Google's
	Issuer string `json:"issuer,omitempty"`
	// of this server there
	ClientID string `json:"client_id"`
	// of this server there
	ClientSecret string `json:"client_secret"`
	// of Google: only users of this Workspace domain
	HostedDomain string `json:"hosted_domain,omitempty"`
}

// TrustedIssuer is an issuer that is named by configuration.
type TrustedIssuer struct {
	// its iss, byte by byte
	Issuer string `json:"issuer,omitempty"`
	// where its keys are; default by discovery
	JWKSURI string `json:"jwks_uri,omitempty"`
	// "agent", "portal" or "user"; default "agent", of the authority "portal", with preset "user"
	Type string `json:"type,omitempty"`
	// what its issuer is and how its tokens are read, in place of issuer
	Preset *provider.Preset `json:"preset,omitempty"`
	// what its tokens call this agent, in place of base_url and audience; at most 64
	Audience []string `json:"audience,omitempty"`
	// claims that scopes are read from, with dots into objects; at most 16; default "scope" and
	// "scp", or what the preset says
	ScopeClaims []string `json:"scope_claims,omitempty"`
	// the clients whose tokens are taken without aud; at most 64
	ClientAudience []string `json:"client_audience,omitempty"`
	// its discovery document and jwks_uri may be fetched by plain http, at an address of a network
	// inside; default false
	InternalHTTP bool `json:"internal_http,omitempty"`
}

// ProviderConfig is a login provider's: google or robutler.
type ProviderConfig struct {
	ClientID     string `json:"client_id,omitempty"`
	ClientSecret string `json:"client_secret,omitempty"`
	// Google's
	HostedDomain string `json:"hosted_domain,omitempty"`
}

// AccessVerifyRequest is for access.verify.
type AccessVerifyRequest struct {
	// one with access
	Engine uint64 `json:"engine"`
	// seconds since 1970
	Now float64 `json:"now"`
	// the value of each Authorization header; with method and path
	Authorization []string `json:"authorization,omitempty"`
	// a bare token, in place of a request; a bound one is refused
	Token *string `json:"token,omitempty"`
	// the HTTP method
	Method string `json:"method,omitempty" abi:"wire"`
	// as of request.verify
	Path string `json:"path,omitempty" abi:"wire"`
	// as of request.verify
	Query string `json:"query,omitempty" abi:"wire"`
	// as of request.verify
	Mount string `json:"mount,omitempty" abi:"wire"`
	// as of request.verify
	PathDecoded bool `json:"path_decoded,omitempty"`
	// as of request.verify
	RawTarget string `json:"raw_target,omitempty" abi:"wire"`
	// patterns, each of which a granted scope must match
	RequiredScopes []string `json:"required_scopes,omitempty"`
	// as of engine.open, for this request
	RequireBinding bool `json:"require_binding,omitempty"`
}

// AccessVerifyResult answers access.verify: the seed's AuthContext and what
// follows from the verified token.
type AccessVerifyResult struct {
	// true
	Authenticated bool `json:"authenticated"`
	// sub, of an issuer of type user
	UserID *string `json:"user_id"`
	// sub, of every other issuer
	AgentID *string `json:"agent_id"`
	// the same as agent_id
	SourceAgent *string `json:"source_agent"`
	// those that are granted
	Scopes []string `json:"scopes"`
	// what follows "namespace:" in them
	Namespaces []string `json:"namespaces"`
	// iss
	Issuer string `json:"issuer"`
	// "portal", "agent" or "user"
	IssuerType string `json:"issuer_type"`
	// canonical
	AgentURL string `json:"agent_url"`
	// derived from what is verified
	Name string `json:"name"`
	// the family of the name
	Namespace string `json:"namespace"`
	// what follows "trust:" in a portal's token
	TrustLabels []string `json:"trust_labels"`
	JTI         *string  `json:"jti"`
	IssuedAt    *float64 `json:"issued_at"`
	ExpiresAt   float64  `json:"expires_at"`
	// the thumbprint of the key that made the signature
	KeyID    string  `json:"key_id"`
	ClientID *string `json:"client_id"`
	// the token is for this request alone
	Bound bool `json:"bound"`
	// all claims of the token
	RawClaims json.RawMessage `json:"raw_claims"`
}

// AccessIssueRequest is for access.issue.
type AccessIssueRequest struct {
	// one with access
	Engine uint64 `json:"engine"`
	// seconds since 1970
	Now float64 `json:"now"`
	// a reference to the agent that the token is for
	Target string `json:"target"`
	// default allowed_scopes without wildcards; where an authority signs, all that it gives, and
	// none cannot be asked for
	Scopes *[]string `json:"scopes,omitempty"`
	// more claims, at most 8 KiB; not where an authority signs
	ExtraClaims json.RawMessage `json:"extra_claims,omitempty"`
	// seconds, 1 to 86,400; default token_ttl
	TTL *int64 `json:"ttl,omitempty"`
	// 1 to 256 bytes; default 128 random bits in hex
	JTI string `json:"jti,omitempty"`
	// a token that was kept will do, until shortly before it expires; default false
	Reuse bool `json:"reuse,omitempty"`
	// the one request that the token is for
	Bind *BindRequest `json:"bind,omitempty"`
}

// BindRequest is the one request that a token is for.
type BindRequest struct {
	// the HTTP method
	Method string `json:"method"`
	// absolute and ASCII
	URL string `json:"url"`
	// 64 lower-case hex digits, in place of the call's body
	BodySHA256 string `json:"body_sha256,omitempty"`
}

// AccessIssueResult answers access.issue.
type AccessIssueResult struct {
	Token string `json:"token"`
	// "Bearer " and the token
	Authorization string `json:"authorization"`
	// the URL of the target
	Audience string `json:"audience"`
	// what was given, separated by spaces
	Scope     string `json:"scope"`
	IssuedAt  int64  `json:"issued_at"`
	ExpiresAt int64  `json:"expires_at"`
	// "" where an authority signed
	KeyID string `json:"key_id"`
	// it was kept from an earlier call
	Reused bool `json:"reused"`
}

// AccessServeRequest is for access.serve.
type AccessServeRequest struct {
	// one with access
	Engine uint64 `json:"engine"`
	// seconds since 1970
	Now float64 `json:"now"`
	// the HTTP method
	Method string `json:"method"`
	// one of paths or root_paths of engine.open, as it stands in the request; others are not handled
	Path string `json:"path"`
	// the value of each Authorization header
	Authorization []string `json:"authorization,omitempty"`
	// the value of that header
	ContentType string `json:"content_type,omitempty"`
	// the value of that header
	IfNoneMatch string `json:"if_none_match,omitempty"`
	// what stands behind ? in the request, without it
	Query string `json:"query,omitempty"`
	// the value of each Cookie header
	Cookie []string `json:"cookie,omitempty"`
	// the value of each Origin header
	Origin []string `json:"origin,omitempty"`
	// the body is over max_form
	BodyTooLarge bool `json:"body_too_large,omitempty"`
	// the body's transfer is broken
	BodyMalformed bool `json:"body_malformed,omitempty"`
	// there is no room for the body now
	Overloaded bool `json:"overloaded,omitempty"`
}

// AccessServeResult answers access.serve.
type AccessServeResult struct {
	// false: the path is none of the endpoints, and nothing else is there
	Handled bool `json:"handled"`
	// to be sent
	Response *HTTPResponse `json:"response,omitempty"`
	// for the operator
	Log string `json:"log,omitempty"`
	// of the log: "info" or "warning"
	Level string `json:"level,omitempty"`
	// seconds: an assertion that the core's own window remembers expires then; a later
	// replay_floor covers it
	UsedUntil int64 `json:"used_until,omitempty"`
}

// HTTPResponse is an HTTP answer, ready to send. Header names are lower case.
type HTTPResponse struct {
	Status int `json:"status"`
	// lower-case names
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// AccessCommandRequest is for access.command.
type AccessCommandRequest struct {
	// one with access
	Engine uint64 `json:"engine"`
	// seconds since 1970
	Now float64 `json:"now"`
	// what was typed
	Line string `json:"line"`
}

// AccessCommandResult answers access.command.
type AccessCommandResult struct {
	// the same for a program
	Data json.RawMessage `json:"data"`
	// for people
	Display string `json:"display"`
}

// AccessStats tells what an access engine holds.
type AccessStats struct {
	// the cache of key sets
	Issuers IssuerStats `json:"issuers"`
	// tokens that are kept for sending
	Tokens int `json:"tokens"`
	// tokens that are remembered as verified
	Verified int `json:"verified"`
}

// IssuerStats tells how full the JWKS cache is.
type IssuerStats struct {
	// issuers in the cache
	Cached int `json:"cached"`
	// issuers that may be
	Capacity int `json:"capacity"`
}
