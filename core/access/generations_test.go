package access

import (
	"strconv"
	"strings"
	"testing"
)

func TestGenerationsAreBounded(t *testing.T) {
	g := newGenerations[int](10, 1000)
	for i := range 10_000 {
		g.set(strconv.Itoa(i), i)
		if n := g.len(); n > 20 {
			t.Fatalf("%d entries after %d", n, i)
		}
	}
	if got, there := g.get("9999"); !there || got != 9999 {
		t.Error("the last entry is forgotten")
	}
	if _, there := g.get("1"); there {
		t.Error("an entry that nobody used is kept")
	}
}

func TestGenerationsKeepWhatIsUsed(t *testing.T) {
	g := newGenerations[int](10, 1000)
	g.set("used", 1)
	for i := range 1000 {
		g.set(strconv.Itoa(i), i)
		if _, there := g.get("used"); !there {
			t.Fatalf("forgotten after %d others", i)
		}
	}
}

func TestGenerationsBoundBytes(t *testing.T) {
	g := newGenerations[int](1000, 1000)
	for i := range 100 {
		g.set(strings.Repeat(strconv.Itoa(i%10), 300)+strconv.Itoa(i), i)
		if n := g.len(); n > 6 {
			t.Fatalf("%d entries of 300 bytes", n)
		}
	}
	g.clear()
	if g.len() != 0 {
		t.Error("clear left something")
	}
}

func TestETagComparison(t *testing.T) {
	for header, want := range map[string]bool{
		`"a"`: true, `W/"a"`: true, `"b", "a"`: true, `*`: true,
		`"b"`: false, `a`: false, ``: false, `"a`: false,
	} {
		if matchesETag(header, `"a"`) != want {
			t.Errorf("%s: want %v", header, want)
		}
	}
}

func TestLooksLikeToken(t *testing.T) {
	for text, want := range map[string]bool{
		"a.b.c": true, "eyJ_-~+/=": true, "": false, "a b": false, "a\r\nb": false, "é": false, strings.Repeat("a", 16<<10+1): false,
	} {
		if looksLikeToken(text) != want {
			t.Errorf("%.20q: want %v", text, want)
		}
	}
}
