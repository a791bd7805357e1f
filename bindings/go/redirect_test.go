package tallystick_test

import (
	"errors"
	"net/http"
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
