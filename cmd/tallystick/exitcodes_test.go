package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tallystick/tallystick/cmd/tallystick/command"
)

// Each command ends with the code of each kind of error, and with none that its page does not name.
func TestExitCodes(t *testing.T) {
	u := newTool(t)
	url, secret := portal(t)
	agent, refusing, gone := agent(t).URL+"/agent", says(t, 403, ""), unreachable(t)
	published, endless := issuer(t, nil, 0), says(t, 200, strings.Repeat("x", 11<<20))
	u.file("alice.pem", alice().PEM())
	u.file("public.pem", alice().Public().PEM())
	u.file("bob.pem", bob().Public().PEM())
	u.file("text", "hello")
	u.file("secret", secret)
	u.file("wrong", "x"+secret)
	u.file("token", u.token(nil))
	u.file("keys/alice.pem", alice().Public().PEM())
	u.file("problems/bob.pem", "hello")
	u.file("nobody.json", `{"base_url":"https://alice.example","keys_dir":"ring","talk_to":{"allow":["nobody"]}}`)
	u.file("wrong.json", `{"base_uri":"https://alice.example"}`)
	u.file("access", u.exits(0, "token", "--target", "@bob", "--authority", url, "--agent", "@alice",
		"--client-secret", "secret").stdout)
	stranded := strings.ReplaceAll(claimsIn(t, u.content("access")), url, gone)
	u.file("stranded", forged(t, `{"alg":"RS256","typ":"JWT","kid":"x"}`, stranded))
	as := func(args ...string) []string { return append(args, "--key", "alice.pem", "--issuer", "alice") }
	token := func(args ...string) []string {
		return append([]string{"token", "--target", "@bob", "--agent", "@alice"}, args...)
	}
	access := func(issuer string) []string {
		return []string{"verify", "@access", "--audience", url + "/agents/bob", "--issuer", issuer, "--issuer-type", "portal"}
	}
	seen := map[string][]int{}
	for _, c := range []struct {
		code int
		kind string
		args []string
	}{
		{0, "done", []string{"version"}},
		{2, "too many arguments", []string{"version", "x"}},
		{0, "done", []string{"completion", "bash"}},
		{2, "wrong value", []string{"completion", "csh"}},

		{0, "done", []string{"keys", "new", "dave", "--out", "mine"}},
		{2, "missing argument", []string{"keys", "new"}},
		{2, "wrong value", []string{"keys", "new", "x", "--bits", "1"}},
		{4, "there already", []string{"keys", "new", "dave", "--out", "mine"}},
		{4, "wrong folder", []string{"keys", "new", "x", "--out", "text"}},

		{0, "done", []string{"keys", "add", "keys", "bob", "bob.pem"}},
		{2, "wrong value", []string{"keys", "add", "keys", "a/b", "bob.pem"}},
		{4, "there already", []string{"keys", "add", "keys", "bob", "bob.pem"}},
		{4, "missing file", []string{"keys", "add", "keys", "x", "nowhere"}},
		{4, "wrong file", []string{"keys", "add", "keys", "x", "text"}},

		{0, "done", []string{"keys", "list", "keys"}},
		{2, "missing argument", []string{"keys", "list"}},
		{3, "problems found", []string{"keys", "list", "problems"}},
		{4, "missing folder", []string{"keys", "list", "nowhere"}},
		{4, "wrong folder", []string{"keys", "list", "text"}},

		{0, "done", []string{"keys", "rotate", "keys", "bob", "public.pem"}},
		{2, "two sources", []string{"keys", "rotate", "keys", "bob", "public.pem", "--drop-old"}},
		{2, "a flag without use", []string{"keys", "rotate", "keys", "bob", "public.pem", "--bits", "3072"}},
		{4, "there already", []string{"keys", "rotate", "keys", "bob", "public.pem"}},
		{4, "missing folder", []string{"keys", "rotate", "nowhere", "bob", "public.pem"}},
		{4, "missing caller", []string{"keys", "rotate", "keys", "x", "public.pem"}},

		{0, "done", []string{"keys", "revoke", "keys", "bob"}},
		{2, "wrong value", []string{"keys", "revoke", "keys", "bob", "--kid", ""}},
		{4, "missing caller", []string{"keys", "revoke", "keys", "bob"}},
		{4, "missing folder", []string{"keys", "revoke", "nowhere", "bob"}},

		{0, "done", []string{"keys", "inspect", "public.pem"}},
		{0, "done", []string{"keys", "inspect", published + "/keys"}},
		{2, "wrong value", []string{"keys", "inspect", "http://a:b@portal.example/"}},
		{3, "problems found", []string{"keys", "inspect", "text"}},
		{4, "missing file", []string{"keys", "inspect", "nowhere"}},
		{5, "unreachable", []string{"keys", "inspect", gone}},
		{5, "another status", []string{"keys", "inspect", refusing}},
		{5, "too much", []string{"keys", "inspect", endless}},

		{0, "done", as("sign", "GET", agent)},
		{2, "wrong value", as("sign", "GET", "agent")},
		{4, "missing file", []string{"sign", "GET", agent, "--key", "nowhere", "--issuer", "alice"}},
		{4, "wrong file", []string{"sign", "GET", agent, "--key", "text", "--issuer", "alice"}},
		{4, "missing body", as("sign", "POST", agent, "--body", "@nowhere")},

		{0, "done", as("request", "GET", agent)},
		{2, "wrong value", as("request", "GET", "agent")},
		{4, "missing file", []string{"request", "GET", agent, "--key", "nowhere", "--issuer", "alice"}},
		{4, "missing body", as("request", "POST", agent, "--body", "@nowhere")},
		{5, "unreachable", as("request", "GET", gone)},
		{5, "too much", as("request", "GET", endless)},
		{6, "refused", as("request", "GET", refusing)},

		{0, "done", token("--authority", url, "--client-secret", "secret")},
		{2, "missing flag", []string{"token"}},
		{2, "two sources", token("--authority", url, "--keys-dir", "ring")},
		{2, "wrong value", token("--authority", "portal", "--client-secret", "secret")},
		{2, "wrong value", token("--keys-dir", "ring", "--scope", "a b")},
		{4, "missing file", token("--authority", url, "--client-secret", "nowhere")},
		{4, "wrong file", token("--authority", url, "--client-key", "text")},
		{4, "missing file", []string{"token", "--target", "@bob", "--config", "nowhere.json"}},
		{4, "wrong file", []string{"token", "--target", "@bob", "--config", "wrong.json"}},
		{4, "wrong folder", token("--keys-dir", "text")},
		{5, "unreachable", token("--authority", gone, "--client-secret", "secret")},
		{6, "refused by the authority", token("--authority", url, "--client-secret", "wrong")},
		{6, "refused by the configuration", []string{"token", "--target", "@bob", "--config", "nobody.json"}},

		{0, "done", []string{"inspect", "@token"}},
		{2, "wrong value", []string{"inspect", "token"}},
		{3, "problems found", []string{"inspect", "@text"}},
		{4, "missing file", []string{"inspect", "@nowhere"}},
		{4, "nothing on standard input", []string{"inspect"}},

		{0, "done", []string{"verify", "@token", "--keys", "public.pem"}},
		{0, "done", access(url)},
		{2, "two sources", []string{"verify", "@token", "--keys", "public.pem", "--keys-dir", "keys"}},
		{2, "wrong value", []string{"verify", "@token", "--keys", "public.pem", "--leeway", "1h"}},
		{2, "wrong value", access("portal")},
		{3, "refused", []string{"verify", "@token", "--keys", "bob.pem"}},
		{3, "refused", access(published)},
		{4, "missing file", []string{"verify", "@nowhere", "--keys", "public.pem"}},
		{5, "unreachable", []string{"verify", "@stranded", "--audience", gone + "/agents/bob", "--issuer", gone}},
		{4, "missing file", []string{"verify", "@token", "--keys", "nowhere"}},
		{4, "missing folder", []string{"verify", "@token", "--keys-dir", "nowhere"}},

		{0, "done", []string{"doctor", "--issuer", published}},
		{2, "missing flag", []string{"doctor"}},
		{2, "a password", []string{"doctor", "--store", "redis://a:b@127.0.0.1"}},
		{3, "problems found", []string{"doctor", "--keys-dir", "problems"}},
		{3, "missing folder", []string{"doctor", "--keys-dir", "nowhere"}},
		{3, "unreachable", []string{"doctor", "--url", gone}},
		{3, "unreachable", []string{"doctor", "--issuer", gone}},
		{3, "unreachable", []string{"doctor", "--store", "redis://127.0.0.1:1"}},
		{3, "wrong value", []string{"doctor", "--url", "agent"}},
		{3, "wrong value", []string{"doctor", "--base-url", "agent"}},
		{3, "wrong value", []string{"doctor", "--issuer", "agent"}},
		{3, "wrong value", []string{"doctor", "--store", "agent"}},
		{4, "missing file", []string{"doctor", "--store", "@nowhere"}},
	} {
		name := c.args[0]
		if name == "keys" {
			name += " " + c.args[1]
		}
		o := u.exits(c.code, c.args...)
		seen[name] = append(seen[name], c.code)
		if words := o.stdout + o.stderr; c.code != 0 && strings.Count(o.stderr, "\n") > 1 && c.code != 6 || words == "" {
			t.Errorf("%s: %q: not one line: %s", c.kind, c.args, words)
		}
		unknown := u.exits(2, append(strings.Fields(name), "--unknown")...)
		if !strings.Contains(unknown.stderr, "unknown flag") {
			t.Error(unknown.stderr)
		}
	}
	named := codesOnThePage(t)
	for name, codes := range seen {
		slices.Sort(codes)
		if got, want := slices.Compact(codes), append([]int{0, 2}, named[name]...); !slices.Equal(got, want) {
			t.Errorf("%s ends with %v, and its page says %v", name, got, want)
		}
		delete(named, name)
	}
	if len(named) > 0 {
		t.Errorf("nothing is tried of %v", named)
	}
}

// codesOnThePage are those that the page of the commands names for each.
func codesOnThePage(t *testing.T) map[string][]int {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(source, "..", "..", "docs", "reference", "command.md"))
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`Exit codes besides 0, 1, 2 and 130: ([0-9, ]+)\.`)
	codes := map[string][]int{}
	for _, section := range strings.Split(string(page), "\n## tallystick ")[1:] {
		name, text, _ := strings.Cut(section, "\n")
		found := line.FindStringSubmatch(text)
		if found == nil {
			continue
		}
		for _, code := range strings.Split(found[1], ", ") {
			number, err := strconv.Atoi(code)
			if err != nil {
				t.Fatal(err)
			}
			codes[name] = append(codes[name], number)
		}
	}
	return codes
}

// A full disk is not this tool's error.
func TestOutputThatCannotBeWritten(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"version", "--json"}, {"completion", "bash"}} {
		var stderr bytes.Buffer
		host := command.System()
		host.Stdout, host.Stderr = full{}, &stderr
		if code := command.Run(t.Context(), host, args); code != 4 {
			t.Errorf("%q: exit %d", args, code)
		}
		const want = "tallystick: standard output cannot be written (no space left): write to another place\n"
		if stderr.String() != want {
			t.Error(stderr.String())
		}
		host.Stdout = &bytes.Buffer{}
		if code := command.Run(t.Context(), host, args); code != 0 {
			t.Errorf("%q: exit %d", args, code)
		}
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }
