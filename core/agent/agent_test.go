package agent

import "testing"

func TestResolve(t *testing.T) {
	for _, c := range []struct{ reference, authority, want string }{
		{"@my-agent", "", "https://robutler.ai/agents/my-agent"},
		{"my-agent", "https://portal.example/", "https://portal.example/agents/my-agent"},
		{"@team/bot", "https://Portal.Example:443", "https://portal.example/agents/team/bot"},
		{"@alice.bot", "", "https://robutler.ai/agents/alice.bot"},
		{"https://a.example/x/", "", "https://a.example/x"},
		{"HTTPS://A.Example:443/X", "", "https://a.example/X"},
		{"http://127.0.0.1:8080/bot", "", "http://127.0.0.1:8080/bot"},
		{"https://a.example/%7ebob", "", "https://a.example/~bob"},
		{"https://[2001:DB8:0::1]/b", "", "https://[2001:db8::1]/b"},
	} {
		if got, err := Resolve(c.reference, c.authority); err != nil || got != c.want {
			t.Errorf("Resolve(%q, %q) = %q, %v; want %q", c.reference, c.authority, got, err, c.want)
		}
	}
}
