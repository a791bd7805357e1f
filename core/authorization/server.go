// Package authorization is the authorization server for people: who they are an OpenID provider
// says, what a client may do for them they say themselves (RFC 6749 section 4.1 with PKCE, RFC 7009,
// RFC 8628, RFC 9207, RFC 9700; protocol.md section 12). Each answer is a whole HTTP response, so
// that every host serves the same. What waits lies in the host's store, never in this process: any
// worker on any machine goes on.
package authorization

import (
	"github.com/tallystick/tallystick/core/keyset"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/oauthclient"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
)

// The endpoints, below the server's URL.
const (
	PathAuthorize = "/auth/authorize"
	PathCallback  = "/auth/callback/" // and the provider's name
	PathRevoke    = "/auth/revoke"
)

// Lifetimes in seconds.
const (
	flowSeconds    = 600 // from the first page to the consent
	codeSeconds    = 60  // RFC 6749 section 4.1.2 has ten minutes at most
	RefreshSeconds = 30 * 24 * 60 * 60
)

// Host is the identity that the server belongs to: it knows the clients, and signs.
type Host interface {
	// Issuer is the server's own URL, without a slash at its end.
	Issuer() string
	Clients() *oauthclient.Registry
	// Target settles whom a token is for, by the parameters target, resource and audience.
	Target(who *oauthclient.Client, form map[string]string) (string, *oauthclient.Error)
	// Scopes settles which scopes a client may ask of a user.
	Scopes(who *oauthclient.Client, text string) ([]string, *oauthclient.Error)
	// Token signs an access token; it ends in a *Token.
	Token(now float64, g *Grant) need.Step
	// IDToken signs an ID token for the client (OpenID Connect Core section 2); it ends in a *Token.
	IDToken(now float64, g *Grant) need.Step
}

// Grant is what a user has consented to.
type Grant struct {
	Client   string
	User     User
	Target   string
	Scopes   []string
	Nonce    string // of the client's request
	SignedIn int64  // seconds since 1970
	Family   string // of all that came of one consent
	Until    int64  // when its refresh tokens end, seconds since 1970
}

// User is who signed in, as the provider said. Only Subject names somebody; the others are words.
type User struct {
	Provider string
	Subject  string
	Name     string
	Email    string
}

// ID is the user's sub: a bar is in no agent's name.
func (u *User) ID() string { return u.Provider + "|" + u.Subject }

// Token is a signed token.
type Token struct {
	Text    string
	Seconds int64 // how long it lives
}

// Server decides. It never changes once made; safe for concurrent use.
type Server struct {
	host      Host
	providers []*Provider
	keys      *keyset.Cache
	forgiven  pipeline.Tolerance
	rsa       pipeline.RSA
}

// Options make a Server.
type Options struct {
	Host      Host
	Providers []Provider
	Keys      *keyset.Cache // finds the providers' documents and keys
	Forgiven  pipeline.Tolerance
	RSA       pipeline.RSA
}

// New checks the providers; the problem is invalid_config.
func New(o Options) (*Server, *problem.Problem) {
	s := &Server{host: o.Host, keys: o.Keys, forgiven: o.Forgiven, rsa: o.RSA}
	if len(o.Providers) == 0 {
		return nil, problem.New(problem.InvalidConfig, "providers: name one that says who users are")
	}
	for i := range o.Providers {
		p := o.Providers[i]
		if err := p.check(); err != nil {
			return nil, problem.Newf(problem.InvalidConfig, "providers.%s: %s", p.Name, err)
		}
		if s.provider(p.Name) != nil {
			return nil, problem.Newf(problem.InvalidConfig, "providers: %s is there twice", problem.Quote(p.Name))
		}
		s.providers = append(s.providers, &p)
	}
	return s, nil
}

func (s *Server) provider(name string) *Provider {
	for _, p := range s.providers {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Request is one request to an endpoint of the server.
type Request struct {
	Now         float64
	Method      string
	Path        string   // below the server's URL
	Query       string   // without ?
	Cookie      []string // one entry for each header of that name
	Origin      []string
	ContentType string
	Body        []byte
}

// Answer is a whole response, and what its operator should read.
type Answer struct {
	Response *problem.Response
	Log      string
	Warn     bool // of Log: somebody was refused
}
