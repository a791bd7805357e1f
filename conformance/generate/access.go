package generate

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"maps"
	"strings"

	"github.com/tallystick/tallystick/conformance"
)

// Who is in the vectors of access tokens: alice calls bob; both sign for
// themselves unless they are agents of the portal.
const (
	aliceURL = "https://alice.example"
	bobURL   = "https://agents.example.com/bob"
)

// clientSecret is a client's at a token endpoint; what is stored of it has the
// form that abi.md client.secret states.
const clientSecret = "correct-horse-battery-staple"

var secretHash = hashSecret(clientSecret, "salt-of-16-bytes")

func hashSecret(secret, salt string) string {
	hash, err := pbkdf2.Key(sha256.New, secret, []byte(salt), 10000, sha256.Size)
	if err != nil {
		panic(err)
	}
	return "pbkdf2-sha256$10000$" + base64url([]byte(salt)) + "$" + base64url(hash)
}

// registered is a client of a token endpoint, with a secret and a key.
func registered(changes object) object {
	return object{"client_id": "carol", "secret_hash": secretHash, "public_key": alice.spki(), "scopes": []string{"read", "tools:*"}}.with(changes)
}

// ringEntry is a key of a ring document (abi.md ring.update).
func ringEntry(key pair, state string, changes object) object {
	return object{"kid": key.kid(), "state": state, "private_pem": key.pkcs8(), "published_at": now - 1000}.with(changes)
}

func publicEntry(key pair, state string, changes object) object {
	return ringEntry(key, state, object{"private_pem": remove, "public_pem": key.spki()}.and(changes))
}

func ringOf(entries ...object) object { return object{"version": 1, "keys": entries} }

// publicRing is a ring whose private keys a KMS holds: what only verifies needs no
// others.
func publicRing(key pair) object {
	return ringOf(publicEntry(key, "active", nil))
}

// and returns changes with more changes: what is to be removed stays so.
func (o object) and(changes object) object {
	out := maps.Clone(o)
	maps.Copy(out, changes)
	return out
}

// openAccess opens an engine of access tokens: bob's, who knows alice's key. The
// members change it.
func openAccess(changes object) step {
	members := object{"base_url": bobURL, "ring": publicRing(bob), "keys": object{aliceURL: alice.spki()}}.with(changes)
	return call("engine.open", object{"access": members}, "", okIncludes(object{})).save("engine", "ok.engine")
}

// accessClaims are what alice's tokens for bob say.
func accessClaims() object {
	return object{
		"iss": aliceURL, "sub": "alice", "aud": bobURL, "iat": now, "nbf": now, "exp": now + 300, "jti": "jti-1",
		"scope": "read write", "client_id": "alice", "token_type": "Bearer", "aoauth": object{"mode": "self", "agent_url": aliceURL},
	}
}

// accessToken is alice's token with other claims.
func accessToken(changes object) token { return accessTokenBy(alice, changes) }

func accessTokenBy(key pair, changes object) token {
	return signHeader(key, object{"kid": key.kid()}, accessClaims().with(changes))
}

// boundToken is alice's token for one request of hers.
func boundToken(changes object) token {
	return accessToken(object{"content_sha256": hexSHA256(body), "htm": "POST", "htu": bobURL + "/chat"}.and(changes))
}

// asked is the request with a token as bob's server received it.
func asked(bearer string, changes object) object {
	return object{"engine": "$engine", "now": now + 1, "authorization": []string{"Bearer " + bearer}, "method": "POST", "path": "/chat"}.with(changes)
}

func lets(t token, changes object, expect object) step {
	s := call("access.verify", asked(t.String(), changes), "", okIncludes(expect))
	s.note = t.note()
	return s
}

// letsIn expects that the caller is who the token says.
func letsIn(t token, changes object) step {
	return lets(t, changes, object{"authenticated": true, "issuer": parsed(t.payload)["iss"]})
}

// keepsOut expects a code with the whole row of protocol.md section 3.
func keepsOut(t token, changes object, code string) step {
	s := call("access.verify", asked(t.String(), changes), "", demanding(refusal(code), changes["required_scopes"]))
	s.note = t.note()
	return s
}

// keepsOutIssuer expects unknown_issuer, whose words name it.
func keepsOutIssuer(t token, changes object) step {
	s := call("access.verify", asked(t.String(), changes), "", unknownIssuer(parsed(t.payload)["iss"].(string)))
	s.note = t.note()
	return s
}

// fetches verifies and expects that a URL has to be fetched.
func fetches(t token, changes object, url string, members object) step {
	s := call("access.verify", asked(t.String(), changes), "", need("fetch", members.with(object{"url": url}))).save("ticket", "ticket")
	s.note = t.note()
	return s
}

// answered is what a fetch gave: JSON, unless the headers say something else.
func answered(status int, headers object, content string, moment object, expect conformance.Expect) step {
	all := object{"content-type": "application/json"}.with(headers)
	return resume(object{"status": status, "headers": all}.with(moment), content, expect)
}

// nextFetch expects another one.
func nextFetch(url string, members object) conformance.Expect {
	return need("fetch", members.with(object{"url": url}))
}

// discoveryOf is an issuer's metadata (RFC 8414 section 2).
func discoveryOf(issuer string, changes object) string {
	return text(object{"issuer": issuer, "jwks_uri": issuer + "/.well-known/jwks.json", "token_endpoint": issuer + "/auth/token"}.with(changes))
}

// publishedJWK is a key as issuers publish it.
func publishedJWK(key pair) object {
	return key.jwk().with(object{"kid": key.kid(), "use": "sig", "alg": key.algorithm()})
}

// form writes application/x-www-form-urlencoded; the names and values of the
// vectors are given as they are encoded.
func form(members ...string) string { return strings.Join(members, "&") }
