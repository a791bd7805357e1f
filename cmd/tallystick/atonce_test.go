//go:build unix

package main

import (
	"bytes"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/tallystick/tallystick/cmd/tallystick/command"
)

// at runs a command, as several may at once.
func at(t *testing.T, stdin string, args ...string) (code int, said string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	host := command.System()
	host.Stdin, host.Stdout, host.Stderr = strings.NewReader(stdin), &stdout, &stderr
	code = command.Run(t.Context(), host, args)
	return code, stdout.String() + stderr.String()
}

// Two files of one issuer would shut it out: who reads its key while another adds one is refused.
func TestOneOfTwoThatAddTheSameIssuer(t *testing.T) {
	u := newTool(t)
	u.file("callers/other.pem", bob().Public().PEM())
	u.file("me.json", alice().Public().JWK())
	pipe(t, "me.pem", "")
	var code int
	var said string
	done := make(chan bool)
	go func() {
		code, said = at(t, "", "keys", "add", "callers", "me", "me.pem")
		close(done)
	}()
	writer, err := os.OpenFile("me.pem", os.O_WRONLY, 0) // waits until the other reads, having found no key of me
	if err != nil {
		t.Fatal(err)
	}
	u.exits(0, "keys", "add", "callers", "me", "me.json")
	if _, err := writer.WriteString(alice().Public().PEM()); err != nil {
		t.Fatal(err)
	}
	writer.Close()
	if <-done; code != 4 || !strings.Contains(said, "has me.jwks.json for me already") {
		t.Errorf("exit %d: %s", code, said)
	}
	if got := u.names("callers"); got != "me.jwks.json other.pem" {
		t.Error(got)
	}
	u.exits(0, "keys", "list", "callers")
}

// Whoever comes first, one of them is let in and the others leave nothing.
func TestOneOfManyThatMakeTheSameIssuer(t *testing.T) {
	u := newTool(t)
	u.file("me.json", alice().Public().JWK())
	for range 4 {
		ways := [][]string{
			{"keys", "add", "callers", "me", "me.json"}, {"keys", "add", "callers", "me", "-"},
			{"keys", "new", "me", "--out", "keys", "--authorized", "callers"},
			{"keys", "new", "me", "--out", "others", "--authorized", "callers"},
		}
		codes := make([]int, len(ways))
		var all sync.WaitGroup
		for i, args := range ways {
			all.Go(func() { codes[i], _ = at(t, bob().Public().PEM(), args...) })
		}
		all.Wait()
		passed := 0
		for _, code := range codes {
			switch code {
			case 0:
				passed++
			case 4:
			default:
				t.Errorf("exit codes %v", codes)
			}
		}
		if got := u.names("callers"); passed != 1 || strings.Contains(got, " ") {
			t.Errorf("exit codes %v: %s", codes, got)
		}
		u.exits(0, "keys", "list", "callers")
		for i, dir := range map[int]string{2: "keys", 3: "others"} {
			if _, err := os.Stat(dir); (err == nil) != (codes[i] == 0) {
				t.Errorf("exit code %d, and %s: %v", codes[i], dir, err)
			}
		}
		for _, dir := range []string{"callers", "keys", "others"} {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// What a link leads to is often mounted or shared: a file in its place would be another one.
func TestALinkIsNotReplaced(t *testing.T) {
	u := newTool(t)
	two := alice().Public().PEM() + bob().Public().PEM()
	u.file("mounted/x", two)
	u.file("callers/y.pem", two)
	if err := os.Symlink("../mounted/x", "callers/x.pem"); err != nil {
		t.Fatal(err)
	}
	kid := alice().Public().Thumbprint()
	ways := [][]string{
		{"keys", "rotate", "callers", "ISSUER", "--drop-old"}, {"keys", "revoke", "callers", "ISSUER", "--kid", kid},
		{"keys", "rotate", "callers", "ISSUER", "--out", "keys"},
	}
	named := func(args []string, issuer string) []string {
		return strings.Split(strings.ReplaceAll(strings.Join(args, " "), "ISSUER", issuer), " ")
	}
	for _, args := range ways {
		u.fails(4, "callers/x.pem is a symbolic link and is not replaced", named(args, "x")...)
		u.file("callers/y.pem", two)
		u.exits(0, named(args, "y")...)
	}
	info, err := os.Lstat("callers/x.pem")
	if err != nil || info.Mode()&os.ModeSymlink == 0 || u.content("mounted/x") != two || u.names("keys") != "y.pem" {
		t.Error(info, err, u.content("mounted/x"), u.names("keys"))
	}
	u.exits(0, "keys", "revoke", "callers", "x") // the link, not what it leads to
	if u.content("mounted/x") != two || u.names("callers") != "y.pem" {
		t.Error(u.names("callers"))
	}
}

// Whoever owns the folder could take the key out of it.
func TestAFolderOfAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can give folders to others")
	}
	u := newTool(t)
	for _, dir := range []string{"keys", "callers"} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	const other = 65534
	if err := os.Chown("keys", other, other); err != nil {
		t.Fatal(err)
	}
	u.fails(4, "the folder keys belongs to another user", "keys", "new", "x", "--authorized", "callers")
	if got := u.names("keys") + "|" + u.names("callers"); got != "|" {
		t.Error("something was left: " + got)
	}
	if err := os.Chown("keys", 0, 0); err != nil {
		t.Fatal(err)
	}
	u.exits(0, "keys", "new", "x", "--authorized", "callers")
}

// A second run finds the files, so the error of the first says that they are there.
func TestWhatIsDoneThoughItCannotBeShown(t *testing.T) {
	u := newTool(t)
	u.file("alice.pem", alice().Public().PEM())
	for _, c := range []struct{ want, args string }{
		{"; the key is made all the same: `tallystick keys inspect keys/x.pem` shows it\n", "new x --authorized callers"},
		{"; callers/a.pem is there all the same\n", "add callers a alice.pem"},
		{"; callers/x.pem is changed all the same\n", "rotate callers x alice.pem"},
		{"; a is withdrawn all the same\n", "revoke callers a"},
	} {
		var stderr bytes.Buffer
		host := command.System()
		host.Stdout, host.Stderr = full{}, &stderr
		args := append([]string{"keys"}, strings.Fields(c.args)...)
		if code := command.Run(t.Context(), host, args); code != 4 || !strings.HasSuffix(stderr.String(), c.want) {
			t.Errorf("%s: exit %d: %s", c.args, code, stderr.String())
		}
	}
	if got := u.names("keys") + " | " + u.names("callers"); got != "x.pem | x.pem" {
		t.Error(got)
	}
	u.exits(0, "keys", "inspect", "keys/x.pem")
}

// Whoever shows the line sees what it is.
func TestNoCurlLineDrivesATerminal(t *testing.T) {
	u := newTool(t)
	u.file("alice.pem", alice().PEM())
	sign := func(body string) []string {
		return []string{"sign", "POST", "https://agent.example/", "--key", "alice.pem", "--issuer", "alice", "--curl",
			"--body", body}
	}
	for _, unsafe := range []string{
		"\x1b]0;x", "\x07", "\r", "\x7f", "\u009b", "\u202a", "\u202e", "\u2066", "\u2069", "\u200e", "\u200f", "\xff",
	} {
		u.file("b"+unsafe, "hello")
		u.fails(2, "give the file another name", sign("@b"+unsafe)...)
		u.fails(2, "give it as --body @FILE", sign("b"+unsafe)...)
	}
	for _, safe := range []string{"b c", "b'c", "bücher", "本"} {
		u.file(safe, "hello")
		u.exits(0, sign("@"+safe)...)
		u.exits(0, sign(safe)...)
	}
	u.exits(0, sign("two\n\tlines")...)
	u.file("b\n", "hello")
	u.fails(2, "give the file another name", sign("@b\n")...)
}
