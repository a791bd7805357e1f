package generate

import "strings"

func agentPatterns() *area {
	a := newArea("pattern", "Patterns of names and URLs: allow means exactly, deny means whatever the spelling, and all that lies below.")
	namePatterns(a)
	urlPatterns(a)
	denyNames(a)
	denyURLs(a)
	patternTexts(a)
	return a
}

func matched(pattern, name, url string, deny, match bool) step {
	request := object{"pattern": pattern, "name": name}
	if url != "" {
		request["url"] = url
	}
	if deny {
		request["deny"] = true
	}
	return call("agent.match", request, "", ok(object{"match": match}))
}

func namePatterns(a *area) {
	source := section5 + ": patterns"
	yes := func(name, says, pattern, text string) {
		a.accept(name, says, source, matched(pattern, text, "", false, true))
	}
	no := func(name, twin, says, pattern, text string) {
		a.reject(name, twin, says, source, matched(pattern, text, "", false, false))
	}
	yes("equal", "@name matches that name", "@alice", "alice")
	no("other", "equal", "and no other", "@alice", "alicia")
	no("case", "equal", "an allow pattern is case-sensitive: Alice is another", "@alice", "Alice")
	no("dot-at-end", "equal", "alice. is no alice", "@alice", "alice.")
	no("child-not-allowed", "equal", "an allow pattern does not cover children", "@alice", "alice.bot")
	no("last-segment", "equal", "the last segment of a stranger's name is not the name", "@alice", "example.evil.agents.alice")
	no("first-segment", "equal", "nor is the first", "@alice", "alice.evil")
	yes("children", "@alice.* takes children", "@alice.*", "alice.bot")
	no("children-not-itself", "children", "but not alice", "@alice.*", "alice")
	no("children-no-grandchildren", "children", "and no grandchildren", "@alice.*", "alice.bot.one")
	no("children-none-empty", "children", "a star that is a segment takes at least one character", "@alice.*", "alice.")
	no("children-look-alike", "children", "alicex.bot is no child", "@alice.*", "alicex.bot")
	yes("descendants", "@alice.** takes all descendants", "@alice.**", "alice.bot.one")
	no("descendants-not-itself", "descendants", "but not alice", "@alice.**", "alice")
	yes("run", "a star inside a segment takes any run within it", "@team-*-bot", "team-red-bot")
	no("run-crosses-no-dot", "run", "but no dot", "@team-*-bot", "team-red.blue-bot")
	no("run-crosses-no-slash", "run", "and no slash", "@team-*-bot", "team-red/blue-bot")
	yes("run-crosses", "two stars cross dots", "@team-**-bot", "team-red.blue-bot")
	yes("path", "@path/name", "@myteam/bob", "myteam/bob")
	yes("path-star", "the seed's @myteam/*", "@myteam/*", "myteam/bob")
	no("path-star-other-team", "path-star", "another team", "@myteam/*", "yourteam/bob")
	no("path-star-deeper", "path-star", "a deeper path", "@myteam/*", "myteam/bob/x")
	yes("any-segment", "@* takes every name of one segment", "@*", "alice")
	no("any-segment-no-more", "any-segment", "but none of two", "@*", "evil.alice")
	yes("anything", "@** takes every name", "@**", "com.example.agents.my-bot")
	a.reject("star-takes-no-port", "children", "a star takes no port: another server on the host is another agent", source,
		call("agent.resolve", object{"reference": "https://example.com:8443"}, "", okIncludes(object{})).save("name", "ok.name"),
		call("agent.match", object{"pattern": "@com.example.*", "name": "$name"}, "", ok(object{"match": false})))

	long := strings.Repeat("a*", 120)
	a.accept("many-stars", "120 stars against 6,000 bytes: linear time, whatever the stars", section5+": matching is linear in time",
		matched("@"+long, strings.Repeat("a", 6000), "", false, true))
	a.reject("many-stars-no-match", "many-stars", "the same where the last byte does not fit, which takes backtracking matchers forever", section5+": matching is linear in time",
		matched("@"+long+"b", strings.Repeat("a", 6000), "", false, false))
}

func urlPatterns(a *area) {
	source := section5 + ": https://… matches agent URLs"
	yes := func(name, says, pattern, url string) {
		a.accept("url-"+name, says, source, matched(pattern, "x", url, false, true))
	}
	no := func(name, twin, says, pattern, url string) {
		a.reject("url-"+name, "url-"+twin, says, source, matched(pattern, "x", url, false, false))
	}
	yes("equal", "a URL matches itself", "https://partner.example/bob", "https://partner.example/bob")
	no("below", "equal", "an allow pattern does not cover what lies below", "https://partner.example/bob", "https://partner.example/bob/x")
	no("http", "equal", "nor the same by http", "https://partner.example/bob", "http://partner.example/bob")
	yes("path-star", "a star takes one segment", "https://partner.example/*", "https://partner.example/bob")
	no("path-star-two", "path-star", "and not two", "https://partner.example/*", "https://partner.example/bob/x")
	no("path-star-none", "path-star", "and not none", "https://partner.example/*", "https://partner.example")
	yes("path-stars", "two stars take many", "https://partner.example/**", "https://partner.example/bob/x/y")
	yes("path-star-dot", "a dot splits no path", "https://partner.example/*", "https://partner.example/bob.v2")
	yes("host-star", "a star takes a label of the host", "https://*.partner.example", "https://bob.partner.example")
	no("host-star-two", "host-star", "and not two", "https://*.partner.example", "https://x.bob.partner.example")
	no("host-star-other", "host-star", "and no other domain", "https://*.partner.example", "https://bob.partner.example.evil.example")
	yes("host-stars", "two stars take several labels", "https://**.partner.example", "https://x.bob.partner.example")
	no("host-stars-into-path", "host-stars", "but never reach from the host into a path", "https://**.partner.example", "https://evil.example/x.partner.example")
	no("port", "equal", "another port", "https://partner.example/bob", "https://partner.example:8443/bob")
	yes("port-star", "a star for the port", "https://partner.example:*/bob", "https://partner.example:8443/bob")
	no("name-pattern", "equal", "a pattern of names is not held against URLs", "@partner.example/bob", "https://partner.example/bob")
}

func denyNames(a *area) {
	source := section5 + ": a deny pattern also covers every descendant"
	denied := func(name, says, pattern, text string) {
		a.accept("deny-"+name, says, source, matched(pattern, text, "", true, true))
	}
	spared := func(name, twin, says, pattern, text string) {
		a.reject("deny-"+name, "deny-"+twin, says, source, matched(pattern, text, "", true, false))
	}
	denied("equal", "the name itself", "@mallory", "mallory")
	denied("upper-case", "Mallory is mallory", "@mallory", "Mallory")
	denied("pattern-in-upper-case", "and the other way round", "@Mallory", "mallory")
	denied("dot-at-end", "mallory. is mallory", "@mallory", "mallory.")
	denied("slash-at-end", "mallory/ is mallory", "@mallory", "mallory/")
	denied("child", "children", "@mallory", "mallory.bot")
	denied("child-by-slash", "children behind a slash", "@mallory", "mallory/bot")
	denied("grandchild", "grandchildren", "@mallory", "mallory.bot.one")
	denied("star", "the seed's @banned-*", "@banned-*", "banned-bob")
	denied("star-child", "descendants of what a star matches", "@banned-*", "banned-bob.bot.one")
	denied("star-upper-case", "in upper case too", "@banned-*", "BANNED-bob.x")
	denied("path", "@team/name denies team.name too", "@team/bob", "team.bob")
	denied("children-pattern", "a pattern of children", "@mallory.*", "mallory.bot.one")
	spared("look-alike", "equal", "malloryx is not mallory", "@mallory", "malloryx")
	spared("prefix", "equal", "mall is not mallory", "@mallory", "mall")
	spared("inside", "equal", "good.mallory is a child of good", "@mallory", "good.mallory")
	spared("parent", "children-pattern", "the parent of a pattern of children is not denied", "@mallory.*", "mallory")
	spared("star-other", "star", "what the star does not match", "@banned-*", "unbanned-bob")
}

func denyURLs(a *area) {
	source := section5 + ": a deny pattern also covers every descendant"
	denied := func(name, says, pattern, url string) {
		a.accept("deny-url-"+name, says, source, matched(pattern, "x", url, true, true))
	}
	spared := func(name, twin, says, pattern, url string) {
		a.reject("deny-url-"+name, "deny-url-"+twin, says, source, matched(pattern, "x", url, true, false))
	}
	denied("equal", "the URL itself", "https://evil.example/bob", "https://evil.example/bob")
	denied("below", "what lies below", "https://evil.example/bob", "https://evil.example/bob/x/y")
	denied("http", "the same by http", "https://evil.example/bob", "http://evil.example/bob")
	denied("upper-case", "in upper case", "https://evil.example/bob", "https://EVIL.example/Bob")
	denied("slash-at-end", "a slash at the end", "https://evil.example/bob", "https://evil.example/bob/")
	denied("dot-at-host-end", "a dot at the host's end", "https://evil.example/bob", "https://evil.example./bob")
	denied("default-port", "the scheme's own port", "https://evil.example/bob", "https://evil.example:443/bob")
	denied("host", "a host denies all of its agents", "https://evil.example", "https://evil.example/any/agent")
	denied("host-port", "and its other ports", "https://evil.example", "https://evil.example:8443/any")
	denied("host-star", "a star takes subdomains", "https://*.evil.example", "https://x.evil.example/bob")
	spared("look-alike", "equal", "a name that begins like it", "https://evil.example/bob", "https://evil.example/bobby")
	spared("host-look-alike", "host", "a host that begins like it", "https://evil.example", "https://evil.example.org/bob")
	spared("sibling", "equal", "another agent on the host", "https://evil.example/bob", "https://evil.example/carol")
}

func patternTexts(a *area) {
	bad := func(name, twin, says, pattern string) {
		a.reject("text-"+name, twin, says, section5, call("agent.match", object{"pattern": pattern, "name": "alice"}, "", errorCode("invalid_config")))
	}
	bad("empty", "equal", "no pattern", "")
	bad("at-alone", "equal", "@ alone", "@")
	bad("three-stars", "anything", "three stars", "@***")
	bad("dot-in-front", "children", "a dot in front", "@.alice")
	bad("dot-at-end", "children", "a dot at the end, which no name has", "@alice.")
	bad("space", "equal", "a space", "@alice bob")
	bad("nul", "equal", "a NUL", "@alice\x00")
	bad("query", "url-equal", "a query", "https://partner.example/bob?x")
	bad("user", "url-equal", "user info", "https://partner.example@evil.example/")
	bad("scheme", "url-equal", "another scheme", "ftp://partner.example/bob")
	bad("two-ats", "equal", "@@", "@@alice")
}
