package peers

import (
	"fmt"

	"github.com/tallystick/tallystick/conformance"
)

// Collect runs every vector through the core and returns what can be asked of a
// peer, each question once.
func Collect(suite *conformance.Suite) ([]Case, error) {
	c := &collector{call: newCore(), seen: map[string]bool{}}
	for _, vector := range suite.Vectors() {
		made, err := record(vector)
		if err != nil {
			return nil, err
		}
		c.vector = vector.Name
		c.verifications(made)
		c.signatures(made)
		c.keys(made)
		c.globs(made)
	}
	if err := c.toSign(); err != nil {
		return nil, err
	}
	if len(c.cases) == 0 {
		return nil, fmt.Errorf("the vectors hold nothing that a peer could be asked")
	}
	return c.cases, nil
}

type collector struct {
	call   core // for questions of the collector's own
	vector string
	cases  []Case
	seen   map[string]bool
}

func (c *collector) add(task Task, question Question, ours Ours) {
	found := Case{Task: task, Vector: c.vector, Question: question, Ours: ours}
	if identity := found.identity(); !c.seen[identity] {
		c.seen[identity] = true
		c.cases = append(c.cases, found)
	}
}
