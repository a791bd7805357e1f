// Package bench measures, for make bench, what is decided in the core alone.
package bench

import (
	"fmt"
	"testing"

	"github.com/tallystick/tallystick/core/scope"
	"github.com/tallystick/tallystick/core/trust"
)

var sizes = []int{1000, 10000}

// BenchmarkTrust decides on a stranger over so many patterns in the allow and the
// deny list together, of which only the last matches.
func BenchmarkTrust(b *testing.B) {
	for _, n := range sizes {
		lists := trust.Config{Authority: "https://portal.example"}
		for i := range n / 4 {
			lists.Deny = append(lists.Deny, fmt.Sprintf("@banned-%d", i), fmt.Sprintf("@com.evil-%d.*", i))
			lists.Allow = append(lists.Allow, fmt.Sprintf("@team-%d.**", i), fmt.Sprintf("https://*.host-%d.example/**", i))
		}
		lists.Allow[len(lists.Allow)-1] = "@com.example.**"
		issuers, err := trust.NewIssuers(lists)
		if err != nil {
			b.Fatal(err)
		}
		stranger := trust.Claims{Issuer: "https://agents.example.com", Subject: "my-bot", AgentPath: "/agents"}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if _, decision, reason := issuers.Decide(stranger); decision != trust.Allowed {
					b.Fatal(decision, reason)
				}
			}
		})
	}
}

// BenchmarkScopes filters two scopes by so many patterns, of which only the last matches.
func BenchmarkScopes(b *testing.B) {
	for _, n := range sizes {
		allowed := make([]string, n)
		for i := range allowed {
			allowed[i] = fmt.Sprintf([]string{"tools:%d:read", "files:%d:*", "data-%d*"}[i%3], i)
		}
		allowed[n-1] = "calendar:*"
		claimed := []string{"calendar:read", "calendar:write"}
		compiled := scope.Compile(allowed) // once, when an agent opens
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if granted := compiled.Filter(claimed); len(granted) != len(claimed) {
					b.Fatal(granted)
				}
			}
		})
	}
}
