package peers

import "slices"

// Class is one reason why the core and peers differ. A difference belongs to the
// first class that fits; one that fits none fails the run, and so does a class, or
// one of its peers, that explains no difference any more.
type Class struct {
	ID     string
	Side   Outcome
	Peers  []string
	Reason string // one or two sentences for users
	Source string // clause, advisory or document
	// Fits decides by facts of the case: the core's error and what the token holds.
	Fits func(Finding) bool
}

func (c Class) explains(f Finding) bool {
	return c.Side == f.Outcome && slices.Contains(c.Peers, f.Peer) && c.Fits(f)
}

// Classes returns the table.
func Classes() []Class { return nil }
