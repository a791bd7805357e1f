package parity

import (
	"bytes"
	"regexp"
	"strconv"

	"github.com/tallystick/tallystick/conformance"
)

// A leg that does RSA itself reads some requests and writes them anew, as no
// caller of its package does. What would not survive that is sent as a text: a
// vector with a text is played without the host's RSA.

var rewritten = map[string]bool{
	"engine.open": true, "engine.feed": true, "engine.resume": true, "request.sign": true, "request.verify": true,
	"access.verify": true, "access.issue": true, "access.serve": true, "access.command": true,
}

func survivesHost(op string, tree *node, vector conformance.Vector) bool {
	if !rewritten[op] {
		return true
	}
	survives := true
	tree.each(func(n *node) {
		survives = survives && survivesJavaScript(n)
	})
	return survives && tree.kind == isObject && hasShape(op, tree) && keysAreOf(vector, tree)
}

var (
	arrayIndex = regexp.MustCompile(`^(0|[1-9][0-9]*)$`)
	number     = regexp.MustCompile(`^-?[0-9]`)
)

// survivesJavaScript: numbers as JavaScript writes them, and no names that it
// puts in another order.
func survivesJavaScript(n *node) bool {
	for _, name := range n.names {
		if arrayIndex.MatchString(name) || name == "__proto__" {
			return false
		}
	}
	if n.kind != isLiteral || !number.MatchString(n.text) {
		return true
	}
	value, err := strconv.ParseFloat(n.text, 64)
	return err == nil && value < 1<<53 && value > -1<<53 && n.text != "-0" && strconv.FormatFloat(value, 'f', -1, 64) == n.text
}

// hasShape: what such a host looks into is of the type that it relies on.
func hasShape(op string, tree *node) bool {
	switch op {
	case "engine.open":
		for at, name := range tree.names {
			if name != "verifier" && name != "signer" && name != "access" || tree.kids[at].kind != isObject {
				return false
			}
		}
		access := tree.get("access")
		return access == nil || ringHasShape(access.get("ring"))
	case "engine.feed":
		return ringHasShape(tree.get("ring"))
	case "access.issue":
		bind := tree.get("bind")
		return bind == nil || bind.kind == isObject
	}
	return true
}

func ringHasShape(ring *node) bool {
	if ring == nil || ring.kind != isObject {
		return ring == nil
	}
	keys := ring.get("keys")
	if keys == nil || keys.kind != isArray {
		return false
	}
	for _, key := range keys.kids {
		if key.kind != isObject {
			return false
		}
	}
	return true
}

// keysAreOf: private keys are the vector's own. What else the core reads as one,
// another library need not.
func keysAreOf(vector conformance.Vector, tree *node) bool {
	own := true
	tree.each(func(n *node) {
		for at, name := range n.names {
			if name == "private_key" || name == "private_pem" {
				own = own && isIn(vector, n.kids[at].write(request))
			}
		}
	})
	return own
}

func isIn(vector conformance.Vector, text string) bool {
	for _, step := range vector.Steps {
		if bytes.Contains(step.Request, []byte(text)) {
			return true
		}
	}
	return false
}
