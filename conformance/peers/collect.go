package peers

import (
	"fmt"
	"slices"

	"github.com/tidwall/gjson"

	"github.com/tallystick/tallystick/conformance"
)

// Collect runs every vector through the core and returns what can be asked of a
// peer, each question once.
func Collect(suite *conformance.Suite) ([]Case, error) {
	c := &collector{call: newCore(), seen: map[string]bool{}, read: map[string][]gjson.Result{}}
	for _, vector := range suite.Vectors() {
		if !concernsPeers(vector) {
			continue
		}
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

// concernsPeers skips what no peer can be asked about; some of it takes long, such
// as making keys.
func concernsPeers(vector conformance.Vector) bool {
	return slices.ContainsFunc(vector.Steps, func(step conformance.Step) bool {
		switch step.Op {
		case "jws.sign", "jws.verify", "request.sign", "request.verify", "access.issue", "access.verify", "access.serve",
			"key.inspect", "keys.load", "scope.match", "scope.filter", "agent.match":
			return true
		}
		return false
	})
}

type collector struct {
	call   core // for questions of the collector's own
	vector string
	cases  []Case
	seen   map[string]bool
	read   map[string][]gjson.Result // keys by their text: reading a private one takes long
}

// inspect reads PEM, a JWK or a JWKS.
func (c *collector) inspect(text string) []gjson.Result {
	keys, there := c.read[text]
	if !there {
		keys = c.call.ask("key.inspect", map[string]string{"text": text}, nil).Get("ok.keys").Array()
		c.read[text] = keys
	}
	return keys
}

func (c *collector) add(task Task, question Question, ours Ours) {
	found := Case{Task: task, Vector: c.vector, Question: question, Ours: ours}
	if identity := found.identity(); !c.seen[identity] {
		c.seen[identity] = true
		c.cases = append(c.cases, found)
	}
}
