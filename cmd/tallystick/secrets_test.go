package main

import (
	"strings"
	"testing"
)

// A secret that stands where its file's name should is in no message.
func TestASecretInThePlaceOfItsFile(t *testing.T) {
	u := newTool(t)
	lines := strings.Split(strings.TrimSpace(alice().PEM()), "\n")
	headerless := strings.Join(lines[1:len(lines)-1], "")
	token := []string{"token", "--target", "@bob", "--authority", "https://portal.example", "--agent", "@alice"}
	sign := []string{"sign", "GET", "https://agent.example/", "--issuer", "alice", "--key"}
	const secret = "hunter2"
	for _, c := range []struct {
		code   int
		secret string
		args   []string
	}{
		{4, secret, append(token, "--client-secret", secret)},
		{4, secret, append(token, "--client-secret", secret+strings.Repeat("x", 300))},
		{4, secret, append(token, "--client-secret", secret+"/x.y")},
		{4, headerless[:40], append(token, "--client-key", headerless)},
		{4, headerless[:40], append(sign, headerless)},
		{4, headerless[:40], append(sign, strings.Join(lines[1:len(lines)-1], "\n"))},
		{4, headerless[:40], append(sign, headerless[:64])},
		{4, headerless[:40], []string{"keys", "inspect", headerless[:64]}},
		{4, headerless[:40], []string{"keys", "add", "folder", "alice", headerless}},
		{2, secret, []string{"doctor", "--store", "redis://h:" + secret}},
		{2, secret, []string{"doctor", "--store", "redis://:" + secret}},
		{2, secret, []string{"doctor", "--store", "valkeys://h:" + secret + "/0"}},
		{2, secret, []string{"doctor", "--store", "redis://[::1]:" + secret}},
		{2, secret, []string{"doctor", "--store", "postgresql://h1:5432,h2:" + secret + "/tally"}},
		{2, "1234", []string{"doctor", "--store", "redis://:1234"}},
		{2, "123456", []string{"doctor", "--store", "redis://h:123456"}},
		{2, secret, []string{"doctor", "--store", "redis://u:" + secret + "@h"}},
		{2, secret, []string{"doctor", "--store", "redis://h?password=" + secret}},
		{3, secret, []string{"doctor", "--store", "@store"}},
	} {
		u.file("store", "redis://h:"+secret+"\n")
		if o := u.exits(c.code, c.args...); strings.Contains(o.stdout+o.stderr, c.secret) {
			t.Errorf("%q: %s%s", c.args, o.stdout, o.stderr)
		}
	}
	// What is a path is named, and a URL without a password is taken.
	long := strings.Repeat("folder/", 20) + "key.pem"
	u.fails(4, "there is no "+long, append(sign, long)...)
	u.fails(4, "there is no keys/alice", append(sign, "keys/alice")...)
	for _, url := range []string{
		"redis://127.0.0.1:1/0", "redis://[::1]:1", "redis://127.0.0.1:1?client_name=a", "rediss://127.0.0.1:1",
		"postgresql://127.0.0.1:1,127.0.0.1:2/tally", "postgresql://user@127.0.0.1:1/tally",
	} {
		u.exits(3, "doctor", "--store", url)
	}
}
