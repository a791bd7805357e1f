package trust

import (
	"strings"
	"testing"

	"github.com/tallystick/tallystick/core/agent"
	"github.com/tallystick/tallystick/core/problem"
)

const portal = "https://portal.example"

func compiled(t testing.TB, c Config) *Issuers {
	t.Helper()
	s, err := NewIssuers(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDecideInOrder(t *testing.T) {
	partner := Issuer{Issuer: "https://partner.example", JWKSURI: "https://partner.example/keys"}
	all := Config{
		Authority: portal, Trusted: []Issuer{partner, {Issuer: "https://login.example/", Type: TypeUser}},
		Allow: []string{"https://friend.example/**", "@example.other.*"}, Deny: []string{"@mallory", "https://evil.example", "https://partner.example/bad"},
	}
	open := all
	open.Allow = nil
	pinned := open
	pinned.Pinned = true
	for _, c := range []struct {
		why    string
		config Config
		claims Claims
		want   Decision
	}{
		{"authority", all, Claims{Issuer: portal, Subject: "alice"}, Trusted},
		{"the authority's spelling", all, Claims{Issuer: portal + "/", Subject: "alice"}, Refused},
		{"denied name", all, Claims{Issuer: portal, Subject: "mallory"}, Denied},
		{"denied name in another case", all, Claims{Issuer: portal, Subject: "Mallory"}, Denied},
		{"below a denied name", all, Claims{Issuer: portal, Subject: "mallory.bot"}, Denied},
		{"look-alike of a denied name", all, Claims{Issuer: portal, Subject: "mallory2"}, Trusted},
		{"deny goes before trusted", all, Claims{Issuer: partner.Issuer, Subject: "bad"}, Denied},
		{"trusted goes before allow", all, Claims{Issuer: partner.Issuer, Subject: "good"}, Trusted},
		{"trusted with a slash", all, Claims{Issuer: "https://login.example/", Subject: "auth0|1"}, Trusted},
		{"trusted without its slash", all, Claims{Issuer: "https://login.example", Subject: "auth0|1"}, Refused},
		{"allowed by URL", all, Claims{Issuer: "https://friend.example", Subject: "bob"}, Allowed},
		{"allowed by name", all, Claims{Issuer: "https://other.example", Subject: "bob"}, Allowed},
		{"not allowed", all, Claims{Issuer: "https://third.example", Subject: "bob"}, Refused},
		{"denied issuer", all, Claims{Issuer: "https://evil.example", Subject: "bob"}, Denied},
		{"denied issuer, spelt otherwise", all, Claims{Issuer: "HTTPS://EVIL.example.:443//", Subject: "bob"}, Denied},
		{"denied issuer at another port", all, Claims{Issuer: "https://evil.example:8443", Subject: "bob"}, Denied},
		{"open", open, Claims{Issuer: "https://third.example", Subject: "bob"}, Open},
		{"open and denied", open, Claims{Issuer: "https://evil.example", Subject: "bob"}, Denied},
		{"open and not canonical", open, Claims{Issuer: "https://third.example/", Subject: "bob"}, Refused},
		{"open and inside", open, Claims{Issuer: "https://metadata.internal", Subject: "bob"}, Refused},
		{"open and http", open, Claims{Issuer: "http://localhost", Subject: "bob"}, Refused},
		{"pinned", pinned, Claims{Issuer: "https://third.example", Subject: "bob"}, Refused},
		{"pinned and configured", pinned, Claims{Issuer: portal, Subject: "bob"}, Trusted},
	} {
		caller, got, reason := compiled(t, c.config).Decide(c.claims)
		if got != c.want || reason == "" {
			t.Errorf("%s: %s (%s), %+v", c.why, got, reason, caller)
		}
		if strings.Contains(reason, c.claims.Subject) {
			t.Errorf("%s: the reason quotes: %s", c.why, reason)
		}
	}
}

// Who denies @bob means the agent that @bob resolves to, also where it signs for
// itself.
func TestDenyFollowsReferences(t *testing.T) {
	s := compiled(t, Config{Deny: []string{"@banned-*"}})
	for _, c := range []struct {
		claims Claims
		want   Decision
	}{
		{Claims{Issuer: "https://robutler.ai", Subject: "banned-1", AgentPath: "/agents"}, Denied},
		{Claims{Issuer: "https://robutler.ai/agents/banned-1", Subject: "x"}, Denied},
		{Claims{Issuer: "https://robutler.ai", Subject: "good-1", AgentPath: "/agents"}, Open},
		{Claims{Issuer: "https://third.example", Subject: "banned-1", AgentPath: "/agents"}, Open},
	} {
		if _, got, _ := s.Decide(c.claims); got != c.want {
			t.Errorf("%+v: %s", c.claims, got)
		}
	}
}

func TestDevModeTakesLoopback(t *testing.T) {
	claims := Claims{Issuer: "http://127.0.0.1:8000", Subject: "bob"}
	caller, got, _ := compiled(t, Config{DevMode: true}).Decide(claims)
	if got != Open || !caller.HTTPAllowed || caller.Name != "127%2E0%2E0%2E1.:8000.:http.bob" {
		t.Errorf("%s %+v", got, caller)
	}
	if caller, got, _ = compiled(t, Config{}).Decide(claims); got != Refused || caller.HTTPAllowed {
		t.Errorf("without dev_mode: %s %+v", got, caller)
	}
	if caller, got, _ = compiled(t, Config{DevMode: true}).Decide(Claims{Issuer: "https://a.example", Subject: "bob"}); got != Open || caller.HTTPAllowed {
		t.Errorf("elsewhere: %s %+v", got, caller)
	}
	if caller, got, _ = compiled(t, Config{Trusted: []Issuer{{Issuer: claims.Issuer}}}).Decide(claims); got != Trusted || !caller.HTTPAllowed {
		t.Errorf("configured: %s %+v", got, caller)
	}
}

func TestCaller(t *testing.T) {
	s := compiled(t, Config{Authority: portal, Trusted: []Issuer{
		{Issuer: "https://agents.example", JWKSURI: "https://agents.example/k"},
		{Issuer: "https://other.example", Type: TypePortal},
		{Issuer: "https://login.example/", Type: TypeUser},
	}})
	for _, c := range []struct {
		why                  string
		claims               Claims
		url, name, namespace string
	}{
		{"portal", Claims{Issuer: portal, Subject: "alice.bot", AgentPath: "/agents"}, portal + "/agents/alice.bot", "alice.bot", "alice"},
		{"portal, seed's spelling", Claims{Issuer: portal, Subject: "alice", AgentURL: portal + "/agents/alice"}, portal + "/agents/alice", "alice", "alice"},
		{"portal, an agent elsewhere is not believed", Claims{Issuer: portal, Subject: "alice", AgentPath: "/agents", AgentURL: "https://a.example/x"}, portal + "/agents/alice", "alice", "alice"},
		{"another portal", Claims{Issuer: "https://other.example", Subject: "alice"}, "https://other.example/alice", "alice", "alice"},
		{"agent", Claims{Issuer: "https://agents.example", Subject: "bot"}, "https://agents.example/bot", "example.agents.bot", "example.agents"},
		{"agent_url goes before agent_path", Claims{Issuer: "https://agents.example", Subject: "x", AgentPath: "/y", AgentURL: "https://AGENTS.example/bot/"}, "https://agents.example/bot", "example.agents.bot", "example.agents"},
		{"agent at its issuer", Claims{Issuer: "https://agents.example", Subject: "x", AgentURL: "https://agents.example"}, "https://agents.example", "example.agents", "example.agents"},
		{"stranger calls itself @alice", Claims{Issuer: "https://evil.example", Subject: "alice"}, "https://evil.example/alice", "example.evil.alice", "example.evil"},
		{"path of one slash", Claims{Issuer: "https://agents.example", Subject: "bot", AgentPath: "/"}, "https://agents.example/bot", "example.agents.bot", "example.agents"},
		{"person", Claims{Issuer: "https://login.example/", Subject: "auth0|a@b.c/d"}, "https://login.example/auth0%7Ca%40b.c%2Fd", "example.login.auth0%257Ca%2540b%2Ec%252Fd", "example.login"},
	} {
		caller, _, _ := s.Decide(c.claims)
		if caller.Problem != nil || caller.AgentURL != c.url || caller.Name != c.name || caller.Namespace != c.namespace {
			t.Errorf("%s: %+v", c.why, caller)
		}
	}
	if caller, _, _ := s.Decide(Claims{Issuer: "https://agents.example", Subject: "x"}); caller.Entry.JWKSURI != "https://agents.example/k" || caller.Entry == nil || caller.Portal() || !caller.External {
		t.Errorf("%+v", caller)
	}
	if caller, _, _ := s.Decide(Claims{Issuer: portal, Subject: "x"}); !caller.Portal() || caller.External || caller.Entry == nil {
		t.Errorf("%+v", caller)
	}
	if caller, _, _ := s.Decide(Claims{Issuer: "https://x.example", Subject: "x"}); caller.Entry != nil || caller.IssuerType != TypeAgent {
		t.Errorf("%+v", caller)
	}
}

func TestContradictionsAreInvalidClaims(t *testing.T) {
	s := compiled(t, Config{Authority: portal, Trusted: []Issuer{{Issuer: "https://agents.example"}, {Issuer: "https://login.example", Type: TypeUser}}})
	const issuer = "https://agents.example"
	for _, c := range []struct {
		why               string
		accepted, refused Claims
	}{
		{"URL elsewhere", Claims{Issuer: issuer, AgentURL: issuer + "/x"}, Claims{Issuer: issuer, AgentURL: "https://other.example/x"}},
		{"URL of a longer host", Claims{Issuer: issuer, AgentURL: issuer + "/evil"}, Claims{Issuer: issuer, AgentURL: issuer + ".evil/x"}},
		{"URL at another port", Claims{Issuer: issuer, AgentURL: issuer + ":443/x"}, Claims{Issuer: issuer, AgentURL: issuer + ":8443/x"}},
		{"URL that climbs", Claims{Issuer: issuer, AgentURL: issuer + "/a/b"}, Claims{Issuer: issuer, AgentURL: issuer + "/a/../b"}},
		{"URL of a stranger elsewhere", Claims{Issuer: "https://s.example", AgentURL: "https://s.example/x"}, Claims{Issuer: "https://s.example", AgentURL: issuer + "/x"}},
		{"no subject", Claims{Issuer: issuer, Subject: "x"}, Claims{Issuer: issuer}},
		{"subject that climbs", Claims{Issuer: issuer, Subject: "a/b"}, Claims{Issuer: issuer, Subject: "../b"}},
		{"subject with a query", Claims{Issuer: issuer, Subject: "a"}, Claims{Issuer: issuer, Subject: "a?b"}},
		{"encoded subject", Claims{Issuer: issuer, Subject: "a-2Fb"}, Claims{Issuer: issuer, Subject: "a%2Fb"}},
		{"path without a slash", Claims{Issuer: issuer, Subject: "x", AgentPath: "/.evil"}, Claims{Issuer: issuer, Subject: "x", AgentPath: ".evil"}},
		{"path that makes user info", Claims{Issuer: issuer, Subject: "x", AgentPath: "/@evil"}, Claims{Issuer: issuer, Subject: "x", AgentPath: "@evil.example"}},
		{"path that climbs", Claims{Issuer: issuer, Subject: "x", AgentPath: "/a"}, Claims{Issuer: issuer, Subject: "x", AgentPath: "/a/.."}},
		{"path with a slash behind", Claims{Issuer: issuer, Subject: "x", AgentPath: "/a"}, Claims{Issuer: issuer, Subject: "x", AgentPath: "/a/"}},
		{"path with a query", Claims{Issuer: issuer, Subject: "x", AgentPath: "/a"}, Claims{Issuer: issuer, Subject: "x", AgentPath: "/a?"}},
		{"portal's name", Claims{Issuer: portal, Subject: "alice"}, Claims{Issuer: portal, Subject: "alice."}},
		{"portal's name with a star", Claims{Issuer: portal, Subject: "alice"}, Claims{Issuer: portal, Subject: "ali*ce", AgentURL: portal + "/agents/x"}},
		{"person without a subject", Claims{Issuer: "https://login.example", Subject: "1"}, Claims{Issuer: "https://login.example", AgentPath: "/users"}},
		{"person of dots", Claims{Issuer: "https://login.example", Subject: ".a"}, Claims{Issuer: "https://login.example", Subject: ".."}},
		{"length", Claims{Issuer: issuer, Subject: "x", AgentPath: "/" + strings.Repeat("a", 1000)}, Claims{Issuer: issuer, Subject: "x", AgentPath: "/" + strings.Repeat("a", agent.MaxURL)}},
		{"no URL", Claims{Issuer: issuer, Subject: "x"}, Claims{Issuer: "agents.example", Subject: "x"}},
	} {
		if caller, _, _ := s.Decide(c.accepted); caller.Problem != nil {
			t.Errorf("%s: %v", c.why, caller.Problem)
		}
		caller, _, _ := s.Decide(c.refused)
		if caller.Problem == nil || caller.Problem.Code != problem.InvalidClaims || caller.AgentURL+caller.Name+caller.Namespace != "" {
			t.Errorf("%s: %+v", c.why, caller)
		}
	}
}

// Whatever the claims, who is accepted lies under its issuer, and only a portal
// gives a name that is not its URL's.
func FuzzDecide(f *testing.F) {
	f.Add("https://a.example", "bot", "/agents", "", "", "")
	f.Add("https://a.example", "x", "", "https://a.example/x", "", "")
	f.Add(portal, "alice", "/agents", "https://evil.example", "", "")
	f.Add("https://login.example/", "auth0|1", "", "", "", "")
	f.Add("https://a.example", "x", "@evil.example", "https://a.example.evil/", "", "")
	f.Add(portal, "google|4711", "", portal+"/agents/alice", "user", "alice")
	f.Add(portal, "google|4711", "", "", "user", "app")
	s := compiled(f, Config{Authority: portal, Trusted: []Issuer{{Issuer: "https://login.example/", Type: TypeUser}}, Deny: []string{"@mallory.**"}, DevMode: true})
	f.Fuzz(func(t *testing.T, issuer, subject, path, url, mode, client string) {
		caller, decision, _ := s.Decide(Claims{issuer, subject, path, url, mode, client})
		if decision == Refused || caller.Problem != nil {
			return
		}
		if caller.AgentURL == "" && issuer == portal && mode == "user" {
			return // nobody acts for the portal's user
		}
		if !agent.Under(caller.AgentURL, issuer) {
			t.Fatalf("%q is not under %q", caller.AgentURL, issuer)
		}
		name, err := agent.Name(caller.AgentURL)
		if issuer == portal {
			name = subject
		}
		if ofUser := issuer == portal && caller.IssuerType == TypeUser; ofUser {
			name = client
		} else if caller.Portal() != (issuer == portal) {
			t.Fatalf("%q is of type %s", issuer, caller.IssuerType)
		}
		if err != nil || name != caller.Name {
			t.Fatalf("%q is named %q (%+v)", caller.AgentURL, name, caller)
		}
	})
}

// The seed's own lists name agents by reference: allow ["@myteam/*"].
func TestReferencesInTheAllowList(t *testing.T) {
	s := compiled(t, Config{Allow: []string{"@friend-*", "@myteam/*"}})
	for _, c := range []struct {
		claims Claims
		want   Decision
	}{
		{Claims{Issuer: "https://robutler.ai/agents/friend-1", Subject: "x", AgentURL: "https://robutler.ai/agents/friend-1"}, Allowed},
		{Claims{Issuer: "https://robutler.ai", Subject: "friend-1", AgentPath: "/agents"}, Allowed},
		{Claims{Issuer: "https://robutler.ai/agents/myteam/bot", Subject: "x", AgentURL: "https://robutler.ai/agents/myteam/bot"}, Allowed},
		{Claims{Issuer: "https://robutler.ai/agents/myteam/bot/deep", Subject: "x", AgentURL: "https://robutler.ai/agents/myteam/bot/deep"}, Refused},
		{Claims{Issuer: "https://evil.example/agents/friend-1", Subject: "x", AgentURL: "https://evil.example/agents/friend-1"}, Refused},
		{Claims{Issuer: "https://evil.example", Subject: "friend-1", AgentPath: "/agents"}, Refused},
		{Claims{Issuer: "https://evil.example", Subject: "x", AgentURL: "https://robutler.ai/agents/friend-1"}, Refused},
		{Claims{Issuer: "https://robutler.ai/agents/foe", Subject: "x", AgentURL: "https://robutler.ai/agents/friend-1"}, Refused},
	} {
		if _, got, _ := s.Decide(c.claims); got != c.want {
			t.Errorf("%+v: %s, want %s", c.claims, got, c.want)
		}
	}
}

// Whoever has a host has all its ports, so a port does not help against a deny list.
func TestDenyKnowsNoPorts(t *testing.T) {
	for _, c := range []struct {
		pattern, issuer, subject string
		want                     Decision
	}{
		{"https://*.evil.example/**", "https://a.evil.example:99", "x", Denied},
		{"https://evil.example/**", "https://evil.example:8443", "x", Denied},
		{"https://evil.example/bad", "https://evil.example:8443", "bad", Denied},
		{"https://evil.example/bad", "https://evil.example:8443", "good", Open},
		{"@example.evil.bad", "https://evil.example:8443", "bad", Denied},
		{"@example.evil.bad", "https://evil.example:8443", "good", Open},
		{"https://evil.example/**", "https://good.example:8443", "x", Open},
	} {
		s := compiled(t, Config{Deny: []string{c.pattern}})
		if _, got, _ := s.Decide(Claims{Issuer: c.issuer, Subject: c.subject}); got != c.want {
			t.Errorf("%s against %s/%s: %s, want %s", c.pattern, c.issuer, c.subject, got, c.want)
		}
	}
}
