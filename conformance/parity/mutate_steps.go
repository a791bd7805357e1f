package parity

import (
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/tallystick/tallystick/core/abi"
)

// maxSteps bounds what repeating can make of a vector.
const maxSteps = 60

var stepMutators = []mutator{
	{name: "step-drop", weight: 5, steps: dropStep},
	{name: "step-repeat", weight: 10, steps: repeatStep},
	{name: "step-swap", weight: 5, steps: swapSteps},
	{name: "step-operation", weight: 4, steps: changeOperation},
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

// changeOperation asks something else with the same request.
func changeOperation(r *rand.Rand, d *draft) bool {
	at := d.pickStep(r)
	before := d.steps[at].base.Op
	after := pick(r, abi.Operations())
	if r.IntN(4) == 0 {
		after = pick(r, []string{"", strings.ToUpper(before), before + ".", before + "x", strings.ReplaceAll(before, ".", "_"), "__proto__"})
	}
	if after == before || after == "key.generate" || after == "client.secret" {
		return false // the last two are slow and random
	}
	changed := d.steps[at].clone()
	changed.base.Op = after
	d.steps[at] = changed
	return true
}
