package generate

import "strings"

const (
	section2 = "protocol.md section 2: references"
	section5 = "protocol.md section 5"
	reversed = section5 + ": the agent URL reversed"
)

func agents() *area {
	a := newArea("agent", "References, URLs, names and namespaces of agents: who is meant.")
	references(a)
	urlSpellings(a)
	urlSizes(a)
	names(a)
	namespaces(a)
	covers(a)
	return a
}

func resolving(reference, authority string) object {
	request := object{"reference": reference}
	if authority != "" {
		request["authority"] = authority
	}
	return request
}

func resolves(reference, authority, url string) step {
	return call("agent.resolve", resolving(reference, authority), "", okIncludes(object{"url": url}))
}

func unresolvable(reference, authority string) step {
	return call("agent.resolve", resolving(reference, authority), "", errorCode("invalid_url"))
}

func references(a *area) {
	fine := func(name, says, reference, authority, url string) {
		a.accept(name, says, section2, resolves(reference, authority, url))
	}
	bad := func(name, twin, says, source, reference, authority string) {
		a.reject(name, twin, says, source, unresolvable(reference, authority))
	}
	fine("url", "a URL stays", "https://agents.example.com/my-bot", "", "https://agents.example.com/my-bot")
	fine("url-http", "a URL of a machine at hand stays too", "http://localhost:8000/bob", "", "http://localhost:8000/bob")
	fine("at-name", "@name is an agent of robutler.ai where there is no authority", "@bob", "", "https://robutler.ai/agents/bob")
	fine("plain-name", "name is @name", "bob", "", "https://robutler.ai/agents/bob")
	fine("at-name-of-authority", "@name is an agent of the authority", "@bob", "https://portal.example", "https://portal.example/agents/bob")
	fine("authority-with-path", "an authority below a path", "@bob", "https://example.com/portal", "https://example.com/portal/agents/bob")
	fine("authority-with-slash", "the authority's trailing slash makes no second one", "@bob", "https://portal.example/", "https://portal.example/agents/bob")
	fine("url-ignores-authority", "a URL is not the authority's", "https://other.example/x", "https://portal.example", "https://other.example/x")
	fine("name-with-path", "@path/name", "@team/bob", "", "https://robutler.ai/agents/team/bob")
	fine("name-dotted", "a dotted name", "@alice.bot", "", "https://robutler.ai/agents/alice.bot")

	bad("name-empty", "at-name", "no name at all", section2, "", "")
	bad("name-at-alone", "at-name", "@ without a name", section2, "@", "")
	bad("name-two-ats", "at-name", "@@bob", section2, "@@bob", "")
	bad("name-climbs", "name-with-path", "a name that climbs out of the authority's agents", traps, "@../admin", "")
	bad("name-climbs-inside", "name-with-path", "the same behind a first segment", traps, "@team/../../admin", "")
	bad("name-climbs-encoded", "name-with-path", "the same percent-encoded", traps, "@%2e%2e/admin", "")
	bad("name-query", "at-name", "a name with a query, which would change the URL", traps, "@bob?x=1", "")
	bad("name-fragment", "at-name", "a name with a fragment", traps, "@bob#x", "")
	bad("name-space", "at-name", "a name with a space", section2, "@bob bot", "")
	bad("name-nul", "at-name", "a NUL in the name", traps, "@bob\x00", "")
	bad("name-backslash", "name-with-path", "a backslash, which some clients read as a slash", traps, `@team\bob`, "")
	bad("name-non-ascii", "at-name", "a letter that looks like another: Cyrillic о", traps, "@b\u043eb", "")
	bad("name-absolute", "name-with-path", "a name that begins with a slash: //bob would name a host", traps, "//bob", "")
	bad("name-slash-at-end", "name-with-path", "a slash at the end", section5, "@bob/", "")
	bad("name-dot-at-end", "name-dotted", "a dot at the end: a look-alike of bob", section5, "@bob.", "")
	bad("name-two-dots", "name-dotted", "an empty segment", section5, "@alice..bot", "")
	bad("name-star", "at-name", "a name is no pattern", section2, "@bob*", "")
	long := strings.Repeat("b", 256)
	fine("name-longest", "a name of 256 bytes", "@"+long, "", "https://robutler.ai/agents/"+long)
	bad("name-too-long", "name-longest", "a name of 257 bytes", section2, "@b"+long, "")
	bad("authority-no-url", "at-name-of-authority", "an authority that is no URL", section2, "@bob", "portal.example")
	bad("authority-user", "at-name-of-authority", "an authority with user info", section2, "@bob", "https://portal.example@evil.example")
}

// urlSpellings: two texts that servers take for one URL are one agent.
func urlSpellings(a *area) {
	source := "RFC 3986 section 6.2; " + section5
	fine := func(name, says, url string) {
		a.accept("spelling-"+name, says, source, resolves(url, "", "https://agents.example.com/my-bot"))
	}
	fine("upper-case-host", "an upper-case host", "https://AGENTS.example.COM/my-bot")
	fine("upper-case-scheme", "an upper-case scheme", "HTTPS://agents.example.com/my-bot")
	fine("default-port", "the scheme's own port", "https://agents.example.com:443/my-bot")
	fine("slash-at-end", "a slash at the end", "https://agents.example.com/my-bot/")
	fine("percent-encoded", "an unreserved character percent-encoded", "https://agents.example.com/my%2Dbot")
	bad := func(name, twin, says, url string) {
		a.reject("spelling-"+name, "spelling-"+twin, says, source, unresolvable(url, ""))
	}
	for _, c := range [][2]string{{"quote", `"`}, {"less", "<"}, {"greater", ">"}, {"backslash", `\`}, {"caret", "^"}, {"backquote", "`"}, {"brace", "{"}, {"bar", "|"}, {"brace-closing", "}"}} {
		bad("character-"+c[0], "percent-encoded", "a character that RFC 3986 has nowhere", "https://agents.example.com/my"+c[1]+"bot")
	}
	bad("dot-at-host-end", "upper-case-host", "a dot at the host's end: DNS takes it for the same host", "https://agents.example.com./my-bot")
	bad("user", "default-port", "user info", "https://agents.example.com@evil.example/my-bot")
	bad("user-empty", "default-port", "empty user info", "https://@agents.example.com/my-bot")
	bad("query", "slash-at-end", "a query", "https://agents.example.com/my-bot?x")
	bad("fragment", "slash-at-end", "a fragment", "https://agents.example.com/my-bot#x")
	bad("dot-segments", "percent-encoded", "dot segments", "https://agents.example.com/x/../my-bot")
	bad("dot-segment-alone", "percent-encoded", "a dot segment that leads nowhere: clients take it out, servers need not", "https://agents.example.com/./my-bot")
	bad("dot-segment-encoded", "percent-encoded", "the same percent-encoded", "https://agents.example.com/%2E/my-bot")
	bad("dot-segments-encoded", "percent-encoded", "dot segments percent-encoded", "https://agents.example.com/x/%2e%2E/my-bot")
	bad("empty-segment", "slash-at-end", "an empty segment", "https://agents.example.com//my-bot")
	bad("percent-broken", "percent-encoded", "a % without two hex digits", "https://agents.example.com/my%2-bot")
	bad("non-ascii-host", "upper-case-host", "a host outside ASCII: it has to be punycode", "https://агенты.example/my-bot")
	bad("address-decimal", "upper-case-host", "an IPv4 address written as one number", "https://2130706433/my-bot")
	bad("address-short", "upper-case-host", "an IPv4 address of two numbers", "https://127.1/my-bot")
	bad("address-hex", "upper-case-host", "an IPv4 address in hex", "https://0x7f000001/my-bot")
	bad("address-octal", "upper-case-host", "an IPv4 address with a leading zero, which some read as octal", "https://0177.0.0.1/my-bot")
	bad("port-empty", "default-port", "a colon without a port", "https://agents.example.com:/my-bot")
	bad("port-zero", "default-port", "port 0", "https://agents.example.com:0/my-bot")
	bad("scheme-other", "upper-case-scheme", "another scheme", "ftp://agents.example.com/my-bot")
}

// urlSizes: a URL is bounded as it is written, however short its one spelling is.
func urlSizes(a *area) {
	const server = "https://agents.example.com/"
	encoded := func(letters int) string { return server + strings.Repeat("%61", letters) + "a" }
	source := section5 + "; RFC 9110 section 4.1: bounds of URLs"
	longest := encoded((2048 - len(server) - 1) / 3)
	longest += strings.Repeat("a", 2048-len(longest))
	a.accept("url-longest", "a URL of 2,048 bytes", source, call("agent.resolve", resolving(longest, ""), "", okIncludes(object{})))
	a.reject("url-too-long", "url-longest", "a URL of 2,049 bytes that would have fewer in its one spelling", source, unresolvable(longest+"a", ""))
}

func named(url, name string) step {
	return call("agent.resolve", resolving(url, ""), "", okIncludes(object{"url": url, "name": name}))
}

func names(a *area) {
	a.accept("name-reversed", "the host reversed, then the path", reversed, named("https://agents.example.com/my-bot", "com.example.agents.my-bot"))
	a.accept("name-of-host", "a host alone", reversed, named("https://alice.example", "example.alice"))
	a.accept("name-of-deep-path", "every segment of the path is one of the name", reversed, named("https://example.com/a/b", "com.example.a.b"))
	differ := func(name, twin, says, url, other string) {
		a.reject("name-"+name, "name-"+twin, says, section5+": nobody can be another", call("agent.resolve", resolving(url, ""), "", okIncludes(object{})).save("name", "ok.name"),
			call("agent.match", object{"pattern": "@" + other, "name": "$name"}, "", ok(object{"match": false})))
	}
	same := func(name, says, url, other string) {
		a.accept("name-"+name, says, section5, call("agent.resolve", resolving(url, ""), "", okIncludes(object{})).save("name", "ok.name"),
			call("agent.match", object{"pattern": "@" + other, "name": "$name"}, "", ok(object{"match": true})))
	}
	same("is-found", "a name is found by a pattern of it", "https://example.com/a/b", "com.example.a.b")
	differ("dot-in-path", "is-found", "a dot inside a path segment is no border: /a.b is not /a/b", "https://example.com/a.b", "com.example.a.b")
	differ("dot-encoded-in-path", "is-found", "the same percent-encoded", "https://example.com/a%2Eb", "com.example.a.b")
	differ("slash-encoded-in-path", "is-found", "an encoded slash is no border", "https://example.com/a%2Fb", "com.example.a.b")
	differ("other-port", "is-found", "another port is another server's", "https://example.com:8443/a/b", "com.example.a.b")
	differ("other-port-as-host", "is-found", "nor is the port a segment like others", "https://example.com:8443/a/b", "com.example.8443.a.b")
	differ("plain-http", "is-found", "http and https are not one agent", "http://example.com/a/b", "com.example.a.b")
	differ("case-of-path", "is-found", "paths are case-sensitive", "https://example.com/A/b", "com.example.a.b")
	differ("parent", "is-found", "a parent has a name of its own", "https://example.com/a", "com.example.a.b")
	same("of-address-is-found", "the name of an agent at a public address", "https://8.8.4.4/x", "8%2E8%2E4%2E4.x")
	differ("of-address-no-host", "of-address-is-found", "an address is not reversed: 8.8.4.4 is no host below 4", "https://8.8.4.4/x", "4.4.8.8.x")
}

func namespaces(a *area) {
	source := section5 + ": namespace of a name"
	of := func(name, says, url, namespace string) {
		a.accept("namespace-"+name, says, source, call("agent.resolve", resolving(url, ""), "", okIncludes(object{"namespace": namespace})))
	}
	of("of-domain", "the first two segments where the first is a top-level domain", "https://agents.example.com/my-bot", "com.example")
	of("of-short-domain", "the host alone", "https://example.org", "org.example")
	of("of-country", "below a registry's label, three: co.uk is nobody's", "https://bots.example.co.uk/x", "uk.co.example")
}

func covered(agent, url string, covers bool) step {
	return call("agent.covers", object{"agent_url": agent, "url": url}, "", ok(object{"covers": covers}))
}

// covers: a token that is sent to the wrong server is given away.
func covers(a *area) {
	source := "abi.md agent.covers: same origin and below its path; " + section2
	const agent = "https://agents.example.com/bob"
	yes := func(name, says, url string) { a.accept("covers-"+name, says, source, covered(agent, url, true)) }
	no := func(name, twin, says, url string) {
		a.reject("covers-"+name, "covers-"+twin, says, source, covered(agent, url, false))
	}
	yes("itself", "the agent's own URL", agent)
	yes("below", "a path below it", agent+"/chat/completions")
	yes("query", "a query", agent+"/chat?stream=true")
	yes("host-case", "the host in upper case", "https://AGENTS.example.com/bob/chat")
	yes("default-port", "the scheme's own port", "https://agents.example.com:443/bob")
	no("prefix-of-name", "below", "a name that begins with the agent's", "https://agents.example.com/bobby")
	no("sibling", "below", "another agent on the same server", "https://agents.example.com/carol")
	no("parent", "below", "the server itself", "https://agents.example.com/")
	no("host-suffix", "below", "a host that begins with the agent's", "https://agents.example.com.evil.example/bob")
	no("host-user", "below", "the agent's host as a user name", "https://agents.example.com@evil.example/bob")
	no("subdomain", "below", "a subdomain", "https://x.agents.example.com/bob")
	no("other-port", "default-port", "another port", "https://agents.example.com:8443/bob")
	no("http", "itself", "plain http: the token could be read", "http://agents.example.com/bob")
	no("climbs", "below", "a path that climbs out", agent+"/../carol")
	no("climbs-encoded", "below", "the same percent-encoded", agent+"/%2e%2e/carol")
	no("climbs-backslash", "below", "the same with a backslash", agent+`/..%5ccarol`)
	no("climbs-parameter", "below", "the same with a path parameter, which Java servers cut off", agent+"/..;x/carol")
	no("path-case", "below", "paths are case-sensitive", "https://agents.example.com/BOB")
	no("no-url", "itself", "what is no URL", "agents.example.com/bob")
}
