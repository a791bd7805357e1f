package pipeline

import "github.com/tallystick/tallystick/core/problem"

// Finding is what one step of the pipeline says of a token.
type Finding struct {
	Step    string           // its number in protocol.md section 3, or those of two that are one
	Name    string           // what is looked at
	Missing string           // why the step was not made: what was not given, or not read; "": it was made
	Problem *problem.Problem // why the step refuses the token; nil: it does not
}

// What a step misses.
const (
	MissingKeys     = "keys"
	MissingIssuer   = "issuer"
	MissingAudience = "audience"
	MissingTarget   = "method and URL"
	MissingBody     = "body"
	MissingScopes   = "scopes"
	MissingRules    = "rules"
	MissingStore    = "store"
	MissingClaims   = "claims"
	MissingHeader   = "header"
	MissingEarlier  = "key"
)

// Explanation gathers what each step says of a token, also after one that refuses it. For one
// goroutine.
type Explanation struct {
	Found []Finding
	Read  bool // the claims
}

// Add appends what a step says.
func (e *Explanation) Add(step, name, missing string, p *problem.Problem) {
	e.Found = append(e.Found, Finding{step, name, missing, p})
}

// Check adds a step that is made where the claims were read.
func (e *Explanation) Check(step, name, missing string, look func() *problem.Problem) {
	switch {
	case !e.Read:
		e.Add(step, name, MissingClaims, nil)
	case missing != "":
		e.Add(step, name, missing, nil)
	default:
		e.Add(step, name, "", look())
	}
}

// Refuses reports whether a step so far refuses the token.
func (e *Explanation) Refuses() bool {
	for _, f := range e.Found {
		if f.Problem != nil {
			return true
		}
	}
	return false
}
