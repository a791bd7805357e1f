package binding

import "testing"

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
