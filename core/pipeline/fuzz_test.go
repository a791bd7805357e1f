package pipeline

import (
	"strings"
	"testing"
	"unicode"

	"github.com/tallystick/tallystick/core/digest"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

// FuzzCheckBody: a claimed digest fits a body when it is its digest, and nothing
// else that a token may say breaks a line of the log.
func FuzzCheckBody(f *testing.F) {
	f.Add(digest.Hex([]byte("body")), []byte("body"))
	f.Add(strings.ToUpper(digest.Hex([]byte("body"))), []byte("body"))
	f.Add("", []byte{})
	f.Add("\r\n\x1b[31m", []byte("body"))
	f.Fuzz(func(t *testing.T, claimed string, body []byte) {
		sum := digest.Hex(body)
		refused := (&RequestClaims{ContentSHA256: Claim{Text: claimed}}).CheckBody(&need.ReceivedBody{SHA256: sum}, 0)
		if (refused == nil) != (claimed == sum) {
			t.Fatalf("%q for %s: %v", claimed, sum, refused)
		}
		checkRefusal(t, refused, problem.BodyTampered)
	})
}

func checkRefusal(t *testing.T, refused *problem.Problem, code problem.Code) {
	t.Helper()
	if refused == nil {
		return
	}
	if refused.Code != code || len(refused.Log) > 4096 || strings.ContainsFunc(refused.Message+refused.Log, unicode.IsControl) {
		t.Fatalf("%v, log %q", refused, refused.Log)
	}
}

// FuzzTarget: a token that is signed for a method and a URL is accepted for just
// that request, and for no other method and no other query.
func FuzzTarget(f *testing.F) {
	f.Add("POST", "https://a.example/agent", "")
	f.Add("get", "HTTP://A.example:80/a%2fb/%c3%a4?x=1&y=%20", "x=1")
	f.Add("M-SEARCH", "https://[2001:db8::1]:8443/a/../b?", "?")
	f.Add("POST", "https://a.example/%2e%2E/#fragment", "a")
	f.Fuzz(func(t *testing.T, method, url, otherQuery string) {
		written, p := AppendTarget([]byte(`{"iss":"a"`), method, url)
		if p != nil {
			return
		}
		said := read(t, string(written)+"}")
		in := received(method, url)
		if refused := (Place{}).CheckTarget(said, in); refused != nil {
			t.Fatalf("%s %q: %v %s", method, url, refused, refused.Log)
		}
		place, err := NewPlace(originOf(url))
		if err != nil {
			t.Fatal(err)
		}
		if refused := place.CheckTarget(said, in); refused != nil {
			t.Fatalf("%s %q with base_url: %v %s", method, url, refused, refused.Log)
		}
		other := *in
		other.Method += "X"
		checkRefused(t, said, &other)
		if otherQuery != in.Query {
			other = *in
			other.Query = otherQuery
			checkRefused(t, said, &other)
		}
	})
}

// read reads the claims as the gate shows them.
func read(t *testing.T, payload string) *RequestClaims {
	t.Helper()
	said := &RequestClaims{}
	object := strictjson.Read(payload)
	for object.Next() {
		if member := said.Member(object.Name); member != nil {
			member.Read(&object.Member)
		}
	}
	if err := object.Err(); err != nil {
		t.Fatalf("%s: %v", payload, err)
	}
	return said
}

// received is the request line that a client makes of a URL (RFC 9112 section 3.2.1).
func received(method, url string) *Received {
	url, _, _ = strings.Cut(url, "#")
	url, query, _ := strings.Cut(url, "?")
	path := url[len(originOf(url)):]
	if path == "" {
		path = "/"
	}
	return &Received{Method: method, Path: path, Query: query}
}

func originOf(url string) string {
	scheme := strings.Index(url, "://") + len("://")
	if end := strings.IndexAny(url[scheme:], "/?#"); end >= 0 {
		return url[:scheme+end]
	}
	return url
}

func checkRefused(t *testing.T, said *RequestClaims, in *Received) {
	t.Helper()
	refused := (Place{}).CheckTarget(said, in)
	if refused == nil {
		t.Fatalf("accepted for %+v", in)
	}
	checkRefusal(t, refused, problem.WrongTarget)
}
