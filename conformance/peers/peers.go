// Package peers asks widely used JWT libraries what the vectors ask the core, and
// compares: accepted or refused, and what was accepted. A difference is either
// explained by a class of classes.go or fails the run. PEERS.md is the outcome.
//
// No case is written here: all of them are taken from the conformance vectors,
// so that a new vector is a new question to every peer.
package peers

import (
	"context"
	"slices"
)

// Task is what a peer is asked to do.
type Task string

// The tasks, in the order of the report.
const (
	VerifyJWS  Task = "jws.verify"     // a signature over any bytes
	VerifyJWT  Task = "jwt.verify"     // the signature and the registered claims
	SignJWS    Task = "jws.sign"       // then the core verifies, and signs the same bytes
	ImportKey  Task = "key.import"     // is this text an RSA key
	Thumbprint Task = "key.thumbprint" // RFC 7638
	MatchGlob  Task = "glob.match"     // one pattern, one scope
)

// Tasks returns every task in the order of the report.
func Tasks() []Task {
	return []Task{VerifyJWS, VerifyJWT, SignJWS, ImportKey, Thumbprint, MatchGlob}
}

// Asker puts one question to a peer. An error means that the peer could not be
// asked; that it refused is a Reply.
type Asker interface {
	Ask(ctx context.Context, task Task, question Question) (Reply, error)
}

// Peer is a library that is compared with.
type Peer struct {
	Name    string
	Version string
	Tasks   []Task
	// TakesWant: the library says public or private when it imports a key.
	TakesWant bool
	// PEMOnly: the library reads no JWK.
	PEMOnly bool
	Asker   Asker
}

// takes reports whether a question can be put to the peer at all.
func (p Peer) takes(c Case) bool {
	if !slices.Contains(p.Tasks, c.Task) {
		return false
	}
	if c.Task != ImportKey {
		return true
	}
	return (c.Question.Want == "" || p.TakesWant) && !(p.PEMOnly && isJSON(c.Question.Key))
}
