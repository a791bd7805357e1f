package main

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

func TestUsage(t *testing.T) {
	u := newTool(t)
	u.exits(2)
	u.exits(2, "foo")
	u.exits(2, "verfy")
	u.exits(2, "keys")
	u.exits(2, "keys", "lst")
	u.exits(2, "keys", "list")
	u.exits(2, "keys", "list", "a", "b")
	u.exits(2, "keys", "list", "--foo")
	u.exits(2, "doctor", "x")
	u.exits(2, "completion", "csh")
	u.exits(2, "sign", "GET", "https://agent.example/", "--ttl", "long")
	u.exits(2, "sign", "GET", "https://agent.example/", "--curl=maybe")
	u.exits(2, "keys", "new", "x", "--bits", "many")
	u.exits(0, "version")
	u.exits(0, "--help")
	u.exits(0, "keys", "new", "--help")
	u.golden("usage")
}

// One of two values would go unheard.
func TestAFlagIsTakenOnce(t *testing.T) {
	u := newTool(t)
	sign := []string{"sign", "GET", "https://agent.example/", "--issuer", "alice", "--key", "alice.pem"}
	u.file("alice.pem", alice().PEM())
	u.exits(0, sign...)
	if o := u.exits(2, append(sign, "--key", "other.pem")...); !strings.Contains(o.stderr, "given twice") {
		t.Error(o.stderr)
	}
}

// A key or a token at a wrong place is told of, and never repeated.
func TestSecretsAreNotRepeated(t *testing.T) {
	u := newTool(t)
	token := u.token(nil)
	for _, args := range [][]string{
		{alice().PEM()}, {"keys", alice().PEM()}, {"keys", "add", "x", "y", alice().PEM()},
		{"keys", "list", "x", alice().PEM()},
		{"sign", "GET", "https://a.example/", "--key", alice().PEM()}, {"keys", "inspect", alice().JWK()},
		{"keys", "inspect", "x", alice().JWK()}, {alice().JWK()}, {"sign", "--foo=" + alice().PEM()},
		{"sign", "GET", "https://a.example/", "--ttl=" + alice().PEM()},
		{"sign", "POST", "https://a.example/", "--body", alice().PEM()},
	} {
		o := u.exits(2, args...)
		if leaksPrivate(t, alice(), o.stdout+o.stderr) {
			t.Errorf("%q: the key is shown", args[0])
		}
	}
	for _, args := range [][]string{
		{token}, {"keys", token}, {"inspect", token}, {"verify", token, "x"},
		{"inspect", "--token=" + token}, {"keys", "list", "x", token},
		{"sign", "GET", "https://a.example/", "--ttl", token},
	} {
		checkNotWhole(t, token, u.exits(2, args...))
	}
}

// With --json every command writes one JSON value, and nothing else, to standard output.
func TestEveryCommandWritesJSON(t *testing.T) {
	u, good := newTool(t), issuer(t, nil, 0)
	u.file("alice.pem", alice().PEM())
	u.file("public.pem", alice().Public().PEM())
	u.file("token", u.token(nil))
	as := []string{"--key", "alice.pem", "--issuer", "alice"}
	for _, args := range [][]string{
		{"keys", "new", "carol", "--authorized", "folder"},
		{"keys", "add", "folder", "alice", "public.pem"},
		{"keys", "list", "folder"},
		{"keys", "rotate", "folder", "carol", "--out", "keys"},
		{"keys", "rotate", "folder", "carol", "--drop-old"},
		{"keys", "revoke", "folder", "carol"},
		{"keys", "inspect", "public.pem"},
		append([]string{"sign", "GET", "https://agent.example/"}, as...),
		append([]string{"sign", "GET", "https://agent.example/", "--curl"}, as...),
		append([]string{"request", "GET", good + "/keys"}, as...),
		{"inspect", "@token"},
		{"verify", "@token", "--keys", "public.pem"},
		{"doctor", "--issuer", good},
		{"version"},
		{"completion", "bash"},
	} {
		o := u.exits(0, append(args, "--json")...)
		var value map[string]any
		if err := json.Unmarshal([]byte(o.stdout), &value); err != nil {
			t.Errorf("%q: %v", args, err)
		}
		if strings.Contains(o.stdout, "\x1b") {
			t.Errorf("%q: colours", args)
		}
	}
}

func TestCompletionOfShells(t *testing.T) {
	u := newTool(t)
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script := u.exits(0, "completion", shell).stdout
		if !strings.Contains(script, "tallystick") {
			t.Errorf("%s: %.80s", shell, script)
		}
		path, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		check := exec.Command(path, "-n")
		check.Stdin = strings.NewReader(script)
		if said, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s: %v %s", shell, err, said)
		}
	}
	said := u.exits(0, "__complete", "keys", "r").stdout
	if !strings.Contains(said, "revoke") || !strings.Contains(said, "rotate") {
		t.Error(said)
	}
	for flag, want := range map[string]string{"keys new x --type": "ed25519", "verify --issuer-type": "portal"} {
		if said := u.exits(0, append([]string{"__complete"}, append(strings.Fields(flag), "")...)...).stdout; !strings.Contains(said, want) {
			t.Errorf("%s: %s", flag, said)
		}
	}
}
