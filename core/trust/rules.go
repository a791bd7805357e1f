package trust

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tallystick/tallystick/core/agent"
	"github.com/tallystick/tallystick/core/strictjson"
)

// Rules is a compiled accept_from or talk_to: a list, of which one must match, or
// {"allow", "deny"}, where deny goes first. An object without allow allows nobody.
type Rules struct{ allow, deny elements }

// Party is one side of a call and the agent whose rules are asked. In talk_to the
// "caller" is the agent that would be called.
type Party struct {
	Caller         string // dotted name
	CallerURL      string // canonical, or ""
	CallerExternal bool   // its name was derived from its URL
	OffPlatform    bool   // no portal is known to have named it, though it looks so
	Target         string // name of the agent that has the rules
	TargetExternal bool
	Labels         []string // trust labels without "trust:"
}

// elements is a list of rules, sorted by what they look at.
type elements struct {
	everyone, family, platform bool
	labels                     map[string]struct{}
	reputation                 uint64 // the lowest that is asked for
	hasReputation              bool
	patterns                   *agent.List
}

// RuleError says which rule is wrong; it quotes no value.
type RuleError struct {
	Path string // "[2]", "allow[2]" or "deny"
	Err  error
}

func (e *RuleError) Error() string { return e.Path + ": " + e.Err.Error() }

// Unwrap gives the reason without the place.
func (e *RuleError) Unwrap() error { return e.Err }

// ParseRules compiles rules from their JSON, which has passed strictjson. An error
// is a *RuleError unless the whole is of a wrong type.
func ParseRules(v strictjson.Value) (*Rules, error) {
	r := &Rules{}
	if v.IsArray() {
		return r, r.allow.read("", v)
	}
	if !v.IsObject() {
		return nil, errors.New("must be a list of rules or an object with allow and deny")
	}
	var err error
	strictjson.Members(v.Raw, func(name string, v strictjson.Value) bool {
		switch {
		case name == "allow":
			err = r.allow.read("allow", v)
		case name == "deny":
			err = r.deny.read("deny", v)
		default:
			err = errors.New("may have the members allow and deny, no others")
		}
		return err == nil
	})
	return r, err
}

func (e *elements) read(path string, v strictjson.Value) error {
	if path != "" && v.Raw == "null" {
		return nil // "allow:" in YAML
	}
	if !v.IsArray() { // never with path "", where the caller has looked
		return &RuleError{path, errors.New("must be a list of rules")}
	}
	e.labels = map[string]struct{}{}
	var patterns []string
	list := v.Array()
	if len(list) > agent.MaxPatterns {
		return &RuleError{fmt.Sprintf("%s[%d]", path, agent.MaxPatterns), fmt.Errorf("a list may have %d rules", agent.MaxPatterns)}
	}
	for i, entry := range list {
		pattern, err := e.add(entry)
		if err != nil {
			return &RuleError{fmt.Sprintf("%s[%d]", path, i), err}
		}
		if pattern != "" {
			patterns = append(patterns, pattern)
		}
	}
	var err error
	e.patterns, err = agent.NewList(patterns)
	return err
}

var errRule = errors.New("must be everyone, nobody, family, platform, @pattern, https://pattern, #label or #reputation:N")

// add takes one rule in; what it returns is a pattern, for the list of those.
func (e *elements) add(v strictjson.Value) (string, error) {
	if !strictjson.IsString(v) {
		return "", errors.New("must be a string")
	}
	rule := v.Str
	switch rule {
	case "everyone":
		e.everyone = true
		return "", nil
	case "nobody":
		return "", nil
	case "family":
		e.family = true
		return "", nil
	case "platform":
		e.platform = true
		return "", nil
	}
	if label, ok := strings.CutPrefix(rule, "#"); ok {
		return "", e.addLabel(label)
	}
	if strings.HasPrefix(rule, "@") || strings.HasPrefix(rule, "https://") || strings.HasPrefix(rule, "http://") {
		_, err := agent.ParsePattern(rule)
		return rule, err
	}
	return "", errRule
}

const maxLabel = 256

func (e *elements) addLabel(label string) error {
	if text, ok := strings.CutPrefix(label, "reputation:"); ok {
		n, ok := wholeNumber(text)
		if !ok {
			return errors.New("#reputation: must be followed by a whole number of at most 15 digits")
		}
		if !e.hasReputation || n < e.reputation {
			e.reputation, e.hasReputation = n, true
		}
		return nil
	}
	if label == "" || len(label) > maxLabel { //guard:label-size drop 2
		return errRule
	}
	for i := 0; i < len(label); i++ {
		if c := label[i]; c <= 0x20 || c >= 0x7F || c == '"' || c == '\\' { //guard:label-characters drop 2 3 4 // no scope says it
			return errRule
		}
	}
	e.labels[label] = struct{}{}
	return nil
}

// wholeNumber reads digits alone, so that no sign, exponent or overflow makes a
// small reputation a large one.
func wholeNumber(text string) (uint64, bool) {
	if text == "" || len(text) > 15 {
		return 0, false
	}
	var n uint64
	for i := 0; i < len(text); i++ {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
		n = n*10 + uint64(text[i]-'0')
	}
	return n, true
}

// Allow reports whether the rules let the party in.
func (r *Rules) Allow(p Party) bool {
	return !r.deny.match(&p, true) && r.allow.match(&p, false)
}

func (e *elements) match(p *Party, deny bool) bool {
	if e.everyone || e.family && sameFamily(p) || e.platform && onPlatform(p) || e.hasLabel(p.Labels) {
		return true
	}
	if deny {
		return e.patterns.MatchDeny(p.Caller, p.CallerURL, "")
	}
	return e.patterns.MatchAllow(p.Caller, p.CallerURL)
}

func sameFamily(p *Party) bool {
	caller := agent.Namespace(p.Caller, p.CallerExternal)
	return caller != "" && caller == agent.Namespace(p.Target, p.TargetExternal)
}

// onPlatform: a portal named it, and not as a domain of elsewhere.
func onPlatform(p *Party) bool {
	return p.Caller != "" && !p.CallerExternal && !p.OffPlatform && !agent.IsTopLevelDomain(agent.FirstSegment(p.Caller))
}

func (e *elements) hasLabel(labels []string) bool {
	for _, label := range labels {
		if _, there := e.labels[label]; there {
			return true
		}
		if text, ok := strings.CutPrefix(label, "reputation-"); ok && e.hasReputation {
			if n, ok := wholeNumber(text); ok && n >= e.reputation {
				return true
			}
		}
	}
	return false
}
