package weburl

import (
	"net/url"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
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
		parsed, err := Parse(text)
		if got := parsed.Origin + "|" + parsed.Path; want != "" && (err != nil || got != want) {
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
		if got := NormalPath(path); got != want {
			t.Errorf("NormalPath(%q) = %q, want %q", path, got, want)
		}
		if again := NormalPath(want); again != want {
			t.Errorf("NormalPath(%q) = %q: not stable", want, again)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("https://a.example:8443/x?q#f")
	f.Add("http://[::1]/%2e%2e/")
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := Parse(text)
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
		if !strings.HasSuffix(parsed.Origin, "//"+strings.ToLower(strings.TrimSuffix(strings.TrimSuffix(theirs.Host, ":80"), ":443"))) && theirs.Port() != "80" && theirs.Port() != "443" {
			t.Errorf("%q: origin %q, net/url says host %q", text, parsed.Origin, theirs.Host)
		}
	})
}
