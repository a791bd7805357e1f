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
	victim := serve(t, newVerifier(t, nil).Protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) })))
	for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect} {
		agent := serve(t, http.RedirectHandler(victim+"/admin/delete?all=1", status))
		client := &http.Client{Transport: newSigner(t).Transport(nil)}
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
	if response, err := (&http.Client{Transport: newSigner(t).Transport(nil)}).Get(victim); err != nil || response.StatusCode != 200 {
		t.Error(response, err)
	}
}
