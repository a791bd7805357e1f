package tallystick_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/bindings/go/internal/peers"
)

// members are those of a JSON object.
type members = map[string]any

// webagentsCommand runs a program of the Python tests in the environment of the real webagents. Its
// keys are below the home, where those of another process with that home are, too.
func webagentsCommand(t *testing.T, home, program string) *exec.Cmd {
	t.Helper()
	python := os.Getenv("TALLYSTICK_WEBAGENTS_PYTHON")
	if python == "" {
		t.Skip("the peer is webagents 0.3.9, and $TALLYSTICK_WEBAGENTS_PYTHON does not say which Python has it: " +
			"`make test-go-slow` installs it and runs this test")
	}
	script := filepath.Join(peers.Root(t), "bindings", "python", "tests", "webagents_env", program)
	command := exec.Command(python, "-B", script)
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home,
		"WEBAGENTS_KEYS_DIR=" + filepath.Join(home, "keys")}
	return command
}

// webagents is a process with AuthSkills of the real webagents.
type webagents struct{ *peers.Peer }

func newWebagents(t *testing.T, home string) webagents {
	t.Helper()
	return webagents{peers.Start(t, webagentsCommand(t, home, "peer.py"))}
}

// do runs a method of a skill there, which must return.
func (w webagents) do(into any, what, skill string, others members) {
	w.T.Helper()
	if wrong := w.fails(into, what, skill, others); wrong != "" {
		w.T.Fatal(what, wrong)
	}
}

// fails returns what the method raised.
func (w webagents) fails(into any, what, skill string, others members) string {
	w.T.Helper()
	question := members{"do": what, "skill": skill}
	maps.Copy(question, others)
	return w.Ask(into, question)
}

// open makes a skill of an agent with the skill's name, and returns its key set.
func (w webagents) open(skill string, config members, rules any) (jwks string) {
	w.T.Helper()
	var opened struct{ JWKS json.RawMessage }
	w.do(&opened, "open", skill, members{"name": skill, "config": config, "rules": rules})
	return string(opened.JWKS)
}

func (w webagents) token(skill, target string, scopes []string, claims members) (made string) {
	w.T.Helper()
	w.do(&made, "generate", skill, members{"target": target, "scopes": scopes, "claims": claims})
	return made
}

// theirCaller is what their skill makes of a token.
type theirCaller struct {
	AgentID    string `json:"agent_id"`
	Agent      string // the same, in a turn
	Issuer     string
	IssuerType string `json:"issuer_type"`
	Scopes     []string
	Namespaces []string
	Claims     members `json:"raw_claims"`
}

// validate returns nil where their skill refuses a token.
func (w webagents) validate(skill, token string) (caller *theirCaller) {
	w.T.Helper()
	w.do(&caller, "validate", skill, members{"token": token})
	return caller
}

// claimsOf reads the claims of a token, or its header with part 0, without a check.
func claimsOf(t *testing.T, token string, part int) members {
	t.Helper()
	found := members{}
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[part])
	if err == nil {
		err = json.Unmarshal(text, &found)
	}
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// signedAnew is a token with other claims that has the same header, signed with the key.
func signedAnew(t *testing.T, key *rsa.PrivateKey, token string, claims members) string {
	t.Helper()
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(token, ".")
	head += "." + base64.RawURLEncoding.EncodeToString(text)
	sum := sha256.Sum256([]byte(head))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return head + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func expired(claims members) members {
	claims = maps.Clone(claims)
	for name, before := range map[string]time.Duration{"iat": 2 * time.Hour, "nbf": 2 * time.Hour, "exp": time.Hour} {
		claims[name] = time.Now().Add(-before).Unix()
	}
	return claims
}

// served is an agent of webagents in webagents' own server.
type served struct{ url string }

// serveWebagents starts app.py; %s in a text of the configuration stands for the server's URL.
func serveWebagents(t *testing.T, process *exec.Cmd, name string, config members) served {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	inherited, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer inherited.Close()
	url := "http://" + listener.Addr().String()
	settings, err := json.Marshal(members{"skill": "webagents", "agents": []string{name}, "config": config,
		"server": members{"root_agent": name}, "fd": 3})
	if err != nil {
		t.Fatal(err)
	}
	process.Args = append(process.Args, strings.ReplaceAll(string(settings), "%s", url))
	said := &skillLog{}
	process.Stdout, process.Stderr, process.ExtraFiles = said, said, []*os.File{inherited}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
		if t.Failed() {
			t.Log(said)
		}
	})
	// The first turn of an agent makes its skill; until then it has no URL and verifies nobody.
	agent := served{url + "/" + name}
	agent.turn(t, nil, "x")
	return agent
}

// turn has the agent answer a chat with who asked. A token that it refuses is no caller there.
func (s served) turn(t *testing.T, client *http.Client, token string) (who theirCaller) {
	t.Helper()
	headers := http.Header{"Content-Type": {"application/json"}}
	if token != "" {
		headers.Set("Authorization", "Bearer "+token)
	}
	status, body := ask(t, client, "POST", s.url+"/chat/completions",
		`{"messages":[{"role":"user","content":"who am I?"}]}`, headers)
	var said struct {
		Choices []struct{ Message struct{ Content string } }
	}
	err := json.Unmarshal([]byte(body), &said)
	if err == nil && status == 200 {
		err = json.Unmarshal([]byte(said.Choices[0].Message.Content), &who)
	}
	if status != 200 || err != nil {
		t.Fatal(status, body, err)
	}
	return who
}

// outgoing is the token that the agent's hooks put into a request that it is about to make.
func (s served) outgoing(t *testing.T, target string) string {
	t.Helper()
	status, body := ask(t, nil, "GET", s.url+"/outgoing?target_url="+url.QueryEscape(target), "", nil)
	var headers map[string]string
	if err := json.Unmarshal([]byte(body), &headers); status != 200 || err != nil {
		t.Fatal(status, body)
	}
	return strings.TrimPrefix(headers["Authorization"], "Bearer ")
}

// documentOf is a JSON document at a URL.
func documentOf(t *testing.T, url string) members {
	t.Helper()
	status, body := ask(t, nil, "GET", url, "", nil)
	document := members{}
	if err := json.Unmarshal([]byte(body), &document); status != 200 || err != nil {
		t.Fatal(url, status, body)
	}
	return document
}

// behind returns the agent behind a proxy whose root it is.
func (s served) behind(t *testing.T, front *site) served {
	t.Helper()
	target, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	front.serve(httputil.NewSingleHostReverseProxy(target))
	return served{front.URL}
}

var strangersKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// An agent of each side in its own server, which fetches the other's keys there. Go finds them by
// discovery; webagents has no discovery for an issuer that it was told of.
func TestWebagentsAndGoOverHTTP(t *testing.T) {
	for name, rooted := range map[string]bool{
		"with a discovery document at their issuer": true, "with a key set alone at their issuer": false,
	} {
		t.Run(name, func(t *testing.T) { webagentsAndGoOverHTTP(t, rooted) })
	}
}

func webagentsAndGoOverHTTP(t *testing.T, rooted bool) {
	home := t.TempDir()
	process := webagentsCommand(t, home, "app.py")
	goSite, front := newSite(t), newSite(t)
	config := members{"base_url": "%s/theo", "trusted_issuers": []members{
		{"issuer": goSite.URL, "jwks_uri": goSite.URL + "/.well-known/jwks.json"}}}
	if rooted {
		config["base_url"] = front.URL
	}
	theo := serveWebagents(t, process, "theo", config)
	issuer := strings.TrimSuffix(theo.url, "/theo")
	if rooted {
		theo = theo.behind(t, front)
		issuer = front.URL
	}
	alice := newAgentAt(t, goSite, tallystick.SkillOptions{AgentID: "alice", Signer: otherKey(),
		TrustedIssuers: []tallystick.TrustedIssuer{{Issuer: issuer}}}, "read")

	found := documentOf(t, goSite.URL+"/.well-known/openid-configuration")
	if found["issuer"] != goSite.URL || found["jwks_uri"] != goSite.URL+"/.well-known/jwks.json" {
		t.Error(found)
	}
	found = documentOf(t, theo.url+"/.well-known/openid-configuration")
	if found["issuer"] != issuer || found["jwks_uri"] != theo.url+"/.well-known/jwks.json" {
		t.Error(found)
	}
	goCallsWebagents(t, alice, theo)
	// A second process with theo's key signs what theo itself would not.
	forger := newWebagents(t, home)
	forger.open("theo", members{"base_url": theo.url}, nil)
	webagentsCallsGo(t, theo, forger, alice)
}

func goCallsWebagents(t *testing.T, alice *tallystick.Skill, theo served) {
	t.Helper()
	who := theo.turn(t, &http.Client{Transport: alice.Transport(theo.url, "read")}, "")
	if who.Agent != "alice" || who.Issuer != alice.Issuer() || !slices.Equal(who.Scopes, []string{"read"}) {
		t.Fatal(who)
	}
	made := token(t, alice, theo.url, "read")
	claims := claimsOf(t, made, 1)
	if who := theo.turn(t, nil, signedAnew(t, otherKey(), made, claims)); who.Agent != "alice" {
		t.Error(who)
	}
	for name, wrong := range map[string]string{
		"no token at all":      "x",
		"for another agent":    token(t, alice, "https://elsewhere.example", "read"),
		"expired":              signedAnew(t, otherKey(), made, expired(claims)),
		"tampered":             changed(made),
		"signed by a stranger": signedAnew(t, strangersKey(), made, claims),
	} {
		if who := theo.turn(t, nil, wrong); who.Agent != "" {
			t.Error(name, who)
		}
	}
}

func webagentsCallsGo(t *testing.T, theo served, forger webagents, alice *tallystick.Skill) {
	t.Helper()
	url := alice.BaseURL()
	made := theo.outgoing(t, url)
	auth, err := alice.VerifyToken(t.Context(), made)
	if err != nil || auth.AgentID != "theo" || auth.AgentURL != auth.Issuer+"/theo" ||
		!slices.Equal(auth.Scopes, []string{"read"}) {
		t.Fatal(auth, err)
	}
	want := auth.Name + " agent hello"
	for name, right := range map[string]string{
		"theo's": made, "the forger's": forger.token("theo", url, []string{"read"}, nil),
	} {
		if status, body := askWith(t, url+"/chat", right); status != 200 || body != want {
			t.Error(name, status, body)
		}
	}
	for name, wrong := range map[string]struct {
		token string
		code  *tallystick.Error
	}{
		"another's": {forger.token("theo", "https://elsewhere.example", []string{"read"}, nil),
			tallystick.ErrInvalidAudience},
		"expired":  {forger.token("theo", url, []string{"read"}, expired(members{})), tallystick.ErrTokenExpired},
		"tampered": {changed(made), tallystick.ErrInvalidSignature},
	} {
		if status, body := askWith(t, url+"/chat", wrong.token); status != 401 {
			t.Error(name, status, body)
		}
		if _, err := alice.VerifyToken(t.Context(), wrong.token); !errors.Is(err, wrong.code) {
			t.Error(name, err)
		}
	}
	if status, body := askWith(t, url+"/chat", forger.token("theo", url, []string{"admin"}, nil)); status != 403 {
		t.Error(status, body)
	}
	if status, body := askWith(t, url+"/chat", ""); status != 401 {
		t.Error(status, body)
	}
}

// A webagents agent whose tokens and keys come from an authority of Go.
func TestWebagentsAndAnAuthorityOfGo(t *testing.T) {
	home := t.TempDir()
	theirs, process := newWebagents(t, home), webagentsCommand(t, home, "app.py")
	authority, portal := newAuthority(t, tallystick.AuthorityOptions{})
	config := func(name, secret string) members {
		return members{"authority": portal.URL, "agent_id": name, "allowed_scopes": []string{"read", "write", "namespace:*"},
			"robutler": members{"client_id": name, "client_secret": secret}}
	}
	client := tallystick.Client{Scopes: []string{"read", "write"}, Namespaces: []string{"production"},
		Trust: []string{"verified"}}
	client.ClientID = "theo"
	theirSecret := register(t, authority, client)
	client.ClientID = "olga"
	ourSecret := register(t, authority, client)
	theirs.open("theo", config("theo", theirSecret), nil)
	theirs.open("wrong", config("theo", theirSecret+"x"), nil)
	theo := serveWebagents(t, process, "theo", config("theo", theirSecret))
	olga, o := newAgent(t, tallystick.SkillOptions{Authority: portal.URL, BaseURL: "@olga", ClientSecret: ourSecret,
		AllowedScopes: []string{"read", "write", "namespace:*"}}, "read")

	for name, made := range map[string]string{
		"by a method": theirs.token("theo", "@olga", []string{"read"}, nil), "by a hook": theo.outgoing(t, "@olga"),
	} {
		auth, err := olga.VerifyToken(t.Context(), made)
		if err != nil || auth.Name != "theo" || auth.IssuerType != "portal" || auth.Issuer != portal.URL ||
			!slices.Equal(auth.Scopes, []string{"read", "namespace:production"}) ||
			!slices.Equal(auth.Namespaces, []string{"production"}) || !slices.Equal(auth.TrustLabels, []string{"verified"}) {
			t.Error(name, auth, err)
		}
		if status, body := askWith(t, o.URL+"/chat", made); status != 200 || body != "theo portal hello" {
			t.Error(name, status, body)
		}
	}
	elsewhere := theirs.token("theo", "@carol", []string{"read"}, nil)
	if _, err := olga.VerifyToken(t.Context(), elsewhere); !errors.Is(err, tallystick.ErrInvalidAudience) {
		t.Error(err)
	}

	made := token(t, olga, "@theo", "read")
	caller := theirs.validate("theo", made)
	if caller == nil || caller.AgentID != "olga" || caller.IssuerType != "portal" ||
		!slices.Equal(caller.Namespaces, []string{"production"}) {
		t.Error(caller)
	}
	if who := theo.turn(t, nil, made); who.Agent != "olga" || who.Issuer != portal.URL {
		t.Error(who)
	}
	for name, wrong := range map[string]string{
		"for another agent": token(t, olga, "@carol", "read"), "tampered": changed(made),
	} {
		if theirs.validate("theo", wrong) != nil || theo.turn(t, nil, wrong).Agent != "" {
			t.Error(name)
		}
	}
	asked := members{"target": "@olga", "scopes": []string{"read"}}
	if wrong := theirs.fails(nil, "generate", "wrong", asked); !strings.Contains(wrong, "401") {
		t.Error(wrong)
	}
	asked["scopes"] = []string{"read", "admin"}
	if wrong := theirs.fails(nil, "generate", "theo", asked); !strings.Contains(wrong, "400") {
		t.Error(wrong)
	}
	asked["scopes"] = []string{"read", "write"}
	theirs.do(nil, "generate", "theo", asked)
}

// The key that webagents looks for at the authority is there under the kid of the token's header.
func TestWebagentsFindsAKeyThatGoHasRotated(t *testing.T) {
	home := t.TempDir()
	theirs := newWebagents(t, home)
	authority, portal := newAuthority(t, tallystick.AuthorityOptions{})
	secret := register(t, authority, tallystick.Client{ClientID: "olga", Scopes: []string{"read"}})
	before := newTestSkill(t, tallystick.SkillOptions{Authority: portal.URL, BaseURL: "@olga", ClientSecret: secret})
	config := members{"authority": portal.URL, "agent_id": "theo"}
	for _, rotate := range []bool{false, true} {
		if rotate {
			if _, err := authority.RotateKeys(t.Context(), tallystick.RotateOptions{Force: true}); err != nil {
				t.Fatal(err)
			}
		}
		made, err := before.Issue(t.Context(), tallystick.TokenRequest{Target: "@theo"})
		if err != nil {
			t.Fatal(err)
		}
		// 0.3.9 asks for a key set once a minute; a skill that is made anew asks at once.
		theirs.open("theo", config, nil)
		if caller := theirs.validate("theo", made); caller == nil || caller.AgentID != "olga" {
			t.Error(rotate, caller)
		}
	}
}
