package generate

import "strings"

func scopes() *area {
	a := newArea("scope", "Scope patterns and filters.")
	patterns(a)
	filters(a)
	return a
}

const section4 = "protocol.md section 4"

func matching(pattern, scope string, match bool) step {
	return call("scope.match", object{"pattern": pattern, "scope": scope}, "", ok(object{"match": match}))
}

func patterns(a *area) {
	yes := func(name, says, pattern, scope string) {
		a.accept(name, says, section4, matching(pattern, scope, true))
	}
	no := func(name, twin, says, pattern, scope string) {
		a.reject(name, twin, says, section4, matching(pattern, scope, false))
	}
	yes("equal", "a pattern without wildcard matches itself", "read", "read")
	no("other-case", "equal", "scopes are case-sensitive", "read", "Read")
	no("longer", "equal", "no prefix match", "read", "read2")
	no("more-segments", "equal", "a segment more", "read", "read:files")
	no("fewer-segments", "equal", "a segment less", "read:files", "read")
	yes("last-star-one", "* at the end takes one segment", "read:*", "read:files")
	yes("last-star-many", "* at the end takes all that remain", "read:*", "read:files:private:x")
	no("last-star-none", "last-star-one", "* at the end takes at least one", "read:*", "read")
	no("last-star-empty", "last-star-one", "* takes no empty segment", "read:*", "read:")
	yes("star-alone", "* alone takes any scope", "*", "read:files")
	yes("middle-star", "* in the middle takes exactly one segment", "read:*:x", "read:files:x")
	no("middle-star-two", "middle-star", "* in the middle takes no two segments", "read:*:x", "read:files:private:x")
	yes("first-star", "* in front takes exactly one segment", "*:read", "files:read")
	no("first-star-two", "first-star", "* in front takes no two segments", "*:read", "files:private:read")
	yes("inside", "* inside a segment takes any run within it", "read:f*s", "read:files")
	yes("inside-empty-run", "* inside a segment takes the empty run", "read:files*", "read:files")
	no("inside-crosses-no-colon", "inside", "* inside a segment does not cross it", "read:f*s", "read:f:s")
	yes("two-stars", "two * inside a segment", "*a*b", "xaxb")
	no("letters-are-letters", "equal", "a dot is a dot", "a.c", "abc")
	no("star-in-scope", "equal", "a * in a token's scope is no wildcard", "read", "*")
	yes("star-in-scope-as-letter", "a * in a scope is a letter that a pattern's * takes", "read:*", "read:*")
	a.reject("linear-time", "two-stars", "a pattern that takes a backtracking matcher ages", "protocol.md section 5: linear in time",
		matching(strings.Repeat("a*", 100)+"b", strings.Repeat("a", 8000), false))
	a.reject("pattern-space", "equal", "a pattern with a space", section4,
		call("scope.match", object{"pattern": "a b", "scope": "a"}, "", errorCode("invalid_argument")))
	a.reject("scope-quote", "equal", "a scope with a quote", "RFC 6749 section 3.3", call("scope.match", object{"pattern": "*", "scope": `a"b`}, "", errorCode("invalid_claims")))
	a.reject("two-scopes", "equal", "two scopes where one is asked for", "abi.md scope.match", call("scope.match", object{"pattern": "*", "scope": "a b"}, "", errorCode("invalid_claims")))
}

func filters(a *area) {
	filters := func(name, says, scope string, allowed, granted, namespaces []string) {
		a.accept(name, says, section4, call("scope.filter", object{"scope": scope, "allowed": allowed}, "", ok(object{"granted": granted, "namespaces": namespaces})))
	}
	none := []string{}
	filters("filter", "only what is allowed is granted, order kept", "write read:a admin read:b", []string{"read:*", "write"}, []string{"write", "read:a", "read:b"}, none)
	filters("filter-repeats", "no repeats", "a b a", []string{"*"}, []string{"a", "b"}, none)
	filters("filter-nothing-allowed", "nothing allowed, nothing granted", "a b", none, none, none)
	filters("filter-no-scope", "an empty scope string", "", []string{"*"}, none, none)
	filters("filter-namespaces", "namespaces are what follows namespace:", "namespace:a namespace:b:c x", []string{"*"}, []string{"namespace:a", "namespace:b:c", "x"}, []string{"a", "b:c"})
	filters("filter-namespaces-granted", "a namespace that is not allowed is not granted", "namespace:a namespace:b", []string{"namespace:a"}, []string{"namespace:a"}, []string{"a"})
	a.reject("filter-two-spaces", "filter", "two spaces between scopes", "RFC 6749 section 3.3", call("scope.filter", object{"scope": "a  b", "allowed": []string{"*"}}, "", errorCode("invalid_claims")))
	a.reject("filter-tab", "filter", "a tab between scopes", "RFC 6749 section 3.3", call("scope.filter", object{"scope": "a\tb", "allowed": []string{"*"}}, "", errorCode("invalid_claims")))
	a.reject("filter-non-ascii", "filter", "a scope outside ASCII", "RFC 6749 section 3.3", call("scope.filter", object{"scope": "é", "allowed": []string{"*"}}, "", errorCode("invalid_claims")))
}
