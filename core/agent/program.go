package agent

import "math/bits"

// kind is what one step of a program takes.
type kind uint8

const (
	literal kind = iota // the step's byte
	one                 // one byte of a segment
	run                 // any bytes of one segment, none too
	cross               // any bytes across segments, none too
)

// zone is where a step stands: it decides what separates segments there.
type zone uint8

const (
	inName zone = iota
	inHost
	inPath
)

type step struct {
	kind kind
	zone zone
	byte byte
}

// program is a compiled pattern: a nondeterministic automaton whose states are
// the steps. All states are followed at once, so the time is at most len(steps)
// for each byte of the text: linear, whatever the stars (no backtracking).
type program struct {
	steps []step
	// deny patterns cover what lies below a match too, and their wildcards take
	// ports; those of allow patterns do not.
	deny bool
	// anyPort: the pattern is a host alone, so a deny covers its other ports.
	anyPort bool
}

// states is a set of steps; a pattern has at most two steps per byte.
type states [(2*MaxPattern + 64) / 64]uint64

func (s *states) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }

// enter adds a state and what follows without taking a byte.
func (p *program) enter(s *states, i int) {
	for {
		s[i/64] |= 1 << (i % 64)
		if i == len(p.steps) || p.steps[i].kind < run {
			return
		}
		i++
	}
}

func (p *program) match(text string) bool {
	var active states
	p.enter(&active, 0)
	end, start := len(p.steps), true
	for i := 0; i < len(text); i++ {
		c := text[i]
		if p.deny && active.has(end) && p.border(c) {
			return true
		}
		if active = p.advance(&active, c, start); active == (states{}) {
			return false
		}
		start = c == '.' || c == '/'
	}
	return active.has(end)
}

// border reports whether what follows a match is below it.
func (p *program) border(c byte) bool {
	if c == ':' {
		return p.anyPort
	}
	return c == '/' || c == '.' && len(p.steps) > 0 && p.steps[0].zone == inName
}

func (p *program) advance(active *states, c byte, start bool) states {
	var next states
	for word := 0; word <= len(p.steps)/64; word++ {
		for set := active[word]; set != 0; set &= set - 1 {
			i := word*64 + bits.TrailingZeros64(set)
			if i == len(p.steps) {
				continue
			}
			switch s := p.steps[i]; {
			case s.kind == literal && s.byte == c, s.kind == one && p.takes(s, c, start):
				p.enter(&next, i+1)
			case s.kind >= run && p.takes(s, c, start):
				p.enter(&next, i)
			}
		}
	}
	return next
}

// takes reports whether a wildcard takes a byte; start is the first of a segment.
func (p *program) takes(s step, c byte, start bool) bool {
	switch s.zone {
	case inHost: // never into the path: https://**.example is no https://evil/x.example
		return c != '/' && (c != '.' || s.kind == cross) && (c != ':' || p.deny)
	case inPath:
		return c != '/' || s.kind == cross
	}
	if start && c == ':' {
		return p.deny // a name of another port is another agent's
	}
	return c != '.' && c != '/' || s.kind == cross
}
