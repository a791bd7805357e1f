package peers

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// Class is one reason why the core and peers differ. A difference belongs to the
// first class that fits; one that fits none fails the run, and so does a class, or
// one of its peers, that explains no difference any more.
type Class struct {
	ID     string
	Side   Outcome
	Peers  []string
	Reason string // one or two sentences for users
	Source string // clause, advisory or document
	// Fits decides by facts of the case: why the core refused, what the token holds.
	Fits func(Finding) bool
}

func (c Class) explains(f Finding) bool {
	return c.Side == f.Outcome && slices.Contains(c.Peers, f.Peer) && c.Fits(f)
}

// Classes returns the table. A more special class stands before a more general one.
func Classes() []Class {
	return slices.Concat(formClasses(), headerClasses(), timeClasses(), claimClasses(), keyClasses(), peerClasses())
}

const (
	golang   = "golang-jwt"
	pyJWT    = "PyJWT"
	joserfc  = "joserfc"
	joseNode = "jose"
	nodeJWT  = "jsonwebtoken"
)

func everyPeer() []string { return []string{golang, pyJWT, joserfc, joseNode, nodeJWT} }

// because: the core refused with this code, and its message holds one of the texts.
func because(code string, texts ...string) func(Finding) bool {
	return func(f Finding) bool {
		return f.Case.Ours.Code == code && slices.ContainsFunc(texts, func(text string) bool {
			return strings.Contains(f.Case.Ours.Message, text)
		})
	}
}

func both(a, b func(Finding) bool) func(Finding) bool {
	return func(f Finding) bool { return a(f) && b(f) }
}

func (f Finding) header(name string) gjson.Result {
	return headerOf(f.Case.Question.Token).Get(name)
}

func (f Finding) claim(name string) gjson.Result {
	return claimsOf(f.Case.Question.Token).Get(name)
}

// accused is the claim that a message of the core begins with.
func (f Finding) accused() (string, gjson.Result) {
	name, _, _ := strings.Cut(f.Case.Ours.Message, " ")
	return name, f.claim(name)
}

func isText(value gjson.Result) bool { return value.Type == gjson.String }
