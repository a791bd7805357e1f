package parity

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/tallystick/tallystick/conformance"
	"github.com/tallystick/tallystick/conformance/runner"
	"github.com/tallystick/tallystick/core/abi"
)

var loadOnce = sync.OnceValues(conformance.Load)

func suite(t *testing.T, patterns ...string) []conformance.Vector {
	t.Helper()
	loaded, err := loadOnce()
	if err != nil {
		t.Fatal(err)
	}
	vectors := loaded.Select(patterns)
	if len(vectors) == 0 {
		t.Fatalf("no vectors are named like %v", patterns)
	}
	return vectors
}

func text(t *testing.T, value any) string {
	t.Helper()
	written, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(written)
}

func TestSameSeedSameCases(t *testing.T) {
	one, other := NewCorpus(suite(t)), NewCorpus(suite(t))
	var inOrder []string
	for number := range 150 {
		inOrder = append(inOrder, text(t, one.Case(7, number).Vector()))
	}
	different := 0
	for number := len(inOrder) - 1; number >= 0; number-- { // a case does not depend on those before it
		if got := text(t, other.Case(7, number).Vector()); got != inOrder[number] {
			t.Fatalf("case %d: %s\nis not %s", number, got, inOrder[number])
		}
		if text(t, other.Case(8, number).Vector()) != inOrder[number] {
			different++
		}
	}
	if different < len(inOrder)*9/10 {
		t.Errorf("another seed made only %d other cases", different)
	}
}

func TestCasesAreChanged(t *testing.T) {
	corpus := NewCorpus(suite(t))
	for number := range 300 {
		made := corpus.Case(1, number)
		if len(made.Mutations) == 0 || len(made.Mutations) > maxMutations {
			t.Errorf("case %d has %d mutations", number, len(made.Mutations))
		}
	}
}

// TestEveryMutator: each finds something to change in some vector, and the core
// answers what it made in the form of the ABI.
func TestEveryMutator(t *testing.T) {
	corpus := NewCorpus(suite(t))
	player := runner.Player{Leg: runner.InProcess(abi.New().Call), StepLimit: time.Minute}
	for at, m := range ordered {
		t.Run(m.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(at), 1))
			changes := 0
			for tries := 0; changes < 5 && tries < 20000; tries++ {
				base := corpus.pick(r)
				d := newDraft(base)
				before := text(t, d.vector().Steps)
				if !d.mutate(Mutation{m.name, r.Uint64()}) {
					if text(t, d.vector().Steps) != before {
						t.Fatalf("%s was changed by a mutation that says it changed nothing", base.Name)
					}
					continue
				}
				changes++
				if text(t, d.vector().Steps) == before && m.steps == nil {
					t.Errorf("%s is as it was", base.Name)
				}
				playsWell(t, player, d.vector())
			}
			if changes < 5 {
				t.Errorf("it changed %d vectors", changes)
			}
		})
	}
}

func playsWell(t *testing.T, player runner.Player, vector conformance.Vector) {
	t.Helper()
	answers, err := player.Play(context.Background(), vector)
	if err != nil {
		t.Fatalf("%s: %v", vector.Name, err)
	}
	for _, answer := range answers {
		if !gjson.ValidBytes(answer) || !strings.HasPrefix(string(answer), `{"`) {
			t.Errorf("%s: %s", vector.Name, answer)
		}
	}
}

// TestVectorsSurviveBeingDrafts: what is not mutated is answered as before.
func TestVectorsSurviveBeingDrafts(t *testing.T) {
	player := runner.Player{Leg: runner.InProcess(abi.New().Call), StepLimit: time.Minute}
	for _, vector := range NewCorpus(suite(t)).vectors {
		if strings.Contains(text(t, vector.Steps), `"varies"`) {
			continue // random bytes, for which the runner has marks; equal drafts need not be compared
		}
		wanted, err := player.Play(context.Background(), vector)
		if err != nil {
			t.Fatal(err)
		}
		got, err := player.Play(context.Background(), newDraft(vector).vector())
		if err != nil || !same(wanted, got) {
			t.Errorf("%s: %v\n%s\nis not %s", vector.Name, err, got, wanted)
		}
	}
}

// TestClocksStay: no mutator takes away the time or an identifier that was given.
func TestClocksStay(t *testing.T) {
	corpus := NewCorpus(suite(t, "signing/*", "times/*", "issue/*"))
	given := 0
	for number := range 1500 {
		for _, step := range corpus.Case(3, number).Vector().Steps {
			if step.Op != "request.sign" && step.Op != "request.verify" || step.Request == nil {
				continue
			}
			given++
			if !gjson.GetBytes(step.Request, "now").Exists() && hadClock(corpus, number, step.Op) {
				t.Errorf("case %d: %s has no time: %s", number, step.Op, step.Request)
			}
		}
	}
	if given < 500 {
		t.Errorf("only %d steps were looked at", given)
	}
}

// hadClock: a mutator may also ask this operation with the request of another one.
func hadClock(corpus Corpus, number int, op string) bool {
	had := false
	for _, step := range corpus.Case(3, number).Base.Steps {
		if step.Op != op {
			continue
		}
		if had = gjson.GetBytes(step.Request, "now").Exists(); !had {
			return false
		}
	}
	return had
}

func TestCorpusLeavesOutWhatIsSlowOrRandom(t *testing.T) {
	names := map[string]bool{}
	for _, vector := range NewCorpus(suite(t)).vectors {
		names[vector.Name] = true
	}
	for _, vector := range suite(t) {
		if names[vector.Name] == (weigh(vector) == 0) {
			t.Errorf("%s is in the corpus: %v", vector.Name, names[vector.Name])
		}
	}
	if names["keys/generated"] || names["needs/tickets-1024"] || names["body/at-default-limit"] {
		t.Error("a slow or random vector is in the corpus")
	}
	if !names["abi/call"] || len(names) < 2000 {
		t.Errorf("only %d vectors are in the corpus", len(names))
	}
}
