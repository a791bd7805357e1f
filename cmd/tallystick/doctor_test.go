package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const discoveryPath = "/.well-known/openid-configuration"

// issuer is a server with a discovery document and keys, whose clock is ahead by some time.
func issuer(t *testing.T, change func(documents map[string]string), ahead time.Duration) string {
	t.Helper()
	documents := map[string]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", now.Add(ahead).Format(http.TimeFormat))
		text, there := documents[r.URL.Path]
		if !there {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, text)
	}))
	t.Cleanup(server.Close)
	documents[discoveryPath] = `{"issuer":"` + server.URL + `","jwks_uri":"` + server.URL + `/keys"}`
	documents["/keys"] = `{"keys":[` + alice().Public().JWK() + `]}`
	if change != nil {
		change(documents)
	}
	return server.URL
}

func TestDoctor(t *testing.T) {
	u := newTool(t)
	u.file("keys/alice.pem", alice().Public().PEM())
	good := issuer(t, nil, 0)
	u.exits(0, "doctor", "--url", good, "--keys-dir", "keys", "--base-url", good, "--issuer", good)
	u.file("keys/bob.pem", bob().PEM())
	o := u.exits(3, "doctor", "--url", issuer(t, nil, time.Minute), "--keys-dir", "keys", "--base-url", good+"/?x",
		"--issuer", issuer(t, func(d map[string]string) { d["/keys"] = `{"keys":[]}` }, 0))
	u.exits(3, "doctor", "--url", issuer(t, nil, -time.Minute), "--keys-dir", "nowhere", "--json")
	u.golden("doctor")
	if leaksPrivate(t, bob(), o.stdout+o.stderr) {
		t.Error("the private key is shown")
	}
	u.fails(2, "name what to look at", "doctor")
}

// One thing is wrong with each; the first has nothing.
func TestWhatDoctorFinds(t *testing.T) {
	u := newTool(t)
	u.file("empty/README.md", "")
	gone := issuer(t, nil, 0)
	for name, c := range map[string]struct {
		want string
		args []string
	}{
		"good":              {"", []string{"--issuer", issuer(t, nil, 0)}},
		"good without both": {"", []string{"--url", issuer(t, nil, 4*time.Second)}},
		"keys alone": {"", []string{"--issuer", issuer(t, func(d map[string]string) {
			delete(d, discoveryPath)
			d["/.well-known/jwks.json"] = d["/keys"]
		}, 0)}},
		"no keys": {"answered with status 404", []string{"--issuer", issuer(t, func(d map[string]string) {
			delete(d, "/keys")
		}, 0)}},
		"another issuer": {"configure that one", []string{"--issuer", issuer(t, func(d map[string]string) {
			d[discoveryPath] = `{"issuer":"https://x.example","jwks_uri":"https://x.example/"}`
		}, 0)}},
		"no document": {"is no discovery document", []string{"--issuer", issuer(t, func(d map[string]string) {
			d[discoveryPath] = `<html>`
		}, 0)}},
		"a wrong jwks_uri": {"jwks_uri: the URL must start", []string{"--issuer", issuer(t, func(d map[string]string) {
			d[discoveryPath] = strings.Replace(d[discoveryPath], `"jwks_uri":"http`, `"jwks_uri":"ftp`, 1)
		}, 0)}},
		"no URL":              {"must start with", []string{"--issuer", "alice"}},
		"http":                {"use https", []string{"--issuer", "http://portal.example"}},
		"http, and a base":    {"must have no query", []string{"--base-url", gone + "?"}},
		"a clock ahead":       {"behind", []string{"--url", issuer(t, nil, 10*time.Second)}},
		"a clock behind":      {"ahead of", []string{"--url", issuer(t, nil, -10*time.Second)}},
		"an empty folder":     {"nobody may call", []string{"--keys-dir", "empty"}},
		"nothing at the URL":  {"refuses connections", []string{"--url", "http://127.0.0.1:1"}},
		"nothing at the base": {"refuses connections", []string{"--base-url", "http://127.0.0.1:1"}},
	} {
		code := 0
		if c.want != "" {
			code = 3
		}
		o := u.exits(code, append([]string{"doctor"}, c.args...)...)
		if !strings.Contains(o.stdout, c.want) || o.stderr != "" {
			t.Errorf("%s: %s%s", name, o.stdout, o.stderr)
		}
	}
}

func TestInspectKeysOfAURL(t *testing.T) {
	u := newTool(t)
	good := issuer(t, nil, 0)
	u.exits(0, "keys", "inspect", good+"/keys")
	u.exits(0, "keys", "inspect", good+discoveryPath)
	u.golden("keys-url")
	u.fails(5, "answered with status 404", "keys", "inspect", good+"/nowhere")
	u.fails(2, "user name or password", "keys", "inspect", "http://a:b@portal.example/")
	redirect := httptest.NewServer(http.RedirectHandler(good+"/keys", http.StatusFound))
	t.Cleanup(redirect.Close)
	u.exits(0, "keys", "inspect", redirect.URL)
	var around *httptest.Server
	around = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, around.URL, http.StatusFound)
	}))
	t.Cleanup(around.Close)
	u.fails(5, "over 3 redirects", "keys", "inspect", around.URL)
	u.fails(5, "answered with over", "keys", "inspect", says(t, 200, strings.Repeat("x", 300<<10)))
	other := issuer(t, func(d map[string]string) {
		d[discoveryPath] = strings.Replace(d[discoveryPath], `"issuer":"http`, `"issuer":"https`, 1)
	}, 0)
	o := u.exits(3, "keys", "inspect", other+discoveryPath)
	if !strings.Contains(o.stdout, "its issuer is https") {
		t.Error(o.stdout)
	}
}
