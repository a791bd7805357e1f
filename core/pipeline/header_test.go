package pipeline

import (
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
			" ": problem.AmbiguousAuthorization, "\t": problem.AmbiguousAuthorization, ",": problem.AmbiguousAuthorization,
		} {
			if place == 0 && with == " " {
				continue // more white space before the token
			}
			if place == len(good)-1 && with != "," && want == problem.AmbiguousAuthorization {
				want = problem.MissingAuthorization // one token with white space behind it
			}
			text := good[:place] + with + good[place+1:]
			token, p := BearerToken([]string{"Bearer " + text})
			if p != nil || token != text {
				t.Fatalf("%q: %q, %v", text, token, p)
			}
			_, p = jose.Parse(token)
			if p == nil {
				t.Fatalf("%q passed the gate", token)
			}
			if got := BearerRefusal(token, p); got.Code != want {
				t.Errorf("%q: %s, want %s", token, got.Code, want)
			}
		}
	}
}

func TestHeader(t *testing.T) {
	for header, want := range map[string]string{
		"Bearer x": "x", "bearer  x": "x", "BEARER x y": "x y", "Bearer": "", "Bearer ": "", "Bearer   ": "", "Basic x": "", "Bearer\tx": "", "Bearerx": "", "": "",
	} {
		token, p := BearerToken([]string{header})
		if token != want || (p == nil) != (want != "") {
			t.Errorf("%q: %q, %v", header, token, p)
		}
		if _, p := BearerToken([]string{header, header}); p == nil || p.Code != problem.AmbiguousAuthorization {
			t.Errorf("%q twice: %v", header, p)
		}
	}
	if _, p := BearerToken(nil); p == nil || p.Code != problem.MissingAuthorization {
		t.Errorf("no header: %v", p)
	}
}

// Two headers are two, whether a host gives them apart or joined with a comma.
func TestJoinedHeaders(t *testing.T) {
	single := []string{
		"Basic YTpi", "Bearer x", "Negotiate YTpi==", `Digest username="a, Basic b", realm="\", c", uri = "/"`, "Digest a=b,c=d", "Digest a=b, c\t=d", "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host;range, Signature=c",
	}
	for _, first := range single {
		if SeveralCredentials([]string{first}) {
			t.Errorf("%q is one", first)
		}
		for _, second := range append(single, "", "Basic", "Bearer") {
			if !SeveralCredentials([]string{first, second}) {
				t.Errorf("%q and %q are two", first, second)
			}
			for _, comma := range []string{",", ", "} {
				joined := first + comma + second
				token, p := BearerToken([]string{joined})
				if p == nil {
					p = BearerRefusal(token, problem.New(problem.MalformedToken, ""))
				}
				if p.Code != problem.AmbiguousAuthorization {
					t.Errorf("%q: %s", joined, p.Code)
				}
			}
		}
	}
}
