package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/core/problem"
)

// used remembers tokens for as long as a test runs.
type used struct{ ids sync.Map }

func (u *used) Claim(_ context.Context, id string, _ int64) (bool, error) {
	_, there := u.ids.LoadOrStore(id, true)
	return !there, nil
}

// agent is a protected agent that knows alice.
func agent(t *testing.T) *httptest.Server {
	t.Helper()
	verifier, err := tallystick.NewVerifier(tallystick.VerifierOptions{
		Keys: map[string]string{"alice": alice().Public().PEM()}, Store: &used{}, RequireTarget: true,
		DevMode: tallystick.Production, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(verifier.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := tallystick.CallerFrom(r.Context())
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{
			"caller": caller.Issuer, "got": string(body), "type": r.Header.Get("Content-Type"),
		})
	})))
	t.Cleanup(server.Close)
	return server
}

// says is a server that answers each request in one way.
func says(t *testing.T, status int, body string, headers ...string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestRequest(t *testing.T) {
	u, url := newTool(t), agent(t).URL+"/agent"
	u.file("alice.pem", alice().PEM())
	u.file("bob.pem", bob().PEM())
	u.exits(0, "request", "POST", url, "--key", "alice.pem", "--issuer", "alice", "--body", `{"query":"hello"}`)
	u.exits(0, "request", "GET", url, "--key", "alice.pem", "--issuer", "alice", "--json")
	u.exits(6, "request", "POST", url, "--key", "bob.pem", "--issuer", "alice", "--body", "hello")
	u.exits(6, "request", "POST", url, "--key", "bob.pem", "--issuer", "bob", "--json")
	u.golden("request")
}

// Every code that an agent can refuse with has advice, and so have rotagent's words.
func TestAdviceForEachRefusal(t *testing.T) {
	u := newTool(t)
	u.file("alice.pem", alice().PEM())
	for _, row := range problem.Refusals() {
		response := problem.New(row.Code, "").Response(problem.Challenge{Realm: "tallystick"})
		url := says(t, response.Status, response.Body)
		data := u.data(u.exits(6, "request", "GET", url, "--key", "alice.pem", "--issuer", "alice", "--json"))
		refusal, _ := data["refusal"].(map[string]any)
		if refusal["code"] != string(row.Code) || len(refusal["advice"].(string)) < 20 {
			t.Errorf("%s: %v", row.Code, refusal)
		}
	}
	for words, want := range map[string]any{
		"Replay Detected": "replay_detected", "Unknown Issuer: alice": "unknown_issuer",
		"Token Expired": "token_expired", "Whatever": nil,
	} {
		url := says(t, 401, `{"error":"`+words+`"}`)
		data := u.data(u.exits(6, "request", "GET", url, "--key", "alice.pem", "--issuer", "alice", "--json"))
		if got := data["refusal"].(map[string]any)["code"]; got != want {
			t.Errorf("%s: %v, want %v", words, got, want)
		}
	}
}

func TestAnswersOfOthers(t *testing.T) {
	u := newTool(t)
	u.file("alice.pem", alice().PEM())
	as := []string{"--key", "alice.pem", "--issuer", "alice"}
	elsewhere := says(t, 200, "elsewhere")
	for status, words := range map[int]string{
		302: "redirects are not followed", 404: "usually at /agent", 418: "its answer may say why", 500: "see its log",
	} {
		url := says(t, status, "x", "Location", elsewhere)
		o := u.exits(6, append([]string{"request", "GET", url}, as...)...)
		if !strings.Contains(o.stderr, words) || o.stdout != "x" {
			t.Errorf("%d: %s%s", status, o.stdout, o.stderr)
		}
	}
	u.exits(0, append([]string{"request", "GET", elsewhere}, as...)...)
	data := u.data(u.exits(0, append([]string{"request", "GET", says(t, 200, "\xff\x00"), "--json"}, as...)...))
	if data["body"] != "" || data["body_base64"] != "/wA=" {
		t.Error(data)
	}
}

func TestWhatCannotBeReached(t *testing.T) {
	u := newTool(t)
	u.file("alice.pem", alice().PEM())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	silent := "http://" + listener.Addr().String() + "/"
	as := []string{"--key", "alice.pem", "--issuer", "alice"}
	u.fails(5, "did not answer in time", append([]string{"request", "GET", silent, "--timeout", "50ms"}, as...)...)
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	u.ctx = ctx
	u.fails(130, "interrupted", append([]string{"request", "GET", silent}, as...)...)
	u.ctx = t.Context()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	u.fails(5, "refuses connections", append([]string{"request", "GET", silent}, as...)...)
	u.fails(5, "refuses connections", "keys", "inspect", silent)
}

func TestSign(t *testing.T) {
	u := newTool(t)
	u.file("alice.pem", alice().PEM())
	u.file("query.json", `{"query":"hello"}`)
	as := []string{"--key", "alice.pem", "--issuer", "alice"}
	u.exits(0, append([]string{"sign", "GET", "https://agent.example/agent"}, as...)...)
	as = append(as, "--curl")
	u.exits(0, append([]string{"sign", "POST", "https://agent.example/agent", "--body", "@query.json"}, as...)...)
	u.exits(0, append([]string{"sign", "GET", "https://agent.example/agent", "--ttl", "2h"}, as...)...)
	as = append(as, "--ttl", "5m")
	u.exits(0, append([]string{"sign", "PUT", "https://agent.example/%20?b=[1]", "--body", "it's"}, as...)...)
	u.exits(0, append([]string{"sign", "HEAD", "https://agent.example/agent"}, as...)...)
	u.exits(0, append([]string{"sign", "OPTIONS", "https://agent.example/agent"}, as...)...)
	u.exits(0, append([]string{"sign", "GET", "https://agent.example/agent", "--body", "=x"}, as...)...)
	u.exits(2, append([]string{"sign", "HEAD", "https://agent.example/agent", "--body", "x"}, as...)...)
	u.golden("sign")
}

// The curl line sends what was signed: the agent accepts it, once.
func TestTheCurlLineIsAccepted(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh")
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("there is no curl")
	}
	u, base := newTool(t), agent(t).URL
	url := base + "/agent?a=[1]&b=it's"
	u.file("alice.pem", alice().PEM())
	u.file("the query.json", "{\"a\": 1}\n")
	as := []string{"--key", "alice.pem", "--issuer", "alice", "--curl"}
	for _, c := range []struct {
		stdin, got string // got is what the agent has read
		args       []string
	}{
		{"", "", []string{"GET", url}},
		{"", "", []string{"GET", base + "/agent;$HOME(x)!*~?q=%22%5C&c=$(id)&&d"}},
		{"", "", []string{"HEAD", url}},
		{"", "", []string{"OPTIONS", url}},
		{"", "", []string{"DELETE", url}},
		{"", "", []string{"TRACE", url}},
		{"", "", []string{"POST", url}},
		{"", "", []string{"POST", url, "--body", ""}},
		{"", "hello", []string{"GET", url, "--body", "hello"}},
		{"", "hello", []string{"DELETE", url, "--body", "hello"}},
		{"@alice.pem", "@alice.pem", []string{"PATCH", url, "--body", "-"}},
		{"", "{\"a\": 1}\n", []string{"POST", url, "--body", "@the query.json"}},
		{"", "it's $HOME \\n\n", []string{"PUT", url, "--body", "it's $HOME \\n\n"}},
		{"-X\t@x\n", "-X\t@x\n", []string{"A_B", url, "--body", "-"}},
	} {
		u.stdin = c.stdin
		line := u.exits(0, append(append([]string{"sign"}, c.args...), as...)...).stdout
		before, after, piped := strings.Cut(line, " | curl ")
		if !piped || !strings.HasPrefix(before, "echo 'Authorization: Bearer ") || strings.Contains(after, "Bearer") {
			t.Errorf("%q: the token is an argument of a process: %s", c.args, line)
		}
		got, err := json.Marshal(c.got)
		if err != nil {
			t.Fatal(err)
		}
		accepted, refused := `"caller":"alice","got":`+string(got), `"replay_detected"`
		if c.args[0] == http.MethodHead {
			accepted, refused = "200 OK", "429 Too Many Requests"
		}
		for _, want := range []string{accepted, refused} {
			said, err := exec.Command(sh, "-c", before+" | curl -sS --max-time 20 "+after).CombinedOutput()
			if err != nil || !strings.Contains(string(said), want) {
				t.Errorf("%q: %v %s\n%s", c.args, err, said, line)
			}
		}
	}
}

func TestHowSignAndRequestAreUsed(t *testing.T) {
	u := newTool(t)
	u.file("alice.pem", alice().PEM())
	u.file("public.pem", alice().Public().PEM())
	u.file("binary", "\x00\xff")
	const url = "https://agent.example/"
	as := func(command string) func(...string) []string {
		return func(more ...string) []string {
			return append([]string{command, "GET", url, "--key", "alice.pem", "--issuer", "alice"}, more...)
		}
	}
	sign, request := as("sign"), as("request")
	head := []string{"sign", "HEAD", url, "--key", "alice.pem", "--issuer", "alice"}
	for _, c := range []struct {
		code  int
		words string
		args  []string
	}{
		{2, "--key is missing", []string{"sign", "GET", url, "--issuer", "alice"}},
		{2, "--issuer is missing", []string{"sign", "GET", url, "--key", "alice.pem"}},
		{2, "never the key itself", []string{"sign", "GET", url, "--key", alice().PEM(), "--issuer", "alice"}},
		{2, "never the key itself", []string{"sign", "GET", url, "--key", alice().JWK(), "--issuer", "alice"}},
		{2, "write GET", []string{"sign", "get", url, "--key", "alice.pem", "--issuer", "alice"}},
		{2, "is no HTTP method", []string{"sign", "G T", url, "--key", "alice.pem", "--issuer", "alice"}},
		{2, "must start with http", []string{"sign", "GET", "agent.example", "--key", "alice.pem", "--issuer", "alice"}},
		{2, "dot segment", []string{"sign", "GET", url + "a/../b", "--key", "alice.pem", "--issuer", "alice"}},
		{2, "--ttl must be from 1s to 24h", sign("--ttl", "48h")},
		{2, "--ttl must be whole seconds", sign("--ttl", "1500ms")},
		{2, "--ttl must be from 1s to 24h", sign("--ttl", "0s")},
		{2, "--ttl: \"60\" is no duration: write it with its unit", sign("--ttl", "60")},
		{2, "it is given twice", sign("--ttl", "60s", "--ttl", "60s")},
		{2, "CONNECT asks a proxy", []string{"sign", "CONNECT", url, "--key", "alice.pem", "--issuer", "alice"}},
		{2, "CONNECT asks a proxy", []string{"request", "CONNECT", url, "--key", "alice.pem", "--issuer", "alice"}},
		{2, "TRACE request has no body", append([]string{"sign", "TRACE"}, sign("--body", "x")[2:]...)},
		{2, "no body with HEAD", append(head, "--body", "x", "--curl")},
		{2, "over 65536 bytes into a line", sign("--curl", "--body", strings.Repeat("x", 65537))},
		{2, "--issuer must have", []string{"sign", "GET", url, "--key", "alice.pem", "--issuer", "a\x07"}},
		{2, "both read from standard input", []string{"sign", "GET", url, "--key", "-", "--body", "-", "--issuer", "alice"}},
		{2, "give it as --body @FILE", sign("--curl", "--body", "-")},
		{4, "a public key, expected a private one", []string{"sign", "GET", url, "--key", "public.pem", "--issuer", "alice"}},
		{4, "no key found", []string{"sign", "GET", url, "--key", "binary", "--issuer", "alice"}},
		{4, "there is no nowhere", []string{"sign", "GET", url, "--key", "nowhere", "--issuer", "alice"}},
		{4, "--key: public.pem: ", []string{"sign", "GET", url, "--key", "public.pem", "--issuer", "alice"}},
		{4, "there is no nowhere", sign("--body", "@nowhere")},
		{2, "is set by the tool", request("--header", "authorization: x")},
		{2, "write NAME:VALUE", request("--header", "x")},
		{2, "write NAME:VALUE", request("--header", "a b: x")},
		{2, "must be over 0", request("--timeout", "0s")},
	} {
		u.stdin = alice().PEM()
		if strings.HasSuffix(strings.Join(c.args, " "), "--curl --body -") {
			u.stdin = "\x00\xff"
		}
		u.fails(c.code, c.words, c.args...)
		if leaksPrivate(t, alice(), u.recorded.String()[strings.LastIndex(u.recorded.String(), "stderr:"):]) {
			t.Errorf("%q: the key is shown", c.args[:2])
		}
	}
	u.stdin = alice().PEM()
	u.exits(0, "sign", "GET", url, "--key", "-", "--issuer", "alice")
	u.stdin = "hello"
	u.exits(0, "sign", "POST", url, "--key", "alice.pem", "--issuer", "alice", "--body", "-", "--curl")
	u.exits(0, sign("--curl", "--body", strings.Repeat("x", 65536))...)
	u.exits(0, sign("--ttl", "24h")...)
	u.exits(0, append(head, "--body", "x")...)
	u.exits(0, append(head, "--curl")...)
}

// waits is a server that tells of a request and never answers it.
func waits(t *testing.T, came chan<- bool) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		came <- true
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	return server.URL
}
