package parity

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/tallystick/tallystick/conformance"
)

// Corpus is what cases are made from.
type Corpus struct {
	vectors []conformance.Vector
	upTo    []int // sums of the weights
}

const (
	maxRepeat = 8
	maxBody   = 64 << 10 // bytes
)

// NewCorpus takes the vectors that are quick and not random by their nature.
func NewCorpus(vectors []conformance.Vector) Corpus {
	var c Corpus
	sum := 0
	for _, vector := range vectors {
		if weight := weigh(vector); weight > 0 {
			sum += weight
			c.vectors, c.upTo = append(c.vectors, vector), append(c.upTo, sum)
		}
	}
	return c
}

func (c Corpus) pick(r *rand.Rand) conformance.Vector {
	return c.vectors[pickWeighted(r, c.upTo)]
}

func pickWeighted(r *rand.Rand, upTo []int) int {
	drawn := r.IntN(upTo[len(upTo)-1])
	at := 0
	for upTo[at] <= drawn {
		at++
	}
	return at
}

// weigh keeps the mix broad and quick. A token goes through most of the core; in WebAssembly to hash a secret takes
// some 50 times as long as a verification, to read a private key some ten times.
func weigh(vector conformance.Vector) int {
	const unfit, dear, costly, token, usual = 0, 1, 4, 18, 12
	any := func(has func(conformance.Step) bool) bool { return slices.ContainsFunc(vector.Steps, has) }
	switch {
	case any(isUnfit):
		return unfit
	case any(hashesSecret):
		return dear
	case any(holdsPrivateKey):
		return costly
	case any(func(step conformance.Step) bool { return compact.Match(step.Request) }):
		return token
	}
	return usual
}

func isUnfit(step conformance.Step) bool {
	return step.Op == "key.generate" || step.Repeat > maxRepeat || step.BodyFill > maxBody
}

func hashesSecret(step conformance.Step) bool {
	return step.Op == "client.secret" || strings.Contains(step.Body, "client_secret") || bytes.Contains(step.Request, []byte(`"Basic `))
}

func holdsPrivateKey(step conformance.Step) bool {
	return bytes.Contains(step.Request, []byte("PRIVATE KEY---")) || bytes.Contains(step.Request, []byte(`\"d\":`))
}
