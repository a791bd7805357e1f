package tallystick_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	tallystick "github.com/tallystick/tallystick/bindings/go"
)

// Whoever is called must not have the caller sign a request of its choice for another.
func TestARedirectToAnotherOriginIsNotSigned(t *testing.T) {
	var reached atomic.Int64
	count := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	victim := serve(t, newVerifier(t, nil).Protect(count))
	client := &http.Client{Transport: newSigner(t).Transport(nil)}
	for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect} {
		agent := serve(t, http.RedirectHandler(victim+"/admin/delete?all=1", status))
		response, err := client.Post(agent, "text/plain", nil)
		if response != nil {
			response.Body.Close()
		}
		if !errors.Is(err, tallystick.ErrInvalidURL) {
			t.Error(status, err)
		}
	}
	if reached.Load() != 0 {
		t.Error("the victim was reached")
	}
	if status, text := ask(t, client, "GET", victim, "", nil); status != 200 || reached.Load() != 1 {
		t.Error(status, text)
	}
}

// The same of access tokens: a stranger's redirect to the agent, however long its way, carries none.
func TestARedirectFromElsewhereGetsNoToken(t *testing.T) {
	logged := &skillLog{}
	alice, _ := newAgent(t, tallystick.SkillOptions{Logger: logged.logger()})
	bob, b := newAgent(t, tallystick.SkillOptions{})
	guarded := bob.Protect()(http.HandlerFunc(tellCaller))
	b.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, b.URL+"/here", http.StatusTemporaryRedirect)
			return
		}
		guarded.ServeHTTP(w, r)
	}))
	for _, transport := range []http.RoundTripper{
		alice.Transport(b.URL, "read"),
		alice.TransportWith(b.URL, tallystick.TransportOptions{Scopes: []string{"read"}, Bind: true}),
	} {
		client := &http.Client{Transport: transport}
		for _, path := range []string{"/admin/delete?all=1", "/moved"} {
			stranger := serve(t, http.RedirectHandler(b.URL+path, http.StatusTemporaryRedirect))
			if status, text := ask(t, client, "POST", stranger, "", nil); status != http.StatusUnauthorized {
				t.Error(status, text)
			}
			if !strings.Contains(logged.String(), "no token is sent after a redirect from "+stranger) {
				t.Error(logged)
			}
		}
		if status, text := ask(t, client, "POST", b.URL+"/moved", "", nil); status != http.StatusOK {
			t.Error("a redirect within the agent:", status, text)
		}
	}
}
