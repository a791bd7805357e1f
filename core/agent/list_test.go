package agent

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
)

func TestNewListNamesTheEntry(t *testing.T) {
	if _, err := NewList([]string{"@a", "@b"}); err != nil {
		t.Error(err)
	}
	_, err := NewList([]string{"@a", "@b c"})
	var wrong *ListError
	if !errors.As(err, &wrong) || wrong.Index != 1 || !errors.Is(err, ErrPattern) || !strings.HasPrefix(err.Error(), "[1]: ") {
		t.Errorf("%v", err)
	}
	many := make([]string, MaxPatterns+1)
	for i := range many {
		many[i] = "@a"
	}
	if _, err := NewList(many[1:]); err != nil {
		t.Error(err)
	}
	if _, err := NewList(many); err == nil {
		t.Error("too many patterns are accepted")
	}
}

func TestEmptyList(t *testing.T) {
	var none *List
	empty, err := NewList(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []*List{none, empty} {
		if l.Len() != 0 || l.MatchAllow("alice", "https://a.example") || l.MatchDeny("alice", "https://a.example", "https://a.example") {
			t.Error("an empty list matches")
		}
	}
}

// Deny looks at the issuer, the URL and the name, and at the names of both URLs.
func TestListDeniesByAnyOfThree(t *testing.T) {
	for _, c := range []struct {
		pattern, name, url, issuer string
		want                       bool
	}{
		{"@alice", "alice", "https://p.example/agents/alice", "https://p.example", true},
		{"@alice", "bob", "https://p.example/agents/bob", "https://p.example", false},
		{"https://p.example/agents/alice", "alice", "https://p.example/agents/alice", "https://p.example", true},
		{"https://p.example", "alice", "https://p.example/agents/alice", "https://p.example", true},
		{"@example.p", "alice", "https://p.example/agents/alice", "https://p.example", true},
		{"@example.p.agents.alice", "alice", "https://p.example/agents/alice", "https://p.example", true},
		{"@example.p.agents.*", "alice", "https://p.example/agents/alice", "https://p.example", true},
		{"https://evil.example", "", "", "https://EVIL.example./", true},
		{"https://evil.example/*", "", "", "https://evil.example:443/x/", true},
		{"https://evil.example/x", "", "", "https://evil.example.:443/x", true},
		{"https://evil.example", "", "", "https://u@evil.example/?q", true},
		{"https://evil.example", "", "", "https://evil.example2", false},
	} {
		l, err := NewList([]string{c.pattern})
		if err != nil {
			t.Fatal(err)
		}
		if got := l.MatchDeny(c.name, c.url, c.issuer); got != c.want {
			t.Errorf("%q denies %q %q %q: %v", c.pattern, c.name, c.url, c.issuer, got)
		}
	}
}

// A pattern of many stars takes exponential time in a naive matcher; here the
// steps grow with the text.
func TestMatchIsLinear(t *testing.T) {
	p, err := ParsePattern("@" + strings.Repeat("a**", 60) + "b")
	if err != nil {
		t.Fatal(err)
	}
	name := strings.Repeat("a", 20000)
	if p.MatchAllow(name, "") || p.MatchDeny(name, "") {
		t.Error("matches without the b")
	}
	if !p.MatchAllow(name+"b", "") || !p.MatchDeny(name+"b", "") {
		t.Error("does not match with the b")
	}
}

// patterns puts numbers into a format where it has room for one.
func patterns(n int, format string) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = strings.ReplaceAll(format, "%d", strconv.Itoa(i))
	}
	return list
}

// BenchmarkDecision is one trust decision over lists of patterns of which none
// matches; the times must grow with the number at most.
func BenchmarkDecision(b *testing.B) {
	for _, kind := range []struct{ name, format string }{
		{"literal", "@agent-%d.bot"},
		{"prefixed", "@team-%d.**"},
		{"hosts", "https://*.host-%d.example/**"},
		{"infix", "@**.bot-%d.**"},
	} {
		for _, n := range []int{10, 100, 1000, 10000} {
			l, err := NewList(patterns(n, kind.format))
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("%s/allow/%d", kind.name, n), func(b *testing.B) {
				for b.Loop() {
					if l.MatchAllow("com.example.agents.my-bot", "https://agents.example.com/my-bot") {
						b.Fatal("matches")
					}
				}
			})
			b.Run(fmt.Sprintf("%s/deny/%d", kind.name, n), func(b *testing.B) {
				for b.Loop() {
					if l.MatchDeny("com.example.agents.my-bot", "https://agents.example.com/my-bot", "https://agents.example.com") {
						b.Fatal("matches")
					}
				}
			})
		}
	}
}

// BenchmarkHostileText is a long URL against patterns that follow every byte of it:
// the times must grow with its length at most.
func BenchmarkHostileText(b *testing.B) {
	l, err := NewList(patterns(100, "https://**/**x**x**y"))
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []int{250, 500, 1000, 2000} {
		url := "https://a.example/" + strings.Repeat("x", size)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			for b.Loop() {
				if l.MatchAllow("", url) {
					b.Fatal("matches")
				}
			}
		})
	}
}
