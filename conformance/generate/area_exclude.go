package generate

import "strings"

func exclusions() *area {
	a := newArea("exclude", "What a guard lets through without a token: CORS preflights, and what its program left out.")
	excludedPaths(a)
	excludedMethods(a)
	excludePatterns(a)
	corsPreflights(a)
	return a
}

const leftOut = "abi.md guard.passes"

// passes asks for a request by GET; the members change it.
func passes(exclude []string, path string, changes object, expected bool) step {
	request := object{"exclude": exclude, "method": "GET", "path": path}.with(changes)
	return call("guard.passes", request, "", ok(object{"passes": expected}))
}

func excludedPaths(a *area) {
	rules := []string{"/healthz", "/a%20b", "/docs/*"}
	goes := func(name, says, path string) {
		a.accept("path-"+name, says, leftOut, passes(rules, path, nil, true))
	}
	stays := func(name, says, path string) {
		a.accept("path-not-"+name, says, leftOut+"; RFC 3986 section 6.2.2", passes(rules, path, nil, false))
	}
	goes("exact", "a path", "/healthz")
	goes("escape", "a path with an escape, spelled alike", "/a%20b")
	goes("below", "what is below a path", "/docs/a/b.css")
	goes("below-itself", "its folder", "/docs/")
	stays("slash", "a slash more", "/healthz/")
	stays("case", "another case", "/Healthz")
	stays("longer", "a path that begins like it", "/healthzz")
	stays("shorter", "a path that ends before", "/health")
	stays("escaped", "another spelling", "/health%7A")
	stays("decoded", "an escape that was decoded", "/a b")
	stays("query", "a query is not of the path", "/healthz?x")
	stays("folder", "the path without its slash", "/docs")
	stays("beside", "a path beside it", "/docsx/a")
	stays("double-slash-before", "two slashes", "//healthz")
	stays("dots", "a dot segment: some servers climb", "/docs/../admin")
	stays("dots-at-end", "one at the end", "/docs/..")
	stays("dot", "a segment of one dot", "/docs/./a")
	stays("escaped-dots", "an escaped one: some servers decode first", "/docs/%2e%2e/admin")
	stays("escaped-slash", "an escaped slash", "/docs/..%2fadmin")
	stays("escape-below", "any other escape below a path", "/docs/a%20b")
	stays("double-escape", "an escape of an escape", "/docs/%252e%252e/admin")
	stays("backslash", "a backslash: some servers take it for a slash", `/docs/..\admin`)
	stays("parameter", "a path parameter: some servers cut it off", "/docs/..;x/admin")
	stays("double-slash", "an empty segment", "/docs//admin")
	stays("unicode", "a character that is not ASCII", "/docs/\u00e9")
	stays("absolute", "the absolute form", "http://bob.example/healthz")
	stays("star", "the form of OPTIONS for the server", "*")
	stays("empty", "no path", "")
	a.accept("path-none", "nothing is left out", leftOut, passes([]string{}, "/healthz", nil, false))
}

func excludedMethods(a *area) {
	rules := []string{"GET /status", "OPTIONS /*", "HEAD /files/*"}
	by := func(name, says, method, path string, expected bool) {
		a.accept("method-"+name, says, leftOut, passes(rules, path, object{"method": method}, expected))
	}
	by("named", "the method of a pattern", "GET", "/status", true)
	by("everywhere", "a method on every path", "OPTIONS", "/a/b", true)
	by("below", "a method below a path", "HEAD", "/files/a", true)
	by("other", "another method", "POST", "/status", false)
	by("head", "HEAD is not GET", "HEAD", "/status", false)
	by("case", "methods are case-sensitive", "get", "/status", false)
	by("other-path", "another path", "GET", "/files/a", false)
	by("dots", "a dot segment, on every path too", "OPTIONS", "/a/../b", false)
}

func excludePatterns(a *area) {
	refused := func(name, twin, says, pattern string) {
		a.reject("pattern-"+name, twin, says, leftOut, call("guard.passes",
			object{"exclude": []string{"/good", pattern}, "method": "GET", "path": "/good"}, "", errorCode("invalid_config")))
	}
	refused("all", "method-everywhere", "everything, by every method: then there is no guard", "/*")
	for _, wrong := range []struct{ name, says, pattern string }{
		{"empty", "nothing", ""}, {"relative", "no slash in front", "healthz"}, {"star", "a star alone", "*"},
		{"star-inside", "a star inside", "/a/*/b"}, {"star-glued", "a star behind letters", "/a*"}, {"two-stars", "two stars", "/a/**"},
		{"query", "a query", "/a?b"}, {"fragment", "a fragment", "/a#b"}, {"url", "a URL", "https://bob.example/a"},
		{"two-spaces", "two spaces", "GET  /a"}, {"method-alone", "a method alone", "GET"}, {"method-broken", "no method", "G(T /a"},
		{"no-method", "a space in front", " /a"}, {"line-break", "a line break", "/a\n"}, {"unicode", "a character that is not ASCII", "/\u00e9"},
		{"dots", "dot segments before the star", "/a/../*"}, {"escape", "an escape before the star", "/a%20b/*"},
		{"double-slash", "two slashes before the star", "//*"},
	} {
		refused(wrong.name, "path-exact", wrong.says, wrong.pattern)
	}
	a.accept("pattern-longest", "a pattern of 2,048 bytes", leftOut, passes([]string{"/" + strings.Repeat("a", 2047)}, "/b", nil, false))
	refused("too-long", "pattern-longest", "a byte more", "/"+strings.Repeat("a", 2048))
	many := make([]string, 1001)
	for i := range many {
		many[i] = "/a"
	}
	a.accept("pattern-most", "1,000 patterns", leftOut, passes(many[:1000], "/a", nil, true))
	a.reject("pattern-too-many", "pattern-most", "one more", leftOut, call("guard.passes", object{"exclude": many, "method": "GET", "path": "/a"}, "", errorCode("invalid_config")))
}

func corsPreflights(a *area) {
	source := "Fetch standard, CORS-preflight request"
	asks := object{"method": "OPTIONS", "origin": []string{"https://app.example"}, "request_method": []string{"POST"}}
	by := func(name, says string, changes object, expected bool) {
		a.accept("preflight-"+name, says, source, passes([]string{}, "/mcp", asks.and(changes), expected))
	}
	by("asked", "a browser asks whether a page may send a request", nil, true)
	by("opaque", "from a page without an origin", object{"origin": []string{"null"}}, true)
	by("not-method", "by another method it is a request", object{"method": "GET"}, false)
	by("not-case", "methods are case-sensitive", object{"method": "options"}, false)
	by("not-origin", "OPTIONS without an origin", object{"origin": remove}, false)
	by("not-origin-empty", "with an empty one", object{"origin": []string{""}}, false)
	by("not-origins", "with two", object{"origin": []string{"https://a.example", "https://b.example"}}, false)
	by("not-asked", "OPTIONS that asks for no method", object{"request_method": remove}, false)
	by("not-asked-twice", "that asks for two", object{"request_method": []string{"POST", "PUT"}}, false)
	by("not-token", "browsers send no credentials: this is a request of its own", object{"authorization": []string{"Bearer x"}}, false)
}
