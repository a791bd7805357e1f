package authorization

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"strings"

	"github.com/tallystick/tallystick/core/weburl"
)

// The cookie ties a browser to its flows. __Host- has browsers take it from this very host alone, over
// https alone; on http of the own machine, in development, browsers want another name.
const (
	cookieName      = "__Host-tallystick"
	cookieNameLocal = "tallystick-session"
	cookieSeconds   = "3600"
	secretLength    = 43
)

func (s *Server) cookieName() string {
	if strings.HasPrefix(s.host.Issuer(), "https:") {
		return cookieName
	}
	return cookieNameLocal
}

// session is the browser's cookie, "" for none. Two of that name are none: somebody else set one.
func (s *Server) session(r *Request) string {
	name, found := s.cookieName(), ""
	for _, header := range r.Cookie {
		for pair := range strings.SplitSeq(header, ";") {
			if key, value, _ := strings.Cut(strings.Trim(pair, " \t"), "="); key == name {
				if found != "" || len(value) != secretLength { //guard:session-cookie never
					return ""
				}
				found = value
			}
		}
	}
	return found
}

// setCookie is a new session for a browser that has none.
func (s *Server) setCookie(value string) string {
	cookie := s.cookieName() + "=" + value + "; Path=/; Max-Age=" + cookieSeconds + "; HttpOnly; SameSite=Lax"
	if s.cookieName() == cookieName {
		cookie += "; Secure"
	}
	return cookie
}

// hashed is what a flow keeps of a session.
func hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// originOf is what browsers write in Origin for a page of this URL.
func originOf(url string) string {
	u, err := weburl.Parse(url)
	if err != nil {
		return ""
	}
	return u.Origin
}
