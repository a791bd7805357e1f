package generate

import "github.com/tallystick/tallystick/conformance"

// failures: an issuer that is down, or answers with another status than 200.
func failures(a *area) {
	source := keysOfOthers + ": a failed refresh serves the stale set for up to 24 h"
	t := day(nil)
	short := object{"cache-control": "max-age=60"}
	late := func(seconds int) token {
		return accessToken(object{"iat": now + seconds - 10, "nbf": now + seconds - 10, "exp": now + seconds + 290})
	}
	goesOn := func(name, says string, members object, content string) {
		a.accept("stale-"+name, says, source, append(known(short), fetches(t, later(61), keysURL, object{}),
			resume(members.with(later(61)), content, okIncludes(object{"key_id": alice.kid()})))...)
	}
	goesOn("down", "the issuer is down: its known keys go on", object{"failed": "connection refused"}, "")
	goesOn("500", "it answers 500", object{"status": 500}, "")
	goesOn("429", "it answers 429", object{"status": 429}, "")
	goesOn("html", "it answers with a page", object{"status": 200, "headers": object{"content-type": "text/html"}},
		"<html>maintenance</html>")
	goesOn("empty", "it answers with nothing",
		object{"status": 200, "headers": object{"content-type": "application/json"}}, "")
	goesOn("redirect", "it redirects", object{"status": 302}, "")
	failed := func(t token, seconds int, expect conformance.Expect) []step {
		return []step{fetches(t, later(seconds), keysURL, object{}),
			resume(object{"failed": "down"}.with(later(seconds)), "", expect)}
	}
	a.accept("stale-remembered", "the failure is remembered: not every token asks again",
		"issue: negative answers remembered",
		append(append(known(short), failed(t, 61, okIncludes(object{}))...), letsIn(t, later(62)),
			letsIn(t, later(65)))...)
	a.accept("stale-recovers", "a minute later it is asked again and answers", source,
		append(append(known(short), failed(t, 61, okIncludes(object{}))...),
			fetches(t, later(121), keysURL, object{}),
			answered(200, nil, aliceKeys, later(121), okIncludes(object{})))...)
	first := object{"cache-control": "max-age=60"}
	dayLong := sequence(openEmpty(object{"jwks_cache_ttl": 604800}), []step{fetches(t, nil, discoverURL, object{}),
		answered(200, object{"cache-control": "max-age=604800"}, discoveryOf(aliceURL, nil), nil,
			nextFetch(keysURL, object{})).save("ticket", "ticket"),
		answered(200, first, aliceKeys, nil, okIncludes(object{}))})
	a.accept("stale-day", "for a day after they expired", source,
		append(append([]step{}, dayLong...), failed(late(86460), 86460, okIncludes(object{}))...)...)
	a.reject("stale-over", "stale-day", "and no longer: fail closed", source,
		append(append([]step{}, dayLong...), failed(late(86461), 86461, refusal("keys_unavailable"))...)...)
	stranger := sequence(openEmpty(nil), locates(t, nil),
		[]step{resume(object{"failed": "down"}, "", refusal("keys_unavailable"))})
	a.reject("negative-remembered", "stale-recovers",
		"an issuer that does not answer is not asked for every token", "issue: negative answers remembered",
		append(append([]step{}, stranger...), keepsOut(t, later(3), "keys_unavailable"))...)
	a.reject("negative-ends", "stale-recovers", "but it is asked again after a while",
		"issue: negative answers remembered",
		append(append([]step{}, stranger...), keepsOut(t, later(3), "keys_unavailable"),
			fetches(t, later(63), keysURL, object{}),
			answered(200, nil, aliceKeys, later(63), okIncludes(object{})))...)
	bare := object{"content-type": remove, "cache-control": remove}
	for _, status := range []int{301, 302, 307, 308, 400, 401, 403, 500, 503} {
		a.reject("status-"+text(status), "discovery-then-keys", "the keys answer "+text(status),
			keysOfOthers+": without following redirects",
			sequence(openEmpty(nil), locates(t, nil),
				[]step{answered(status, bare, "", nil, refusal("keys_unavailable"))})...)
	}
	for _, status := range []int{302, 500, 503} {
		a.reject("discovery-status-"+text(status), "fallback",
			"the discovery document answers "+text(status)+": that is not 404", keysOfOthers, openEmpty(nil),
			fetches(t, nil, discoverURL, object{}), answered(status, nil, "", nil, refusal("keys_unavailable")))
	}
}
