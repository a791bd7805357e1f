package generate

import (
	"math/big"
	"slices"

	"github.com/tallystick/tallystick/conformance"
)

func keyAlgorithm() *area {
	a := newArea("key-algorithm", "A key is good for one algorithm, and the header must say that one: each kind of key, wherever keys are given.")
	placesOfKeys(a)
	placesOfSets(a)
	sharedModulus(a)
	ownRings(a)
	clientKeys(a)
	signsAlike(a)
	keyAndHeader(a)
	oneKid(a)
	narrowed(a)
	asksWithAlgorithm(a)
	signersWithAlgorithm(a)
	keyTypes(a)
	return a
}

// placesOfKeys: keys that are given as texts.
func placesOfKeys(a *area) {
	for _, kind := range kinds {
		good := sign(kind.key, rotagentClaims())
		forged := sign(kind.stranger, rotagentClaims())
		both := func(name, says string, open step) {
			a.accept(name+"-"+kind.name, says, keyDecides, open, accepted(good, nil))
			a.reject(name+"-"+kind.name+"-forged", name+"-"+kind.name, says+", and a stranger's key of the same kind", keyDecides,
				open, refused(forged, nil, "invalid_signature"))
		}
		both("keys", "a key in keys", keysOfAlice(kind.key.publicText()))
		both("folder", "a key in the folder, as a set", openFiles(file("alice.jwks.json", jwks(kind.key.jwk()))))
		if kind.key.publicText() == kind.key.spki() {
			both("folder-pem", "a key in the folder, as PEM", openFiles(file("alice.pem", kind.key.spki())))
		}
		a.accept("loaded-"+kind.name, "what keys.load tells of it", "abi.md keys.load", loads(object{"alice": []object{{
			"kid": kind.key.kid(), "key_id": "", "alg": kind.key.algorithm(), "bits": kind.key.bits(),
			"public_pem": kind.key.spki(), "public_jwk": publishedJWK(kind.key)}}}, []object{},
			file("alice.jwks.json", jwks(kind.key.jwk()))))
		a.reject("folder-"+kind.name+"-private", "folder-"+kind.name, "a private one is not used", authorizedKeys,
			loads(object{}, []object{{"issuer": "alice", "code": "private_key"}}, file("alice.jwks.json", jwks(kind.key.privateJWK()))))
		a.accept("access-keys-"+kind.name, "a key that is given for an issuer of access tokens", keyDecides,
			openAccess(object{"keys": object{aliceURL: kind.key.publicText()}}), letsIn(accessTokenBy(kind.key, nil), nil))
		a.reject("access-keys-"+kind.name+"-forged", "access-keys-"+kind.name, "and a stranger's key of the same kind", keyDecides,
			openAccess(object{"keys": object{aliceURL: kind.key.publicText()}}), keepsOut(forgedBy(kind.stranger, kind.key), nil, "invalid_signature"))
	}
}

// forgedBy is a stranger's access token that names alice's key.
func forgedBy(stranger, key pair) token {
	return signHeader(stranger, object{"kid": key.kid()}, accessClaims())
}

// placesOfSets: keys that are fetched.
func placesOfSets(a *area) {
	trusted := openEmpty(object{"trusted_issuers": []object{{"issuer": aliceURL, "jwks_uri": keysURL}}})
	for _, kind := range kinds {
		set := jwks(publishedJWK(kind.next), publishedJWK(kind.key))
		answers := func(expect conformance.Expect) []step { return []step{answered(200, nil, set, nil, expect)} }
		fine := okIncludes(object{"key_id": kind.key.kid()})
		good, forged := accessTokenBy(kind.key, nil), forgedBy(kind.stranger, kind.key)
		a.accept("fetched-"+kind.name, "a stranger's set", keysOfOthers, sequence(openEmpty(nil), locates(good, nil), answers(fine))...)
		a.reject("fetched-"+kind.name+"-forged", "fetched-"+kind.name, "and a key that is not in it", keysOfOthers,
			sequence(openEmpty(nil), locates(forged, nil), answers(refusal("invalid_signature")))...)
		a.accept("trusted-"+kind.name, "a trusted issuer's set", keysOfOthers, sequence(trusted, []step{fetches(good, nil, keysURL, object{})}, answers(fine))...)
		a.reject("trusted-"+kind.name+"-forged", "trusted-"+kind.name, "and a key that is not in it", keysOfOthers,
			sequence(trusted, []step{fetches(forged, nil, keysURL, object{})}, answers(refusal("invalid_signature")))...)
		private := jwks(kind.key.privateJWK().with(object{"kid": kind.key.kid()}))
		a.reject("fetched-"+kind.name+"-private", "fetched-"+kind.name, "a key that was published with its private half is everybody's", keysOfOthers,
			sequence(openEmpty(nil), locates(good, nil), []step{answered(200, nil, private, nil, refusal("unknown_key"))})...)
	}
}

// sharedModulus: what one issuer publishes says nothing of another's key.
func sharedModulus(a *area) {
	carol := "https://carol.example"
	learn := func(key pair, iss string) []step {
		t := signHeader(key, object{"kid": key.kid()}, accessClaims().with(object{"iss": iss, "aoauth": remove}))
		return []step{fetches(t, nil, iss+pathDiscovery, object{}), answered(404, nil, "", nil, nextFetch(metadataURL(iss), object{})).save("ticket", "ticket"),
			answered(404, nil, "", nil, nextFetch(iss+pathKeys, object{})).save("ticket", "ticket"),
			answered(200, nil, jwks(publishedJWK(key)), nil, okIncludes(object{"issuer": iss, "key_id": key.kid()}))}
	}
	again := signHeader(alice, object{"kid": alice.kid()}, accessClaims().with(object{"aoauth": remove, "jti": "jti-2"}))
	says := "an issuer that publishes another's modulus for PS256 does not change what that key is good for"
	a.accept("shared-modulus", says, keyDecides, append(sequence(openEmpty(nil), learn(pss, carol), learn(alice, aliceURL)), letsIn(again, nil))...)
	a.accept("shared-modulus-after", says+", nor when it comes second", keyDecides,
		append(sequence(openEmpty(nil), learn(alice, aliceURL), learn(pss, carol)), letsIn(again, nil))...)
}

// ownKinds are the algorithms that a ring has keys for: its documents hold PEM.
func ownKinds() []int { return []int{0, 2, 3} }

// ownRings: an agent's own keys verify and publish.
func ownRings(a *area) {
	for _, at := range ownKinds() {
		kind := kinds[at]
		open := openSelf(object{"ring": publicRing(kind.key)})
		own := object{"aud": aliceURL}
		a.accept("ring-"+kind.name, "an agent's own token, by its ring's key", keyDecides, open, letsIn(accessTokenBy(kind.key, own), nil))
		a.reject("ring-"+kind.name+"-forged", "ring-"+kind.name, "by a stranger's key of the same kind", keyDecides, open,
			keepsOut(signHeader(kind.stranger, object{"kid": kind.key.kid()}, accessClaims().with(own)), nil, "invalid_signature"))
		a.accept("ring-"+kind.name+"-published", "the set that it publishes", keysOfOthers, open,
			serve(pathKeys, nil, "", saying(200, object{"content-type": "application/jwk-set+json"}, object{"keys": []object{publishedJWK(kind.key)}})))
	}
	mixed := openSelf(object{"ring": ringOf(publicEntry(alice, "active", nil), publicEntry(curve, "next", nil),
		publicEntry(edwards, "retired", object{"dead_at": now + 1000}))})
	a.accept("ring-mixed", "a ring of all kinds", keyDecides, mixed, letsIn(accessTokenBy(alice, object{"aud": aliceURL}), nil),
		letsIn(accessTokenBy(curve, object{"aud": aliceURL, "jti": "jti-2"}), nil), letsIn(accessTokenBy(edwards, object{"aud": aliceURL, "jti": "jti-3"}), nil))
	says := func(algorithms ...string) step {
		return serve(pathDiscovery, nil, "", saying(200, documentHeaders, object{"id_token_signing_alg_values_supported": algorithms}))
	}
	a.accept("ring-mixed-discovery", "the document names the algorithms of the keys that are published", "OpenID Connect Discovery section 3",
		mixed, says("RS256", "ES256", "EdDSA"), openSelf(object{"ring": publicRing(curve)}), says("ES256"))
	a.reject("ring-mixed-crossed", "ring-mixed", "one of its keys under another one's kid", keyDecides, mixed,
		keepsOut(signHeader(curve, object{"kid": alice.kid()}, accessClaims().with(object{"aud": aliceURL})), nil, "unsupported_algorithm"))
	a.reject("ring-ps256", "ring-ec-rotates", "a key for PS256: the ring's PEM could not say so, and it would sign RS256 after the next update", keyDecides,
		updates(object{"ring": ringOf(publicEntry(alice, "active", object{"public_pem": pss.publicText()}))}, errorCode("invalid_config")),
		updates(object{"ring": ringOf(ringEntry(alice, "active", object{"private_pem": pss.privateText()}))}, errorCode("invalid_config")),
		call("engine.open", object{"access": object{"base_url": aliceURL, "ring": ringOf(publicEntry(alice, "active", object{"public_pem": pss.publicText()}))}}, "",
			errorCode("invalid_config")))
}

// clientKeys: clients of a token endpoint sign their assertions.
func clientKeys(a *area) {
	source := "RFC 7523 section 3; " + keyDecides
	claims := object{"iss": "carol", "sub": "carol", "aud": tokenURL, "iat": now, "exp": now + 60, "jti": "assertion-1"}
	asserts := func(key pair) string {
		return form("grant_type=client_credentials", "target=@bob", assertionForm, "client_assertion="+sign(key, claims).String())
	}
	client := func(key pair) step {
		return openAuthority(object{"clients": []object{registered(object{"secret_hash": remove, "public_key": key.publicText()})}})
	}
	narrowed := func(names ...string) step {
		return openAuthority(object{"algorithms": names, "clients": []object{registered(object{"secret_hash": remove, "public_key": curve.publicText()})}})
	}
	narrows := source + ": algorithms narrows"
	a.accept("client-narrowed", "algorithms with that of the assertion", narrows, narrowed("ES256"), granted(asserts(curve), nil))
	a.reject("client-narrowed-away", "client-narrowed", "algorithms without it", narrows, narrowed("RS256"), declines(asserts(curve), nil, 401, "invalid_client"))
	for _, kind := range kinds {
		a.accept("client-"+kind.name, "a client's assertion", source, client(kind.key), granted(asserts(kind.key), nil))
		a.reject("client-"+kind.name+"-forged", "client-"+kind.name, "by a stranger's key of the same kind", source, client(kind.key),
			declines(asserts(kind.stranger), nil, 401, "invalid_client"))
		for _, other := range kinds {
			if other.name != kind.name {
				a.reject("client-"+kind.name+"-by-"+other.name, "client-"+kind.name, "by a key for another algorithm", source, client(kind.key),
					declines(asserts(other.key), nil, 401, "invalid_client"))
			}
		}
	}
}

// signsAlike: the same bytes on every leg, but of PS256, which is verified instead.
func signsAlike(a *area) {
	payload := written(60, body, boundTo("POST", endpoint))
	for _, kind := range kinds {
		random := kind.name == "ps256"
		jws := call("jws.sign", object{"private_key": kind.key.privateText()}, "any \x00 bytes", ok(object{"token": signTexts(kind.key, headerOf(kind.key), "any \x00 bytes").String()})).
			save("token", "ok.token")
		request := call("request.sign", outgoing(object{"private_key": kind.key.privateText()}), body, ok(signed(signTexts(kind.key, headerWithKid(kind.key), payload)))).
			save("authorization", "ok.authorization")
		if random {
			jws.Expect, request.Expect = okIncludes(object{}), okIncludes(object{})
			jws, request = jws.varies("ok.token"), request.varies("ok.authorization")
		}
		a.accept("jws-"+kind.name, "jws.sign and jws.verify", "abi.md jws.sign", jws,
			call("jws.verify", object{"token": "$token", "key": kind.key.publicText()}, "", ok(object{
				"header": parsed(headerOf(kind.key)), "payload": base64url([]byte("any \x00 bytes"))})))
		a.reject("jws-"+kind.name+"-stranger", "jws-"+kind.name, "and another key", "abi.md jws.verify", jws,
			call("jws.verify", object{"token": "$token", "key": kind.stranger.publicText()}, "", errorCode("invalid_signature")))
		received, sent := received("", object{"authorization": []string{"$authorization"}})
		a.accept("request-"+kind.name, "request.sign and request.verify", "protocol.md section 1", request,
			keysOfAlice(kind.key.publicText()), call("request.verify", received, sent, saidBy("alice", "jti-1")))
		opens := call("engine.open", object{"signer": object{"issuer": "alice", "private_key": kind.key.privateText()}}, "",
			okIncludes(object{"key_id": kind.key.kid()})).save("engine", "ok.engine")
		byEngine := request
		byEngine.Step.Request = raw(withEngine(nil))
		a.accept("request-"+kind.name+"-engine", "an engine signs the same", "abi.md request.sign", opens, byEngine,
			keysOfAlice(kind.key.publicText()), call("request.verify", received, sent, saidBy("alice", "jti-1")))
		for _, other := range kinds {
			if other.name != kind.name {
				a.reject("jws-"+kind.name+"-says-"+other.name, "jws-"+kind.name, "a header of another algorithm is not signed", "abi.md jws.sign",
					call("jws.sign", object{"private_key": kind.key.privateText(), "header": object{"alg": other.key.algorithm()}}, "{}", errorCode("invalid_argument")))
			}
		}
	}
	issuesAlike(a)
}

// issuesAlike: access tokens and their receivers.
func issuesAlike(a *area) {
	for _, at := range ownKinds() {
		kind := kinds[at]
		t := selfToken(kind.key, bobURL, "read write", now, 300, "")
		signs := call("access.issue", wanted(nil), "", ok(issuedAnswer(t, bobURL, "read write", now, 300, kind.key)))
		signs.note = t.note()
		a.accept("issue-"+kind.name, "every byte of a token that an agent signs itself, and its receiver accepts it", section2,
			openSelf(object{"ring": ringOf(ringEntry(kind.key, "active", nil))}), signs, openAccess(object{"keys": object{aliceURL: kind.key.publicText()}}),
			letsIn(t, nil))
		held := openSelf(object{"ring": publicRing(kind.key)})
		asks := call("access.issue", wanted(nil), "", need("sign", object{"alg": kind.key.algorithm(), "input": t.input(), "key": kind.key.kid()})).save("ticket", "ticket")
		a.accept("issue-"+kind.name+"-kms", "a KMS is told the algorithm", "abi.md needs: sign", held, asks,
			resume(nil, t.signature, ok(issuedAnswer(t, bobURL, "read write", now, 300, kind.key))))
		a.reject("issue-"+kind.name+"-kms-other", "issue-"+kind.name+"-kms", "and signs with another key", "abi.md needs: sign", held, asks,
			resume(nil, kind.stranger.sign(t.input()), errorCode("signer_failed")))
	}
	source := "RFC 7523 section 3; abi.md engine.open: client_key"
	for _, kind := range kinds {
		open := openPortal(object{"client_secret": remove, "client_key": kind.key.privateText()})
		authority := openAuthority(object{"clients": []object{registered(object{"client_id": "alice", "secret_hash": remove, "public_key": kind.key.publicText()})}})
		gives := tokenFor("", nil, need("sign", object{"key": aliceNext.kid()})).varies("need.input")
		gives.BodySaved = "form"
		a.accept("client-key-"+kind.name, "an agent of the portal asserts who it is", source,
			sequence(open, finds(nil, object{"headers": object{"accept": "application/json", "content-type": formType}}), []step{authority, gives})...)
		last := &a.Vectors[len(a.Vectors)-1]
		last.Steps[2].Save["form"] = "need.body"
		last.Steps[2].Varies = []string{"need.body"}
	}
}

// keyAndHeader: each pair of algorithms that are at odds, signed by the key as the header says,
// as far as such a key can.
func keyAndHeader(a *area) {
	claims := text(rotagentClaims())
	for _, key := range kinds {
		for _, header := range kinds {
			if header.name == key.name {
				continue
			}
			name := key.name + "-key-" + header.name + "-header"
			says := "a key for " + key.key.algorithm() + ", and a header that says " + header.key.algorithm()
			saying := func(signer pair) token {
				return signTexts(signer, `{"alg":"`+header.key.algorithm()+`","kid":"`+key.key.kid()+`"}`, claims)
			}
			// By the key in its own way; by the header's kind of key; and by the same RSA key in both ways.
			a.reject(name, "keys-"+key.name, says, "RFC 8725 section 3.1; "+keyDecides, keysOfAlice(text(publishedJWK(key.key))),
				refused(saying(key.key), nil, "unsupported_algorithm"), refused(saying(header.key), nil, "unsupported_algorithm"))
			a.reject("access-"+name, "access-keys-"+key.name, says, "RFC 8725 section 3.1; "+keyDecides,
				openAccess(object{"keys": object{aliceURL: text(publishedJWK(key.key))}}),
				keepsOut(signTexts(header.key, `{"alg":"`+header.key.algorithm()+`","kid":"`+key.key.kid()+`"}`, text(accessClaims())), nil, "unsupported_algorithm"))
			a.reject("fetched-"+name, "fetched-"+key.name, says, "RFC 8725 section 3.1; "+keyDecides, sequence(openEmpty(nil),
				locates(signTexts(header.key, `{"alg":"`+header.key.algorithm()+`","kid":"`+key.key.kid()+`"}`, text(accessClaims())), nil),
				[]step{answered(200, nil, jwks(publishedJWK(key.key)), nil, refusal("unsupported_algorithm"))})...)
		}
	}
	named := signTexts(edwards, `{"alg":"Ed25519"}`, claims)
	a.reject("es256-key-ed25519-name", "keys-es256", "EdDSA by its other name, and a P-256 key", keyDecides, keysOfAlice(curve.spki()),
		refused(named, nil, "unsupported_algorithm"))
	secret := token{header: `{"alg":"HS256"}`, payload: claims}
	for _, kind := range kinds[2:] {
		secret.signature = hs256(kind.key.spki(), secret.input())
		a.reject(kind.name+"-key-hs256-header", "keys-"+kind.name, "the public key's PEM as the secret of HS256", "CVE-2016-5431; "+step3,
			keysOfAlice(kind.key.spki()), refused(secret, nil, "unsupported_algorithm"))
		none := token{header: `{"alg":"none"}`, payload: claims}
		a.reject(kind.name+"-key-none-header", "keys-"+kind.name, "no signature", "CVE-2015-9235; "+step3, keysOfAlice(kind.key.spki()),
			refused(none, nil, "unsupported_algorithm"))
	}
}

// oneKid: two keys of two algorithms under one kid, as issuers that change theirs have them.
func oneKid(a *area) {
	under := func(key pair, kid string) object { return key.jwk().with(object{"kid": kid}) }
	every := jwks(under(alice, "k1"), under(pss, "k1"), under(curve, "k1"), under(edwards, "k1"))
	for _, kind := range kinds {
		a.accept("one-kid-"+kind.name, "one kid for keys of all algorithms: the one of the header's algorithm is used", step5+"; "+keyDecides,
			keysOfAlice(every), verify(withKid(kind.key, "k1"), nil, okIncludes(object{"key_id": kind.key.kid()})))
		a.reject("one-kid-"+kind.name+"-forged", "one-kid-"+kind.name, "and no other", step5+"; "+keyDecides, keysOfAlice(every),
			refused(withKid(kind.stranger, "k1"), nil, "invalid_signature"))
		a.accept("no-kid-"+kind.name, "a token without a kid, among keys of all algorithms", step5, keysOfAlice(every),
			accepted(sign(kind.key, rotagentClaims()), nil))
	}
	two := jwks(under(alice, "k1"), under(curve, "k1"), under(edwards, "k2"))
	a.accept("two-for-one-kid", "the key that the kid and the algorithm name together", step5, keysOfAlice(two), accepted(withKid(edwards, "k2"), nil))
	a.reject("kid-of-other-algorithm", "two-for-one-kid", "the kid names keys for other algorithms, and the set has one for this one under another kid", step5,
		keysOfAlice(two), refused(withKid(edwards, "k1"), nil, "unsupported_algorithm"))
	a.accept("two-of-one-algorithm", "one kid for two keys of one algorithm: both are tried", step5,
		keysOfAlice(jwks(under(alice, "k1"), under(curveNext, "k1"), under(curve, "k1"))), accepted(withKid(curve, "k1"), nil))
	crowd := func(others pair, n int, last pair) string {
		keys := []object{}
		for range n {
			keys = append(keys, others.jwk())
		}
		return jwks(append(keys, last.jwk())...)
	}
	a.accept("ninth-of-another-algorithm", "eight keys for another algorithm in front: they are not among the eight that are tried", step5,
		keysOfAlice(crowd(alice, 8, curve)), accepted(sign(curve, rotagentClaims()), nil))
	a.accept("eighth-curve", "the eighth of one algorithm", step5, keysOfAlice(crowd(curveNext, 7, curve)), accepted(sign(curve, rotagentClaims()), nil))
	a.reject("ninth-curve", "eighth-curve", "the ninth of one algorithm", step5, keysOfAlice(crowd(curveNext, 8, curve)),
		refused(sign(curve, rotagentClaims()), nil, "invalid_signature"))
	forCurve := accessTokenBy(curve, nil)
	a.accept("fetched-one-kid", "in a fetched set", step5, sequence(openEmpty(nil), locates(signHeader(curve, object{"kid": "k1"}, forCurve.claims()), nil),
		[]step{answered(200, nil, every, nil, okIncludes(object{"key_id": curve.kid()}))})...)
}

// narrowed: algorithms says what is taken, whatever keys there are.
func narrowed(a *area) {
	source := keyDecides + ": algorithms narrows"
	all := alice.spki() + curve.spki() + edwards.spki()
	for _, kind := range kinds {
		keys := jwks(alice.jwk(), pss.jwk(), curve.jwk(), edwards.jwk())
		only := func(names ...string) step { return open(object{"keys": object{"alice": keys}, "algorithms": names}) }
		access := func(names ...string) step {
			return openAccess(object{"keys": object{aliceURL: keys}, "algorithms": names})
		}
		others := slices.DeleteFunc([]string{"RS256", "PS256", "ES256", "EdDSA"}, func(name string) bool { return name == kind.key.algorithm() })
		t, bearer := sign(kind.key, rotagentClaims()), accessTokenBy(kind.key, nil)
		a.accept("only-"+kind.name, kind.key.algorithm()+" alone", source, only(kind.key.algorithm()), accepted(t, nil))
		a.reject("all-but-"+kind.name, "only-"+kind.name, "all but "+kind.key.algorithm()+", though there is a key", source, only(others...),
			refused(t, nil, "unsupported_algorithm"))
		a.accept("access-only-"+kind.name, kind.key.algorithm()+" alone, for access tokens", source, access(kind.key.algorithm()), letsIn(bearer, nil))
		a.reject("access-all-but-"+kind.name, "access-only-"+kind.name, "all but "+kind.key.algorithm()+", though there is a key", source, access(others...),
			keepsOut(bearer, nil, "unsupported_algorithm"))
	}
	named := signTexts(edwards, `{"alg":"Ed25519"}`, text(rotagentClaims()))
	a.accept("only-eddsa-other-name", "EdDSA alone takes both of its names", source, open(object{"keys": object{"alice": all}, "algorithms": []string{"EdDSA"}}), accepted(named, nil))
	a.reject("narrowed-before-issuer", "only-es256", "said before the issuer is looked for", "protocol.md section 3: one order",
		open(object{"algorithms": []string{"ES256"}}), refused(sign(alice, rotagentClaims().with(object{"iss": "nobody"})), nil, "unsupported_algorithm"))
	narrowedBadly(a)
}

func narrowedBadly(a *area) {
	wrong := func(name, says, code string, value any) {
		verifier := object{"keys": object{"alice": alice.spki()}, "algorithms": value}
		access := object{"base_url": bobURL, "ring": publicRing(bob), "algorithms": value}
		a.reject("algorithms-"+name, "only-rs256", says, "abi.md engine.open: algorithms", call("engine.open", object{"verifier": verifier}, "", errorCode(code)))
		a.reject("access-algorithms-"+name, "access-only-rs256", says, "abi.md engine.open: algorithms", call("engine.open", object{"access": access}, "", errorCode(code)))
	}
	wrong("unknown", "an algorithm that there is not", "invalid_config", []string{"RS256", "RS512"})
	wrong("none", "none", "invalid_config", []string{"none"})
	wrong("hs256", "HS256", "invalid_config", []string{"HS256"})
	wrong("lower-case", "rs256", "invalid_config", []string{"rs256"})
	wrong("other-name", "Ed25519: the list has one name for each", "invalid_config", []string{"Ed25519"})
	wrong("empty-name", "an empty name", "invalid_config", []string{""})
	wrong("empty", "an empty list, which would take nothing", "invalid_config", []string{})
	wrong("text", "a text in place of a list", "invalid_argument", "RS256")
	wrong("number", "a number in the list", "invalid_argument", []any{256})
	source := "abi.md config.read: algorithms"
	list := []string{"ES256", "EdDSA"}
	a.accept("config", "algorithms in a configuration", source, readsConfig(configured(object{"algorithms": list}), object{"algorithms": list}))
	for _, bad := range []struct {
		name, says string
		value      any
	}{{"unknown", "an algorithm that there is not", []string{"RS512"}}, {"empty", "an empty list", []string{}}, {"text", "a text", "RS256"}, {"other-name", "Ed25519", []string{"Ed25519"}}} {
		a.reject("config-"+bad.name, "config", bad.says+" in a configuration", source, refusesConfig(configured(object{"algorithms": bad.value})))
	}
}

// asksWithAlgorithm: a host that checks is told with what.
func asksWithAlgorithm(a *area) {
	source := step6 + "; " + abiNeeds
	for _, kind := range kinds {
		t := sign(kind.key, rotagentClaims())
		host := open(object{"rsa": "host", "keys": object{"alice": kind.key.publicText()}})
		question := object{"alg": kind.key.algorithm(), "input": t.input(), "signature": base64url([]byte(t.signature)), "key": nameOf(kind.key)}
		asksCheck := asks(t, nil, "check", question)
		a.accept("check-"+kind.name, "the host says that the signature is good", source, host, asksCheck,
			resume(object{"valid": true}, "", okIncludes(object{"key_id": kind.key.kid()})))
		a.reject("check-"+kind.name+"-invalid", "check-"+kind.name, "the host says that it is not", source, host, asksCheck,
			resume(object{"valid": false}, "", refusal("invalid_signature")))
		short := token{t.header, t.payload, t.signature[:len(t.signature)-1]}
		a.reject("check-"+kind.name+"-short", "check-"+kind.name, "a signature of a wrong length is not worth a question", source, host,
			refused(short, nil, "invalid_signature"))
		key := func(name string, expect conformance.Expect) step {
			return call("engine.key", object{"engine": "$engine", "key": name}, "", expect)
		}
		told := ok(object{"alg": kind.key.algorithm(), "public_pem": kind.key.spki(), "public_jwk": publishedJWK(kind.key)})
		a.accept("key-"+kind.name, "engine.key tells the algorithm", "abi.md engine.key", host, key(nameOf(kind.key), told))
		wrong := kind.key.kid() + ".PS256"
		if kind.name == "ps256" {
			wrong = kind.key.kid()
		}
		a.reject("key-"+kind.name+"-other-name", "key-"+kind.name, "the same key for another algorithm is another key", "abi.md engine.key",
			host, key(wrong, errorCode("unknown_key")))
		access := openAccess(object{"rsa": "host", "keys": object{aliceURL: kind.key.publicText()}})
		bearer := accessTokenBy(kind.key, nil)
		a.accept("access-check-"+kind.name, "the same for access tokens", source, access,
			call("access.verify", asked(bearer.String(), nil), "", need("check", object{"alg": kind.key.algorithm(), "key": nameOf(kind.key)})).save("ticket", "ticket"),
			resume(object{"valid": true}, "", okIncludes(object{"key_id": kind.key.kid()})), key(nameOf(kind.key), told))
	}
	both := open(object{"rsa": "host", "keys": object{"alice": jwks(alice.jwk().with(object{"kid": "k1"}), pss.jwk().with(object{"kid": "k2"}))}})
	names := func(t token, alg, name string) []step {
		return []step{asks(t, nil, "check", object{"alg": alg, "key": name}), resume(object{"valid": true}, "", okIncludes(object{"key_id": alice.kid()}))}
	}
	second := signHeader(pss, object{"kid": "k2"}, rotagentClaims().with(object{"jti": "jti-2"}))
	a.accept("check-one-key-twice", "one RSA key for RS256 and for PS256, under two names", source,
		sequence(both, names(withKid(alice, "k1"), "RS256", alice.kid()), names(second, "PS256", pss.name()))...)
}

// signersWithAlgorithm: a host that signs is told with what; what it gives is verified.
func signersWithAlgorithm(a *area) {
	source := "abi.md needs: sign"
	for _, kind := range kinds {
		t := signTexts(kind.key, headerWithKid(kind.key), written(60, body, boundTo("POST", endpoint)))
		host := func(who string) step {
			return openSigner(object{"private_key": remove, "public_key": kind.key.publicText(), "rsa": who})
		}
		asksSign := call("request.sign", withEngine(nil), body,
			need("sign", object{"alg": kind.key.algorithm(), "input": t.input(), "key": kind.key.kid()})).save("ticket", "ticket")
		name := "sign-" + kind.name
		a.accept(name, "a KMS signs", source, host("external"), asksSign, resume(nil, t.signature, ok(signed(t))))
		bad := func(fault, says, signature string) {
			a.reject(name+"-"+fault, name, says, source, host("external"), asksSign, resume(nil, signature, errorCode("signer_failed")))
		}
		bad("other-key", "another key signed", kind.stranger.sign(t.input()))
		bad("other-bytes", "something else was signed", kind.key.sign("x"))
		bad("short", "a byte is missing", t.signature[:len(t.signature)-1])
		bad("long", "a byte too many", t.signature+"\x00")
		bad("nothing", "nothing", "")
		for _, other := range kinds {
			if other.name != kind.name {
				bad("by-"+other.name, "a key for another algorithm signed", other.key.sign(t.input()))
			}
		}
		other := t
		other.signature = kind.stranger.sign(t.input())
		a.accept(name+"-own", "the host's own crypto library signs, and is believed", source, host("host"), asksSign, resume(nil, other.signature, ok(signed(other))))
	}
	signersInDER(a)
}

// signersInDER: key services give ECDSA signatures in DER.
func signersInDER(a *area) {
	t := signTexts(curve, headerWithKid(curve), written(60, body, boundTo("POST", endpoint)))
	r, s := partsOf(t.signature)
	host := openSigner(object{"private_key": remove, "public_key": curve.spki(), "rsa": "external"})
	asksSign := call("request.sign", withEngine(nil), body, need("sign", object{"alg": "ES256", "input": t.input()})).save("ticket", "ticket")
	source := "abi.md needs: sign; RFC 7518 section 3.4"
	a.accept("sign-es256-der", "a KMS gives DER: the token has r and s, raw", source, host, asksSign, resume(nil, derEC(r, s), ok(signed(t))))
	bad := func(name, says, signature string) {
		a.reject("sign-es256-der-"+name, "sign-es256-der", says, source, host, asksSign, resume(nil, signature, errorCode("signer_failed")))
	}
	bad("trailing", "with a byte behind it", derEC(r, s)+"\x00")
	bad("cut", "without its last byte", derEC(r, s)[:len(derEC(r, s))-1])
	bad("negative", "with a negative r", derEC(new(big.Int).Neg(r), s))
	bad("large", "with an s of 257 bits", derEC(r, new(big.Int).Lsh(big.NewInt(1), 256)))
	bad("zero", "with r and s of 0", derEC(new(big.Int), new(big.Int)))
	bad("other-key", "by another key", derEC(partsOf(curveMallory.sign(t.input()))))
	bad("ed25519", "for a key of Ed25519", "\x30\x06\x02\x01\x01\x02\x01\x01")
	ring := openSelf(object{"ring": publicRing(curve)})
	issued := selfToken(curve, bobURL, "read write", now, 300, "")
	r, s = partsOf(issued.signature)
	a.accept("issue-es256-der", "the same for access tokens", source, ring,
		call("access.issue", wanted(nil), "", need("sign", object{"input": issued.input()})).save("ticket", "ticket"),
		resume(nil, derEC(r, s), ok(issuedAnswer(issued, bobURL, "read write", now, 300, curve))))
}

// keyTypes: keys that are made, and rings of them.
func keyTypes(a *area) {
	source := "abi.md key.generate: type"
	secrets := []string{"ok.kid", "ok.private_pem", "ok.public_pem", "ok.private_jwk", "ok.public_jwk"}
	for _, made := range []struct {
		name, kind, alg string
		request         object
		bits            int
	}{
		{"rsa", "RSA", "RS256", object{"type": "rsa"}, 2048}, {"default", "RSA", "RS256", object{}, 2048},
		{"ec", "EC", "ES256", object{"type": "ec"}, 256}, {"ec-bits", "EC", "ES256", object{"type": "ec", "bits": 256}, 256},
		{"ed25519", "OKP", "EdDSA", object{"type": "ed25519"}, 256},
	} {
		a.accept("generate-"+made.name, "a key that is made signs, and its public half verifies", source,
			call("key.generate", made.request, "", okIncludes(object{"alg": made.alg, "bits": made.bits})).varies(secrets...).
				save("private", "ok.private_pem").save("public", "ok.public_pem"),
			call("jws.sign", object{"private_key": "$private", "header": object{"alg": made.alg}}, "payload", okIncludes(object{})).varies("ok.token").save("token", "ok.token"),
			call("jws.verify", object{"token": "$token", "key": "$public"}, "", okIncludes(object{"header": object{"alg": made.alg}})))
	}
	bad := func(name, twin, says string, request object) {
		a.reject("generate-"+name, twin, says, source, call("key.generate", request, "", errorCode("invalid_argument")))
	}
	bad("unknown", "generate-ec", "a type that there is not", object{"type": "p384"})
	bad("upper-case", "generate-ec", "EC", object{"type": "EC"})
	bad("empty", "generate-ec", "an empty type", object{"type": ""})
	bad("algorithm", "generate-ec", "an algorithm in place of a type", object{"type": "ES256"})
	bad("ec-2048", "generate-ec-bits", "a size that the curve has not", object{"type": "ec", "bits": 2048})
	bad("ed25519-255", "generate-ed25519", "a size that is not told so", object{"type": "ed25519", "bits": 255})
	bad("ec-zero", "generate-ec", "0 is no way to leave the size out", object{"type": "ec", "bits": 0})
	bad("rsa-256", "generate-rsa", "the curve's size for an RSA key", object{"type": "rsa", "bits": 256})
	ringTypes(a)
}

func ringTypes(a *area) {
	source := "abi.md ring.update: type"
	fresh := func(keys ...pair) []string {
		texts := []string{}
		for _, key := range keys {
			texts = append(texts, key.pkcs8())
		}
		return texts
	}
	begins := func(name string, first, second pair, more object) {
		begun := ringOf(ringEntry(first, "active", object{"published_at": now}), ringEntry(second, "next", sinceEver))
		a.accept("ring-begins-"+name, "a ring begins with such keys", source, updates(object{"fresh": fresh(first, second)}.and(more), updated(begun, false, first, second)))
	}
	begins("ec", curve, curveNext, object{"type": "ec"})
	begins("ed25519", edwards, edwardsNext, object{"type": "ed25519"})
	begins("any", curve, edwards, nil)
	begins("imported", alice, curve, object{"type": "ec"})
	ring := ringOf(publicEntry(alice, "active", nil), publicEntry(aliceNext, "next", object{"published_at": now - 300}))
	rotated := ringOf(publicEntry(aliceNext, "active", object{"published_at": now - 300}), publicEntry(curve, "next", object{"published_at": now}),
		publicEntry(alice, "retired", object{"dead_at": now + 330}))
	rotate := object{"ring": ring, "rotate": true, "type": "ec", "fresh": []string{curve.spki()}}
	a.accept("ring-ec-rotates", "a ring of RSA keys goes on with P-256", source, updates(rotate, updated(rotated, true, aliceNext, curve, alice)))
	bad := func(name, twin, says, code string, changes object) {
		a.reject("ring-"+name, twin, says, source, updates(changes, errorCode(code)))
	}
	bad("other-type", "ring-ec-rotates", "a fresh key of another type", "invalid_key", rotate.and(object{"fresh": []string{edwards.spki()}}))
	bad("other-type-rsa", "ring-ec-rotates", "an RSA key where P-256 is asked for", "invalid_key", rotate.and(object{"fresh": []string{bob.spki()}}))
	bad("begins-other-type", "ring-begins-ec", "the next key of another type", "invalid_key", object{"type": "ec", "fresh": fresh(curve, edwards)})
	bad("type-unknown", "ring-ec-rotates", "a type that there is not", "invalid_argument", rotate.and(object{"type": "p384"}))
	bad("type-bits", "ring-ec-rotates", "a size that the curve has not", "invalid_argument", rotate.and(object{"bits": 4096}))
	bad("fresh-ps256", "ring-begins-any", "a key for PS256, which PEM could not say", "invalid_key", object{"fresh": []string{curve.pkcs8(), pss.privateText()}})
}
