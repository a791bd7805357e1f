package oauthclient

import (
	"errors"
	"slices"
	"strings"

	"github.com/tallystick/tallystick/core/weburl"
)

const maxRedirect = 2_048

// checkRedirect takes https URLs, http ones of the user's own machine (RFC 8252 section 7.3), and
// schemes of an app's own, which have its domain in them (section 7.1).
func checkRedirect(text string) error {
	if len(text) > maxRedirect {
		return errors.New("it is over 2048 bytes")
	}
	if scheme, rest, found := strings.Cut(text, ":"); found && isAppScheme(scheme) {
		if rest == "" || strings.Contains(rest, "#") || strings.Trim(rest, "/") == "" || !isPrintable(rest) {
			return errors.New("write it as com.example.app:/callback, without a fragment")
		}
		return nil
	}
	u, err := weburl.Parse(text)
	switch {
	case err != nil:
		return err
	case u.HasFragment: //guard:redirect-fragment never
		return errors.New("it has a fragment")
	case strings.Contains(u.Path, "*"):
		return errors.New("it has a *: each is compared as it is")
	case weburl.HasDotSegment(u.Path): //guard:redirect-dots never
		return errors.New("its path has a dot segment")
	case u.Scheme != "https" && !isLoopback(u): //guard:redirect-https never
		return errors.New("it must be https, or http://127.0.0.1 and http://[::1] for an app on its user's machine")
	}
	return nil
}

// isAppScheme: a reversed domain, as com.example.app. A scheme of one word is anybody's, or a
// browser's own, such as javascript.
func isAppScheme(scheme string) bool {
	return strings.Contains(scheme, ".") && strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789.-+") == ""
}

func isPrintable(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return c <= 0x20 || c >= 0x7F || strings.ContainsRune("\"'<>\\^`{|}", c) })
}

func isLoopback(u weburl.URL) bool {
	return u.Scheme == "http" && (u.Host == "127.0.0.1" || u.Host == "[::1]")
}

// MayRedirect reports whether a browser may be sent to a URI: it is one of the client's, to the letter.
// On the user's own machine any port will do, since the app takes one that is free (RFC 8252 section
// 7.3).
func (c *Client) MayRedirect(to string) bool {
	if slices.Contains(c.RedirectURIs, to) {
		return true
	}
	wanted, err := weburl.Parse(to)
	if err != nil || !isLoopback(wanted) || wanted.HasFragment {
		return false
	}
	return slices.ContainsFunc(c.RedirectURIs, func(text string) bool {
		u, err := weburl.Parse(text)
		return err == nil && isLoopback(u) && u.Host == wanted.Host && u.Path == wanted.Path && //guard:redirect-loopback drop 2; redirect-loopback-path drop 4
			u.HasQuery == wanted.HasQuery && u.Query == wanted.Query
	})
}
