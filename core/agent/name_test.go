package agent

import (
	"strings"
	"testing"
)

func TestResolve(t *testing.T) {
	for _, c := range []struct{ reference, authority, want string }{
		{"@my-agent", "", "https://robutler.ai/agents/my-agent"},
		{"my-agent", "https://portal.example/", "https://portal.example/agents/my-agent"},
		{"@team/bot", "https://Portal.Example:443", "https://portal.example/agents/team/bot"},
		{"@alice.bot", "https://portal.example/base", "https://portal.example/base/agents/alice.bot"},
		{"user:1", "", "https://robutler.ai/agents/user:1"},
		{"https://a.example/x/", "https://portal.example", "https://a.example/x"},
		{"HTTP://127.0.0.1:8080/bot", "", "http://127.0.0.1:8080/bot"},
		{strings.Repeat("a", MaxName), "", "https://robutler.ai/agents/" + strings.Repeat("a", MaxName)},
		{strings.Repeat("a", MaxName+1), "", ""},
		{"", "", ""}, {"@", "", ""}, {"@@a", "", ""}, {"a@b", "", ""}, {"a b", "", ""}, {"a\tb", "", ""}, {"a\x00", "", ""},
		{"a*", "", ""}, {"a?b", "", ""}, {"a#b", "", ""}, {"a%41", "", ""}, {`a\b`, "", ""}, {`a"b`, "", ""}, {"a'b", "", ""}, {"a`b", "", ""},
		{"ü", "", ""}, {"..", "", ""}, {"a/../b", "", ""}, {".a", "", ""}, {"a.", "", ""}, {"a..b", "", ""}, {"/a", "", ""}, {"a/", "", ""}, {"a//b", "", ""},
		{":8443", "", ""}, {"a.:8443", "", ""}, {"<a>", "", ""}, {"a|b", "", ""}, {"{a}", "", ""}, {"a^b", "", ""},
		{"ftp://a.example", "", ""}, {"https://a.example/?q", "", ""}, {"https://", "", ""},
		{"a", "portal.example", ""}, {"a", "https://portal.example/?q", ""},
		{"localhost", "", ""}, {"localhost:5000", "", ""}, {"127.0.0.1:5000", "", ""}, {"a.example:8443", "", ""}, {"@localhost", "", "https://robutler.ai/agents/localhost"},
	} {
		got, err := Resolve(c.reference, c.authority)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("Resolve(%q, %q) = %q, %v; want %q", c.reference, c.authority, got, err, c.want)
		}
	}
}

func TestName(t *testing.T) {
	for url, want := range map[string]string{
		"https://agents.example.com/my-bot":     "com.example.agents.my-bot",
		"https://cool-bot.io/":                  "io.cool-bot",
		"https://a.example/My-Bot_~1":           "example.a.My-Bot_~1",
		"https://a.example/my.bot":              "example.a.my%2Ebot",
		"https://a.example/x/y":                 "example.a.x.y",
		"https://a.example/x%2Fy":               "example.a.x%252Fy",
		"https://a.example/x!y":                 "example.a.x%21y",
		"https://a.example/@x":                  "example.a.%40x",
		"https://a.example/:8443":               "example.a.%3A8443",
		"https://a.example:8443/x":              "example.a.:8443.x",
		"http://a.example/x":                    "example.a.:http.x",
		"http://a.example:8080/x":               "example.a.:8080.:http.x",
		"https://127.0.0.1/x":                   "127%2E0%2E0%2E1.x",
		"http://localhost:5000/agents/bot":      "localhost.:5000.:http.agents.bot",
		"https://[2001:db8::1]/x":               "%5B2001%3Adb8%3A%3A1%5D.x",
		"https://agents.example.com/my bot":     "",
		"https://agents.example.com/my-bot?q":   "",
		"https://agents.example.com/../my-bot":  "",
		"not a URL":                             "",
		"https://agents.example.com/%C3%A9/%2A": "com.example.agents.%25C3%25A9.%252A",
	} {
		got, err := Name(url)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("Name(%q) = %q, %v; want %q", url, got, err, want)
		}
	}
}

// Two agents of one host never share a name.
func FuzzNameIsInjective(f *testing.F) {
	f.Add("https://a.example/x.y", "https://a.example/x/y")
	f.Add("https://a.example/x%2Fy", "https://a.example/x/y")
	f.Add("https://a.example/x!y", "https://a.example/x%21y")
	f.Add("https://a.example:8443/x", "https://a.example/:8443/x")
	f.Add("http://a.example/x", "https://a.example/x")
	f.Add("https://127.0.0.1/x", "https://1.0.0.127/x")
	f.Fuzz(func(t *testing.T, a, b string) {
		first, err := locate(a)
		if err != nil {
			return
		}
		second, err := locate(b)
		if err != nil || first.text() == second.text() {
			return
		}
		nameA, _ := Name(a)
		nameB, _ := Name(b)
		if nameA != nameB {
			return
		}
		// The one thing that a name does not show is where the host ends.
		if first.host == second.host || first.host.literal || first.scheme != second.scheme || first.port != second.port {
			t.Fatalf("%q and %q are both %q", first.text(), second.text(), nameA)
		}
	})
}

func TestNamespace(t *testing.T) {
	for _, c := range []struct {
		name     string
		external bool
		want     string
	}{
		{"alice", false, "alice"}, {"alice.bot", false, "alice"}, {"alice.bot.x", false, "alice"}, {"alice/bot", false, "alice"},
		{"com.example.bot", false, "com.example"}, {"COM.example.bot", false, "COM.example"}, {"de.example.bot", false, "de.example"}, {"com", false, "com"},
		{"com.example.agents.bot", true, "com.example"}, {"museum.louvre.bot", true, "museum.louvre"}, {"zone1.example.bot", true, "zone1.example"},
		{"uk.co.example.bot", true, "uk.co.example"}, {"uk.co", true, "uk.co"}, {"uk.co.example", true, "uk.co.example"}, {"uk.example.bot", true, "uk.example"},
		{"uk.CO.example.bot", false, "uk.CO.example"}, {"com.co.example", true, "com.co"},
		{"localhost", true, "localhost"}, {"localhost.:5000.:http.bot", true, "localhost.:5000"}, {"", true, ""}, {"", false, ""},
	} {
		if got := Namespace(c.name, c.external); got != c.want {
			t.Errorf("Namespace(%q, %v) = %q, want %q", c.name, c.external, got, c.want)
		}
	}
}

func FuzzNamespaceIsAPrefix(f *testing.F) {
	f.Add("uk.co.example.bot", true)
	f.Add("a..b/", false)
	f.Fuzz(func(t *testing.T, name string, external bool) {
		if ns := Namespace(name, external); !strings.HasPrefix(name, ns) {
			t.Fatalf("%q is no beginning of %q", ns, name)
		}
	})
}

func TestAlias(t *testing.T) {
	for url, want := range map[string]string{
		"https://robutler.ai/agents/bob":   "bob",
		"https://ROBUTLER.ai/agents/t/bob": "t/bob",
		"https://robutler.ai/agents":       "",
		"https://robutler.ai/other/bob":    "",
		"https://evil.example/agents/bob":  "",
		"https://robutler.ai/agents/a%25b": "",
		"bob":                              "",
	} {
		name, there := Alias(url, "")
		if there != (want != "") || there && name != want {
			t.Errorf("Alias(%q) = %q, %v", url, name, there)
		}
	}
	if name, there := Alias("https://p.example/agents/bob", "https://p.example/"); !there || name != "bob" {
		t.Errorf("with an authority: %q", name)
	}
	if _, there := Alias("https://p.example/agents/bob", "p.example"); there {
		t.Error("with an authority that is no URL")
	}
}

func TestIsTopLevelDomain(t *testing.T) {
	for name, want := range map[string]bool{"com.a": true, "COM": true, "de/a": true, "xyz": true, "alice.com": false, "d1.a": false, "a": false, "": false} {
		if got := IsTopLevelDomain(FirstSegment(name)); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
