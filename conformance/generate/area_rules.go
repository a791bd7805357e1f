package generate

import "strings"

const accepting = section5 + ": accept_from / talk_to rules"

func trustRules() *area {
	a := newArea("rules", "accept_from and talk_to: whom an agent lets in, whom it calls.")
	presets(a)
	rulePatterns(a)
	labels(a)
	allowAndDeny(a)
	ruleTexts(a)
	return a
}

// party is a portal's agent bob.x at alice's; the members change it.
func party(rules any, changes object) object {
	return object{"rules": rules, "caller": "bob", "target": "alice", "platform": true}.with(changes)
}

func ruled(rules any, changes object, allowed bool) step {
	return call("trust.rules", party(rules, changes), "", ok(object{"allowed": allowed}))
}

type rules = []string

func presets(a *area) {
	yes := func(name, says string, rule any, changes object) {
		a.accept(name, says, accepting, ruled(rule, changes, true))
	}
	no := func(name, twin, says string, rule any, changes object) {
		a.reject(name, twin, says, accepting, ruled(rule, changes, false))
	}
	yes("everyone", "everyone lets a stranger in", rules{"everyone"}, object{"caller": "example.evil", "platform": false})
	no("nobody", "everyone", "nobody lets no one in", rules{"nobody"}, nil)
	no("empty", "everyone", "an empty list lets no one in", rules{}, nil)
	no("nobody-not-even-family", "family", "nobody lets not even the own family in", rules{"nobody"}, object{"caller": "alice.bot"})
	yes("nobody-and-one", "nobody takes nothing from the others of the list", rules{"nobody", "@bob"}, nil)
	yes("family", "family is the same namespace", rules{"family"}, object{"caller": "alice.bot"})
	yes("family-itself", "the agent itself is of its family", rules{"family"}, object{"caller": "alice"})
	no("family-other", "family", "another namespace", rules{"family"}, nil)
	no("family-look-alike", "family", "a namespace that begins like it", rules{"family"}, object{"caller": "alicex.bot"})
	no("family-of-stranger", "family", "a stranger's name is no portal's: example.alice is not of alice's family", rules{"family"},
		object{"caller": "example.alice", "caller_url": "https://alice.example", "platform": false})
	domain := object{"caller": "com.acme.bots.bob", "caller_url": "https://bots.acme.com/bob", "target": "com.acme.alice", "platform": false}
	yes("family-domain", "two agents of one domain", rules{"family"}, domain)
	no("family-top-level", "family-domain", "two agents of .com are no family", rules{"family"}, domain.with(object{"target": "com.other.alice"}))
	no("family-registry", "family-domain", "two agents below .co.uk are no family", rules{"family"},
		object{"caller": "uk.co.evil", "caller_url": "https://evil.co.uk", "target": "uk.co.acme", "platform": false})
	yes("platform", "platform is who a portal named", rules{"platform"}, nil)
	no("platform-stranger", "platform", "a stranger is not of the platform", rules{"platform"}, object{"caller": "example.bob", "caller_url": "https://bob.example", "platform": false})
	no("platform-of-nobody", "platform", "who no portal named is not of the platform", rules{"platform"}, object{"platform": false})
}

func rulePatterns(a *area) {
	a.accept("pattern", "@name", accepting, ruled(rules{"@bob"}, nil, true))
	a.reject("pattern-other", "pattern", "another name", accepting, ruled(rules{"@carol"}, nil, false))
	a.reject("pattern-child", "pattern", "a child is another", accepting, ruled(rules{"@bob"}, object{"caller": "bob.bot"}, false))
	a.reject("pattern-case", "pattern", "names are case-sensitive", accepting, ruled(rules{"@bob"}, object{"caller": "Bob"}, false))
	a.accept("pattern-children", "@name.*", accepting, ruled(rules{"@bob.*"}, object{"caller": "bob.bot"}, true))
	stranger := object{"caller": "example.partner.bob", "caller_url": partner + "/bob", "platform": false}
	a.accept("pattern-url", "a URL", accepting, ruled(rules{partner + "/*"}, stranger, true))
	a.reject("pattern-url-other", "pattern-url", "a URL of another host", accepting, ruled(rules{partner + "/*"}, stranger.with(object{"caller_url": partner + ".evil.example/bob"}), false))
	a.accept("any-of-list", "one of the list is enough", accepting, ruled(rules{"family", "#verified", "@bob"}, nil, true))
}

func labels(a *area) {
	has := func(labels ...string) object { return object{"labels": labels} }
	a.accept("label", "#label", accepting, ruled(rules{"#verified"}, has("verified"), true))
	a.reject("label-missing", "label", "no such label", accepting, ruled(rules{"#verified"}, nil, false))
	a.reject("label-case", "label", "labels are case-sensitive", accepting, ruled(rules{"#verified"}, has("Verified"), false))
	a.reject("label-prefix", "label", "a label that begins like it", accepting, ruled(rules{"#verified"}, has("verified-by-myself"), false))
	a.accept("reputation-more", "#reputation:N takes more", accepting, ruled(rules{"#reputation:5"}, has("reputation-100"), true))
	a.accept("reputation-equal", "and as much", accepting, ruled(rules{"#reputation:5"}, has("reputation-5"), true))
	a.reject("reputation-less", "reputation-equal", "less", accepting, ruled(rules{"#reputation:5"}, has("reputation-4"), false))
	a.reject("reputation-missing", "reputation-equal", "none", accepting, ruled(rules{"#reputation:0"}, has("verified"), false))
	for _, other := range [][2]string{{"negative", "-5"}, {"sign", "+9"}, {"fraction", "9.5"}, {"exponent", "1e9"}, {"hex", "0x99"}, {"huge", "99999999999999999999"}, {"words", "many"}, {"space", " 9"}, {"empty", ""}} {
		a.reject("reputation-"+other[0], "reputation-more", "a reputation that is no whole number: "+other[1], accepting, ruled(rules{"#reputation:5"}, has("reputation-"+other[1]), false))
	}
	a.reject("reputation-is-compared-as-number", "reputation-more", "10 is less than 9 as a text, 9 is less than 10 as a number", accepting, ruled(rules{"#reputation:10"}, has("reputation-9"), false))
}

func allowAndDeny(a *area) {
	both := object{"allow": rules{"everyone"}, "deny": rules{"@mallory", "#suspended"}}
	a.accept("object", "an object with allow and deny", accepting, ruled(both, nil, true))
	a.reject("object-denied", "object", "deny goes before allow", accepting, ruled(both, object{"caller": "mallory"}, false))
	a.reject("object-denied-child", "object", "deny covers descendants", accepting, ruled(both, object{"caller": "mallory.bot.one"}, false))
	a.reject("object-denied-spelling", "object", "deny covers spellings", accepting, ruled(both, object{"caller": "Mallory."}, false))
	a.reject("object-denied-label", "object", "deny by label", accepting, ruled(both, object{"labels": []string{"suspended"}}, false))
	a.accept("object-allow-alone", "allow alone", accepting, ruled(object{"allow": rules{"@bob"}}, nil, true))
	a.reject("object-deny-alone", "object", "deny alone allows nobody: closed, not open", accepting, ruled(object{"deny": rules{"@mallory"}}, nil, false))
	a.reject("object-empty", "object", "an empty object allows nobody", accepting, ruled(object{}, nil, false))
	a.reject("object-denied-everyone", "object-allow-alone", "deny everyone", accepting, ruled(object{"allow": rules{"@bob"}, "deny": rules{"everyone"}}, nil, false))
}

func ruleTexts(a *area) {
	bad := func(name, says string, rule any) {
		a.reject("text-"+name, "everyone", says, accepting, call("trust.rules", party(rule, nil), "", errorCode("invalid_config")))
	}
	bad("word", "a word that is no preset", rules{"friends"})
	bad("case", "presets are case-sensitive", rules{"Everyone"})
	bad("name-without-at", "a name without @: is it a preset or a name?", rules{"bob"})
	bad("empty", "an empty rule", rules{""})
	bad("number", "a number", []any{1})
	bad("string", "a string in place of a list", "everyone")
	bad("null-in-list", "null", []any{nil})
	bad("member", "an unknown member: a typing error must not open the door", object{"alow": rules{"@bob"}, "deny": rules{}})
	bad("pattern", "a pattern that is none", rules{"@***"})
	bad("label-empty", "# alone", rules{"#"})
	for _, c := range [][3]string{{"quote", "a quote", `"`}, {"backslash", "a backslash", `\`}, {"delete", "the control character DEL", "\x7f"}, {"non-ascii", "a letter outside ASCII", "é"}} {
		bad("label-"+c[0], "a label with "+c[1]+", which no scope can say (RFC 6749 section 3.3)", rules{"#very" + c[2] + "good"})
	}
	bad("label-long", "a label of 257 bytes", rules{"#" + strings.Repeat("l", 257)})
	bad("label-space", "a label that no scope can say", rules{"#very good"})
	for _, other := range [][2]string{{"empty", ""}, {"negative", "-1"}, {"fraction", "5.0"}, {"exponent", "1e3"}, {"words", "five"}, {"digits", "9999999999999999"}} {
		bad("reputation-"+other[0], "a reputation that is no whole number: "+other[1], rules{"#reputation:" + other[1]})
	}
}
