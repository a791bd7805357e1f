package main

import (
	"strings"
	"testing"
)

// What a stranger writes into a token, an answer or a file's name must not drive a terminal.
func TestNothingDrivesTheTerminal(t *testing.T) {
	u := newTool(t)
	u.file("alice.pem", alice().PEM())
	u.file("\x1b[31m.crt", alice().Public().PEM())
	const evil = "\x1b[2J\u009b31m\u202e"
	u.stdin = forged(t, `{"alg":"RS256"}`, `{"iss":"\u009b31m`+"\u009b31m\u202e"+`"}`)
	u.exits(3, "inspect")
	u.stdin = forged(t, `{"alg":"RS256"}`, `{"iss":"`+"\u009b31m\u202e\U000e0001"+`"}`)
	data := u.data(u.exits(3, "inspect", "--json"))
	if data["token"].(map[string]any)["claims"].(map[string]any)["iss"] != "\u009b31m\u202e\U000e0001" {
		t.Error("the escapes say something else")
	}
	url := says(t, 401, evil, "Www-Authenticate", "\u009b31m")
	u.exits(6, "request", "GET", url, "--key", "alice.pem", "--issuer", "alice", "--json")
	u.exits(4, "keys", "inspect", evil)
	u.run("keys", "list", ".")
	if strings.ContainsAny(u.recorded.String(), "\x1b\u009b\u202e") {
		// The words of the arguments are this test's own.
		for line := range strings.Lines(u.recorded.String()) {
			if !strings.HasPrefix(line, "$ ") && strings.ContainsAny(line, "\x1b\u009b\u202e") {
				t.Errorf("%q", line)
			}
		}
	}
}
