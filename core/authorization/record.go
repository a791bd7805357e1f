package authorization

import (
	"strconv"
	"strings"

	"github.com/tallystick/tallystick/core/strictjson"
)

// record is what lies in the store: texts, numbers and scopes, as a JSON object of strings. One
// reader by hand, since encoding/json's would be 30 KB of the WebAssembly module.
type record interface{ members() []member }

// member is one of a record; one of the three is set.
type member struct {
	name   string
	text   *string
	number *int64
	list   *[]string
}

func writeRecord(r record) []byte {
	b := []byte{'{'}
	for _, m := range r.members() {
		text := ""
		switch {
		case m.text != nil:
			text = *m.text
		case m.number != nil:
			text = strconv.FormatInt(*m.number, 10)
		default:
			text = strings.Join(*m.list, " ")
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = strictjson.AppendString(append(strictjson.AppendString(b, m.name), ':'), text)
	}
	return append(b, '}')
}

// readRecord passes over members that another release wrote.
func readRecord(text string, r record) error {
	members := map[string]member{}
	for _, m := range r.members() {
		members[m.name] = m
	}
	return strictjson.ReadObject(text, func(name string, v strictjson.Value) {
		m, known := members[name]
		value := strings.Clone(v.Str) // else it is the host's memory
		switch {
		case !known:
		case m.text != nil:
			*m.text = value
		case m.number != nil:
			*m.number, _ = strconv.ParseInt(value, 10, 64) // written by writeRecord
		case value != "":
			*m.list = strings.Split(value, " ")
		}
	})
}

func (g *Grant) members() []member {
	return []member{
		{name: "client", text: &g.Client}, {name: "provider", text: &g.User.Provider}, {name: "subject", text: &g.User.Subject},
		{name: "name", text: &g.User.Name}, {name: "email", text: &g.User.Email}, {name: "target", text: &g.Target},
		{name: "scopes", list: &g.Scopes}, {name: "nonce", text: &g.Nonce}, {name: "signed_in", number: &g.SignedIn},
		{name: "family", text: &g.Family}, {name: "until", number: &g.Until},
	}
}

func (c *code) members() []member {
	return append(c.Grant.members(), member{name: "redirect", text: &c.Redirect}, member{name: "challenge", text: &c.Challenge})
}

func (f *flow) members() []member {
	return []member{
		{name: "client", text: &f.Client}, {name: "redirect", text: &f.Redirect}, {name: "state", text: &f.State},
		{name: "challenge", text: &f.Challenge}, {name: "nonce", text: &f.Nonce}, {name: "target", text: &f.Target},
		{name: "scopes", list: &f.Scopes}, {name: "session", text: &f.Session}, {name: "csrf", text: &f.CSRF},
		{name: "begun", number: &f.Begun}, {name: "provider", text: &f.User.Provider}, {name: "subject", text: &f.User.Subject},
		{name: "name", text: &f.User.Name}, {name: "email", text: &f.User.Email}, {name: "signed_in", number: &f.SignedIn},
		{name: "device", text: &f.Device}, {name: "code", text: &f.Code},
	}
}

func (v *visit) members() []member {
	return []member{
		{name: "flow", text: &v.Flow}, {name: "provider", text: &v.Provider}, {name: "nonce", text: &v.Nonce},
		{name: "verifier", text: &v.Verifier}, {name: "session", text: &v.Session},
	}
}

// mark says that something is so by being there.
type mark struct{}

func (mark) members() []member { return nil }
