package generate

import (
	"strings"

	"github.com/tallystick/tallystick/conformance"
)

const (
	keysOfOthers  = "protocol.md section 6"
	pathDiscovery = "/.well-known/openid-configuration"
	pathKeys      = "/.well-known/jwks.json"
	discoverURL   = aliceURL + pathDiscovery
	keysURL       = aliceURL + pathKeys
)

func fetchedKeys() *area {
	a := newArea("fetch", "The keys of others: what is fetched, where, how often, and what a bad answer does.")
	documents(a)
	fetchLimits(a)
	lifetimes(a)
	refreshes(a)
	failures(a)
	flights(a)
	badDocuments(a)
	badDiscovery(a)
	serverMetadata(a)
	keySets(a)
	confusion(a)
	return a
}

// day is alice's token that lives as long as one may.
func day(changes object) token { return accessToken(object{"exp": now + 86400}.and(changes)) }

// strangers' engine: no key is configured.
func openEmpty(changes object) step { return openAccess(object{"keys": remove}.and(changes)) }

var aliceKeys = jwks(publishedJWK(alice))

// locates asks for the discovery document and then for the keys.
func locates(t token, moment object) []step {
	return []step{
		fetches(t, moment, discoverURL, object{"method": "GET"}),
		answered(200, nil, discoveryOf(aliceURL, nil), moment, nextFetch(keysURL, object{"method": "GET"})).save("ticket", "ticket"),
	}
}

// metadataURL is where RFC 8414 section 3.1 has an issuer's document.
func metadataURL(issuer string) string {
	host, path, _ := strings.Cut(strings.TrimPrefix(issuer, "https://"), "/")
	if path != "" {
		path = "/" + path
	}
	return "https://" + host + pathServer + path
}

// undiscovered answers that an issuer has no document at either place.
func undiscovered(issuer string, expect conformance.Expect) []step {
	return []step{
		answered(404, nil, "", nil, nextFetch(metadataURL(issuer), object{"method": "GET"})).save("ticket", "ticket"),
		answered(404, nil, "", nil, expect),
	}
}

// saving keeps the ticket of the last step.
func saving(steps []step) []step {
	last := &steps[len(steps)-1]
	*last = last.save("ticket", "ticket")
	return steps
}

// sequence is an engine with the steps of several lists.
func sequence(first step, lists ...[]step) []step {
	steps := []step{first}
	for _, list := range lists {
		steps = append(steps, list...)
	}
	return steps
}

// known is an engine that has fetched alice's keys; the headers came with them.
func known(headers object) []step {
	return sequence(openEmpty(nil), locates(day(nil), nil), []step{answered(200, headers, aliceKeys, nil, okIncludes(object{"key_id": alice.kid()}))})
}

func later(seconds int) object { return at(now + seconds) }

// keysAnswer is a stranger's key set that is judged.
func keysAnswer(content string, headers object, expect conformance.Expect) []step {
	return sequence(openEmpty(nil), locates(day(nil), nil), []step{answered(200, headers, content, nil, expect)})
}

func fetchLimits(a *area) {
	filler := func(length int) string {
		return jwks(publishedJWK(alice), object{"x": strings.Repeat("x", length-len(jwks(publishedJWK(alice), object{"x": ""})))})
	}
	fine := okIncludes(object{"issuer": aliceURL})
	a.accept("size-largest", "a key set of 256 KiB", keysOfOthers+": 256 KiB", keysAnswer(filler(256<<10), nil, fine)...)
	a.reject("size-over", "size-largest", "a byte more: the host stopped reading one byte too late", keysOfOthers+": 256 KiB", keysAnswer(filler(256<<10+1), nil, refusal("keys_unavailable"))...)
	many := func(n int) string {
		list := []object{publishedJWK(alice)}
		for len(list) < n {
			list = append(list, object{"kty": "oct"})
		}
		return jwks(list...)
	}
	a.accept("keys-most", "64 keys", keysOfOthers+": 64 keys", keysAnswer(many(64), nil, fine)...)
	a.reject("keys-over", "keys-most", "65 keys", keysOfOthers+": 64 keys", keysAnswer(many(65), nil, refusal("keys_unavailable"))...)
	a.reject("failed", "discovery-then-keys", "the host could not fetch, or not in time", keysOfOthers, sequence(openEmpty(nil), locates(day(nil), nil), []step{resume(object{"failed": "timed out"}, "", refusal("keys_unavailable"))})...)
	a.reject("failed-discovery", "discovery-then-keys", "nor the discovery document", keysOfOthers, openEmpty(nil), fetches(day(nil), nil, discoverURL, object{}), resume(object{"failed": "connection refused"}, "", refusal("keys_unavailable")))
	a.reject("no-status", "discovery-then-keys", "an answer without a status", "abi.md needs: fetch", openEmpty(nil), fetches(day(nil), nil, discoverURL, object{}), resume(object{"headers": object{}}, "{}", errorCode("invalid_argument")))
	a.reject("wrong-answer", "discovery-then-keys", "an answer for another kind of need", "abi.md needs: fetch", openEmpty(nil), fetches(day(nil), nil, discoverURL, object{}), resume(object{"valid": true}, "", errorCode("invalid_argument")))
}

func lifetimes(a *area) {
	source := keysOfOthers + ": max-age within [60 s, jwks_cache_ttl]"
	t := day(nil)
	keeps := func(name, says string, headers object, seconds int) {
		a.accept("lifetime-"+name, says, source, append(known(headers), letsIn(t, later(seconds)), fetches(t, later(seconds+1), keysURL, object{}))...)
	}
	age := func(value string) object { return object{"cache-control": value} }
	a.accept("lifetime-default", "without Cache-Control: jwks_cache_ttl", source, append(known(nil), letsIn(t, later(3600)), answeredRefresh(t, 3601))...)
	keeps("max-age", "max-age", age("public, max-age=300"), 300)
	keeps("least", "max-age=1 counts as 60 s: no issuer has itself asked for every token", age("max-age=1"), 60)
	keeps("zero", "max-age=0 too", age("max-age=0"), 60)
	keeps("no-store", "no-store too", age("no-store"), 60)
	keeps("no-cache", "no-cache too", age("max-age=600, no-cache"), 60)
	keeps("no-number", "a max-age that is no number is the shortest", age("max-age=soon"), 60)
	keeps("negative", "a negative one too", age("max-age=-5"), 60)
	keeps("case", "directives are case-insensitive", age("Max-Age=300"), 300)
	keeps("quoted", "a quoted one", age(`max-age="300"`), 300)
	a.accept("lifetime-longest", "a year counts as jwks_cache_ttl", source, append(known(age("max-age=31536000")), letsIn(t, later(3600)), answeredRefresh(t, 3601))...)
	a.accept("lifetime-huge", "a number of many digits too", source, append(known(age("max-age=99999999999999999999")), letsIn(t, later(3600)), answeredRefresh(t, 3601))...)
	short := openEmpty(object{"jwks_cache_ttl": 10})
	a.accept("lifetime-configured", "a jwks_cache_ttl below 60 s is the operator's choice", source, sequence(short, locates(t, nil), []step{answered(200, age("max-age=300"), aliceKeys, nil, okIncludes(object{})),
		letsIn(t, later(10)), fetches(t, later(11), discoverURL, object{})})...)
	tagged := object{"etag": `"v1"`, "cache-control": "max-age=60"}
	asksAgain := fetches(t, later(61), keysURL, object{"headers": object{"if-none-match": `"v1"`}})
	a.accept("etag", "the entity-tag is sent back, and 304 keeps the keys", "RFC 9110 section 13.1.2; "+keysOfOthers+": ETag", append(known(tagged), asksAgain,
		answered(304, object{"content-type": remove, "cache-control": "max-age=120"}, "", later(61), okIncludes(object{"key_id": alice.kid()})), letsIn(t, later(180)), fetches(t, later(181), keysURL, object{"headers": object{"if-none-match": `"v1"`}}))...)
	a.accept("etag-weak", "a weak one", "RFC 9110 section 8.8.3", append(known(object{"etag": `W/"v1"`, "cache-control": "max-age=60"}), fetches(t, later(61), keysURL, object{"headers": object{"if-none-match": `W/"v1"`}}))...)
	badTags(a)
	a.accept("etag-changed", "200 replaces the keys and the tag", keysOfOthers+": ETag", append(known(tagged), asksAgain,
		answered(200, object{"etag": `"v2"`, "cache-control": "max-age=60"}, aliceKeys, later(61), okIncludes(object{})), fetches(t, later(122), keysURL, object{"headers": object{"if-none-match": `"v2"`}}))...)
	a.reject("key-withdrawn", "etag-changed", "a key that its issuer withdrew stops working, for a remembered token too", keysOfOthers, append(known(tagged), letsIn(t, nil), asksAgain,
		answered(200, nil, jwks(publishedJWK(aliceNext)), later(61), refusal("unknown_key")))...)
	a.reject("unasked-304", "etag", "304 without a tag that was sent keeps nothing: there is nothing", keysOfOthers, sequence(openEmpty(nil), locates(t, nil), []step{answered(304, nil, "", nil, refusal("keys_unavailable"))})...)
	a.accept("clock-back", "a clock that stepped back does not make a set last longer", traps, append(known(age("max-age=60")), letsIn(t, later(0)), fetches(t, later(200), keysURL, object{}))...)
}

// answeredRefresh expects that keys, and perhaps where they lie, are asked for
// again.
func answeredRefresh(t token, seconds int) step {
	s := call("access.verify", asked(t.String(), later(seconds)), "", need("fetch", object{"method": "GET"})).save("ticket", "ticket")
	s.note = t.note()
	return s
}

func refreshes(a *area) {
	source := keysOfOthers + ": a kid that is missing refreshes at most once per 60 s"
	rotated := accessTokenBy(aliceNext, object{"exp": now + 86400})
	strange := accessTokenBy(mallory, object{"exp": now + 86400})
	both := jwks(publishedJWK(alice), publishedJWK(aliceNext))
	refresh := fetches(rotated, later(5), keysURL, object{})
	a.accept("kid-missing", "a kid that is not there: the keys are asked for again, and it is there", source, append(known(nil), refresh, answered(200, nil, both, later(5), okIncludes(object{"key_id": aliceNext.kid()})), letsIn(day(nil), later(6)))...)
	a.reject("kid-still-missing", "kid-missing", "it is not there either", source, append(known(nil), refresh, answered(200, nil, aliceKeys, later(5), refusal("unknown_key")))...)
	a.reject("kid-cooldown", "kid-missing", "anybody can write a kid: within the minute nothing is fetched, after it, it is", source, append(known(nil), refresh, answered(200, nil, aliceKeys, later(5), refusal("unknown_key")),
		keepsOut(strange, later(6), "unknown_key"), keepsOut(rotated, later(64), "unknown_key"), letsIn(day(nil), later(64)), fetches(rotated, later(65), keysURL, object{}))...)
	a.reject("kid-refresh-fails", "kid-missing", "the refresh fails: the set that is still fresh does not have the kid, and its other keys go on", source, append(known(nil), refresh, resume(object{"failed": "down"}.with(later(5)), "", refusal("unknown_key")), letsIn(day(nil), later(6)))...)
	a.accept("no-kid", "a token without kid is tried with every key, and fetches nothing", step5, append(known(nil), letsIn(signTexts(alice, plainHeader, day(nil).payload), nil))...)
	replacedKeys(a)
}

// replacedKeys: an issuer publishes another key under the same kid.
func replacedKeys(a *area) {
	source := keysOfOthers + ": a signature that fails under a cached key refreshes under the same cooldown"
	const kid = "main"
	named := func(key keyPair) string { return jwks(publishedJWK(key).with(object{"kid": kid})) }
	by := func(key keyPair) token {
		return signHeader(key, object{"kid": kid}, accessClaims().with(object{"exp": now + 86400}))
	}
	old, fresh, forged := by(alice), by(aliceNext), by(mallory)
	brief := signHeader(aliceNext, object{"kid": kid}, accessClaims().with(object{"exp": now + 20})) // and the leeway
	begun := func() []step {
		return sequence(openEmpty(nil), locates(old, nil), []step{answered(200, nil, named(alice), nil, okIncludes(object{"key_id": alice.kid()}))})
	}
	steps := func(more ...step) []step { return append(begun(), more...) }
	asks := func(t token, seconds int) step { return fetches(t, later(seconds), keysURL, object{}) }
	refreshed := answered(200, nil, named(aliceNext), later(5), okIncludes(object{"key_id": aliceNext.kid()}))
	a.accept("replaced", "a signature fails under a cached key: the set is fetched anew, and the token judged by it", source, steps(asks(fresh, 5), refreshed, letsIn(fresh, later(6)))...)
	a.reject("replaced-old", "replaced", "the key that was replaced is good no more, nor is a token that was accepted", source, steps(asks(fresh, 5), refreshed, keepsOut(old, later(6), "invalid_signature"))...)
	a.reject("replaced-forged", "replaced", "the fresh set does not have the signature's key either", source, steps(asks(forged, 5), answered(200, nil, named(aliceNext), later(5), refusal("invalid_signature")))...)
	a.reject("replaced-same", "replaced", "the fresh set is the same: forged", source, steps(asks(forged, 5), answered(200, nil, named(alice), later(5), refusal("invalid_signature")), letsIn(old, later(6)))...)
	a.reject("replaced-gone", "replaced", "the fresh set has no such kid", source, steps(asks(fresh, 5), answered(200, nil, aliceKeys, later(5), refusal("unknown_key")))...)
	a.reject("replaced-judged-wholly", "replaced", "under the fresh set all else is judged as ever, at the time of the answer", source+"; "+step7,
		steps(asks(brief, 5), answered(200, nil, named(aliceNext), later(50), refusal("token_expired")))...)
	a.reject("replaced-cooldown", "replaced", "anybody can write a bad signature: within the minute nothing is fetched, after it, it is", source,
		steps(asks(forged, 5), answered(200, nil, named(alice), later(5), refusal("invalid_signature")), keepsOut(forged, later(6), "invalid_signature"), keepsOut(forged, later(64), "invalid_signature"),
			letsIn(old, later(64)), asks(forged, 65))...)
	a.reject("replaced-kid-cooldown", "replaced", "a missing kid and a bad signature share the minute", source,
		steps(asks(signHeader(mallory, object{"kid": "other"}, accessClaims().with(object{"exp": now + 86400})), 5), answered(200, nil, named(alice), later(5), refusal("unknown_key")), keepsOut(forged, later(6), "invalid_signature"))...)
	a.reject("replaced-refresh-fails", "replaced", "the refresh fails: the old set goes on, and the signature is bad under it", source,
		steps(asks(fresh, 5), resume(object{"failed": "down"}.with(later(5)), "", refusal("invalid_signature")), letsIn(old, later(6)), keepsOut(fresh, later(14), "invalid_signature"))...)
	a.reject("replaced-recovers", "replaced", "after a failed refresh it is tried again 10 s later", source,
		steps(asks(fresh, 5), resume(object{"failed": "down"}.with(later(5)), "", refusal("invalid_signature")), asks(fresh, 15), answered(200, nil, named(aliceNext), later(15), okIncludes(object{"key_id": aliceNext.kid()})))...)
	a.reject("replaced-lately-down", "replaced", "the keys could not be fetched a moment ago, for a set that is over: a bad signature does not have them asked for again", source,
		sequence(openEmpty(nil), locates(old, nil), []step{
			answered(200, object{"cache-control": "max-age=60"}, named(alice), nil, okIncludes(object{"key_id": alice.kid()})),
			asks(old, 61), resume(object{"failed": "down"}.with(later(61)), "", okIncludes(object{"key_id": alice.kid()})), keepsOut(fresh, later(62), "invalid_signature"),
		})...)
	a.reject("replaced-first", "replaced", "keys that were fetched for this very token are not fetched again for it", source,
		sequence(openEmpty(nil), locates(forged, nil), []step{answered(200, nil, named(alice), nil, refusal("invalid_signature"))})...)
	a.reject("replaced-configured", "replaced", "configured keys are not fetched", "abi.md engine.open: keys", openAccess(nil), keepsOut(signHeader(mallory, object{"kid": alice.kid()}, accessClaims()), nil, "invalid_signature"))
	without := func(key keyPair) token {
		return signTexts(key, plainHeader, text(accessClaims().with(object{"exp": now + 86400})))
	}
	a.accept("replaced-without-kid", "the same for a token without kid", source, steps(asks(without(aliceNext), 5), answered(200, nil, named(aliceNext), later(5), okIncludes(object{"key_id": aliceNext.kid()})))...)
	stranger := object{"iss": bobURL + "/x", "sub": "x", "exp": now + 86400, "aoauth": object{"agent_url": bobURL + "/x"}}
	other := signHeader(alice, nil, accessClaims().with(stranger))
	a.reject("replaced-other-issuer", "replaced", "the minute is each issuer's own", source, steps(asks(forged, 5), answered(200, nil, named(alice), later(5), refusal("invalid_signature")),
		fetches(other, later(6), bobURL+"/x"+pathDiscovery, object{}))...)
	host := append([]step{openEmpty(object{"rsa": "host"})}, locates(old, nil)...)
	asksCheck := need("check", object{"key": alice.kid()})
	a.accept("replaced-checked-by-host", "rsa host: a key that the host found wrong is refreshed too", source+"; abi.md needs: check", append(host,
		answered(200, nil, named(alice), nil, asksCheck).save("ticket", "ticket"), resume(object{"valid": true}, "", okIncludes(object{"key_id": alice.kid()})),
		call("access.verify", asked(fresh.String(), later(5)), "", asksCheck).save("ticket", "ticket"),
		resume(object{"valid": false}.with(later(5)), "", nextFetch(keysURL, object{})).save("ticket", "ticket"),
		answered(200, nil, named(aliceNext), later(5), need("check", object{"key": aliceNext.kid()})).save("ticket", "ticket"),
		resume(object{"valid": true}.with(later(5)), "", okIncludes(object{"key_id": aliceNext.kid()})))...)
}

func flights(a *area) {
	source := keysOfOthers + ": one fetch at a time per URL; abi.md needs: flight"
	one, two := day(nil), day(object{"jti": "jti-2"})
	first, second := object{"flight": 1}, object{"flight": 2}
	ticket := func(name string) object { return object{"ticket": "$" + name} }
	found := answered(200, nil, discoveryOf(aliceURL, nil), nil, nextFetch(keysURL, second))
	answerTo := func(s step, members object) step {
		request := parsed(string(s.Request)).with(members)
		s.Request = raw(request)
		return s
	}
	lands := answered(200, nil, aliceKeys, nil, okIncludes(object{"key_id": alice.kid()}))
	a.accept("flight", "two requests wait for one fetch: both get its outcome", source, openEmpty(nil),
		fetches(one, nil, discoverURL, first).save("one", "ticket"), fetches(two, nil, discoverURL, first).save("two", "ticket"),
		answerTo(found, ticket("one")).save("one", "ticket"), answerTo(found, ticket("two")).save("two", "ticket"), answerTo(lands, ticket("one")), answerTo(lands, ticket("two")))
	a.accept("flight-late", "who comes while the keys are on their way waits for them", source, sequence(openEmpty(nil), locates(one, nil), []step{
		fetches(two, nil, keysURL, second).save("two", "ticket").save("ticket", "ticket"), answerTo(lands, ticket("two"))})...)
	a.reject("flight-fails", "flight", "a fetch that failed, failed for both", source, openEmpty(nil),
		fetches(one, nil, discoverURL, first).save("one", "ticket"), fetches(two, nil, discoverURL, first).save("two", "ticket"),
		answerTo(resume(object{"failed": "down"}, "", refusal("keys_unavailable")), ticket("one")), answerTo(resume(object{"failed": "down"}, "", refusal("keys_unavailable")), ticket("two")))
	a.accept("flight-abandoned", "a fetch that nobody answered is given up", source, openEmpty(nil), fetches(one, nil, discoverURL, first), fetches(one, later(61), discoverURL, second))
	shared := openEmpty(object{"trusted_issuers": []object{{"issuer": aliceURL, "jwks_uri": "https://keys.example/all"}, {"issuer": partner, "jwks_uri": "https://keys.example/all"}}})
	a.accept("flight-of-two-issuers", "two issuers with one key set: one fetch", source, shared, fetches(one, nil, "https://keys.example/all", first),
		fetches(day(object{"iss": partner, "aoauth": remove}), nil, "https://keys.example/all", first))
	a.accept("no-flight-of-two-urls", "two URLs are two fetches", source, openEmpty(nil), fetches(one, nil, discoverURL, first),
		fetches(day(object{"iss": partner, "aoauth": remove}), nil, partner+pathDiscovery, second))
}
