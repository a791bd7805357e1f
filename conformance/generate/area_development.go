package generate

func development() *area {
	source := "rotagent security features; protocol.md section 1"
	a := newArea("development", "Development mode skips replay and body checks, never signature, expiry or target.")
	dev := open(object{"development": true})
	t := sign(alice, boundClaims())
	a.accept("replayed", "the same token twice", source, dev, accepted(t, nil), accepted(t, nil))
	a.accept("body-changed", "a body that was changed", source, dev, accepted(t, object{"body": "x"}))
	a.accept("body-read-before", "a body that something read before", source, dev, accepted(t, object{"body": remove, "body_unavailable": true}))
	a.accept("said", "the answer says that it was development", source, dev, verify(t, nil, okIncludes(object{"development": true})))
	a.accept("jti-missing", "no jti and no digest: rotagent demands them in production only", source, dev,
		verify(sign(alice, object{"iss": "alice", "exp": now + 60}), nil,
			ok(object{"key_id": alice.kid(), "development": true, "claims": object{"iss": "alice", "exp": now + 60}})))
	bad := func(name, twin, says string, t token, changes object, code string) {
		a.reject(name, twin, says, source, dev, refused(t, changes, code))
	}
	bad("signature", "said", "a forged signature", sign(mallory, boundClaims()), nil, "invalid_signature")
	bad("expired", "said", "an expired token", t, at(now+60), "token_expired")
	bad("exp-missing", "jti-missing", "no exp", sign(alice, object{"iss": "alice"}), nil, "invalid_claims")
	bad("target", "said", "another path", t, object{"path": "/admin"}, "wrong_target")
	bad("algorithm", "said", "alg none", token{header: `{"alg":"none"}`, payload: t.payload}, nil, "unsupported_algorithm")
	a.reject("production-replayed", "replayed", "without development the same token is refused", source, open(nil), accepted(t, nil), refused(t, nil, "replay_detected"))
	a.reject("unknown-issuer", "said", "an issuer without a key", source, dev, verify(sign(bob, boundClaims().with(object{"iss": "bob"})), nil, unknownIssuer("bob")))
	return a
}
