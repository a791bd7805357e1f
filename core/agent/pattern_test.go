package agent

import (
	"regexp"
	"strings"
	"testing"
)

func TestParsePattern(t *testing.T) {
	for _, c := range []struct{ why, accepted, refused string }{
		{"empty", "a", ""},
		{"length", "@" + strings.Repeat("a", MaxPattern-1), "@" + strings.Repeat("a", MaxPattern)},
		{"space", "@a.b", "@a b"}, {"control", "@ab", "@a\tb"}, {"non-ASCII", "@u", "@ü"}, {"quote", "@a'", `@a"`}, {"backslash", "@a/b", `@a\b`},
		{"three stars", "@a.**", "@a.***"},
		{"no name", "@a", "@"}, {"at sign", "@a", "@@a"}, {"question mark", "@ab", "@a?b"}, {"hash", "@ab", "@a#b"},
		{"empty segment", "@a.b", "@a..b"}, {"empty segment of a path", "@a/b", "@a//b"}, {"mixed separators", "@a.b", "@a./b"},
		{"separator first", "@a.b", "@.b"}, {"separator last", "@a.b", "@a."}, {"slash last", "@a/b", "@a/"},
		{"other scheme", "http://a.example", "ftp://a.example"},
		{"user info", "https://a.example", "https://u@a.example"},
		{"query", "https://a.example/q", "https://a.example/?q"},
		{"query without a path", "https://a.example", "https://a.example?q"},
		{"fragment", "https://a.example/f", "https://a.example/#f"},
		{"dot segments", "https://a.example/a.b", "https://a.example/../b"},
		{"empty path segment", "https://a.example/a/*", "https://a.example/a//*"},
		{"port", "https://a.example:8443", "https://a.example:84430"},
		{"star in a port", "https://a.example:*", "https://a.example:8*"},
		{"empty port", "https://a.example:1", "https://a.example:/"},
		{"no host", "https://*", "https:///a"},
		{"address", "https://127.0.0.1", "https://127.1"},
		{"v6", "https://[::1]:*/a", "https://[::*]/a"},
	} {
		if _, err := ParsePattern(c.accepted); err != nil {
			t.Errorf("%s: %q: %v", c.why, c.accepted, err)
		}
		if _, err := ParsePattern(c.refused); err == nil {
			t.Errorf("%s: %q is accepted", c.why, c.refused)
		} else if len(c.refused) > 2 && strings.Contains(err.Error(), c.refused) {
			t.Errorf("%s: the error quotes the pattern", c.why)
		}
	}
}

type matchCase struct {
	pattern, name, url string
	allow, deny        bool
}

func TestMatch(t *testing.T) {
	for _, c := range []matchCase{
		{"@alice", "alice", "", true, true},
		{"alice", "alice", "", true, true},
		{"@alice", "Alice", "", false, true},
		{"@Alice", "alice", "", false, true},
		{"@alice", "alice.", "", false, true},
		{"@alice", "alice/", "", false, true},
		{"@alice", "alice.bot", "", false, true},
		{"@alice", "alice/bot", "", false, true},
		{"@alice", "alice2", "", false, false},
		{"@alice", "com.evil.alice", "", false, false},
		{"@alice", "bob", "", false, false},
		{"@alice", "", "", false, false},
		{"@team/bot", "team/bot", "", true, true},
		{"@team/bot", "team.bot", "", false, true},
		{"@team.bot", "team/bot", "", false, true},
		{"@alice.*", "alice.bot", "", true, true},
		{"@alice.*", "alice", "", false, false},
		{"@alice.*", "alice.bot.x", "", false, true},
		{"@alice.*", "alice.bot/x", "", false, true},
		{"@team/*", "team/bot", "", true, true},
		{"@team/*", "team.bot", "", false, true},
		{"@team/*", "team/bot/x", "", false, true},
		{"@alice.**", "alice.bot.x/y", "", true, true},
		{"@alice.**", "alice", "", false, false},
		{"@alice.**", "alice.", "", false, false},
		{"@*.bot", "alice.bot", "", true, true},
		{"@*.bot", "alice.x.bot", "", false, false},
		{"@**.bot", "alice.x.bot", "", true, true},
		{"@**.bot", "bot", "", false, false},
		{"@banned-*", "banned-1", "", true, true},
		{"@banned-*", "banned-", "", true, true},
		{"@banned-*", "banned-1.x", "", false, true},
		{"@banned-*", "BANNED-1", "", false, true},
		{"@a*c", "abc", "", true, true},
		{"@a*c", "a.c", "", false, false},
		{"@a**c", "a.c", "", true, true},
		{"@a**c", "ac", "", true, true},
		{"*", "alice", "", true, true},
		{"*", "alice.bot", "", false, true},
		{"**", "alice.bot", "", true, true},
		{"@**", "", "", false, false},
		// Another port of a host is another agent.
		{"@com.example.*", "com.example.:8443", "", false, true},
		{"@com.example.**", "com.example.:8443.bot", "", false, true},
		{"@com.example**", "com.example.:8443.bot", "", false, true},
		{"@com.example.:8443.*", "com.example.:8443.bot", "", true, true},
		{"@com.example.:*.bot", "com.example.:8443.bot", "", true, true},
		{"@com.example.*", "com.example.a:b", "", true, true},
		{"@com.example.a%2Eb", "com.example.a%2Eb", "", true, true},
		{"@com.example.a%2eb", "com.example.a%2Eb", "", false, true},

		{"https://a.example", "", "https://a.example", true, true},
		{"https://A.Example:443/", "", "https://a.example", true, true},
		{"https://a.example", "", "https://a.example/bot", false, true},
		{"https://a.example", "", "http://a.example", false, true},
		{"https://a.example", "", "https://a.example:8443/x", false, true},
		{"https://a.example", "", "https://a.example.evil", false, false},
		{"https://a.example", "", "https://b.a.example", false, false},
		{"https://a.example", "", "https://a.example./x", false, true},
		{"https://a.example", "", "HTTPS://A.EXAMPLE:443//", false, true},
		{"https://a.example", "a.example", "", false, false},
		{"https://a.example:8443", "", "https://a.example:8443", true, true},
		{"https://a.example:8443", "", "https://a.example", false, false},
		{"https://a.example:*", "", "https://a.example:8443", true, true},
		{"https://a.example:*/**", "", "https://a.example:8443/x/y", true, true},
		{"https://a.example/bot", "", "https://a.example/bot", true, true},
		{"https://a.example/bot", "", "https://a.example/BOT/", false, true},
		{"https://a.example/bot", "", "https://a.example/bot/x", false, true},
		{"https://a.example/bot", "", "https://a.example/bots", false, false},
		{"https://a.example/bot", "", "https://a.example:8443/bot", false, false},
		{"https://a.example/%7ebot", "", "https://a.example/~bot", true, true},
		{"https://a.example/*", "", "https://a.example/bot", true, true},
		{"https://a.example/*", "", "https://a.example/bot.v1", true, true},
		{"https://a.example/*", "", "https://a.example/bot/x", false, true},
		{"https://a.example/*", "", "https://a.example", false, false},
		{"https://a.example/**", "", "https://a.example/bot/x", true, true},
		{"https://a.example/**", "", "https://a.example", false, false},
		{"https://a.example/*/chat", "", "https://a.example/x/chat", true, true},
		{"https://a.example/*/chat", "", "https://a.example/x/y/chat", false, false},
		{"https://a.example/**/chat", "", "https://a.example/x/y/chat", true, true},
		{"https://*.example", "", "https://a.example", true, true},
		{"https://*.example", "", "https://b.a.example", false, false},
		{"https://**.example", "", "https://b.a.example", true, true},
		{"https://*.example/x", "", "https://a.evil/b.example/x", false, false},
		{"https://**.example/x", "", "https://evil.test/b.example/x", false, false},
		{"https://**.example", "", "https://evil.test/b.example", false, false},
		{"https://**.example", "", "https://b.a.example:8443", false, true},
		{"https://a.*", "", "https://a.example:8443", false, true},
		{"https://**/**", "", "https://b.a.example/x/y", true, true},
		{"https://**", "", "https://b.a.example/x", false, true},
		{"https://**", "", "https://[2001:db8::1]/x", false, true},
		{"https://**/x", "", "https://[2001:db8::1]/x", false, true},
		{"https://[::1]", "", "https://[::1]", true, true},
		{"https://[0:0::1]/x", "", "https://[::1]/x", true, true},
		{"http://a.example", "", "http://a.example", true, true},
		{"http://a.example", "", "https://a.example", false, true},
		{"https://**", "", "", false, false},
	} {
		p, err := ParsePattern(c.pattern)
		if err != nil {
			t.Errorf("%q: %v", c.pattern, err)
			continue
		}
		if got := p.MatchAllow(c.name, c.url); got != c.allow {
			t.Errorf("%q allows %q %q: %v", c.pattern, c.name, c.url, got)
		}
		if got := p.MatchDeny(c.name, c.url); got != c.deny {
			t.Errorf("%q denies %q %q: %v", c.pattern, c.name, c.url, got)
		}
		checkList(t, c)
	}
}

// checkList: a list of one pattern decides as the pattern does, but that its deny
// takes a URL for the names too.
func checkList(t *testing.T, c matchCase) {
	l, err := NewList([]string{"@zzz", c.pattern, "https://zzz.example/*"})
	if err != nil {
		t.Fatal(err)
	}
	if got := l.MatchAllow(c.name, c.url); got != c.allow {
		t.Errorf("the list with %q allows %q %q: %v", c.pattern, c.name, c.url, got)
	}
	if got := l.MatchDeny(c.name, c.url, ""); got != c.deny {
		t.Errorf("the list with %q denies %q %q: %v", c.pattern, c.name, c.url, got)
	}
	if got := l.MatchDeny("", "", c.url); c.url != "" && got != c.deny {
		t.Errorf("the list with %q denies the issuer %q: %v", c.pattern, c.url, got)
	}
}

// The same question put to a regular expression.
func FuzzMatchAgreesWithRegexp(f *testing.F) {
	for _, seed := range [][2]string{{"@a.*", "a.b"}, {"@a.**", "a.b.c/d"}, {"@a**c*", "a.c"}, {"@*.*", "a.:8443"}, {"**", "x/:y"}, {"@a*b**c", "abxb.c"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		p, err := ParsePattern(pattern)
		if err != nil || p.url || CheckName(name) != nil {
			return
		}
		// Segments that begin with ":" are the one thing that expressions cannot say.
		if strings.HasPrefix(name, ":") || strings.Contains(name, ".:") || strings.Contains(name, "/:") {
			return
		}
		want := nameExpression(strings.TrimPrefix(pattern, "@")).MatchString(name)
		if got := p.MatchAllow(name, ""); got != want {
			t.Fatalf("%q allows %q: %v, the expression says %v", pattern, name, got, want)
		}
		if want && !p.MatchDeny(strings.ToUpper(name)+".x", "") {
			t.Fatalf("%q allows %q and does not deny what is below it", pattern, name)
		}
	})
}

func nameExpression(pattern string) *regexp.Regexp {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] != '*' {
			b.WriteString(regexp.QuoteMeta(pattern[i : i+1]))
			continue
		}
		start, end, what := i, i+1, `[^./]`
		if strings.HasPrefix(pattern[i:], "**") {
			end, what = i+2, `.`
		}
		i = end - 1
		if (start == 0 || isSeparator(pattern[start-1])) && (end == len(pattern) || isSeparator(pattern[end])) {
			b.WriteString(`[^./]`)
		}
		b.WriteString(what + `*`)
	}
	return regexp.MustCompile(`\A(?s:` + b.String() + `)\z`)
}

func FuzzURLPattern(f *testing.F) {
	for _, seed := range [][2]string{{"https://*.example/**", "https://a.example/x"}, {"https://a.example:*/x*", "https://a.example:1/xy"}, {"http://[::1]", "http://[::1]"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		p, err := ParsePattern(pattern)
		if err != nil || !p.url {
			return
		}
		url, err := Canonical(text)
		if err != nil {
			return
		}
		if p.MatchAllow("", url) && (!p.MatchDeny("", url) || !p.MatchDeny("", url+"/x") || !p.MatchDeny("", strings.ToUpper(url))) {
			t.Fatalf("%q allows %q and does not deny it or what is below it", pattern, url)
		}
		if !strings.Contains(pattern, "*") {
			if own, err := Canonical(pattern); err != nil || !p.MatchAllow("", own) {
				t.Fatalf("%q does not match itself (%q, %v)", pattern, own, err)
			}
		}
	})
}
