package peers

import (
	"strings"

	"github.com/tidwall/gjson"
)

// globs takes the pairs of pattern and text for which the grammar of scopes or of
// agent names and that of fnmatch mean the same by definition.
func (c *collector) globs(made []exchange) {
	for _, e := range made {
		switch e.op {
		case "scope.match":
			c.scope(e.request.Get("pattern").String(), e.request.Get("scope").String(), e.answer.Get("ok.match"))
		case "scope.filter":
			c.filter(e)
		case "agent.match":
			c.agent(e)
		}
	}
}

func (c *collector) scope(pattern, scope string, matched gjson.Result) {
	if matched.Exists() && scopeIsFnmatch(pattern, scope) {
		c.glob(pattern, scope, matched.Bool())
	}
}

func (c *collector) glob(pattern, text string, matched bool) {
	c.add(MatchGlob, Question{Pattern: pattern, Scope: text}, Ours{Accepted: &Result{Match: &matched}})
}

// filter: a scope is granted when one of the patterns matches it. With one
// pattern that is a question for fnmatch.
func (c *collector) filter(e exchange) {
	patterns := e.request.Get("allowed").Array()
	if len(patterns) != 1 || !e.answer.Get("ok").Exists() {
		return
	}
	granted := map[string]bool{}
	for _, scope := range e.answer.Get("ok.granted").Array() {
		granted[scope.String()] = true
	}
	for scope := range strings.FieldsSeq(e.request.Get("scope").String()) {
		if scopeIsFnmatch(patterns[0].String(), scope) {
			c.glob(patterns[0].String(), scope, granted[scope])
		}
	}
}

func (c *collector) agent(e exchange) {
	pattern, isName := strings.CutPrefix(e.request.Get("pattern").String(), "@")
	name := e.request.Get("name").String()
	matched := e.answer.Get("ok.match")
	if isName && matched.Exists() && !e.request.Get("deny").Bool() && nameIsFnmatch(pattern, name) {
		c.glob(pattern, name, matched.Bool())
	}
}

// onlyStars: "?" and "[" are letters to us and wildcards to fnmatch.
func onlyStars(pattern string) bool { return !strings.ContainsAny(pattern, "?[") }

// scopeIsFnmatch: no star at all; or one segment on both sides; or one star that
// is the last segment, which takes all that remain (protocol.md section 4). An
// empty segment is taken by no star of ours.
func scopeIsFnmatch(pattern, scope string) bool {
	stars, segments := strings.Count(pattern, "*"), strings.Contains(pattern+scope, ":")
	lastSegment := stars == 1 && (pattern == "*" || strings.HasSuffix(pattern, ":*"))
	wholeSegments := !strings.Contains(":"+scope+":", "::")
	return onlyStars(pattern) && (stars == 0 || wholeSegments && (!segments || lastSegment))
}

// nameIsFnmatch: no star at all; or one segment on both sides; or double stars
// alone, which cross segments (protocol.md section 5).
func nameIsFnmatch(pattern, name string) bool {
	single := !strings.ContainsAny(pattern+name, "./")
	doubleAlone := !strings.Contains(strings.ReplaceAll(pattern, "**", ""), "*")
	wholeSegments := name != "" && !strings.ContainsAny(name[len(name)-1:], "./")
	return onlyStars(pattern) && (!strings.Contains(pattern, "*") || wholeSegments && (single || doubleAlone))
}
