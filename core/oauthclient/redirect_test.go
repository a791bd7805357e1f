package oauthclient

import (
	"net/url"
	"slices"
	"testing"
)

// FuzzMayRedirect: a browser goes where the client said, or to another port of the user's own
// machine, as net/url reads it.
func FuzzMayRedirect(f *testing.F) {
	for _, to := range []string{
		"https://web.example/back", "http://127.0.0.1:5123/callback", "http://[::1]/callback", "http://127.0.0.1:5123@evil.example/callback",
		"http://127.0.0.1\\@evil.example/callback", "http://127.0.0.1/callback#x", "HTTP://127.0.0.1/callback", "com.example.app:/back",
	} {
		f.Add(to)
	}
	client := &Client{RedirectURIs: []string{
		"https://web.example/back", "http://127.0.0.1/callback", "http://[::1]/callback?x=y", "com.example.app:/back",
	}}
	for _, own := range client.RedirectURIs {
		if err := checkRedirect(own); err != nil {
			f.Fatal(own, err)
		}
	}
	f.Fuzz(func(t *testing.T, to string) {
		if !client.MayRedirect(to) || slices.Contains(client.RedirectURIs, to) {
			return
		}
		u, err := url.Parse(to)
		if err != nil || u.Scheme != "http" || u.User != nil || u.Fragment != "" {
			t.Fatalf("%q: %v", to, err)
		}
		at := u.Hostname() + u.EscapedPath() + "?" + u.RawQuery
		if at != "127.0.0.1/callback?" && at != "::1/callback?x=y" {
			t.Fatalf("%q leads to %q", to, at)
		}
	})
}
