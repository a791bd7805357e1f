package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tallystick/tallystick/cmd/tallystick/command"
	"github.com/tallystick/tallystick/core/digest"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/request"
)

var update = flag.Bool("update", false, "write the golden files anew")

// now is the clock of all tests.
var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func newKey() *jose.PrivateKey {
	key, err := jose.Generate(2048)
	if err != nil {
		panic(err)
	}
	return key
}

var alice, bob = sync.OnceValue(newKey), sync.OnceValue(newKey)

// tool runs the command in a folder of its own. Everything that it says is written down.
type tool struct {
	t        *testing.T
	stdin    string
	now      time.Time
	env      map[string]string
	ctx      context.Context
	recorded strings.Builder

	transport http.RoundTripper
}

type outcome struct {
	code           int
	stdout, stderr string
}

func newTool(t *testing.T) *tool {
	t.Helper()
	t.Chdir(t.TempDir())
	return &tool{t: t, now: now, env: map[string]string{}, ctx: t.Context(), transport: http.DefaultTransport}
}

// run runs one command and records it.
func (u *tool) run(args ...string) outcome {
	u.t.Helper()
	var stdout, stderr bytes.Buffer
	host := command.Host{
		Stdin: strings.NewReader(u.stdin), Stdout: &stdout, Stderr: &stderr,
		Now:    func() time.Time { return u.now },
		Getenv: func(name string) string { return u.env[name] }, Transport: u.transport,
	}
	code := command.Run(u.ctx, host, args)
	u.stdin = ""
	o := outcome{code, stdout.String(), stderr.String()}
	fmt.Fprintf(&u.recorded, "$ tallystick %s\n%s", strings.Join(args, " "), o.stdout)
	for line := range strings.Lines(o.stderr) {
		u.recorded.WriteString("stderr: " + line)
	}
	fmt.Fprintf(&u.recorded, "exit %d\n\n", code)
	return o
}

// exits runs a command that must end with a code.
func (u *tool) exits(code int, args ...string) outcome {
	u.t.Helper()
	o := u.run(args...)
	if o.code != code {
		u.t.Errorf("%q: exit %d, want %d\n%s%s", args, o.code, code, o.stdout, o.stderr)
	}
	if code != 0 && strings.Count(o.stderr, "tallystick:") > 1 {
		u.t.Errorf("%q: more than one line: %s", args, o.stderr)
	}
	return o
}

// fails runs a command that must end with a code, a line that has some words, and no data.
func (u *tool) fails(code int, words string, args ...string) {
	u.t.Helper()
	o := u.exits(code, args...)
	if !strings.Contains(o.stderr, words) || strings.Count(o.stderr, "\n") != 1 || o.stdout != "" {
		u.t.Errorf("%q: %q is not one line with %q; data %q", args, o.stderr, words, o.stdout)
	}
}

// golden compares all that was said with a file.
func (u *tool) golden(name string) {
	u.t.Helper()
	path := filepath.Join(source, "testdata", name+".golden")
	got := scrub(u.recorded.String())
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			u.t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		u.t.Fatal(err)
	}
	if got != string(want) {
		u.t.Errorf("%s differs; `go test ./cmd/tallystick -update` writes it anew\n%s", path, got)
	}
}

// source is the folder of this package.
var source = func() string {
	folder, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	return folder
}()

var (
	thumbprints = regexp.MustCompile(`(?:^|[^A-Za-z0-9_.-])([A-Za-z0-9_-]{43})(?:$|[^A-Za-z0-9_.-])`)
	publicPEM   = regexp.MustCompile(`(BEGIN PUBLIC KEY-----)[^-]*(-----END)`)
	tokens      = regexp.MustCompile(`eyJ[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*`)
	addresses   = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	dates       = regexp.MustCompile(`"date": "[^"]*"`)
	goVersions  = regexp.MustCompile(`go1\.[0-9.]+`)
)

// scrub replaces what no two runs have in common; thumbprints keep their width.
func scrub(text string) string {
	text = tokens.ReplaceAllString(text, "TOKEN")
	text = publicPEM.ReplaceAllString(text, "$1…$2")
	text = addresses.ReplaceAllString(text, "HOST")
	text = dates.ReplaceAllString(text, `"date": "DATE"`)
	text = strings.ReplaceAll(text, runtime.GOOS+"/"+runtime.GOARCH, "SYSTEM")
	text = goVersions.ReplaceAllString(text, "GO")
	text = strings.ReplaceAll(text, alice().Public().Thumbprint(), placeholder("alice"))
	text = strings.ReplaceAll(text, bob().Public().Thumbprint(), placeholder("bob"))
	seen := 0
	for {
		found := thumbprints.FindStringSubmatch(strings.ReplaceAll(text, "kid-of-", "kid.of."))
		if found == nil {
			return text
		}
		seen++
		text = strings.ReplaceAll(text, found[1], placeholder(fmt.Sprintf("new-%d", seen)))
	}
}

func placeholder(name string) string {
	return ("kid-of-" + name + strings.Repeat("-", 43))[:43]
}

// file writes a file of the test, last changed at now.
func (u *tool) file(name, content string) {
	u.t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		u.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		u.t.Fatal(err)
	}
	u.age(name)
}

func (u *tool) age(names ...string) {
	u.t.Helper()
	for _, name := range names {
		if err := os.Chtimes(name, now, now); err != nil {
			u.t.Fatal(err)
		}
	}
}

func (u *tool) content(name string) string {
	u.t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		u.t.Fatal(err)
	}
	return string(text)
}

// names lists a folder.
func (u *tool) names(dir string) string {
	u.t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		u.t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return strings.Join(names, " ")
}

// data reads what --json wrote.
func (u *tool) data(o outcome) map[string]any {
	u.t.Helper()
	var data map[string]any
	if err := json.Unmarshal([]byte(o.stdout), &data); err != nil {
		u.t.Fatalf("%v: %q", err, o.stdout)
	}
	return data
}

// token is one of alice's, for a request of now.
func (u *tool) token(change func(*request.Outgoing)) string {
	u.t.Helper()
	signer, p := request.NewSigner(request.SignerConfig{Issuer: "alice", Private: alice(), TTL: 60})
	if p != nil {
		u.t.Fatal(p)
	}
	out := &request.Outgoing{
		Now: float64(now.Unix()), Method: "POST", URL: "https://agent.example/agent?x=1",
		JTI: "00000000000000000000000000000001", BodySHA256: digest.Hex([]byte("hello")),
	}
	if change != nil {
		change(out)
	}
	step := signer.Sign(out)
	if step.Problem != nil {
		u.t.Fatal(step.Problem)
	}
	return step.Result.(*request.Signed).Token
}

// forged signs any header and payload with alice's key.
func forged(t *testing.T, header, payload string) string {
	t.Helper()
	input := jose.SigningInput([]byte(header), []byte(payload))
	signature, p := jose.Sign(input, alice())
	if p != nil {
		t.Fatal(p)
	}
	return jose.AddPart(input, signature)
}

// leaksPrivate reports whether a text has a part of a private key.
func leaksPrivate(t *testing.T, key *jose.PrivateKey, text string) bool {
	t.Helper()
	var members map[string]string
	if err := json.Unmarshal([]byte(key.JWK()), &members); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi"} {
		number, err := base64.RawURLEncoding.DecodeString(members[name])
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(text, members[name]) || strings.Contains(text, fmt.Sprintf("%x", number)) {
			return true
		}
	}
	for line := range strings.Lines(key.PEM()) {
		if !strings.HasPrefix(line, "-----") && len(line) > 40 && strings.Contains(text, strings.TrimSpace(line)) {
			return true
		}
	}
	return strings.Contains(text, "PRIVATE KEY-----")
}

// jsonOf decodes a part of a token.
func jsonOf(part string) (string, error) {
	text, err := base64.RawURLEncoding.DecodeString(part)
	return string(text), err
}
