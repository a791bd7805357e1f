package oauthclient

import (
	"strings"
	"unicode/utf8"

	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
	"github.com/tallystick/tallystick/core/weburl"
)

// Bounds of a token request, in bytes and parameters.
const (
	MaxForm       = 64 << 10
	maxParameters = 64
)

// ParseForm reads the parameters of a token request: a form (RFC 6749 appendix
// B) or, as webagents sends it, a JSON object of strings. No parameter may be
// there twice; one without a value counts as left out (section 3.2).
func ParseForm(contentType string, body []byte) (map[string]string, *Error) {
	if len(body) > MaxForm {
		return nil, invalidRequest("the request has too many bytes")
	}
	name, _, _ := strings.Cut(contentType, ";")
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "application/x-www-form-urlencoded":
		return parseURLEncoded(string(body))
	case "application/json":
		return parseJSON(string(body))
	}
	e := invalidRequest("the content type must be application/x-www-form-urlencoded")
	e.Log += ", it is " + problem.Quote(contentType)
	return nil, e
}

func parseURLEncoded(body string) (map[string]string, *Error) {
	form, seen := map[string]string{}, map[string]bool{}
	if body == "" {
		return form, nil
	}
	for pair := range strings.SplitSeq(body, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, ok1 := decode(rawName)
		value, ok2 := decode(rawValue)
		if !ok1 || !ok2 {
			return nil, invalidRequest("a parameter is not form-encoded UTF-8")
		}
		if e := add(form, seen, name, value); e != nil {
			return nil, e
		}
	}
	return form, nil
}

func add(form map[string]string, seen map[string]bool, name, value string) *Error {
	if seen[name] { //guard:form-repeated never
		e := invalidRequest("a parameter is there twice")
		e.Log += ": " + problem.Quote(name)
		return e
	}
	if len(seen) >= maxParameters { //guard:form-parameters never
		return invalidRequest("there are too many parameters")
	}
	seen[name] = true
	if value != "" {
		form[name] = value
	}
	return nil
}

func parseJSON(body string) (map[string]string, *Error) {
	form, seen := map[string]string{}, map[string]bool{}
	var fault *Error
	err := strictjson.ReadObject(body, func(name string, v strictjson.Value) {
		if fault != nil {
			return
		}
		if !strictjson.IsString(v) && v.Raw != "null" {
			fault = invalidRequest("a parameter is not a string")
			fault.Log += ": " + problem.Quote(name)
			return
		}
		fault = add(form, seen, name, v.Str)
	})
	if err != nil {
		return nil, invalidRequest("the JSON is refused: " + err.Error())
	}
	if fault != nil {
		return nil, fault
	}
	return form, nil
}

// decode is application/x-www-form-urlencoded to the letter: a percent sign that
// encodes nothing, and bytes that are not UTF-8, are refused rather than guessed at.
func decode(text string) (string, bool) {
	if !strings.ContainsAny(text, "%+") {
		return text, utf8.ValidString(text)
	}
	decoded := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '+':
			decoded = append(decoded, ' ')
		case '%':
			b, ok := weburl.PercentAt(text, i)
			if !ok {
				return "", false
			}
			decoded = append(decoded, b)
			i += 2
		default:
			decoded = append(decoded, c)
		}
	}
	return string(decoded), utf8.Valid(decoded)
}
