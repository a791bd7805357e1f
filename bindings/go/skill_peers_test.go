package tallystick_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	tallystick "github.com/tallystick/tallystick/bindings/go"
)

// peer is an agent or authority of the Python or Node package, or an agent of webagents, in a process
// of its own.
type peer struct {
	t    *testing.T
	lock sync.Mutex
	in   io.Writer
	out  *bufio.Reader
	url  string
}

// eachPeer runs a test against each language.
func eachPeer(t *testing.T, test func(t *testing.T, p *peer)) {
	t.Run("Python", func(t *testing.T) { test(t, newPeer(t, pythonCommand(t, "peer.py"))) })
	t.Run("Node", func(t *testing.T) { test(t, newPeer(t, nodeCommand(t))) })
}

// pythonCommand runs a program of testdata in the Python that `make python` has made.
func pythonCommand(t *testing.T, program string, arguments ...string) *exec.Cmd {
	t.Helper()
	python := os.Getenv("TALLYSTICK_PYTHON")
	if python == "" {
		python = filepath.Join("..", "..", "build", "venv", "bin", "python")
	}
	if _, err := exec.LookPath(python); err != nil {
		t.Skipf("the peer is a Python package, and there is no %s, which `make python` makes (or $TALLYSTICK_PYTHON)", python)
	}
	return exec.Command(python, append([]string{filepath.Join("testdata", program)}, arguments...)...)
}

func nodeCommand(t *testing.T) *exec.Cmd {
	t.Helper()
	module := os.Getenv("TALLYSTICK_NODE_MODULE")
	if module == "" {
		module = filepath.Join("..", "node", "dist", "index.js")
	}
	module, err := filepath.Abs(module)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(module); err != nil {
		t.Skipf("the peer is the Node package, and there is no %s, which `make node` builds (or $TALLYSTICK_NODE_MODULE)", module)
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("the peer is the Node package, and there is no node in PATH to run it")
	}
	return exec.Command(node, filepath.Join("testdata", "peer.mjs"), module)
}

func newPeer(t *testing.T, command *exec.Cmd) *peer {
	t.Helper()
	said := &skillLog{}
	command.Stderr = said
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		err := command.Wait()
		if t.Failed() || err != nil {
			t.Log(err, said)
		}
	})
	return &peer{t: t, in: in, out: bufio.NewReader(out)}
}

// try gives a task and returns what it made, or the code of its error.
func (p *peer) try(into any, task ...any) (code string) {
	p.t.Helper()
	return p.ask(into, task)
}

// ask gives a line of JSON, and returns what the answer says is wrong.
func (p *peer) ask(into, question any) (wrong string) {
	p.t.Helper()
	p.lock.Lock()
	defer p.lock.Unlock()
	line, err := json.Marshal(question)
	if err == nil {
		_, err = p.in.Write(append(line, '\n'))
	}
	if err != nil {
		p.t.Fatal(err)
	}
	said, err := p.out.ReadBytes('\n')
	if err != nil {
		p.t.Fatal(err)
	}
	var answer struct {
		OK             json.RawMessage
		Error, Message string
	}
	if err := json.Unmarshal(said, &answer); err != nil {
		p.t.Fatal(err, string(said))
	}
	if answer.Error != "" {
		return answer.Error + ": " + answer.Message
	}
	if into == nil {
		return ""
	}
	if err := json.Unmarshal(answer.OK, into); err != nil {
		p.t.Fatal(err)
	}
	return ""
}

func (p *peer) must(into any, task ...any) {
	p.t.Helper()
	if code := p.try(into, task...); code != "" {
		p.t.Fatal(task[0], code)
	}
}

func TestTokensOfGoAndOthers(t *testing.T) { eachPeer(t, tokensOfGoAndOthers) }

func tokensOfGoAndOthers(t *testing.T, other *peer) {

	other.must(&other.url, "agent", map[string]any{"agent_id": "bob", "keys_dir": filepath.Join(t.TempDir(), "keys")})
	alice, a := newAgent(t, tallystick.SkillOptions{AgentID: "alice"}, "read")

	var who map[string]any
	other.must(&who, "verify", token(t, alice, other.url, "read"))
	if who["agent_id"] != "alice" || who["issuer"] != alice.Issuer() || fmt.Sprint(who["scopes"]) != "[read]" {
		t.Error(who)
	}
	if code := other.try(nil, "verify", token(t, alice, "https://x.example")); !strings.HasPrefix(code,
		"invalid_audience") {
		t.Error(code)
	}
	bound, err := alice.Issue(t.Context(), tallystick.TokenRequest{Target: other.url,
		Bind: &tallystick.Binding{Method: "POST", URL: other.url + "/chat", Body: []byte("hello")}})
	if err != nil {
		t.Fatal(err)
	}
	other.must(&who, "verify_request", bound, "POST", "/chat", "hello")
	if who["bound"] != true {
		t.Error(who)
	}
	if code := other.try(nil, "verify_request", bound, "POST", "/chat", "hello"); !strings.HasPrefix(code,
		"replay_detected") {
		t.Error(code)
	}

	var made string
	other.must(&made, "token", alice.BaseURL(), []string{"read"})
	if status, body := askWith(t, a.URL+"/chat", made); status != 200 || !strings.HasSuffix(body, " agent hello") {
		t.Error(status, body)
	}
	auth, err := alice.VerifyToken(t.Context(), made)
	if err != nil || auth.AgentID != "bob" || auth.AgentURL != other.url {
		t.Error(auth, err)
	}
	other.must(&made, "token", "https://x.example", []string{"read"})
	if status, _ := askWith(t, a.URL+"/chat", made); status != 401 {
		t.Error(status)
	}
	other.must(&made, "bound", alice.BaseURL(), "POST", a.URL+"/bound", "hello")
	if status, body := askWith(t, a.URL+"/bound", made); status != 200 {
		t.Error(status, body)
	}
	if status, _ := askWith(t, a.URL+"/bound", made); status != 429 {
		t.Error(status)
	}
}

func TestAnAuthorityOfOthersAndAgentsOfGo(t *testing.T) {
	eachPeer(t, anAuthorityOfOthersAndAgentsOfGo)
}

func anAuthorityOfOthersAndAgentsOfGo(t *testing.T, other *peer) {

	other.must(&other.url, "authority", map[string]any{"keys_dir": filepath.Join(t.TempDir(), "authority")})
	var secret string
	other.must(&secret, "register", "alice", map[string]any{"scopes": []string{"read"}, "trust": []string{"verified"}})
	alice := newTestSkill(t, tallystick.SkillOptions{Authority: other.url, BaseURL: "@alice", ClientSecret: secret})
	bob := newTestSkill(t, tallystick.SkillOptions{Authority: other.url, BaseURL: "@bob"})
	auth, err := bob.VerifyToken(t.Context(), token(t, alice, "@bob", "read"))
	if err != nil || auth.Name != "alice" || !slices.Equal(auth.TrustLabels, []string{"verified"}) {
		t.Error(auth, err)
	}
	_, err = alice.Token(t.Context(), "@bob", "admin")
	mustBe(t, err, tallystick.ErrTokenRefused)
}

func TestAnAuthorityOfGoAndAgentsOfOthers(t *testing.T) {
	eachPeer(t, anAuthorityOfGoAndAgentsOfOthers)
}

func anAuthorityOfGoAndAgentsOfOthers(t *testing.T, other *peer) {

	authority, portal := newAuthority(t, tallystick.AuthorityOptions{})
	secret := register(t, authority, tallystick.Client{ClientID: "alice", Scopes: []string{"read"}})
	other.must(&other.url, "agent", map[string]any{"authority": portal.URL, "base_url": "@alice",
		"client_secret": secret})
	bob := newTestSkill(t, tallystick.SkillOptions{Authority: portal.URL, BaseURL: "@bob"})
	var made string
	other.must(&made, "token", "@bob", []string{"read"})
	if auth, err := bob.VerifyToken(t.Context(), made); err != nil || auth.Name != "alice" {
		t.Error(auth, err)
	}
	if code := other.try(nil, "token", "@bob", []string{"admin"}); !strings.HasPrefix(code, "token_refused") {
		t.Error(code)
	}
}

// Both commit versions of one ring at the same time: none is lost, and both go on with the last.
func TestGoAndOthersChangeOneRing(t *testing.T) { eachPeer(t, goAndOthersChangeOneRing) }

func goAndOthersChangeOneRing(t *testing.T, other *peer) {
	const each = 5

	folder := filepath.Join(t.TempDir(), "keys")
	other.must(&other.url, "agent", map[string]any{"agent_id": "alice", "keys_dir": folder,
		"base_url": "https://alice.example"})
	options := tallystick.SkillOptions{AgentID: "alice", BaseURL: "https://alice.example", KeysDir: folder}
	alice := newTestSkill(t, options)
	var theirs, ours []string
	var both sync.WaitGroup
	both.Go(func() { other.must(&theirs, "revoke_many", each) })
	for range each {
		rotated, err := alice.RotateKeys(t.Context(), tallystick.RotateOptions{Revoke: true})
		if err != nil {
			t.Error(err)
		}
		ours = append(ours, rotated.Active)
	}
	both.Wait()
	all := append(append([]string{}, ours...), theirs...)
	slices.Sort(all)
	if len(slices.Compact(all)) != 2*each {
		t.Error("a ring was used twice", ours, theirs)
	}
	last := filepath.Join(folder, fmt.Sprintf("alice.ring.json.%d", 1+2*each))
	if info, err := os.Stat(last); err != nil || info.Size() == 0 || info.Mode().Perm() != 0o600 {
		t.Fatal(info, err)
	}
	if found, err := filepath.Glob(filepath.Join(folder, "*")); err != nil || len(found) != 1+2*each {
		t.Error(found, err)
	}
	// What either signs now, the other takes.
	twin := newTestSkill(t, options)
	made := token(t, twin, "https://alice.example")
	eventually(t, func() bool { return other.try(nil, "verify", made) == "" })
	other.must(&made, "token", "https://alice.example", []string{"read"})
	eventually(t, func() bool { _, err := alice.VerifyToken(t.Context(), made); return err == nil })
	var ring struct{ Version int }
	text, err := os.ReadFile(last)
	if err != nil || json.Unmarshal(text, &ring) != nil || ring.Version != 1 {
		t.Error(err)
	}
}

func TestGoAndOthersChangeOneListOfClients(t *testing.T) {
	eachPeer(t, goAndOthersChangeOneListOfClients)
}

func goAndOthersChangeOneListOfClients(t *testing.T, other *peer) {
	const each = 20

	folder := filepath.Join(t.TempDir(), "authority")
	other.must(&other.url, "authority", map[string]any{"keys_dir": folder})
	authority, _ := newAuthority(t, tallystick.AuthorityOptions{KeysDir: folder})
	_, public, err := tallystick.GenerateKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	both.Go(func() { other.must(nil, "register_many", "other", each, public) })
	for i := range each {
		register(t, authority, tallystick.Client{ClientID: fmt.Sprintf("go%d", i), PublicKey: public,
			Scopes: []string{"read"}})
	}
	both.Wait()
	var theirs []string
	other.must(&theirs, "clients")
	listed, err := authority.ListClients()
	if err != nil || len(listed) != 2*each || len(theirs) != 2*each {
		t.Fatal(len(listed), len(theirs), err)
	}
	for i, client := range listed {
		if client.ClientID != theirs[i] {
			t.Error(client, theirs[i])
		}
	}
	if _, err := os.Stat(filepath.Join(folder, fmt.Sprintf("clients.json.%d", 2*each))); err != nil {
		t.Error(err)
	}
}
