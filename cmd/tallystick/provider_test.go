package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tallystick/tallystick/core/jose"
)

const (
	directory = "8d0e7a52-4c1b-4f6e-9a3d-2b7c5e1f0a94"
	okta      = "okta,domain=example.okta.com"
	entra     = "entra,tenant=" + directory
)

// provided is a token of a provider, signed by alice's key, of this moment: it is judged by the
// clock of the machine.
func provided(t *testing.T, claims string) string {
	t.Helper()
	at := time.Now().Unix()
	text := fmt.Sprintf(`{"iat":%d,"exp":%d,%s}`, at, at+300, claims)
	input := jose.SigningInput([]byte(`{"alg":"RS256"}`), []byte(text))
	signature, p := jose.Sign(input, alice())
	if p != nil {
		t.Fatal(p)
	}
	return input + "." + jose.Encode64(signature)
}

const (
	oktaToken = `"iss":"https://example.okta.com/oauth2/default","sub":"carol@example.com","aud":"api://orders",` +
		`"cid":"0oa1","scp":["orders:read"]`
	oktaIDToken = `"iss":"https://example.okta.com/oauth2/default","sub":"00u1","aud":"0oa1","nonce":"n"`
	entraToken  = `"iss":"https://sts.windows.net/` + directory + `/","sub":"AAAA","aud":"api://orders","appid":"app-1",` +
		`"roles":["Orders.Read"]`
	cognitoToken = `"iss":"https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbC","sub":"carol",` +
		`"client_id":"1example","token_use":"access","scope":"orders/read"`
)

func TestVerifyTokensOfProviders(t *testing.T) {
	u := newTool(t)
	u.now = time.Now()
	u.file("keys.jwks", `{"keys":[`+alice().Public().JWK()+`]}`)
	verify := func(claims, preset, audience string, more ...string) []string {
		u.file("token", provided(t, claims))
		return append([]string{"verify", "@token", "--preset", preset, "--audience", audience, "--keys", "keys.jwks"}, more...)
	}
	for name, c := range map[string]struct{ claims, preset, audience, client string }{
		"okta":     {oktaToken, okta, "api://orders", "0oa1"},
		"entra v1": {entraToken, entra, "api://orders", "app-1"},
		"cognito":  {cognitoToken, "cognito,region=eu-central-1,pool=eu-central-1_AbC", "1example", "1example"},
	} {
		args := verify(c.claims, c.preset, c.audience, "--json")
		data := u.data(u.exits(0, args...))
		caller, _ := data["caller"].(map[string]any)
		if data["verdict"] != "accepted" || caller["client_id"] != c.client || len(caller["scopes"].([]any)) != 1 {
			t.Errorf("%s: %v", name, data)
		}
		u.file("keys.jwks", `{"keys":[`+bob().Public().JWK()+`]}`)
		if data := u.data(u.exits(3, args...)); data["code"] != "invalid_signature" {
			t.Errorf("%s: %v", name, data["code"])
		}
		u.file("keys.jwks", `{"keys":[`+alice().Public().JWK()+`]}`)
	}
	if o := u.exits(0, verify(oktaToken, okta, "api://orders")...); !strings.Contains(o.stdout,
		"accepted: it is from carol@example.com") {
		t.Error(o.stdout)
	}
	byIssuer := []string{
		"verify", "@token", "--issuer", "https://example.okta.com/oauth2/default", "--issuer-type", "user",
		"--keys", "keys.jwks", "--audience",
	}
	u.exits(0, append(byIssuer, "api://orders")...)
	u.exits(3, append(byIssuer, "api://other")...)
	u.file("token", provided(t, oktaToken+`,"htm":"GET","htu":"https://a.example/","jti":"x","content_sha256":"`+
		strings.Repeat("0", 64)+`"`))
	u.fails(4, "bound to one request", append(byIssuer, "api://orders")...)
	for want, c := range map[string][3]string{
		"invalid_audience": {oktaToken, okta, "api://other"},
		"unknown_issuer":   {oktaToken, "okta,domain=other.okta.com", "api://orders"},
		"invalid_claims":   {oktaIDToken, okta, "0oa1"},
	} {
		args := verify(c[0], c[1], c[2], "--json")
		if data := u.data(u.exits(3, args...)); data["code"] != want {
			t.Errorf("%v, want %s", data, want)
		}
	}
}

// What a configuration trusts, and by which settings, decides.
func TestVerifyByAConfiguration(t *testing.T) {
	u := newTool(t)
	u.now = time.Now()
	keys := issuer(t, nil, 0) + "/keys"
	ring := filepath.ToSlash(filepath.Join(t.TempDir(), "ring"))
	config := func(name, scopes string) {
		u.file(name, "base_url: https://agents.example.com/orders\nkeys_dir: "+ring+"\nallowed_scopes: ["+scopes+"]\n"+
			"trusted_issuers:\n  - preset: {name: okta, domain: example.okta.com}\n    audience: ['api://orders']\n"+
			"    jwks_uri: '"+keys+"'\n")
	}
	config("auth.yaml", `"orders:*"`)
	config("deaf.yaml", "read")
	u.file("token", provided(t, oktaToken))
	data := u.data(u.exits(0, "verify", "@token", "--config", "auth.yaml", "--json"))
	if caller := data["caller"].(map[string]any); fmt.Sprint(caller["scopes"]) != "[orders:read]" {
		t.Error(data)
	}
	data = u.data(u.exits(0, "verify", "@token", "--config", "deaf.yaml", "--json"))
	if caller := data["caller"].(map[string]any); fmt.Sprint(caller["scopes"]) != "[]" {
		t.Error(data)
	}
	u.file("token", provided(t, oktaIDToken))
	if o := u.exits(3, "verify", "@token", "--config", "auth.yaml"); !strings.Contains(o.stdout, "refused: invalid_") {
		t.Error(o.stdout)
	}
	if entries, err := filepath.Glob(ring + "/*"); err != nil || len(entries) > 0 {
		t.Error("a key ring was made:", entries, err)
	}
	u.file("portal.json", `{"authority":"https://portal.example","agent_id":"bob","allow":["@alice"]}`)
	u.file("token", provided(t, `"iss":"https://evil.example","sub":"a","aud":"https://portal.example/agents/bob"`))
	u.exits(3, "verify", "@token", "--config", "portal.json")
}

// world is a server that every name leads to, with certificates that are good for all.
func world(t *testing.T, documents map[string]string) http.RoundTripper {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, there := documents[r.Host+r.URL.Path]
		if !there {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(server.Close)
	transport := server.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.ServerName = "example.com" // the one that its certificate has
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
	return transport
}

func TestDoctorLooksAtProviders(t *testing.T) {
	u := newTool(t)
	keys := `{"keys":[` + alice().Public().JWK() + `]}`
	discovery := func(issuer, jwks string) string { return `{"issuer":"` + issuer + `","jwks_uri":"` + jwks + `"}` }
	const (
		entraAt   = "login.microsoftonline.com/" + directory
		wellKnown = "/.well-known/openid-configuration"
	)
	u.transport = world(t, map[string]string{
		"example.okta.com/oauth2/default" + wellKnown:              discovery("https://example.okta.com/oauth2/default", "https://example.okta.com/k"),
		"example.okta.com/k":                                       keys,
		entraAt + "/v2.0" + wellKnown:                              discovery("https://"+entraAt+"/v2.0", "https://"+entraAt+"/k"),
		entraAt + wellKnown:                                        discovery("https://sts.windows.net/"+directory+"/", "https://"+entraAt+"/k"),
		entraAt + "/k":                                             keys,
		"other.eu.auth0.com" + wellKnown:                           discovery("https://example.eu.auth0.com/", "https://example.eu.auth0.com/k"),
		"id.example.com/realms/agents" + wellKnown:                 discovery("https://id.example.com/realms/agents", "https://id.example.com/k"),
		"id.example.com/k":                                         `{"keys":[]}`,
		"portal.example/.well-known/openid-configuration":          discovery("https://portal.example", "https://portal.example/k"),
		"portal.example/k":                                         keys,
		"as.example/.well-known/oauth-authorization-server/agents": discovery("https://as.example/agents", "https://as.example/k"),
		"as.example/k":                                             keys,
	})
	u.exits(0, "doctor", "--preset", okta, "--preset", entra)
	u.exits(3, "doctor", "--preset", "auth0,domain=other.eu.auth0.com", "--preset", "keycloak,domain=id.example.com,realm=agents")
	u.exits(3, "doctor", "--preset", "okta,domain=gone.okta.com")
	u.exits(0, "doctor", "--issuer", "https://as.example/agents")
	u.exits(3, "doctor", "--issuer", "https://as.example/others")
	u.file("auth.json", `{"authority":"https://portal.example","agent_id":"bob","trusted_issuers":[`+
		`{"preset":{"name":"okta","domain":"example.okta.com"}},`+
		`{"preset":{"name":"google"},"jwks_uri":"https://example.okta.com/k"}]}`)
	u.exits(0, "doctor", "--config", "auth.json")
	u.file("alone.yaml", "base_url: https://agents.example.com/orders\n")
	u.exits(4, "doctor", "--config", "alone.yaml")
	u.file("wrong.yaml", "base_url: https://agents.example.com/orders\ntrusted_issuers:\n  - preset: {name: okta}\n")
	u.exits(4, "doctor", "--config", "wrong.yaml")
	u.exits(4, "doctor", "--config", "nowhere.yaml")
	u.golden("provider")
}

func TestHowAPresetIsWritten(t *testing.T) {
	u := newTool(t)
	u.file("token", provided(t, oktaToken))
	u.file("keys.jwks", `{"keys":[`+alice().Public().JWK()+`]}`)
	verify := func(more ...string) []string { return append([]string{"verify", "@token"}, more...) }
	for preset, words := range map[string]string{
		"oktaa,domain=example.okta.com":     "there is no such preset: write one of auth0",
		"okta":                              "domain is missing: okta needs it: write domain=example.okta.com",
		"okta,domain=":                      "domain is missing",
		"okta,domain=https://a.okta.com":    "domain must be a host's name",
		"okta,host=example.okta.com":        "behind the name come domain",
		"okta,domain":                       "domain is missing",
		"okta,domain=a.b,domain=a.b":        "domain is there twice",
		"okta,domain=a.b,tenant=x":          "tenant is no parameter of okta: remove it",
		"entra,tenant=common":               "tenant must be the directory's id",
		"cognito,region=eu-west-1,pool=a_b": "pool must be",
	} {
		u.fails(2, words, verify("--preset", preset, "--audience", "api://orders", "--keys", "keys.jwks")...)
		u.fails(2, words, "doctor", "--preset", preset)
	}
	u.fails(2, "there is no such preset", "doctor", "--preset", "")
	for words, args := range map[string][]string{
		"--preset is for access tokens":    verify("--preset", okta, "--keys", "keys.jwks"),
		"leave out --issuer":               verify("--preset", okta, "--audience", "x", "--issuer", "https://p.example"),
		"--audience is for an agent":       verify("--config", "x.yaml", "--audience", "https://b.example"),
		"--keys is for an agent without":   verify("--config", "x.yaml", "--keys", "keys.jwks"),
		"name the URL of the issuer":       verify("--audience", "https://b.example"),
		"--audience is for access tokens,": verify("--preset", okta, "--audience", "x", "--keys-dir", "keys"),
	} {
		u.fails(2, words, args...)
	}
	u.fails(4, "there is no nowhere.yaml", verify("--config", "nowhere.yaml")...)
}
