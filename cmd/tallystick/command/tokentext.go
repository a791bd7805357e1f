package command

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/strictjson"
)

// looksLikeToken recognizes a compact JWT: a base64url of a JSON object, and dots.
func looksLikeToken(text string) bool {
	text = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(text), "@"), "Bearer ")
	return strings.HasPrefix(text, "eyJ") && strings.Count(text, ".") >= 2
}

func tokenAsArgument(c *cobra.Command) error {
	return wrongUsage("a token is no argument of `%s`, since other users see arguments and shells keep them: "+
		"give it on standard input, or as @FILE", c.CommandPath())
}

// tokenOf reads a token from @FILE, or standard input without one. What stands around it in a
// header may be there.
func (a *app) tokenOf(args []string) (string, error) {
	name := standardInput
	if len(args) == 1 && args[0] != standardInput {
		file, isFile := strings.CutPrefix(args[0], "@")
		if !isFile || file == "" {
			return "", wrongUsage("%.40q is not read: write @FILE, or give the token on standard input", args[0])
		}
		name = file
	}
	const around = 1 << 10 // bytes for what may stand around it
	in, err := a.read("the token", name, jose.MaxToken+around)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(in.content))
	for _, prefix := range []string{"authorization:", "bearer "} {
		if len(token) >= len(prefix) && strings.EqualFold(token[:len(prefix)], prefix) {
			token = strings.TrimSpace(token[len(prefix):])
		}
	}
	if token == "" {
		return "", unusable("the token is missing: give it on standard input, or as @FILE")
	}
	return token, nil
}

// member is one of a token's, as it is written.
type member struct {
	name, raw, text string
	seconds         float64
	isTime          bool
}

// membersOf reads a part of a token; nil where it is no strict JSON object.
func membersOf(part string) []member {
	var all []member
	object := strictjson.Read(part)
	for object.Next() {
		m := member{name: strings.Clone(object.Name), raw: strings.Clone(object.Raw), text: strings.Clone(object.Text)}
		switch object.Name {
		case "exp", "iat", "nbf":
			m.seconds, m.isTime = object.Seconds()
		}
		all = append(all, m)
	}
	if object.Err() != nil {
		return nil
	}
	return all
}

// partsOf decodes header and payload, whatever they say; "" for what cannot be decoded.
func partsOf(token string) (header, payload string, signature int) {
	first, rest, _ := strings.Cut(token, ".")
	second, third, _ := strings.Cut(rest, ".")
	h, _ := jose.Decode64(first)
	p, _ := jose.Decode64(second)
	s, _ := jose.Decode64(third)
	return string(h), string(p), len(s)
}
