package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
)

// Whatever has a secret is used, and that others can read it is said once.
func TestASecretThatOthersCanRead(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files have no modes there")
	}
	u := newTool(t)
	url, secret := portal(t)
	agent := agent(t).URL + "/agent"
	u.file("the key.pem", alice().PEM())
	u.file("secret", secret)
	u.file("store", "redis://a:b@127.0.0.1:1/0")
	u.file("config.json", `{"skills":{"auth":{"authority":"`+url+`","agent_id":"alice","dev_mode":true,`+
		`"client_secret":"`+secret+`"}}}`)
	as := []string{"--key", "the key.pem", "--issuer", "alice"}
	token := []string{"token", "--target", "@bob", "--authority", url, "--agent", "@alice"}
	for _, c := range []struct {
		code       int
		name, what string
		args       []string
	}{
		{0, "the key.pem", "--key", append([]string{"sign", "GET", agent}, as...)},
		{0, "the key.pem", "--key", append([]string{"request", "GET", agent}, as...)},
		{0, "the key.pem", "FILE", []string{"keys", "inspect", "the key.pem"}},
		{0, "secret", "--client-secret", append(token, "--client-secret", "secret")},
		{0, "config.json", "--config", []string{"token", "--target", "@bob", "--config", "config.json"}},
		{6, "the key.pem", "--client-key", append(token, "--client-key", "the key.pem")},
		{3, "store", "--store", []string{"doctor", "--store", "@store"}},
	} {
		for mode, warns := range map[os.FileMode]bool{0o600: false, 0o400: false, 0o640: true, 0o440: true, 0o604: true} {
			if err := os.Chmod(c.name, mode); err != nil {
				t.Fatal(err)
			}
			o := u.exits(c.code, append(c.args, "--json")...)
			said := strings.Count(o.stderr, "warning: "+c.what+": "+c.name+" is open to other users (mode 0")
			if want := map[bool]int{true: 1}[warns]; said != want || strings.Contains(o.stdout, "warning") {
				t.Errorf("%q, mode %o: %d warnings, want %d: %s", c.args, mode, said, want, o.stderr)
			}
			if c.code != 6 {
				u.data(o)
			}
		}
		if err := os.Chmod(c.name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"the key.pem", "config.json"} {
		if err := os.Chmod(name, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	u.recorded.Reset()
	u.exits(0, append([]string{"sign", "GET", "https://agent.example/"}, as...)...)
	u.golden("modes")
	// Nothing secret is in these.
	t.Setenv("ALICES_SECRET", secret)
	u.file("public.pem", alice().Public().PEM())
	u.file("config.json", strings.Replace(u.content("config.json"), secret, "${ALICES_SECRET}", 1))
	u.file("store", "redis://127.0.0.1:1/0")
	if err := os.Chmod("public.pem", 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		code int
		args []string
	}{
		{0, []string{"token", "--target", "@bob", "--config", "config.json"}},
		{0, []string{"keys", "inspect", "public.pem"}},
		{0, []string{"keys", "add", "folder", "alice", "public.pem"}},
		{3, []string{"doctor", "--store", "@store"}},
		{4, []string{"sign", "GET", "https://agent.example/", "--key", "public.pem", "--issuer", "alice"}},
	} {
		if o := u.exits(c.code, c.args...); strings.Contains(o.stderr, "warning") {
			t.Errorf("%q: %s", c.args, o.stderr)
		}
	}
}

// unreachable is an address where nothing listens any more.
func unreachable(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	return server.URL
}
