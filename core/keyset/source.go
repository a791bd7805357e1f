package keyset

import (
	"errors"
	"strings"

	"github.com/tallystick/tallystick/core/agent"
	"github.com/tallystick/tallystick/core/weburl"
)

// Where documents lie below an issuer (RFC 8414 section 3, OpenID Connect
// Discovery section 4; the last two are webagents').
const (
	pathDiscovery  = "/.well-known/openid-configuration"
	pathMetadata   = "/.well-known/oauth-authorization-server"
	pathKeys       = "/.well-known/jwks.json"
	pathPortalKeys = "/api/auth/jwks"
	pathToken      = "/auth/token"
)

var (
	errNotHTTPS = errors.New("it is not https")
	errQuery    = errors.New("it has a query or a fragment")
	errDots     = errors.New("its path has a dot segment")
	errHost     = errors.New("its host has an empty label or ends in a dot")
)

// check refuses an issuer from which no URL can be made: iss is whatever the
// sender of a token wrote. One whose keys lie at a fixed place may be any text.
func (s Source) check() error {
	if s.JWKSURI != "" && !s.Authority {
		if s.internal(s.JWKSURI) {
			return nil
		}
		return s.checkURL(s.JWKSURI)
	}
	u, err := weburl.Parse(s.Issuer)
	switch {
	case err != nil:
		return err
	case u.HasQuery || u.HasFragment:
		return errQuery
	case weburl.HasDotSegment(u.Path):
		return errDots
	case strings.HasPrefix(u.Host, ".") || strings.HasSuffix(u.Host, ".") || strings.Contains(u.Host, ".."):
		return errHost
	case !s.allows(u) && !s.internal(s.discovery()):
		return errNotHTTPS
	}
	return nil
}

func (s Source) discovery() string {
	if s.Discovery != "" {
		return s.Discovery
	}
	return s.below(pathDiscovery)
}

// internal reports whether a URL is one of the two that plain http inside of the network is for:
// not what a document names, nor anything that is sent a secret.
func (s Source) internal(text string) bool {
	if !s.Internal || text != s.JWKSURI && text != s.discovery() { //guard:internal-urls drop 2 3
		return false
	}
	u, err := weburl.Parse(text)
	return err == nil && u.Scheme == "http" && !agent.OnLoopback(u.Origin)
}

// below returns the URL of a document of the issuer.
func (s Source) below(path string) string { return strings.TrimRight(s.Issuer, "/") + path }

// metadataURL is where RFC 8414 section 3.1 has an issuer's document: its path stands behind the
// document's name.
func (s Source) metadataURL() string {
	u, err := weburl.Parse(s.Issuer)
	if err != nil { // check has refused it
		return s.below(pathMetadata)
	}
	return u.Origin + pathMetadata + strings.TrimRight(u.Path, "/")
}

// allows reports whether a URL's scheme is good enough for this source.
func (s Source) allows(u weburl.URL) bool {
	return u.Scheme == "https" || s.Configured && agent.OnLoopback(u.Origin) || s.HTTPAllowed && s.owns(u)
}

// owns: in development mode only the issuer's own origin may be a loopback
// address, since a document on it could name any other service of the machine.
func (s Source) owns(u weburl.URL) bool {
	issuer, err := weburl.Parse(s.Issuer)
	return err == nil && issuer.Origin == u.Origin
}

// checkURL refuses a URL that a discovery document names and that must not be asked.
func (s Source) checkURL(text string) error {
	u, err := weburl.Parse(text)
	switch {
	case err != nil:
		return err
	case u.HasFragment: //guard:keys-url-fragment never
		return errQuery
	case !s.allows(u):
		return errNotHTTPS
	}
	return nil
}

// request returns how a URL of this source is fetched.
func (s Source) request(url, accept, etag string) request {
	r := request{url: url, accept: accept, etag: etag, public: true}
	if u, err := weburl.Parse(url); err == nil && s.HTTPAllowed && s.owns(u) {
		r.public = false
	}
	if s.Configured {
		r.public, r.redirects, r.proxy = false, maxRedirects, true
	}
	if s.internal(url) { //guard:internal-address never
		r.internal, r.redirects, r.proxy = true, 0, false
	}
	return r
}
