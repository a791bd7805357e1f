package peers

import (
	"slices"
	"sync"
	"testing"

	"github.com/tallystick/tallystick/conformance"
)

// vectorCases are collected once: it takes seconds under the race detector.
var vectorCases = sync.OnceValues(func() ([]Case, error) {
	suite, err := conformance.Load()
	if err != nil {
		return nil, err
	}
	return Collect(suite)
})

func collected(t *testing.T) []Case {
	t.Helper()
	cases, err := vectorCases()
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

// Vectors that a change of the collector no longer understood would otherwise
// vanish without a sound.
func TestEveryTaskHasItsCases(t *testing.T) {
	atLeast := map[Task]int{VerifyJWS: 70, VerifyJWT: 500, SignJWS: 180, ImportKey: 50, Thumbprint: 10, MatchGlob: 40}
	count := map[Task]int{}
	for _, asked := range collected(t) {
		count[asked.Task]++
	}
	for _, task := range Tasks() {
		if count[task] < atLeast[task] {
			t.Errorf("%s: %d cases, there were %d", task, count[task], atLeast[task])
		}
	}
}

func TestCasesAreOnBothSides(t *testing.T) {
	sides := map[string]int{}
	for _, asked := range collected(t) {
		if asked.Task == VerifyJWT {
			sides[asked.Ours.String()]++
		}
	}
	for _, wanted := range []string{"accepted", "refused: malformed_token", "refused: invalid_signature", "refused: token_expired",
		"refused: invalid_audience", "accepted as a JWT, refused later: wrong_target", "accepted as a JWT, refused later: body_tampered",
		"accepted as a JWT, refused later: insufficient_scope", "accepted as a JWT, refused later: trust_denied"} {
		if sides[wanted] == 0 {
			t.Errorf("no case is %q", wanted)
		}
	}
}

func TestAQuestionIsAskedOnce(t *testing.T) {
	seen := map[string]string{}
	for _, asked := range collected(t) {
		if first, again := seen[asked.identity()]; again {
			t.Errorf("%s and %s ask the same", first, asked.Vector)
		}
		seen[asked.identity()] = asked.Vector
	}
}

// Random bytes in signed tokens must not change which cases there are.
func TestCollectGivesTheSameCases(t *testing.T) {
	suite, err := conformance.Load()
	if err != nil {
		t.Fatal(err)
	}
	suite.Areas = slices.DeleteFunc(suite.Areas, func(a conformance.Area) bool {
		return !slices.Contains([]string{"keys", "published", "signing", "scope"}, a.Area)
	})
	names := func() (names []string) {
		cases, err := Collect(suite)
		if err != nil {
			t.Fatal(err)
		}
		for _, asked := range cases {
			names = append(names, string(asked.Task)+" "+asked.Vector)
		}
		return names
	}
	if !slices.Equal(names(), names()) {
		t.Error("a second run collects other cases")
	}
}

func TestScopeIsFnmatch(t *testing.T) {
	for _, test := range []struct {
		pattern, scope string
		same           bool
	}{
		{"read", "read", true}, {"read", "a:b", true},
		{"re*d", "read", true}, {"re*d", "re:d", false}, // a star of ours stays in its segment
		{"*", "a:b:c", true}, {"*", "a::c", false}, {"*", "", false}, // and takes no empty one
		{"a:*", "a:b:c", true}, {"a:*", "a:", false}, {"a:*:c", "a:b:c", false}, {"a*:*", "a:b", false},
		{"a?", "ab", false}, {"[a]", "a", false}, // letters to us
	} {
		if got := scopeIsFnmatch(test.pattern, test.scope); got != test.same {
			t.Errorf("%q and %q: %v", test.pattern, test.scope, got)
		}
	}
}

func TestNameIsFnmatch(t *testing.T) {
	for _, test := range []struct {
		pattern, name string
		same          bool
	}{
		{"alice", "alice.bot", true}, {"team-*", "team-red", true}, {"team-*", "team-red.blue", false},
		{"alice.**", "alice.bot.one", true}, {"alice.**", "alice.", false}, {"alice.*", "alice.bot", false}, {"a?", "ab", false},
	} {
		if got := nameIsFnmatch(test.pattern, test.name); got != test.same {
			t.Errorf("%q and %q: %v", test.pattern, test.name, got)
		}
	}
}
