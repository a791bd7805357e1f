// Package bearer reads the Authorization header of a request: step 1 of the
// pipeline, the same for both profiles.
package bearer

import (
	"strings"

	"github.com/tallystick/tallystick/core/problem"
)

// Token returns the token of the one header (RFC 6750 section 2.1). A comma in it
// would be two headers joined by a server, and white space is never part of a token:
// see Refusal.
func Token(headers []string) (string, *problem.Problem) {
	const scheme = "bearer"
	if len(headers) != 1 {
		return "", refused("%d Authorization headers", len(headers))
	}
	header := headers[0]
	if len(header) <= len(scheme) || !strings.EqualFold(header[:len(scheme)], scheme) || header[len(scheme)] != ' ' {
		return "", refused("the Authorization header has another scheme than Bearer or no token")
	}
	token := strings.TrimLeft(header[len(scheme):], " ")
	if token == "" {
		return "", refused("the Authorization header does not hold exactly one token")
	}
	return token, nil
}

// Refusal is what is wrong with a token that has not passed the gate of compact
// tokens, whose reason is p. More than one token passes no gate, so nobody needs to
// look for another one in those that do.
func Refusal(token string, p *problem.Problem) *problem.Problem {
	if strings.ContainsAny(token, " \t,") {
		return refused("the Authorization header does not hold exactly one token")
	}
	return p
}

func refused(log string, args ...any) *problem.Problem {
	return problem.New(problem.MissingAuthorization, "").WithLog(log, args...)
}
