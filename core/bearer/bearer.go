// Package bearer reads the Authorization header of a request: step 1 of the
// pipeline, the same for both profiles.
package bearer

import (
	"strings"

	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/word"
)

// Token returns the one token of the one header (RFC 6750 section 2.1). A comma would be two headers joined by a server, and white
// space inside is never part of a token.
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
	if token == "" || separates(token) {
		return "", refused("the Authorization header does not hold exactly one token")
	}
	return token, nil
}

// separates reports whether a header holds more than one token.
func separates(header string) bool {
	at := 0
	for ; at+8 <= len(header); at += 8 {
		w := word.Load(header, at)
		if (word.Equal(w, ' ') | word.Equal(w, '\t') | word.Equal(w, ',')) != 0 {
			break // or a byte that is not ASCII
		}
	}
	for ; at < len(header); at++ {
		if c := header[at]; c == ' ' || c == '\t' || c == ',' {
			return true
		}
	}
	return false
}

func refused(log string, args ...any) *problem.Problem {
	return problem.New(problem.MissingAuthorization, "").WithLog(log, args...)
}
