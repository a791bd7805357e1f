package trust

import (
	"fmt"
	"testing"
)

// BenchmarkDecide is the whole decision over a stranger's claims, with half of the
// patterns in each list and none that matches but the last: the time must grow
// with the number at most.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{0, 100, 1000, 10000} {
		c := Config{Authority: portal, Allow: []string{}, Deny: []string{}}
		for i := range n / 4 {
			c.Allow = append(c.Allow, fmt.Sprintf("@team-%d.**", i), fmt.Sprintf("https://*.host-%d.example/**", i))
			c.Deny = append(c.Deny, fmt.Sprintf("@banned-%d", i), fmt.Sprintf("@com.evil-%d.*", i))
		}
		if n > 0 {
			c.Allow = append(c.Allow, "@com.example.**")
		}
		s := compiled(b, c)
		claims := Claims{Issuer: "https://agents.example.com", Subject: "my-bot", AgentPath: "/agents"}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if _, decision, _ := s.Decide(claims); decision != Allowed && decision != Open {
					b.Fatal(decision)
				}
			}
		})
	}
}
