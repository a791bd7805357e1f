// Package parity looks for an input that two legs of the conformance suite
// answer differently. It makes cases from the suite's vectors: each is a vector
// with a few mutations, chosen by a seed and the number of the case alone. A case
// is played on every leg, the answers are compared byte by byte, and the first
// difference is made small and written as a vector.
package parity

import (
	"math/rand/v2"
	"slices"

	"github.com/tallystick/tallystick/conformance"
)

// Mutation is one change: the name of a mutator and the seed of its choices.
type Mutation struct {
	Name string
	Seed uint64
}

// Case is a vector of the suite with mutations.
type Case struct {
	Number    int
	Base      conformance.Vector
	Mutations []Mutation // in order

	made *draft // with the mutations
}

const (
	maxMutations = 5
	// attempts bound the search for a mutator that has something to change. Every
	// vector has a member or a letter, so that they are never used up.
	attempts = 200
)

// Case makes the case with a number (from 0). Equal corpus, seed and number give
// an equal case.
func (c Corpus) Case(seed uint64, number int) Case {
	r := rand.New(rand.NewPCG(seed, uint64(number)))
	made := Case{Number: number, Base: c.pick(r)}
	made.made = newDraft(made.Base)
	wanted := 1
	for wanted < maxMutations && r.IntN(2) == 0 {
		wanted++
	}
	for range attempts {
		mutation := Mutation{Name: pickMutator(r).name, Seed: r.Uint64()}
		if made.made.mutate(mutation) {
			made.Mutations = append(made.Mutations, mutation)
		}
		if len(made.Mutations) == wanted {
			break
		}
	}
	return made
}

// Vector returns the scenario to play. Its expectations are still the base's.
func (c Case) Vector() conformance.Vector { return c.made.vector() }

// without is the case with one mutation less.
func (c Case) without(at int) Case {
	c.Mutations = slices.Delete(slices.Clone(c.Mutations), at, at+1)
	c.made = newDraft(c.Base)
	for _, mutation := range c.Mutations {
		c.made.mutate(mutation)
	}
	return c
}
