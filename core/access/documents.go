package access

import (
	"slices"
	"strings"

	"github.com/tallystick/tallystick/core/authorization"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/strictjson"
	"github.com/tallystick/tallystick/core/trust"
	"github.com/tallystick/tallystick/core/weburl"
)

const (
	discoveryPath = "/.well-known/openid-configuration"
	serverPath    = "/.well-known/oauth-authorization-server"
	resourcePath  = "/.well-known/oauth-protected-resource"
	jwksPath      = "/.well-known/jwks.json"
	tokenPath     = "/auth/token"
	authorizePath = "/auth/authorize"
	// Where webagents 0.3.9 looks for these at a portal.
	portalJWKSPath  = "/api/auth/jwks"
	portalTokenPath = "/api/auth/token"
)

// routes are the paths of an agent's endpoints, as they stand in a request.
type routes struct {
	// below are those under the agent's URL, root those at the root of its server: none where the
	// URL has no path, since both are the same there.
	below, root []string
	endpoints   map[string]string
	resource    string // what the agent is as a protected resource (RFC 9728)
	metadata    string // URL of its document; "": it takes no tokens
}

// newRoutes finds the paths. RFC 8414 section 3.1 and RFC 9728 section 3.1 put the path of an
// issuer, or of a resource, behind the document's name; below the agent's URL they are as well, for
// servers that see no more than that.
func newRoutes(c *Config) routes {
	r := routes{endpoints: map[string]string{}, resource: resourceOf(c)}
	add := func(list *[]string, path, endpoint string) {
		*list = append(*list, path)
		r.endpoints[path] = endpoint
	}
	documents := []string{serverPath}
	if c.Mode != Authority { //guard:serve-resource always
		documents = append(documents, resourcePath)
	}
	for _, path := range slices.Concat([]string{discoveryPath, jwksPath, tokenPath, authorizePath}, documents) {
		add(&r.below, path, path)
	}
	if len(c.Providers) > 0 {
		add(&r.below, authorization.PathRevoke, authorization.PathRevoke)
		add(&r.below, authorization.PathDevice, authorization.PathDevice)
		for _, p := range c.Providers {
			add(&r.below, authorization.PathCallback+p.Name, authorization.PathCallback)
		}
	}
	if c.Mode == Authority {
		add(&r.below, portalJWKSPath, jwksPath)
		add(&r.below, portalTokenPath, tokenPath)
	}
	origin, path := split(r.resource)
	if c.Mode != Authority {
		r.metadata = origin + resourcePath + path
	}
	if path != "" {
		for _, document := range documents {
			add(&r.root, document+path, document)
		}
	}
	if _, own := split(c.BaseURL); own != "" {
		for _, below := range slices.Clone(r.below) {
			add(&r.root, own+below, r.endpoints[below])
		}
	}
	return r
}

// resourceOf is where clients reach the agent. A portal's agent that is known by the portal's URL
// alone lives elsewhere: at the first audience that is a URL.
func resourceOf(c *Config) string {
	if c.Mode == Portal {
		authority, _ := split(c.Authority)
		if own, _ := split(c.BaseURL); own == authority {
			for _, audience := range c.Audience {
				if u, err := weburl.Parse(audience); err == nil && !u.HasQuery && !u.HasFragment {
					return canonical(audience)
				}
			}
		}
	}
	return c.BaseURL
}

// split cuts a canonical URL into its origin and its path, "" for the root.
func split(url string) (origin, path string) {
	u, err := weburl.Parse(url)
	if err != nil {
		return url, ""
	}
	return u.Origin, strings.TrimSuffix(u.Path, "/")
}

// Paths returns the paths that Serve answers: those below the agent's URL, and those at the root of
// its server, if these are others. The lists are not to be changed.
func (a *Agent) Paths() (below, root []string) { return a.routes.below, a.routes.root }

// Serves reports whether a path is one that Serve answers.
func (a *Agent) Serves(path string) bool {
	_, there := a.routes.endpoints[path]
	return there
}

// ReadsForm reports whether a POST to a path of Serve has a form that it wants.
func (a *Agent) ReadsForm(path string) bool {
	switch a.routes.endpoints[path] {
	case tokenPath:
		return true
	case authorizePath, authorization.PathRevoke, authorization.PathDevice:
		return a.people != nil
	}
	return false
}

// ResourceMetadata returns the URL of the agent's document of RFC 9728, for challenges; "" for an
// authority, which is no protected resource.
func (a *Agent) ResourceMetadata() string { return a.routes.metadata }

// jwks is the key set of this agent: empty where an authority signs.
func (a *Agent) jwks(now float64) string {
	if r := a.ring.Load(); r != nil {
		return r.JWKS(now)
	}
	return `{"keys":[]}`
}

// discovery is the metadata of RFC 8414 section 2 at the path of OpenID Connect, with the members
// that OpenID Connect demands.
func (a *Agent) discovery(now float64) string {
	b := a.appendServer(nil)
	b = appendTexts(b, "subject_types_supported", []string{"public"})
	b = appendTexts(b, "id_token_signing_alg_values_supported", algorithmTexts(a.signsBy(now)))
	b = appendTexts(b, "claims_supported", []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "client_id", "token_type", "aoauth"})
	return string(append(b, '}'))
}

// signsBy are the algorithms of the published keys. Where there are none, as at an agent of a portal,
// it is RS256, which OpenID Connect Discovery section 3 demands of everybody.
func (a *Agent) signsBy(now float64) []jose.Algorithm {
	algorithms := []jose.Algorithm{}
	if r := a.ring.Load(); r != nil {
		for _, key := range r.Public(now) {
			if !slices.Contains(algorithms, key.Algorithm()) {
				algorithms = append(algorithms, key.Algorithm())
			}
		}
	}
	if len(algorithms) == 0 {
		return []jose.Algorithm{jose.RS256}
	}
	return algorithms
}

// assertedBy are the algorithms of assertions that the token endpoint takes. A portal's are its own.
func (a *Agent) assertedBy() []jose.Algorithm {
	if a.config.Algorithms != nil && a.config.Mode != Portal { //guard:serve-asserted-by never
		return a.config.Algorithms
	}
	return jose.Algorithms()
}

func algorithmTexts(algorithms []jose.Algorithm) []string {
	texts := []string{}
	for _, algorithm := range algorithms {
		texts = append(texts, string(algorithm))
	}
	return texts
}

// server is the metadata of RFC 8414 section 2.
func (a *Agent) server() string { return string(append(a.appendServer(nil), '}')) }

// appendServer writes what both have, up to the end of the object. An agent of a portal points to
// the portal: it signs nothing and gives no tokens.
func (a *Agent) appendServer(b []byte) []byte {
	base := strings.TrimSuffix(a.Issuer(), "/")
	b = append(b, `{"issuer":`...)
	b = strictjson.AppendString(b, a.Issuer())
	// Clients, those of the MCP SDK among them, demand it of every document, whatever the grants.
	b = appendText(b, "authorization_endpoint", base+authorizePath)
	b = appendText(b, "token_endpoint", base+tokenPath)
	b = appendText(b, "jwks_uri", base+jwksPath)
	grants, methods := []string{"client_credentials"}, []string{"client_secret_basic", "client_secret_post", "private_key_jwt"}
	if a.people != nil {
		b = a.appendPeople(b, base)
		grants, methods = append(grants, authorization.Grants()...), append(methods, "none")
	} else {
		b = appendTexts(b, "response_types_supported", nil)
	}
	b = appendTexts(b, "grant_types_supported", grants)
	b = appendTexts(b, "token_endpoint_auth_methods_supported", methods)
	b = appendTexts(b, "token_endpoint_auth_signing_alg_values_supported", algorithmTexts(a.assertedBy()))
	if !a.config.AnyScope {
		b = appendTexts(b, "scopes_supported", a.config.AllowedScopes)
	}
	return b
}

// protectedResource is the metadata of RFC 9728 section 2.
func (a *Agent) protectedResource() string {
	b := strictjson.AppendString([]byte(`{"resource":`), a.routes.resource)
	b = appendTexts(b, "authorization_servers", a.authorizationServers())
	b = appendTexts(b, "scopes_supported", a.scopesToAskFor())
	b = appendTexts(b, "bearer_methods_supported", []string{"header"})
	return string(append(b, '}'))
}

// authorizationServers are those that the operator chose, then the agent itself where it signs:
// many clients take the first. An issuer of type agent gives tokens to nobody else.
func (a *Agent) authorizationServers() []string {
	servers := []string{}
	if a.config.Mode == Portal {
		servers = append(servers, a.config.Authority)
	}
	for _, issuer := range a.config.Issuers.Configured() {
		if issuer.Type != trust.TypeAgent && !slices.Contains(servers, issuer.Issuer) { //guard:resource-servers drop 1
			servers = append(servers, issuer.Issuer)
		}
	}
	// It gives tokens to its own clients alone; without any it is named where it is the only one.
	clients := a.clients.Load()
	gives := len(servers) == 0 || a.people != nil || clients != nil && clients.Len() > 0
	if a.config.Mode == SelfIssued && a.ring.Load() != nil && gives { //guard:resource-signs drop 2; resource-gives drop 3
		servers = append(servers, a.config.BaseURL)
	}
	return servers
}

// scopesToAskFor are the allowed scopes, as far as a client can ask for them: it asks for all that
// it reads here, and a pattern, a namespace or a trust label would have it refused.
func (a *Agent) scopesToAskFor() []string {
	scopes := []string{}
	for _, s := range a.config.AllowedScopes {
		if !strings.Contains(s, "*") && !assignedOnly(s) { //guard:resource-scopes always
			scopes = append(scopes, s)
		}
	}
	return scopes
}
