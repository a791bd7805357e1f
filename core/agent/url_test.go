package agent

import (
	"strings"
	"testing"

	"github.com/tallystick/tallystick/core/weburl"
)

func TestCanonical(t *testing.T) {
	for _, c := range []struct{ why, accepted, want, refused string }{
		{"scheme", "HTTPS://a.example/x", "https://a.example/x", "ftp://a.example/x"},
		{"no host", "https://a.example", "https://a.example", "https://"},
		{"user info", "https://a.example/@x", "https://a.example/@x", "https://x@a.example/"},
		{"query", "https://a.example/q", "https://a.example/q", "https://a.example/?q"},
		{"fragment", "https://a.example/f", "https://a.example/f", "https://a.example/#f"},
		{"empty query", "https://a.example/", "https://a.example", "https://a.example/?"},
		{"port", "https://A.example:443/", "https://a.example", "https://a.example:0/"},
		{"other port", "http://a.example:443", "http://a.example:443", "http://a.example:x"},
		{"slash at the end", "https://a.example/x/", "https://a.example/x", "https://a.example/x//"},
		{"empty segment", "https://a.example/x/y", "https://a.example/x/y", "https://a.example/x//y"},
		{"dot segment", "https://a.example/x/.../y", "https://a.example/x/.../y", "https://a.example/x/../y"},
		{"one dot", "https://a.example/x/.y", "https://a.example/x/.y", "https://a.example/x/./y"},
		{"encoded dots", "https://a.example/%2ea", "https://a.example/.a", "https://a.example/%2E%2e/a"},
		{"dots behind an encoded slash", "https://a.example/x%2fy", "https://a.example/x%2Fy", "https://a.example/x%2f..%2fy"},
		{"dots behind an encoded backslash", "https://a.example/x%5cy", "https://a.example/x%5Cy", "https://a.example/x%5c..%5cy"},
		{"dots with a path parameter", "https://a.example/a;b/y", "https://a.example/a;b/y", "https://a.example/..;b/y"},
		{"percent", "https://a.example/%41", "https://a.example/A", "https://a.example/%4"},
		{"percent and no hex", "https://a.example/%7e", "https://a.example/~", "https://a.example/%7g"},
		{"dot behind the host", "https://a.b.example", "https://a.b.example", "https://a.b.example."},
		{"empty label", "https://a.b.example", "https://a.b.example", "https://a..example"},
		{"label", "https://" + strings.Repeat("a", 63) + ".example", "https://" + strings.Repeat("a", 63) + ".example", "https://" + strings.Repeat("a", 64) + ".example"},
		{"host", "https://" + strings.Repeat("abcdefg.", 31) + "abcde", "https://" + strings.Repeat("abcdefg.", 31) + "abcde", "https://" + strings.Repeat("abcdefg.", 31) + "abcdef"},
		{"address", "https://127.0.0.1/x", "https://127.0.0.1/x", "https://127.1/x"},
		{"hexadecimal address", "https://a.0xz/x", "https://a.0xz/x", "https://0x7f000001/x"},
		{"decimal address", "https://a2130706433/x", "https://a2130706433/x", "https://2130706433/x"},
		{"octal address", "https://10.0.0.1/x", "https://10.0.0.1/x", "https://10.0.0.01/x"},
		{"numeric domain", "https://1.2.3.a/x", "https://1.2.3.a/x", "https://a.b.1/x"},
		{"v6", "https://[2001:DB8:0:0::1]/x", "https://[2001:db8::1]/x", "https://[2001:db8:::1]/x"},
		{"v4 in brackets", "https://[::ffff:1.2.3.4]/x", "https://[::ffff:1.2.3.4]/x", "https://[1.2.3.4]/x"},
		{"length", "https://a.example/" + strings.Repeat("x", MaxURL-18), "https://a.example/" + strings.Repeat("x", MaxURL-18), "https://a.example/" + strings.Repeat("x", MaxURL-17)},
	} {
		if got, err := Canonical(c.accepted); err != nil || got != c.want {
			t.Errorf("%s: Canonical(%q) = %q, %v", c.why, c.accepted, got, err)
		}
		if got, err := Canonical(c.refused); err == nil || got != "" {
			t.Errorf("%s: Canonical(%q) = %q", c.why, c.refused, got)
		}
	}
}

func FuzzCanonicalIsStable(f *testing.F) {
	for _, seed := range []string{"HTTPS://A.Example:443/%7e/x/", "http://[::1]:80/%2e", "https://a.example/a%2Fb;c", "https://127.0.0.1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		url, err := Canonical(text)
		if err != nil {
			return
		}
		if again, err := Canonical(url); err != nil || again != url {
			t.Fatalf("%q became %q, and that %q (%v)", text, url, again, err)
		}
		if u, err := weburl.Parse(url); err != nil || weburl.HasDotSegment(u.Path) {
			t.Fatalf("%q became %q", text, url)
		}
		if !Under(text, url) || !Under(url, text) || !Covers(url, url) {
			t.Fatalf("%q is not under itself", url)
		}
	})
}

func TestUnder(t *testing.T) {
	for _, c := range []struct {
		agent, issuer string
		want          bool
	}{
		{"https://a.example/bot", "https://a.example", true},
		{"https://a.example/bot", "https://A.example:443/", true},
		{"https://a.example/bot", "https://a.example/bot", true},
		{"https://a.example/bot/x", "https://a.example/bot/", true},
		{"https://a.example/bots", "https://a.example/bot", false},
		{"https://a.example.evil/bot", "https://a.example", false},
		{"https://a.example:8443/bot", "https://a.example", false},
		{"http://a.example/bot", "https://a.example", false},
		{"https://b.a.example/bot", "https://a.example", false},
		{"https://a.example", "https://a.example/bot", false},
		{"https://a.example/bot/../x", "https://a.example/bot", false},
		{"https://a.example/bot?x", "https://a.example/bot", false},
		{"", "", false},
	} {
		if got := Under(c.agent, c.issuer); got != c.want {
			t.Errorf("Under(%q, %q) = %v", c.agent, c.issuer, got)
		}
	}
}

func TestCovers(t *testing.T) {
	const agentURL = "https://a.example/agents/bot"
	for url, want := range map[string]bool{
		agentURL:                                 true,
		agentURL + "/":                           true,
		agentURL + "/chat?q=../..#f":             true,
		agentURL + "?q":                          true,
		"HTTPS://A.EXAMPLE:443/agents/%62ot/x":   true,
		agentURL + "s":                           false,
		"https://a.example/agents":               false,
		"http://a.example/agents/bot":            false,
		"https://a.example:8443/agents/bot":      false,
		"https://b.example/agents/bot":           false,
		"https://a.example./agents/bot":          false,
		"https://a.example@b.example/agents/bot": false,
		agentURL + "/../x":                       false,
		agentURL + "/%2e%2E/x":                   false,
		agentURL + "/..%2fx":                     false,
		agentURL + "/..%5Cx":                     false,
		agentURL + "/..;/x":                      false,
		agentURL + "/%":                          false,
		agentURL + "/%2f":                        true,
		agentURL + "/a..b":                       true,
		"/agents/bot":                            false,
		"":                                       false,
	} {
		if got := Covers(agentURL, url); got != want {
			t.Errorf("Covers(%q) = %v", url, got)
		}
	}
	if !Covers("https://a.example", "https://a.example/x") || Covers("https://a.example/?", "https://a.example/x") {
		t.Error("an agent at the root")
	}
}

func TestCheckStranger(t *testing.T) {
	for _, c := range []struct {
		why, accepted, refused string
		dev                    bool
	}{
		{"http", "https://a.example", "http://a.example", false},
		{"upper case", "https://a.example/X", "https://A.example/X", false},
		{"upper-case scheme", "https://a.example", "HTTPS://a.example", false},
		{"slash at the end", "https://a.example/x", "https://a.example/x/", false},
		{"slash behind the host", "https://a.example", "https://a.example/", false},
		{"dot at the end", "https://a.example", "https://a.example.", false},
		{"the scheme's port", "https://a.example:8443", "https://a.example:443", false},
		{"user info", "https://a.example", "https://u@a.example", false},
		{"query", "https://a.example/q", "https://a.example/?q", false},
		{"spelling of the path", "https://a.example/~b", "https://a.example/%7eb", false},
		{"no dot", "https://a.example", "https://intranet", false},
		{"localhost", "https://localhost.example", "https://localhost", false},
		{"below localhost", "https://localhost.example", "https://a.localhost", false},
		{"local", "https://local.example", "https://printer.local", false},
		{"internal", "https://xinternal.example", "https://metadata.google.internal", false},
		{"home.arpa", "https://home.arpa.example", "https://nas.home.arpa", false},
		{"address", "https://a1.example", "https://192.0.2.1", false},
		{"v6", "https://a1.example", "https://[2001:db8::1]", false},
		{"numeric", "https://a1.example", "https://2130706433", false},
		{"no URL", "https://a.example", "a.example", false},
		{"http in development", "http://localhost:8000/x", "http://a.example/x", true},
		{"loopback in development", "http://127.0.0.1:8000", "http://192.168.0.1:8000", true},
		{"v6 loopback in development", "https://[::1]", "https://[::2]", true},
		{"a name below localhost in development", "http://localhost", "http://a.localhost", true},
		{"spelling in development", "http://localhost", "http://localhost/", true},
	} {
		if err := CheckStranger(c.accepted, c.dev); err != nil {
			t.Errorf("%s: %s: %v", c.why, c.accepted, err)
		}
		if CheckStranger(c.refused, c.dev) == nil {
			t.Errorf("%s: %s is accepted", c.why, c.refused)
		}
	}
	if CheckStranger("http://localhost:8000/x", false) == nil {
		t.Error("loopback is accepted without dev_mode")
	}
}

func TestOnLoopback(t *testing.T) {
	for url, want := range map[string]bool{
		"http://localhost": true, "http://LOCALHOST:8000/x?q": true, "https://127.0.0.2": true, "http://[::1]:1": true, "http://[0:0::1]": true,
		"http://localhost.example": false, "http://a.localhost": false, "http://localhost.": false, "http://127.1": false, "http://128.0.0.1": false,
		"http://[::2]": false, "http://0.0.0.0": false, "localhost": false, "ftp://localhost": false, "http://u@localhost": false,
	} {
		if got := OnLoopback(url); got != want {
			t.Errorf("OnLoopback(%q) = %v", url, got)
		}
	}
}
