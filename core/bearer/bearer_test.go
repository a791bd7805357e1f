package bearer

import (
	"strings"
	"testing"

	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/problem"
)

// A separator counts at each place of a token, and nothing else does: what else is
// wrong with it is the gate's affair. No gate passes what has a separator.
func TestOneTokenAtEachPlace(t *testing.T) {
	good := jose.SigningInput([]byte(`{"alg":"RS256"}`), []byte(`{}`)) + "." + jose.Encode64([]byte("signature"))
	if _, p := jose.Parse(good); p != nil {
		t.Fatal(p)
	}
	for place := range good {
		for with, want := range map[string]problem.Code{
			"!": problem.MalformedToken, "\x80": problem.MalformedToken, "\xac": problem.MalformedToken, "\xa0": problem.MalformedToken,
			" ": problem.MissingAuthorization, "\t": problem.MissingAuthorization, ",": problem.MissingAuthorization,
		} {
			if place == 0 && with == " " {
				continue // more white space before the token
			}
			text := good[:place] + with + good[place+1:]
			token, p := Token([]string{"Bearer " + text})
			if p != nil || token != text {
				t.Fatalf("%q: %q, %v", text, token, p)
			}
			_, p = jose.Parse(token)
			if p == nil {
				t.Fatalf("%q passed the gate", token)
			}
			if got := Refusal(token, p); got.Code != want {
				t.Errorf("%q: %s, want %s", token, got.Code, want)
			}
		}
	}
}

func TestHeader(t *testing.T) {
	for header, want := range map[string]string{
		"Bearer x": "x", "bearer  x": "x", "BEARER x y": "x y", "Bearer": "", "Bearer ": "", "Bearer   ": "", "Basic x": "", "Bearer\tx": "", "Bearerx": "", "": "",
	} {
		token, p := Token([]string{header})
		if token != want || (p == nil) != (want != "") {
			t.Errorf("%q: %q, %v", header, token, p)
		}
		if _, p := Token([]string{header, header}); p == nil || !strings.Contains(p.Log, "2 Authorization headers") {
			t.Errorf("%q twice: %v", header, p)
		}
	}
	if _, p := Token(nil); p == nil {
		t.Error("no header passed")
	}
}
