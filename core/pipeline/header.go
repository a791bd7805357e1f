package pipeline

import (
	"strings"

	"github.com/tallystick/tallystick/core/problem"
)

const separators = " \t," //guard:header-comma letter 3; header-space letter 1

// BearerToken returns the token of the one header (RFC 6750 section 2.1). What follows the
// scheme is not looked into: see BearerRefusal.
func BearerToken(headers []string) (string, *problem.Problem) {
	if len(headers) == 0 {
		return "", missing("there is no Authorization header")
	}
	header := headers[0]
	if len(headers) > 1 || !isBearer(header) && isJoined(header) { //guard:header-one drop 1; header-joined never 3
		return "", ambiguous("the request has more than one Authorization header")
	}
	if !isBearer(header) {
		return "", missing("the Authorization header has another scheme than Bearer or no token")
	}
	token := strings.TrimLeft(header[len(bearer):], " ")
	if token == "" {
		return "", missing("the Authorization header has no token")
	}
	return token, nil
}

// BearerRefusal is what is wrong with a token that has not passed the gate of compact
// tokens, whose reason is p. Two tokens never pass that gate, so this is asked for
// refused ones alone.
func BearerRefusal(token string, p *problem.Problem) *problem.Problem {
	switch {
	case strings.ContainsAny(strings.TrimRight(token, " \t"), separators):
		return ambiguous("the Authorization header has more than one token")
	case strings.ContainsAny(token, separators):
		return missing("white space follows the token in the Authorization header")
	}
	return p
}

// SeveralCredentials reports whether a request has more than one Authorization header. CGI, and
// so WSGI, has one variable for all headers of a name, in which a server joins them
// with commas (RFC 3875 section 4.1.18); so does the Fetch API.
func SeveralCredentials(headers []string) bool {
	return len(headers) > 1 || len(headers) == 1 && isJoined(headers[0]) //guard:credentials-one drop 1; credentials-joined never 3
}

const bearer = "bearer " //guard:header-scheme-space letter 7

// isBearer: what follows is one token or more, for BearerRefusal to tell apart.
func isBearer(header string) bool {
	return len(header) > len(bearer) && strings.EqualFold(header[:len(bearer)], bearer) //guard:header-scheme drop 2
}

// isJoined looks for a second credential. A comma also separates the parameters of
// schemes such as Digest (RFC 9110 section 11.4), but credentials of Basic and Bearer
// have none.
func isJoined(header string) bool {
	if strings.IndexByte(header, ',') < 0 {
		return false
	}
	scheme, _, _ := strings.Cut(header, " ")
	if strings.EqualFold(scheme, "Basic") || strings.EqualFold(scheme, "Bearer") {
		return true
	}
	rest := afterComma(header)
	for rest != "" {
		if !isParameter(rest[1:]) { //guard:header-parameters always
			return true
		}
		rest = afterComma(rest[1:])
	}
	return false
}

// afterComma returns a list from its first comma outside of a quoted string, "" where
// there is none.
func afterComma(list string) string {
	quoted := false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == ',' && !quoted: //guard:header-quoted drop 2
			return list[i:]
		}
	}
	return ""
}

// isParameter reports whether an element of a list begins like name=value.
func isParameter(element string) bool {
	name, _, found := strings.Cut(element, "=")
	name = strings.Trim(name, " \t")
	return found && name != "" && !strings.ContainsAny(name, separators) //guard:header-parameter-name drop 3
}

func missing(log string) *problem.Problem {
	return problem.New(problem.MissingAuthorization, "").WithLog("%s", log)
}

func ambiguous(log string) *problem.Problem {
	return problem.New(problem.AmbiguousAuthorization, "").WithLog("%s", log)
}
