package parity

import (
	"math/rand/v2"
	"slices"
)

// maxSteps bounds what repeating can make of a vector.
const maxSteps = 60

var stepMutators = []mutator{
	{name: "step-drop", weight: 5, steps: dropStep},
	{name: "step-repeat", weight: 10, steps: repeatStep},
	{name: "step-swap", weight: 5, steps: swapSteps},
}

func dropStep(r *rand.Rand, d *draft) bool {
	if len(d.steps) < 2 {
		return false
	}
	at := r.IntN(len(d.steps))
	d.steps = slices.Delete(d.steps, at, at+1)
	return true
}

func repeatStep(r *rand.Rand, d *draft) bool {
	at := d.pickStep(r)
	if len(d.steps) >= maxSteps {
		return false
	}
	d.steps = slices.Insert(d.steps, at+1, d.steps[at].clone())
	return true
}

// swapSteps moves a call before its predecessor, but not before the engine opens.
func swapSteps(r *rand.Rand, d *draft) bool {
	if len(d.steps) < 3 {
		return false
	}
	at := 2 + r.IntN(len(d.steps)-2)
	d.steps[at-1], d.steps[at] = d.steps[at], d.steps[at-1]
	return true
}
