package pipeline

import (
	"strings"
	"testing"

	"github.com/tallystick/tallystick/core/weburl"
)

func TestSeenPath(t *testing.T) {
	for _, c := range []struct {
		name, base string
		in         Received
		want       string
		decoded    bool
	}{
		{"plain", "", Received{Path: "/agent"}, "/agent", false},
		{"mount", "", Received{Path: "/agent", Mount: "/api"}, "/api/agent", false},
		{"base path", "/v1", Received{Path: "/agent"}, "/v1/agent", false},
		{"base path stands for the mount", "/v1", Received{Path: "/agent", Mount: "/api"}, "/v1/agent", false},
		{"spelling recovered", "", Received{Path: "/a/b", PathDecoded: true, RawTarget: "/a%2Fb?x"}, "/a%2Fb", false},
		{"spelling recovered below a mount", "", Received{Path: "/a b", Mount: "/api", PathDecoded: true, RawTarget: "/api/a%20b"}, "/api/a%20b", false},
		{"spelling recovered below a base path", "/v1", Received{Path: "/a b", Mount: "/api", PathDecoded: true, RawTarget: "/api/a%20b"}, "/v1/a%20b", false},
		{"absolute form", "", Received{Path: "/a", PathDecoded: true, RawTarget: "http://h/a?b"}, "/a", false},
		{"a proxy's prefix is not in the raw target", "", Received{Path: "/a b", Mount: "/api", PathDecoded: true, RawTarget: "/a%20b"}, "/api/a b", true},
		{"no raw target", "", Received{Path: "/a b", PathDecoded: true}, "/a b", true},
		{"another raw target", "", Received{Path: "/a", PathDecoded: true, RawTarget: "/b"}, "/a", true},
		{"mount's root", "", Received{Mount: "/api", PathDecoded: true}, "/api", true},
		{"nothing", "", Received{}, "/", false},
	} {
		place := Place{path: c.base}
		if got := place.seenPath(&c.in); got.path != c.want || got.decoded != c.decoded {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func TestWholePaths(t *testing.T) {
	for _, c := range []struct {
		name string
		in   Received
		want string
	}{
		{"mounted at the agent's path", Received{Mount: "/bob", Path: "/chat"}, "/bob/chat"},
		{"a route below the agent's path", Received{Path: "/bob/chat"}, "/bob/chat"},
		{"the same, decoded", Received{Path: "/bob/a b", PathDecoded: true}, "/bob/a b"},
		{"the same, recovered", Received{Path: "/bob/a b", PathDecoded: true, RawTarget: "/bob/a%20b"}, "/bob/a%20b"},
		{"a proxy took the path away", Received{Path: "/chat"}, "/bob/chat"},
		{"a path that only begins alike", Received{Path: "/bobby/chat"}, "/bob/bobby/chat"},
		{"the path itself", Received{Path: "/bob"}, "/bob"},
	} {
		place, err := NewPlace("https://a.example/bob")
		if err != nil {
			t.Fatal(err)
		}
		if got := place.Whole().seenPath(&c.in); got.path != c.want {
			t.Errorf("%s: %s, want %s", c.name, got.path, c.want)
		}
	}
}

// FuzzKnownOrigin: the short way gives the answer of the long one, whatever was
// seen before. Texts are drawn near each other, since strangers never meet.
func FuzzKnownOrigin(f *testing.F) {
	f.Add("https://a.example", "/agent", "https://a.example/agent", "/agent", "", false)
	f.Add("HTTP://A.example:80", "/a/b", "http://a.example/a/b", "/a/b", "http://a.example", false)
	f.Add("https://a.example", "/", "https://a.example/?x", "/?x", "", false)
	f.Add("https://a.example", "/a", "https://a.example.evil/a", ".evil/a", "https://a.example", true)
	f.Add("https://a.example", "/a%20b", "https://a.example/a%20b", "/a%20b", "", true)
	f.Add("https://a.example", "/%41", "https://a.example/A", "/A", "", true)
	f.Add("https://a.example", "/x", "https://b.example/x", "/x", "https://a.example", false)
	f.Add("https://a.example", "/x", "https://a.example/x#f", "/x#f", "", false)
	f.Fuzz(func(t *testing.T, origin, before, signed, path, base string, decoded bool) {
		place, err := NewPlace(base)
		if err != nil {
			return
		}
		forgets := place
		forgets.last = nil
		for _, known := range []string{before, path} {
			place.checkURL(origin+known, &Received{Path: known})
		}
		for _, url := range []string{signed, origin + path, origin + before, origin + path + signed} {
			in := &Received{Path: path, PathDecoded: decoded}
			short, long := place.checkURL(url, in), forgets.checkURL(url, in)
			if (short == nil) != (long == nil) {
				t.Fatalf("%q at %q: %v, without memory %v", url, path, short, long)
			}
		}
	})
}

func TestKnownOriginIsUsed(t *testing.T) {
	place, err := NewPlace("")
	if err != nil {
		t.Fatal(err)
	}
	const url = "https://a.example/agent"
	if place.knows(url, "/agent") {
		t.Error("known before it was seen")
	}
	if p := place.checkURL(url, &Received{Path: "/agent"}); p != nil {
		t.Fatal(p)
	}
	for _, other := range []string{"/agent", "/other"} {
		if !place.knows("https://a.example"+other, other) {
			t.Errorf("%s is not known", other)
		}
	}
	long := "/" + strings.Repeat("a", weburl.MaxURL)
	for _, c := range [][2]string{{url, "/agent2"}, {"https://b.example/agent", "/agent"}, {"https://a.example/a%20b", "/a%20b"}, {"https://a.example/a?b", "/a?b"}, {"https://a.example" + long, long}} {
		if place.knows(c[0], c[1]) {
			t.Errorf("%.40s at %.40s took the short way", c[0], c[1])
		}
	}
}
