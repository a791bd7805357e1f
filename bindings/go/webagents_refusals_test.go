package tallystick_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tallystick "github.com/tallystick/tallystick/bindings/go"
)

const (
	theirURL = "https://theirs.example/agents/theo"
	ourURL   = "https://ours.example/agents/olga"
)

// world has theo, an agent of webagents, and olga, an agent of Go, who know each other's keys.
type world struct {
	t      *testing.T
	theirs webagents
	olga   *tallystick.Skill
	jwks   string // where theo's keys are
	keys   string // the folder of olga's
}

// One process of webagents for all of them: its start takes longer than they do.
func TestWebagentsTokens(t *testing.T) {
	w := newWorld(t)
	for name, test := range map[string]func(*testing.T, *world){
		"each reads the other's tokens":                   readsTheOther,
		"its key file is taken over":                      takesOverItsKeyFile,
		"scopes are granted alike":                        grantsTheSame,
		"rules let in the same":                           followsTheSameRules,
		"lists let in the same":                           followsTheSameLists,
		"takes claims that Go refuses":                    takesOtherClaims,
		"takes texts that Go refuses":                     takesOtherTexts,
		"takes namespaces that an agent gave itself":      takesAnyNamespace,
		"takes a name from the path of any host":          takesANameFromAnyPath,
		"takes a denied issuer that is trusted":           takesADeniedIssuer,
		"takes callers by what they call themselves":      takesWhatCallersSay,
		"goes on without a caller where a token is wrong": goesOnWithoutACaller,
		"gives tokens to anybody":                         givesTokensToAnybody,
	} {
		t.Run(name, func(t *testing.T) {
			w.t, w.theirs.T = t, t
			test(t, w)
		})
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, theirs: newWebagents(t, t.TempDir()), keys: filepath.Join(t.TempDir(), "keys")}
	ours, theirSite := newSite(t), newSite(t)
	w.jwks = theirSite.URL
	keys := w.theirs.open("theo", members{"base_url": theirURL, "trusted_issuers": []members{
		{"issuer": ourURL, "jwks_uri": ours.URL + "/.well-known/jwks.json"}}}, nil)
	theirSite.serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(keys))
	}))
	w.olga = newTestSkill(t, w.options())
	ours.serve(w.olga.Endpoints())
	return w
}

func (w *world) options() tallystick.SkillOptions {
	return tallystick.SkillOptions{BaseURL: ourURL, KeysDir: w.keys,
		TrustedIssuers: []tallystick.TrustedIssuer{{Issuer: "https://theirs.example", JWKSURI: w.jwks}}}
}

// both makes olga once more, in both packages, with the same configuration.
func (w *world) both(t *testing.T, config members) *tallystick.Skill {
	t.Helper()
	known := members{"base_url": ourURL,
		"trusted_issuers": []members{{"issuer": "https://theirs.example", "jwks_uri": w.jwks}}}
	for name, value := range config {
		known[name] = value
	}
	w.theirs.open("olga", known, config["accept_from"])
	text, err := json.Marshal(known)
	if err != nil {
		t.Fatal(err)
	}
	return newTestSkill(t, tallystick.SkillOptions{Config: string(text), KeysDir: w.keys})
}

// token is theo's for olga.
func (w *world) token(claims members) string {
	w.t.Helper()
	return w.theirs.token("theo", ourURL, []string{"read"}, claims)
}

// forged is a token of theo's key whose claims are any text.
func (w *world) forged(more string) (made string) {
	w.t.Helper()
	header, err := json.Marshal(claimsOf(w.t, w.token(nil), 0))
	if err != nil {
		w.t.Fatal(err)
	}
	now := time.Now().Unix()
	claims := fmt.Sprintf(`{"iss":"https://theirs.example","aud":%q,"exp":%d,"jti":"%d","scope":"read",`+
		`"client_id":"theo","token_type":"Bearer","agent_path":"/agents",%s}`, ourURL, now+60, now, more)
	w.theirs.do(&made, "forge", "theo", members{"header": string(header), "claims": claims})
	return made
}

// connects runs what webagents runs before a turn with the token.
func (w *world) connects(token string) string {
	w.t.Helper()
	var said struct {
		Authenticated *bool
		Refused       int
	}
	w.theirs.do(&said, "connect", "olga", members{"headers": members{"Authorization": "Bearer " + token}})
	switch {
	case said.Authenticated == nil:
		return fmt.Sprint(said.Refused)
	case *said.Authenticated:
		return "authenticated"
	default:
		return "anonymous"
	}
}

func accepts(t *testing.T, skill *tallystick.Skill, token string) *tallystick.AuthContext {
	t.Helper()
	auth, err := skill.VerifyToken(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return auth
}

func refuses(t *testing.T, skill *tallystick.Skill, token string, code *tallystick.Error) {
	t.Helper()
	if _, err := skill.VerifyToken(t.Context(), token); !errors.Is(err, code) {
		t.Errorf("%v, want %s", err, code.Code)
	}
}

func readsTheOther(t *testing.T, w *world) {
	auth := accepts(t, w.olga, w.theirs.token("theo", ourURL, []string{"read", "admin"}, nil))
	if auth.AgentID != "theo" || auth.Issuer != "https://theirs.example" || auth.AgentURL != theirURL ||
		auth.Name != "example.theirs.agents.theo" || !slices.Equal(auth.Scopes, []string{"read"}) {
		t.Error(auth)
	}
	caller := w.theirs.validate("theo", token(t, w.olga, theirURL, "read", "admin:all"))
	if caller == nil || caller.AgentID != "olga" || caller.Issuer != ourURL || caller.Claims["client_id"] != "olga" ||
		!slices.Equal(caller.Scopes, []string{"read"}) {
		t.Error(caller)
	}
	const elsewhere = "https://elsewhere.example/agents/x"
	if caller := w.theirs.validate("theo", token(t, w.olga, elsewhere)); caller != nil {
		t.Error(caller)
	}
	refuses(t, w.olga, w.theirs.token("theo", elsewhere, nil, nil), tallystick.ErrInvalidAudience)
	for _, reference := range []string{"@bob", "bob", "https://x.example/agents/bob"} {
		theirs := claimsOf(t, w.theirs.token("theo", reference, nil, nil), 1)["aud"]
		if ours := claimsOf(t, token(t, w.olga, reference), 1)["aud"]; ours != theirs {
			t.Error(reference, ours, theirs)
		}
	}
}

func takesOverItsKeyFile(t *testing.T, w *world) {
	folder := filepath.Join(t.TempDir(), "keys")
	var theirs, ours struct{ Keys []map[string]string }
	text := w.theirs.open("max", members{"base_url": theirURL, "keys_dir": folder}, nil)
	migrated := newTestSkill(t, tallystick.SkillOptions{BaseURL: theirURL, AgentID: "max", KeysDir: folder})
	published := jwks(t, migrated.Endpoints())
	if json.Unmarshal([]byte(text), &theirs) != nil || json.Unmarshal([]byte(published), &ours) != nil {
		t.Fatal(text, published)
	}
	isRSA := func(key map[string]string) bool { return key["kty"] == "RSA" }
	old := theirs.Keys[slices.IndexFunc(theirs.Keys, isRSA)]
	at := slices.IndexFunc(ours.Keys, func(key map[string]string) bool { return key["n"] == old["n"] })
	if at < 0 {
		t.Fatal("the key of webagents is not published: ", published)
	}
	if header := claimsOf(t, token(t, migrated, "@bob"), 0); header["kid"] != ours.Keys[at]["kid"] {
		t.Error(header, ours.Keys[at]["kid"])
	}
	if _, err := os.Stat(filepath.Join(folder, "max.pem")); err != nil {
		t.Error(err)
	}
}

// Scopes are granted alike by the same configuration.
func grantsTheSame(t *testing.T, w *world) {
	for _, allowed := range [][]string{
		{"read", "write"}, {"read"}, {"tools:*"}, {"read", "tools:search"}, {"tools:*", "write"}, {"READ", "tools:search:*"},
	} {
		ours := w.both(t, members{"allowed_scopes": allowed})
		for _, asked := range [][]string{
			{"read"}, {"read", "write", "admin"}, {"tools:search", "tools:search:web", "tools"},
			{"reader", "READ", "tools"},
		} {
			made := w.theirs.token("theo", ourURL, asked, nil)
			theirs := w.theirs.validate("olga", made)
			auth := accepts(t, ours, made)
			if theirs == nil || !slices.Equal(auth.Scopes, theirs.Scopes) || !slices.Equal(auth.Namespaces, theirs.Namespaces) {
				t.Error(allowed, asked, auth.Scopes, auth.Namespaces, theirs)
			}
		}
	}
}

func followsTheSameRules(t *testing.T, w *world) {
	for _, c := range []struct {
		rules any
		code  *tallystick.Error
		says  string
	}{
		{[]string{"everyone"}, nil, "authenticated"},
		{[]string{"nobody"}, tallystick.ErrTrustDenied, "403"},
		{[]string{}, tallystick.ErrTrustDenied, "403"},
		{[]string{"@other", "#verified"}, tallystick.ErrTrustDenied, "403"},
		{[]string{"@other", "everyone"}, nil, "authenticated"},
		{members{"allow": []string{"everyone"}}, nil, "authenticated"},
		{members{"allow": []string{"everyone"}, "deny": []string{"@other"}}, nil, "authenticated"},
		{members{"allow": []string{"everyone"}, "deny": []string{"everyone"}}, tallystick.ErrTrustDenied, "403"},
		{members{"allow": []string{}}, tallystick.ErrTrustDenied, "403"},
	} {
		ours, made := w.both(t, members{"accept_from": c.rules}), w.token(nil)
		if said := w.connects(made); said != c.says {
			t.Error(c.rules, said)
		}
		if c.code == nil {
			accepts(t, ours, made)
		} else {
			refuses(t, ours, made, c.code)
		}
	}
}

// Go compares them with the whole issuer, and webagents with the end of its path, too.
func followsTheSameLists(t *testing.T, w *world) {
	stranger, s := newAgent(t, tallystick.SkillOptions{AgentID: "stranger"})
	for _, c := range []struct {
		config members
		code   *tallystick.Error
	}{
		{members{}, nil},
		{members{"allow": []string{s.URL}}, nil},
		{members{"allow": []string{"https://other.example"}}, tallystick.ErrUnknownIssuer},
		{members{"allow": []string{s.URL}, "deny": []string{"https://other.example"}}, nil},
		{members{"allow": []string{s.URL}, "deny": []string{s.URL}}, tallystick.ErrIssuerDenied},
		{members{"deny": []string{s.URL}}, tallystick.ErrIssuerDenied},
		{members{"deny": []string{"**"}}, tallystick.ErrIssuerDenied},
	} {
		ours := w.both(t, c.config)
		var allowed bool
		// It would fetch by https alone: it says itself whom it lets in.
		w.theirs.do(&allowed, "allowed", "olga", members{"issuer": stranger.Issuer()})
		if allowed != (c.code == nil) {
			t.Error(c.config, allowed)
		}
		if made := token(t, stranger, ourURL); c.code == nil {
			accepts(t, ours, made)
		} else {
			refuses(t, ours, made, c.code)
		}
	}
}

// What webagents takes and Go refuses on purpose.

func takesOtherClaims(t *testing.T, w *world) {
	ours := w.both(t, nil)
	for name, claims := range map[string]members{
		"a token that lives for a year":     {"exp": time.Now().Unix() + 400*86_400},
		"an identity in control characters": {"sub": "theo\x00\n"},
		"no subject":                        {"sub": ""},
		"an agent URL of another host": {"aoauth": members{"mode": "self",
			"agent_url": "https://victim.example/agents/theo"}},
		"a space that is none between scopes": {"scope": "read\u00a0admin"},
	} {
		made := w.token(claims)
		if w.theirs.validate("olga", made) == nil {
			t.Error(name, "is refused by webagents")
		}
		refuses(t, ours, made, tallystick.ErrInvalidClaims)
	}
	if auth := accepts(t, ours, w.token(nil)); auth.AgentID != "theo" {
		t.Error(auth)
	}
}

func takesOtherTexts(t *testing.T, w *world) {
	ours := w.both(t, nil)
	for name, c := range map[string]struct {
		more string
		code *tallystick.Error
	}{
		"a member twice":                   {`"sub":"olaf","sub":"theo"`, tallystick.ErrMalformedToken},
		"a number that JSON does not have": {`"sub":"theo","x":NaN`, tallystick.ErrMalformedToken},
		"half a character":                 {`"sub":"theo","x":"\ud800"`, tallystick.ErrMalformedToken},
		"a lifetime in another type":       {`"sub":"theo","iat":true`, tallystick.ErrInvalidClaims},
	} {
		made := w.forged(c.more)
		if said := w.connects(made); said != "authenticated" {
			t.Error(name, said)
		}
		refuses(t, ours, made, c.code)
	}
	// One token has one spelling: RFC 7515 section 2 has no padding.
	made := w.forged(`"sub":"theo"`)
	if w.theirs.validate("olga", made+"==") == nil {
		t.Error("padding is refused by webagents")
	}
	refuses(t, ours, made+"==", tallystick.ErrMalformedToken)
	if auth := accepts(t, ours, made); auth.AgentID != "theo" {
		t.Error(auth)
	}
}

// Go takes them of an authority alone: whoever signs his own tokens would be in every namespace.
func takesAnyNamespace(t *testing.T, w *world) {
	ours := w.both(t, members{"allowed_scopes": []string{"read", "namespace:*"}})
	made := w.theirs.token("theo", ourURL, []string{"read", "namespace:production"}, nil)
	theirs := w.theirs.validate("olga", made)
	if theirs == nil || !slices.Equal(theirs.Namespaces, []string{"production"}) {
		t.Error(theirs)
	}
	if auth := accepts(t, ours, made); len(auth.Namespaces) != 0 || !slices.Equal(auth.Scopes, []string{"read"}) {
		t.Error(auth)
	}
}

// "@alice" in an allow list lets in everybody there who calls a path of a host of his own alice.
func takesANameFromAnyPath(t *testing.T, w *world) {
	host := newSite(t)
	evil := newTestSkill(t, tallystick.SkillOptions{BaseURL: host.URL + "/agents/alice"})
	host.serve(evil.Endpoints())
	ours := w.both(t, members{"allow": []string{"@alice"}})
	var allowed bool
	w.theirs.do(&allowed, "allowed", "olga", members{"issuer": evil.Issuer()})
	if !allowed {
		t.Error("is refused by webagents")
	}
	refuses(t, ours, token(t, evil, ourURL), tallystick.ErrUnknownIssuer)
	named := w.both(t, members{"allow": []string{"@" + evil.Name()}})
	if auth := accepts(t, named, token(t, evil, ourURL)); auth.Name != evil.Name() {
		t.Error(auth)
	}
}

// It takes a trusted issuer before it looks at the deny list.
func takesADeniedIssuer(t *testing.T, w *world) {
	ours, made := w.both(t, members{"deny": []string{"https://theirs.example/**"}}), w.token(nil)
	if w.theirs.validate("olga", made) == nil {
		t.Error("is refused by webagents")
	}
	refuses(t, ours, made, tallystick.ErrIssuerDenied)
	accepts(t, w.both(t, members{"deny": []string{"https://other.example/**"}}), made)
}

// Its rules are for tokens with client_id, and by a sub that the caller chose.
func takesWhatCallersSay(t *testing.T, w *world) {
	for _, c := range []struct {
		rule   string
		claims members
	}{
		{"@bob", members{"sub": "bob"}}, {"platform", members{"sub": "bob"}}, {"family", members{"sub": "olga"}},
	} {
		ours, made := w.both(t, members{"accept_from": []string{c.rule}}), w.token(c.claims)
		if said := w.connects(made); said != "authenticated" {
			t.Error(c.rule, said)
		}
		refuses(t, ours, made, tallystick.ErrTrustDenied)
		verified := fmt.Sprint("@example.theirs.agents.", c.claims["sub"])
		accepts(t, w.both(t, members{"accept_from": []string{verified}}), made)
	}
	ours, nameless := w.both(t, members{"accept_from": []string{"@bob"}}), w.token(members{"client_id": ""})
	if said := w.connects(nameless); said != "authenticated" {
		t.Error(said)
	}
	if _, err := ours.VerifyToken(t.Context(), nameless); err == nil {
		t.Error("a token without a client passes a rule that it does not match")
	}
	refuses(t, ours, w.token(nil), tallystick.ErrTrustDenied)
}

// It goes on without a caller where a token is invalid.
func goesOnWithoutACaller(t *testing.T, w *world) {
	ours, late := w.both(t, nil), w.token(expired(members{}))
	if said := w.connects(late); said != "anonymous" {
		t.Error(said)
	}
	refuses(t, ours, late, tallystick.ErrTokenExpired)
	made := w.token(nil)
	if said := w.connects(made); said != "authenticated" {
		t.Error(said)
	}
	accepts(t, ours, made)
}

// Its token endpoint takes any secret, and gives strangers tokens for any agent.
func givesTokensToAnybody(t *testing.T, w *world) {
	site := newSite(t)
	secret, err := tallystick.NewClientSecret("")
	if err != nil {
		t.Fatal(err)
	}
	options := w.options()
	options.Clients = []tallystick.ClientConfig{{ClientID: "eve", SecretHash: secret.SecretHash, Scopes: []string{"read"}}}
	site.serve(newTestSkill(t, options).Endpoints())
	form := func(secret, target string) members {
		return members{"grant_type": "client_credentials", "client_id": "eve", "client_secret": secret, "target": target}
	}
	for target, audience := range map[string]string{"": theirURL, "@bank": "https://robutler.ai/agents/bank"} {
		var given struct {
			AccessToken string `json:"access_token"`
		}
		w.theirs.do(&given, "token_endpoint", "theo", members{"form": form("guess", target)})
		claims := claimsOf(t, given.AccessToken, 1)
		if claims["sub"] != "theo" || claims["client_id"] != "eve" || claims["aud"] != audience ||
			claims["scope"] != "read write" {
			t.Error(claims)
		}
	}
	ask := func(secret, target string) (int, string) {
		t.Helper()
		values := url.Values{}
		for name, value := range form(secret, target) {
			values.Set(name, value.(string))
		}
		return ask(t, nil, "POST", site.URL+"/auth/token", values.Encode(),
			http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	}
	if status, body := ask("guess", ourURL); status != 401 || !strings.Contains(body, `"invalid_client"`) {
		t.Error(status, body)
	}
	if status, body := ask(secret.Secret, "@bank"); status != 400 || !strings.Contains(body, `"invalid_target"`) {
		t.Error(status, body)
	}
	if status, body := ask(secret.Secret, ourURL); status != 200 {
		t.Error(status, body)
	}
}
