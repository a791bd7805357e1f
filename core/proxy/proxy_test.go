package proxy

import (
	"strings"
	"testing"
)

func TestAProxyOfTheEnvironment(t *testing.T) {
	const target = "https://id.example.com/keys"
	for _, c := range []struct{ why, proxy, no, url string }{
		{"there is one", "http://proxy.example:3128", "", "http://proxy.example:3128"},
		{"there is none", "", "", ""},
		{"this name goes past it", "http://proxy.example:3128", "example.com", ""},
		{"another does", "http://proxy.example:3128", "ample.com", "http://proxy.example:3128"},
	} {
		got, err := Choose(target, Environment{HTTPSProxy: c.proxy, NoProxy: c.no})
		if err != nil || got.URL != c.url {
			t.Errorf("%s: %+v %v", c.why, got, err)
		}
	}
	for _, length := range []int{maxText, maxText + 1} {
		_, err := Choose(target, Environment{HTTPSProxy: "proxy.example", NoProxy: strings.Repeat(",", length)})
		if (err != nil) != (length > maxText) {
			t.Error(length, err)
		}
	}
}

// FuzzChoose: whatever the environment says, a password is in no error, what is chosen is a URL
// without one, and no control character gets into a header.
func FuzzChoose(f *testing.F) {
	f.Add("https://id.example.com/keys", "http://user:hunter2@proxy.example:3128", "a.example,10.0.0.0/8")
	f.Add("https://[fd00::1]:8443/", "socks5://user:hunter2@proxy", "*")
	f.Add("http://x", "http://%00hunter2@p", "[fd00::1]:8443")
	f.Fuzz(func(t *testing.T, target, url, no string) {
		got, err := Choose(target, Environment{HTTPSProxy: url, NoProxy: no})
		if err != nil && (got != Proxy{} || strings.Contains(err.Error(), "hunter2")) {
			t.Fatalf("%+v %v", got, err)
		}
		if strings.Contains(got.URL, "@") || strings.ContainsAny(got.Authorization, "\r\n\x00") {
			t.Fatalf("%+v", got)
		}
		if got.URL != "" && !strings.HasPrefix(got.URL, "http://") && !strings.HasPrefix(got.URL, "https://") {
			t.Fatalf("%+v", got)
		}
	})
}
