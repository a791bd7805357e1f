package trust

import "testing"

func TestDecideInOrder(t *testing.T) {
	s, err := NewIssuers(Config{Authority: "https://portal.example", Deny: []string{"@mallory"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		claims Claims
		want   Decision
		name   string
	}{
		{Claims{Issuer: "https://portal.example", Subject: "alice", AgentPath: "/agents"}, Trusted, "alice"},
		{Claims{Issuer: "https://portal.example", Subject: "mallory", AgentPath: "/agents"}, Denied, "mallory"},
		{Claims{Issuer: "https://evil.example", Subject: "alice"}, Open, "example.evil.alice"},
	} {
		caller, decision, _ := s.Decide(c.claims)
		if decision != c.want || caller.Name != c.name {
			t.Errorf("%+v: %s %+v", c.claims, decision, caller)
		}
	}
}
