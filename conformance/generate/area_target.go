package generate

const (
	step10 = "protocol.md section 1, section 3 step 10"
	dpop   = "RFC 9449 section 4.3; " + step10
)

func target() *area {
	a := newArea("target", "htm, htu and query_sha256: a token that names its receiver is worth nothing to another.")
	methodAndPath(a)
	origins(a)
	requiredTarget(a)
	queries(a)
	spellings(a)
	mounts(a)
	decodedPaths(a)
	oneAfterAnother(a)
	return a
}

func bound(htu string) token { return sign(alice, boundClaims().with(object{"htu": htu})) }

func methodAndPath(a *area) {
	t := sign(alice, boundClaims())
	a.accept("bound", "method and path are those that were signed", dpop, open(nil), accepted(t, nil))
	bad := func(name, says string, changes object) {
		a.reject(name, "bound", says, dpop, open(nil), refused(t, changes, "wrong_target"))
	}
	bad("method", "another method", object{"method": "PUT"})
	bad("method-case", "methods are case-sensitive (RFC 9110 section 9.1)", object{"method": "post"})
	bad("path", "another path", object{"path": "/admin"})
	bad("path-case", "paths are case-sensitive (RFC 3986 section 6.2.2.1)", object{"path": "/Agent"})
	bad("path-trailing-slash", "a slash more", object{"path": "/agent/"})
	bad("path-below", "a path below the signed one", object{"path": "/agent/x"})
	bad("path-dot-segment", "a dot segment that a server could resolve", object{"path": "/x/../agent"})
	badURL := func(name, says, htu string) {
		a.reject(name, "bound", says, dpop, open(nil), refused(bound(htu), nil, "wrong_target"))
	}
	badURL("htu-relative", "an htu without an origin", "/agent")
	badURL("htu-other-scheme", "an htu that is not http", "ftp://agent.example/agent")
	badURL("htu-query", "an htu with a query (it has none, RFC 9449 section 4.2)", endpoint+"?x=1")
	badURL("htu-fragment", "an htu with a fragment", endpoint+"#x")
	badURL("htu-user", "an htu with a user name", "https://alice@agent.example/agent")
	badURL("htu-empty", "an empty htu", "")
}

func origins(a *area) {
	base := object{"base_url": "https://agent.example"}
	a.accept("origin", "the origin is that of base_url", step10, open(base), accepted(sign(alice, boundClaims()), nil))
	a.accept("origin-spelled-differently", "host in upper case and the default port are the same origin", "RFC 3986 section 6.2.2.1, 6.2.3", open(base),
		accepted(bound("HTTPS://Agent.Example:443/agent"), nil))
	a.accept("origin-unchecked", "without base_url only the path is checked", step10, open(nil), accepted(bound("https://behind-a-proxy.example/agent"), nil))
	bad := func(name, says, htu string) {
		a.reject(name, "origin", says, step10, open(base), refused(bound(htu), nil, "wrong_target"))
	}
	bad("origin-other-host", "a token for another agent, passed on", "https://other.example/agent")
	bad("origin-other-scheme", "a token for the same host over plain http", "http://agent.example/agent")
	bad("origin-other-port", "a token for another port", "https://agent.example:8443/agent")
	bad("origin-suffix", "a host that only ends alike", "https://evil-agent.example/agent")
	bad("origin-dot", "a host with a dot at its end is another text", "https://agent.example./agent")
}

func requiredTarget(a *area) {
	strict := object{"require_target": true}
	a.accept("required", "require_target: htm and htu are there", step10, open(strict), accepted(sign(alice, boundClaims()), nil))
	a.reject("required-missing", "required", "require_target: a token that names no receiver", step10, open(strict), refused(sign(alice, rotagentClaims()), nil, "invalid_claims"))
	a.reject("required-method-missing", "required", "require_target: htu alone", step10, open(strict),
		refused(sign(alice, boundClaims().with(object{"htm": remove})), nil, "invalid_claims"))
	a.reject("required-url-missing", "required", "require_target: htm alone", step10, open(strict),
		refused(sign(alice, boundClaims().with(object{"htu": remove})), nil, "invalid_claims"))
}

func queries(a *area) {
	source := "protocol.md section 1: query_sha256"
	t := sign(alice, boundClaims().with(object{"query_sha256": hexSHA256("a=1&b=2")}))
	query := func(text string) object { return object{"query": text} }
	a.accept("query", "the query is the one that was signed", source, open(nil), accepted(t, query("a=1&b=2")))
	bad := func(name, says, text string) {
		a.reject(name, "query", says, source, open(nil), refused(t, query(text), "wrong_target"))
	}
	bad("query-changed", "a value of the query changed on the way", "a=1&b=3")
	bad("query-reordered", "the query in another order: its bytes count", "b=2&a=1")
	bad("query-longer", "a parameter added", "a=1&b=2&c=3")
	bad("query-removed", "the query taken away", "")
	a.reject("query-unsigned", "query", "a query added to a URL that was signed without one", source, open(nil), refused(sign(alice, boundClaims()), query("admin=1"), "wrong_target"))
	a.accept("query-of-rotagent", "rotagent signs no URL, so its query is not signed either", source, open(nil), accepted(sign(alice, rotagentClaims()), query("a=1")))
	a.reject("query-in-path", "query", "a host that did not split the target would have every bound token refused: it is told", "abi.md request.verify", open(nil),
		verify(t, object{"path": "/agent?a=1&b=2"}, errorCode("invalid_argument")))
	a.accept("query-mark-decoded", "a decoded path may have a question mark",
		"abi.md request.verify: path_decoded", open(nil),
		accepted(bound("https://agent.example/a%3Fb"), object{"path": "/a?b", "path_decoded": true, "raw_target": "/a%3Fb"}))
	upper := sign(alice, boundClaims().with(object{"query_sha256": upperHex("a=1")}))
	a.reject("query-digest-upper-case", "query", "a digest in upper case: it is lower-case hex", source, open(nil), refused(upper, query("a=1"), "wrong_target"))
}

// spellings of one path that servers and clients produce (RFC 3986 section 6.2.2).
func spellings(a *area) {
	source := "RFC 3986 section 6.2.2; " + step10
	same := func(name, says, htuPath, path string) {
		a.accept(name, says, source, open(nil), accepted(bound("https://agent.example"+htuPath), object{"path": path}))
	}
	differs := func(name, twin, says, htuPath, path string) {
		a.reject(name, twin, says, source, open(nil), refused(bound("https://agent.example"+htuPath), object{"path": path}, "wrong_target"))
	}
	same("spelling-hex-case", "%e9 and %E9 are one spelling", "/caf%e9", "/caf%E9")
	same("spelling-unreserved", "an encoded letter is the letter", "/%61gent", "/agent")
	same("spelling-raw-bytes", "a byte outside ASCII that a server hands over unencoded", "/caf%C3%A9", "/caf\u00c3\u00a9")
	same("spelling-empty-path", "a URL without a path asks for /", "", "/")
	differs("spelling-encoded-slash", "spelling-unreserved", "%2F is no slash", "/a%2Fb", "/a/b")
	differs("spelling-encoded-percent", "spelling-unreserved", "%2561 is not %61", "/%2561gent", "/%61gent")
	differs("spelling-plus", "spelling-unreserved", "a plus in a path is no space", "/a+b", "/a%20b")
}

func mounts(a *area) {
	source := "protocol.md section 1: base_url and mount"
	t := bound("https://agent.example/api/agent")
	a.accept("mount", "mounted at /api: the client sees /api/agent", source, open(nil), accepted(t, object{"mount": "/api"}))
	a.reject("mount-other", "mount", "mounted elsewhere", source, open(nil), refused(t, object{"mount": "/v2"}, "wrong_target"))
	a.reject("mount-missing", "mount", "not mounted: the path alone is not what was signed", source, open(nil), refused(t, nil, "wrong_target"))
	base := object{"base_url": "https://agent.example/api"}
	a.accept("base-path", "base_url has a path: it stands in front of the path", source, open(base), accepted(t, nil))
	a.accept("base-path-slash", "a slash at the end of base_url says nothing", source, open(object{"base_url": "https://agent.example/api/"}), accepted(t, nil))
	a.accept("base-path-over-mount", "base_url's path counts, not the mount point behind the proxy", source, open(base), accepted(t, object{"mount": "/internal"}))
	a.reject("base-path-other", "base-path", "below another base path", source, open(object{"base_url": "https://agent.example/v2"}), refused(t, nil, "wrong_target"))
}

// decodedPaths is how WSGI hands a path over.
func decodedPaths(a *area) {
	source := "abi.md request.verify: path_decoded"
	decoded := func(path, rawTarget string) object {
		return object{"path": path, "path_decoded": true, "raw_target": rawTarget}
	}
	slash := bound("https://agent.example/a%2Fb")
	a.accept("decoded-raw-target", "the spelling comes from the raw target", source, open(nil), accepted(slash, decoded("/a/b", "/a%2Fb?x")))
	a.reject("decoded-raw-target-differs", "decoded-raw-target", "the raw target shows a slash where %2F was signed", source, open(nil),
		refused(slash, decoded("/a/b", "/a/b"), "wrong_target"))
	a.accept("decoded-without-raw-target", "without a raw target decoded paths are compared", source, open(nil), accepted(slash, decoded("/a/b", "")))
	a.reject("decoded-path-differs", "decoded-without-raw-target", "decoded paths that differ", source, open(nil), refused(slash, decoded("/a/c", ""), "wrong_target"))
	a.accept("decoded-rewritten", "a raw target of another path was rewritten on the way: the decoded path counts", source, open(nil),
		accepted(sign(alice, boundClaims()), decoded("/agent", "/rewritten")))
	a.accept("decoded-absolute-form", "a raw target in absolute form", "RFC 9112 section 3.2.2", open(nil), accepted(slash, decoded("/a/b", "http://agent.example/a%2Fb")))
	a.accept("decoded-utf-8", "WSGI gives decoded UTF-8 one character per byte", source, open(nil),
		accepted(bound("https://agent.example/caf%C3%A9"), decoded("/caf\u00c3\u00a9", "")))
	a.accept("decoded-mount", "mounted, with the whole path in the raw target", source, open(nil),
		accepted(bound("https://agent.example/api/a%2Fb"), decoded("/a/b", "/api/a%2Fb").with(object{"mount": "/api"})))
}

// oneAfterAnother: what a token named before makes no other one right.
func oneAfterAnother(a *area) {
	base := open(object{"base_url": "https://agent.example"})
	first := accepted(sign(alice, boundClaims().with(object{"jti": "first"})), nil)
	a.accept("again", "two paths of one origin, one after the other", step10, base, first, accepted(bound("https://agent.example/other"), object{"path": "/other"}))
	bad := func(name, says, htu string, changes object) {
		a.reject("again-"+name, "again", says, step10, base, first, refused(bound(htu), changes, "wrong_target"))
	}
	bad("other-host", "then another host", "https://other.example/agent", nil)
	bad("other-path", "then another path", endpoint, object{"path": "/admin"})
	bad("query", "then an htu with a query, which the path seems to have", endpoint+"?x=1",
		object{"path": "/agent?x=1", "path_decoded": true})
	bad("fragment", "then an htu with a fragment", endpoint+"#x", object{"path": "/agent#x"})
	bad("decoded", "then a decoded path that is spelled as the htu is encoded: the request had %2520", "https://agent.example/a%20b",
		object{"path": "/a%20b", "path_decoded": true})
	bad("no-slash", "then a path that goes on where the host ended", "https://agent.example.evil/agent", object{"path": ".evil/agent"})
}
