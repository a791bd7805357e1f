package request

import (
	"net/url"
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	for text, want := range map[string]string{
		"https://a.example/x":             "https://a.example|/x",
		"HTTPS://A.Example:443/X":         "https://a.example|/X",
		"http://a.example:80":             "http://a.example|/",
		"http://a.example:8080/":          "http://a.example:8080|/",
		"https://[::1]:8443/a":            "https://[::1]:8443|/a",
		"https://a.example/p?q#f":         "https://a.example|/p",
		"https://a.example?q=/x":          "https://a.example|/",
		"ftp://a.example/":                "",
		"a.example/x":                     "",
		"https:/a.example":                "",
		"https://":                        "",
		"https:///x":                      "",
		"https://u@a.example/":            "",
		"https://u:p@a.example/":          "",
		"https://a.example:0/":            "",
		"https://a.example:65536/":        "",
		"https://a.example:080/":          "",
		"https://a.example:/":             "",
		"https://a example/":              "",
		"https://bücher.example/":         "",
		"https://a.example/ü":             "",
		"https://a.example\\b/":           "",
		"https://a.example/\n":            "",
		"https://[::1/":                   "",
		"https://a.example/" + long(8192): "",
	} {
		parsed, err := parseURL(text)
		if got := parsed.origin + "|" + parsed.path; want != "" && (err != nil || got != want) {
			t.Errorf("%q: %s, %v", text, got, err)
		}
		if want == "" && err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func long(n int) string { return strings.Repeat("x", n) }

func TestNormalPath(t *testing.T) {
	for path, want := range map[string]string{
		"/a":        "/a",
		"/%61":      "/a",
		"/a%2fb":    "/a%2Fb",
		"/%7Ea":     "/~a",
		"/\xc3\xa9": "/%C3%A9",
		"/%c3%a9":   "/%C3%A9",
		"/%":        "/%",
		"/%zz":      "/%zz",
		"/a%20b":    "/a%20b",
		"/a/../b":   "/a/../b",
	} {
		if got := normalPath(path); got != want {
			t.Errorf("normalPath(%q) = %q, want %q", path, got, want)
		}
		if again := normalPath(want); again != want {
			t.Errorf("normalPath(%q) = %q: not stable", want, again)
		}
	}
}

func TestSeenPath(t *testing.T) {
	for _, c := range []struct {
		name, base string
		in         Input
		want       string
		decoded    bool
	}{
		{"plain", "", Input{Path: "/agent"}, "/agent", false},
		{"mount", "", Input{Path: "/agent", Mount: "/api"}, "/api/agent", false},
		{"base path", "/v1", Input{Path: "/agent"}, "/v1/agent", false},
		{"base path stands for the mount", "/v1", Input{Path: "/agent", Mount: "/api"}, "/v1/agent", false},
		{"spelling recovered", "", Input{Path: "/a/b", PathDecoded: true, RawTarget: "/a%2Fb?x"}, "/a%2Fb", false},
		{"spelling recovered below a mount", "", Input{Path: "/a b", Mount: "/api", PathDecoded: true, RawTarget: "/api/a%20b"}, "/api/a%20b", false},
		{"spelling recovered below a base path", "/v1", Input{Path: "/a b", Mount: "/api", PathDecoded: true, RawTarget: "/api/a%20b"}, "/v1/a%20b", false},
		{"absolute form", "", Input{Path: "/a", PathDecoded: true, RawTarget: "http://h/a?b"}, "/a", false},
		{"a proxy's prefix is not in the raw target", "", Input{Path: "/a b", Mount: "/api", PathDecoded: true, RawTarget: "/a%20b"}, "/api/a b", true},
		{"no raw target", "", Input{Path: "/a b", PathDecoded: true}, "/a b", true},
		{"another raw target", "", Input{Path: "/a", PathDecoded: true, RawTarget: "/b"}, "/a", true},
		{"mount's root", "", Input{Mount: "/api", PathDecoded: true}, "/api", true},
		{"nothing", "", Input{}, "/", false},
	} {
		v := &Verifier{basePath: c.base}
		if got := v.seenPath(&c.in); got.path != c.want || got.decoded != c.decoded {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("https://a.example:8443/x?q#f")
	f.Add("http://[::1]/%2e%2e/")
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := parseURL(text)
		if err != nil {
			return
		}
		theirs, err := url.Parse(text)
		if err != nil || theirs.User != nil || theirs.Host == "" {
			// net/url knows more of percent-encoding; nothing else may differ.
			if err == nil || !strings.Contains(err.Error(), "escape") && !strings.Contains(err.Error(), "host") {
				t.Errorf("%q is accepted, net/url says %v %v", text, theirs, err)
			}
			return
		}
		if !strings.HasSuffix(parsed.origin, "//"+strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(theirs.Host, ":80"), ":443"))) && theirs.Port() != "80" && theirs.Port() != "443" {
			t.Errorf("%q: origin %q, net/url says host %q", text, parsed.origin, theirs.Host)
		}
	})
}
