package tallystick

import (
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/tallystick/tallystick/core/problem"
)

// Code is the stable name of one cause. The errors of this package named Err… have one each.
type Code = problem.Code

// Response is the HTTP answer to a refused request, made by the core and ready to send: its
// status, headers with lower-case names, and JSON text (RFC 6750 section 3). It names no key,
// path or internal of the agent.
type Response = problem.Response

// Error is an error that the core, or this package on its behalf, has found.
//
// Compare by [errors.Is] with the errors of this package, such as [ErrTokenExpired]: two
// errors are the same when their codes are.
type Error struct {
	// Code is the stable name of the cause.
	Code Code
	// Message is a short sentence. For a refused request it may be shown to the caller;
	// for a wrong use of the package it names what is wrong.
	Message string
	// Log is the same for the operator, with the values that differ; "" where there is nothing
	// to add. Never send it to a caller.
	Log string
	// Response is the HTTP answer; nil where no request was refused.
	Response *Response

	cause error
	// options: they were given in Go, so that what is logged names them as Go does. Log itself is
	// the same in every language.
	options bool
}

// Error returns the code and the message.
func (e *Error) Error() string {
	if e.Message == "" {
		return string(e.Code)
	}
	return string(e.Code) + ": " + e.Message
}

// Is reports whether the target is an [Error] of the same code.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other != nil && other.Code == e.Code
}

// Unwrap returns what a part of the program said, such as a key service; nil: nothing did.
func (e *Error) Unwrap() error { return e.cause }

// refused is the error of a request that was judged.
func refused(p *problem.Problem, realm string) *Error {
	return challenged(p, problem.Challenge{Realm: realm})
}

// challenged is refused with all that an agent says of itself.
func challenged(p *problem.Problem, c problem.Challenge) *Error {
	e := misuse(p)
	e.Response = p.Response(c)
	return e
}

// misuse is the error of a wrong use of this package.
func misuse(p *problem.Problem) *Error {
	return &Error{Code: p.Code, Message: p.Message, Log: p.Log}
}

// wrongArgument is an error at the start: what the program did wrong.
func wrongArgument(format string, args ...any) *Error {
	return misuse(problem.Newf(problem.InvalidArgument, format, args...))
}

// wrongOption words what the core found of an option as the mistake of an argument, by the name
// that the option has in Go.
func wrongOption(p *problem.Problem) *Error {
	e := misuse(p)
	if e.Code == problem.InvalidConfig {
		e.Code = problem.InvalidArgument
	}
	e.Message = inGo(e.Message)
	return e
}

// optionsSource is what the core calls options in messages.
const optionsSource = "options"

// inGo words a message on options by their names in Go. The example of a configuration goes where
// it would mislead: 300 seconds are not 300 in Go, and lists are written otherwise.
func inGo(message string) string {
	message = strings.TrimPrefix(message, optionsSource+": ")
	if found := optionPath.FindStringSubmatch(message); found != nil && isField(fieldName(found[1])) {
		path, said := found[0], message[len(found[0]):]
		name := path[strings.LastIndex(path, ".")+1:]
		if what, example, is := strings.Cut(said, ": write "+name+": "); is {
			if said = what; strings.HasPrefix(example, `"`) {
				said += ": write " + fieldName(name) + ": " + example
			}
		}
		steps := strings.Split(path, ".")
		for i, step := range steps {
			steps[i] = fieldName(step)
		}
		message = strings.Join(steps, ".") + said
	}
	return namesInGo(message)
}

// namesInGo words the options that a text names as Go does.
func namesInGo(text string) string {
	return snakeCase.ReplaceAllStringFunc(text, func(word string) string {
		if isField(fieldName(word)) {
			return fieldName(word)
		}
		return word
	})
}

// alsoClaims are options whose names claims or documents have, too.
var alsoClaims = []string{"client_id", "jwks_uri"}

// logInGo is namesInGo for what the log says of a refusal. What a caller sent stands in quotes.
func logInGo(text string) string {
	if !strings.Contains(text, "_") {
		return text
	}
	parts := strings.Split(text, `"`)
	for i := 0; i < len(parts); i += 2 {
		parts[i] = snakeCase.ReplaceAllStringFunc(parts[i], func(word string) string {
			if name := fieldName(word); isField(name) && !slices.Contains(alsoClaims, word) {
				return name
			}
			return word
		})
	}
	return strings.Join(parts, `"`)
}

var (
	// optionPath is what a message begins with that is of one option: "trusted_issuers[0].jwks_uri".
	optionPath = regexp.MustCompile(`^([a-z_]+)(?:\[\d+\])?(?:\.[a-z_]+(?:\[\d+\])?)*`)
	snakeCase  = regexp.MustCompile(`\b[a-z]+(?:_[a-z]+)+\b`)
)

// isField tells whether an option of this package has that name.
func isField(name string) bool {
	return slices.ContainsFunc([]reflect.Type{
		reflect.TypeFor[VerifierOptions](), reflect.TypeFor[SignerOptions](), reflect.TypeFor[SkillOptions](),
		reflect.TypeFor[AuthorityOptions](), reflect.TypeFor[TrustedIssuer](), reflect.TypeFor[Preset](),
		reflect.TypeFor[ClientConfig](),
	}, func(options reflect.Type) bool {
		_, is := options.FieldByName(name)
		return is
	})
}

// show writes what a value's String says, for every verb: others would write its fields, and so
// what it keeps secret.
func show(f fmt.State, value fmt.Stringer) { _, _ = io.WriteString(f, value.String()) }

// fieldName turns "base_url" into "BaseURL"; a word without _ or of other letters stays.
func fieldName(option string) string {
	words := strings.Split(option, "_")
	for i, word := range words {
		switch word {
		case "http", "id", "jwks", "jwt", "ttl", "uri", "url":
			words[i] = strings.ToUpper(word)
		case "":
			return option
		default:
			words[i] = strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return strings.Join(words, "")
}
