package parity

import (
	"context"
	"slices"

	"github.com/tallystick/tallystick/conformance"
)

// maxTries bounds how often a found case is played while it is made smaller.
const maxTries = 600

// minimiser makes a case smaller as long as the same two legs differ.
type minimiser struct {
	ctx   context.Context
	legs  legs // reference, again and the one that differs
	tries int
	err   error // why a leg could not go on
}

func (p Plan) minimise(ctx context.Context, open legs, made Case, which int, answered played) (*Found, error) {
	m := &minimiser{ctx: ctx, legs: legs{open[reference], open[again], open[which]}}
	found := &Found{Seed: p.Seed, Case: made, Leg: open[which].name}
	small := made.made
	found.Repeats = m.differs(small)
	if found.Repeats {
		m.undo(&found.Case)
		small = found.Case.made.clone()
		m.shrink(small)
		answered = m.play(small)
	} else if m.err == nil {
		answered = played{answers: [][][]byte{answered.answers[reference], answered.answers[again], answered.answers[which]}}
	}
	found.draft, found.answered = small, answered
	return found, m.err
}

func (m *minimiser) play(d *draft) played {
	m.tries++
	answered := m.legs.play(m.ctx, []conformance.Vector{d.vector()})[0]
	if answered.broken != nil && m.err == nil {
		m.err = answered.broken
	}
	return answered
}

// differs reports whether a candidate still shows the difference.
func (m *minimiser) differs(d *draft) bool {
	if m.err != nil || m.tries >= maxTries || len(d.steps) == 0 || !d.isUTF8() {
		return false
	}
	answered := m.play(d)
	return m.err == nil && !answered.isRandom() && answered.differs() >= 0
}

// undo takes mutations back one by one.
func (m *minimiser) undo(made *Case) {
	for at := len(made.Mutations) - 1; at >= 0; at-- {
		if fewer := made.without(at); m.differs(fewer.made) {
			*made = fewer
		}
	}
}

// shrink drops calls, then parts of what is left, until nothing more can go.
func (m *minimiser) shrink(d *draft) {
	for again := true; again; {
		again = m.dropSteps(d)
		for _, step := range d.steps {
			again = m.shrinkStep(d, step) || again
		}
	}
}

func (m *minimiser) dropSteps(d *draft) bool {
	dropped := false
	for at := len(d.steps) - 1; at >= 0; at-- {
		before := d.steps
		d.steps = slices.Delete(slices.Clone(before), at, at+1)
		if m.differs(d) {
			dropped = true
		} else {
			d.steps = before
		}
	}
	return dropped
}

func (m *minimiser) shrinkStep(d *draft, step *draftStep) bool {
	smaller := m.shrinkText(d, &step.body)
	if step.tree == nil {
		return m.shrinkText(d, &step.text) || smaller
	}
	return m.shrinkTree(d, step.tree) || smaller
}

// shrinkTree takes out members and elements, and shortens strings.
func (m *minimiser) shrinkTree(d *draft, n *node) bool {
	smaller := false
	for at := len(n.kids) - 1; at >= 0; at-- {
		before := *n
		n.remove(at)
		if m.differs(d) {
			smaller = true
			continue
		}
		*n = before
		smaller = m.shrinkTree(d, n.kids[at]) || smaller
	}
	if n.kind == isString && n.spelled == "" {
		smaller = m.shrinkText(d, &n.text) || smaller
	}
	return smaller
}

// finest is how small a part of a text is taken out at a time: a token is not
// tried letter by letter, which would rarely help.
const finest = 8

// shrinkText takes out runs, long ones first.
func (m *minimiser) shrinkText(d *draft, text *string) bool {
	smaller := false
	for run, least := len(*text), max(1, len(*text)/finest); run >= least; run /= 2 {
		for at := 0; at < len(*text); {
			before := *text
			*text = before[:at] + before[min(at+run, len(before)):]
			if m.differs(d) {
				smaller = true
				continue
			}
			*text = before
			at += run
		}
	}
	return smaller
}
