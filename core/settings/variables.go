package settings

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tallystick/tallystick/core/strictjson"
)

// parse reads a text that has passed strictjson.
func parse(text []byte) strictjson.Value { return gjson.ParseBytes(text) }

// Variables returns the names in "${NAME}" of any string of a configuration,
// sorted, so that the host looks up these and hands over no others.
func Variables(config json.RawMessage) []string {
	names := []string{}
	v, f := section(parse(config))
	if f != nil {
		return names // Read says what is wrong
	}
	x := expander{replace: func(name string) (string, *fault) {
		names = append(names, name)
		return "", nil
	}, tolerant: true}
	x.value(v)
	slices.Sort(names)
	return slices.Compact(names)
}

// section finds the mapping in the shape of a webagents file, where the other
// keys and skills are not ours.
func section(v strictjson.Value) (strictjson.Value, *fault) {
	skills, there := member(v, "skills")
	if !there {
		return v, nil
	}
	if f := beside(v); f != nil {
		return v, f
	}
	if !skills.IsObject() {
		return v, wrongType("a mapping of skills", skills).under("skills")
	}
	auth, there := member(skills, "auth")
	if !there {
		return v, &fault{"skills", "has no auth", "write skills: auth: with the keys of this skill below"}
	}
	if auth.Raw == "null" {
		return parse([]byte("{}")), nil
	}
	if !auth.IsObject() {
		return v, wrongType("a mapping of keys", auth).under("skills.auth")
	}
	return auth, nil
}

// beside finds a key of a skill that stands beside skills, where nothing reads it: a
// deny list there would deny nobody. A file may hold other things, such as providers.
func beside(v strictjson.Value) *fault {
	var f *fault
	strictjson.Members(v.Raw, func(written string, _ strictjson.Value) bool {
		k := lookUp(accessKeys, written)
		if k != nil && k.name != "google" && k.name != "robutler" { //guard:config-beside never
			f = &fault{printable(written), "stands beside skills, where it has no effect",
				"move it below skills: auth:"}
		}
		return f == nil
	})
	return f
}

func member(v strictjson.Value, wanted string) (found strictjson.Value, there bool) {
	if !v.IsObject() {
		return found, false
	}
	strictjson.Members(v.Raw, func(name string, value strictjson.Value) bool {
		if name == wanted {
			found, there = value, true
		}
		return !there
	})
	return found, there
}

// resolve replaces the variables of a configuration.
func resolve(config json.RawMessage, variables map[string]string) ([]byte, *fault) {
	if len(config) > MaxConfig {
		return nil, tooLarge
	}
	v, f := section(parse(config))
	if f != nil {
		return nil, f
	}
	x := expander{replace: func(name string) (string, *fault) {
		if value := variables[name]; value != "" {
			return value, nil
		}
		return "", &fault{what: "the environment variable " + name + " is not set or empty", fix: "set it, or write $${ for a literal ${"}
	}}
	if f := x.value(v); f != nil {
		return nil, f
	}
	return x.out, nil
}

// expander writes a JSON value anew with its variables replaced.
type expander struct {
	replace  func(name string) (string, *fault)
	tolerant bool // of what Read refuses
	out      []byte
}

func (x *expander) value(v strictjson.Value) *fault {
	switch {
	case strictjson.IsString(v):
		return x.text(v.Str)
	case v.IsObject():
		return x.object(v)
	case v.IsArray():
		return x.array(v)
	}
	x.out = append(x.out, v.Raw...)
	return nil
}

func (x *expander) object(v strictjson.Value) *fault {
	var f *fault
	x.out = append(x.out, '{')
	first := true
	strictjson.Members(v.Raw, func(name string, value strictjson.Value) bool {
		if !first {
			x.out = append(x.out, ',')
		}
		first = false
		x.out = append(strictjson.AppendString(x.out, name), ':')
		if f = x.value(value); f != nil && f != tooLarge {
			f = f.under(printable(name))
		}
		return f == nil
	})
	x.out = append(x.out, '}')
	return f
}

func (x *expander) array(v strictjson.Value) *fault {
	var f *fault
	x.out = append(x.out, '[')
	i := 0
	v.ForEach(func(_, entry strictjson.Value) bool {
		if i > 0 {
			x.out = append(x.out, ',')
		}
		if f = x.value(entry); f != nil && f != tooLarge {
			f = f.at(i)
		}
		i++
		return f == nil
	})
	x.out = append(x.out, ']')
	return f
}

var malformed = fault{what: "has ${ without the name of an environment variable and }", fix: "write ${NAME}, or $${ for a literal ${"}

func (x *expander) text(s string) *fault {
	var b strings.Builder
	for {
		at := strings.IndexByte(s, '$')
		if at < 0 {
			break
		}
		b.WriteString(s[:at])
		s = s[at:]
		if rest, literal := strings.CutPrefix(s, "$${"); literal {
			b.WriteString("${")
			s = rest
			continue
		}
		rest, opened := strings.CutPrefix(s, "${")
		if !opened {
			b.WriteByte('$')
			s = s[1:]
			continue
		}
		name, rest, closed := strings.Cut(rest, "}")
		if !closed || !validVariable(name) {
			if x.tolerant {
				s = s[2:]
				continue
			}
			f := malformed
			return &f
		}
		value, f := x.replace(name)
		if f != nil {
			return f
		}
		// Many short names of a long value would grow without bound.
		if len(x.out)+b.Len()+len(value) > MaxConfig {
			return tooLarge
		}
		b.WriteString(value)
		s = rest
	}
	b.WriteString(s)
	x.out = strictjson.AppendString(x.out, b.String())
	return nil
}

// validVariable is the portable set of POSIX, of at most 128 bytes.
func validVariable(name string) bool {
	for i := 0; i < len(name); i++ {
		c := name[i]
		if c != '_' && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9' || i == 0) {
			return false
		}
	}
	return name != "" && len(name) <= 128
}
