// Package bearer reads the Authorization header of a request: step 1 of the
// pipeline, the same for both profiles.
package bearer

import (
	"strings"

	"github.com/tallystick/tallystick/core/problem"
)

// Token returns the one token of the one header (RFC 6750 section 2.1). A comma would be two headers joined by a server, and white
// space inside is never part of a token.
func Token(headers []string) (string, *problem.Problem) {
	const scheme = "bearer"
	refused := problem.New(problem.MissingAuthorization, "")
	if len(headers) != 1 {
		return "", refused.WithLog("%d Authorization headers", len(headers))
	}
	header := headers[0]
	if len(header) <= len(scheme) || !strings.EqualFold(header[:len(scheme)], scheme) || header[len(scheme)] != ' ' {
		return "", refused.WithLog("the Authorization header has another scheme than Bearer or no token")
	}
	token := strings.TrimLeft(header[len(scheme):], " ")
	if token == "" || strings.Contains(token, " ") || strings.Contains(token, "\t") || strings.Contains(token, ",") {
		return "", refused.WithLog("the Authorization header does not hold exactly one token")
	}
	return token, nil
}
