package pipeline

import (
	"strings"
	"testing"

	"github.com/tallystick/tallystick/core/digest"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
)

func TestTypesOfRequestClaims(t *testing.T) {
	text, number := claimOf(t, `"x"`), claimOf(t, "1")
	for _, c := range []struct {
		name         string
		claims       RequestClaims
		body, target bool
		want         problem.Code
	}{
		{"none, none required", RequestClaims{}, false, false, ""},
		{"none, body required", RequestClaims{}, true, false, problem.InvalidClaims},
		{"body, body required", RequestClaims{ContentSHA256: text}, true, false, ""},
		{"method alone, target required", RequestClaims{Method: text}, false, true, problem.InvalidClaims},
		{"method and URL, target required", RequestClaims{Method: text, URL: text}, false, true, ""},
		{"a query is never required", RequestClaims{ContentSHA256: text, Method: text, URL: text}, true, true, ""},
		{"a number as body", RequestClaims{ContentSHA256: number}, false, false, problem.InvalidClaims},
		{"a number as method", RequestClaims{Method: number}, false, false, problem.InvalidClaims},
		{"a number as URL", RequestClaims{URL: number}, false, false, problem.InvalidClaims},
		{"a number as query", RequestClaims{Query: number}, false, false, problem.InvalidClaims},
	} {
		if got := code(c.claims.CheckTypes(c.body, c.target)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestEachNameHasItsClaim(t *testing.T) {
	for _, name := range RequestClaimNames {
		var c RequestClaims
		into := c.Member(name)
		if into == nil || c.There() {
			t.Fatal(name)
		}
		*into = claimOf(t, `"x"`)
		if !c.There() {
			t.Errorf("%s is not seen", name)
		}
	}
	if new(RequestClaims).Member("iss") != nil {
		t.Error("iss is taken for a claim of the request")
	}
}

func TestBodyDigest(t *testing.T) {
	const limit = 5
	hello := digest.Hex([]byte("hello"))
	signed := RequestClaims{ContentSHA256: claimOf(t, `"`+hello+`"`)}
	for _, c := range []struct {
		name string
		body need.ReceivedBody
		want problem.Code
	}{
		{"the body", need.ReceivedBody{Bytes: []byte("hello")}, ""},
		{"its digest", need.ReceivedBody{SHA256: hello}, ""},
		{"another body", need.ReceivedBody{Bytes: []byte("hellO")}, problem.BodyTampered},
		{"another digest", need.ReceivedBody{SHA256: digest.Hex(nil)}, problem.BodyTampered},
		{"no body", need.ReceivedBody{}, problem.BodyTampered},
		{"over the limit", need.ReceivedBody{Bytes: []byte("hello!")}, problem.BodyTooLarge},
		{"not read to its end", need.ReceivedBody{TooLarge: true}, problem.BodyTooLarge},
		{"broken", need.ReceivedBody{Malformed: true}, problem.MalformedRequest},
		{"no room", need.ReceivedBody{Overloaded: true}, problem.Overloaded},
		{"read before", need.ReceivedBody{Unavailable: true}, problem.BodyUnavailable},
	} {
		if got := code(signed.CheckBody(&c.body, limit)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestWrittenTargets(t *testing.T) {
	for _, c := range []struct {
		name, method, url string
		want              string
		refused           problem.Code
	}{
		{"plain", "POST", "https://a.example/agent", `,"htm":"POST","htu":"https://a.example/agent"`, ""},
		{"with a query", "GET", "https://a.example/x?y=1", `,"htm":"GET","htu":"https://a.example/x","query_sha256":"` + digest.Hex([]byte("y=1")) + `"`, ""},
		{"no method", "", "https://a.example/", "", problem.InvalidArgument},
		{"a method of 33 letters", strings.Repeat("A", 33), "https://a.example/", "", problem.InvalidArgument},
		{"a method with a space", "GET X", "https://a.example/", "", problem.InvalidArgument},
		{"no URL", "GET", "agent", "", problem.InvalidURL},
		{"dot segments", "GET", "https://a.example/x/../y", "", problem.InvalidURL},
	} {
		got, p := AppendTarget(nil, c.method, c.url)
		if string(got) != c.want || code(p) != c.refused {
			t.Errorf("%s: %s, %v", c.name, got, p)
		}
	}
	if got := string(AppendBody(nil, "ab")); got != `,"content_sha256":"ab"` {
		t.Error(got)
	}
}

// What a token says of its target, and what is received.
func TestTargets(t *testing.T) {
	claim := func(text string) Claim {
		if text == "" {
			return Claim{}
		}
		return claimOf(t, `"`+text+`"`)
	}
	for _, c := range []struct {
		name, base, method, url, query string
		in                             Received
		want                           problem.Code
	}{
		{"all agree", "", "POST", "https://a.example/agent", "", Received{Method: "POST", Path: "/agent"}, ""},
		{"another method", "", "GET", "https://a.example/agent", "", Received{Method: "POST", Path: "/agent"}, problem.WrongTarget},
		{"a method in small letters", "", "post", "https://a.example/agent", "", Received{Method: "POST", Path: "/agent"}, problem.WrongTarget},
		{"another path", "", "POST", "https://a.example/other", "", Received{Method: "POST", Path: "/agent"}, problem.WrongTarget},
		{"the origin is base_url's", "https://a.example", "POST", "https://a.example/agent", "", Received{Method: "POST", Path: "/agent"}, ""},
		{"another origin", "https://b.example", "POST", "https://a.example/agent", "", Received{Method: "POST", Path: "/agent"}, problem.WrongTarget},
		{"an unsigned query", "", "POST", "https://a.example/agent", "", Received{Method: "POST", Path: "/agent", Query: "x=1"}, problem.WrongTarget},
		{"the signed query", "", "POST", "https://a.example/agent", digest.Hex([]byte("x=1")), Received{Method: "POST", Path: "/agent", Query: "x=1"}, ""},
		{"another query", "", "POST", "https://a.example/agent", digest.Hex([]byte("x=1")), Received{Method: "POST", Path: "/agent", Query: "x=2"}, problem.WrongTarget},
		{"a URL with a query", "", "POST", "https://a.example/agent?x=1", "", Received{Method: "POST", Path: "/agent"}, problem.WrongTarget},
		{"nothing is said", "", "", "", "", Received{Method: "POST", Path: "/agent", Query: "x"}, ""},
	} {
		place, err := NewPlace(c.base)
		if err != nil {
			t.Fatal(err)
		}
		signed := RequestClaims{Method: claim(c.method), URL: claim(c.url), Query: claim(c.query)}
		for range 2 { // the second time by the short way
			if got := code(place.CheckTarget(&signed, &c.in)); got != c.want {
				t.Errorf("%s: %q, want %q", c.name, got, c.want)
			}
		}
	}
}
