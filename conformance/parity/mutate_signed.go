package parity

import (
	"math/rand/v2"
	"slices"
)

// signedMutators change what a token says and sign it again.
var signedMutators = []mutator{
	{name: "signed-claim", weight: 90, fits: holdsToken, value: onSigned(func(r *rand.Rand, t *token) bool { return setIn(r, &t.payload, claimValues) })},
	{name: "signed-claims", weight: 60, fits: holdsToken, value: onSigned(func(r *rand.Rand, t *token) bool { return changeObject(r, &t.payload) })},
	{name: "signed-header-member", weight: 25, fits: holdsToken, value: onSigned(func(r *rand.Rand, t *token) bool { return setIn(r, &t.header, headerValues) })},
	{name: "signed-header", weight: 20, fits: holdsToken, value: onSigned(func(r *rand.Rand, t *token) bool { return changeObject(r, &t.header) })},
	{name: "signed-text", weight: 12, fits: holdsToken, value: onSigned(changeSaid)},
	{name: "signed-key", weight: 8, fits: holdsToken, value: onSigned(changeKey)},
}

type token struct {
	header, payload string // as texts of JSON
	key             int    // in testKeys; -1 is the one that signed it before
}

func onSigned(change func(r *rand.Rand, t *token) bool) func(*rand.Rand, site) bool {
	return onParts(func(r *rand.Rand, parts []string) []string {
		header, isHeader := fromBase64url(parts[0])
		payload, isPayload := fromBase64url(parts[1])
		t := token{header: header, payload: payload, key: -1}
		if !isHeader || !isPayload || !change(r, &t) {
			return parts
		}
		return t.sign(parts)
	})
}

func (t token) sign(before []string) []string {
	input := base64url(t.header) + "." + base64url(t.payload)
	signature, _ := fromBase64url(before[2])
	key := signs(before[0]+"."+before[1], signature)
	if t.key >= 0 {
		key = testKeys[t.key]
	}
	return []string{base64url(t.header), base64url(t.payload), base64url(key.sign(input))}
}

// changeObject changes one value in a header or in claims.
func changeObject(r *rand.Rand, text *string) bool {
	root, err := parse(*text, false)
	if err != nil || !changeInside(r, root, maxInside) {
		return false
	}
	*text = root.write(asItIs)
	return true
}

func changeSaid(r *rand.Rand, t *token) bool {
	text := pick(r, []*string{&t.header, &t.payload, &t.payload})
	if r.IntN(2) == 0 {
		*text = spaceOut(r, *text)
	} else {
		*text = changeText(r, *text, jsonPieces)
	}
	return true
}

func changeKey(r *rand.Rand, t *token) bool {
	t.key = r.IntN(len(testKeys))
	if r.IntN(3) > 0 { // else the header and the key may be at odds
		return setIn(r, &t.header, memberValues{{"alg", []string{`"` + testKeys[t.key].alg + `"`}}})
	}
	return true
}

// memberValues are texts of JSON for a member; an empty one takes it out.
type memberValues []struct {
	name   string
	values []string
}

func setMember(r *rand.Rand, object *node, known memberValues) {
	member := pick(r, known)
	if value := pick(r, member.values); value != "" {
		object.set(member.name, mustParse(value))
	} else if at := slices.Index(object.names, member.name); at >= 0 {
		object.remove(at)
	}
}

// setIn is setMember in a text.
func setIn(r *rand.Rand, text *string, known memberValues) bool {
	root, err := parse(*text, false)
	if err != nil || root.kind != isObject {
		return false
	}
	setMember(r, root, known)
	*text = root.write(asItIs)
	return true
}

func mustParse(text string) *node {
	value, err := parse(text, false)
	if err != nil {
		panic(err) // the tables below are JSON
	}
	return value
}

// Seconds around 1700000000, where the vectors live.
var times = []string{
	"", "0", "-0", "-1", "1700000000", "1700000001", "1699999999", "1700000000.0", "1700000000.5", "1700000000.999", "1.7e9", "1700000000e0", "17000000000e-1",
	"1700000060", "1700000061", "1699999970", "1699999940", "1700000030", "1700000031", "1700003600", "1700003601", "1700086400", "1700086401", "1700000300",
	"9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740992", "1e15", "1e16", "1e300", "1e400", "-1e400", "1e-400",
	`"1700000060"`, "null", "true", "[1700000060]", "{}", "1700000060.0000001", "1700000000.00000000000000000001",
}

var identities = []string{
	"", `""`, `"alice"`, `"Alice"`, `"bob"`, `"mallory"`, `"al\u0069ce"`, `"alice "`, `"alice\u0000"`, `"ali\u0441e"`, `"https://alice.example"`, `"https://alice.example/"`,
	`"https://ALICE.example"`, `"https://alice.example:443"`, `"https://alice.example./"`, `"http://alice.example"`, `"https://alice.example@evil.example"`,
	`"https://portal.example"`, `"https://agents.example.com/bob"`, `"https://agents.example.com/bob/"`, `"https://agents.example.com/%62ob"`, `"@alice"`, `"@alice.fs"`,
	`"\ud800"`, `"é"`, `"e\u0301"`, "null", "1", `["alice"]`, `{"a":1}`, `"*"`, `"a/b"`, `"../bob"`, `"\u202e"`, `"xn--80ak6aa92e.example"`,
}

var claimValues = memberValues{
	{"exp", times}, {"iat", times}, {"nbf", times}, {"exp", times}, {"iat", times},
	{"iss", identities}, {"sub", identities}, {"aud", identities}, {"client_id", identities}, {"agent_path", append(identities, `"/agents"`, `"/"`, `"agents"`, `"//agents"`)},
	{"aud", []string{`["https://agents.example.com/bob"]`, `["x","https://agents.example.com/bob"]`, `["https://agents.example.com/bob",1]`, "[]", `[["https://agents.example.com/bob"]]`}},
	{"jti", []string{"", `""`, `"jti-1"`, "1", "null", `"\u0000"`, `"é"`, `"jti-1\n"`, `["jti-1"]`}},
	{"scope", []string{"", `""`, `"read"`, `"write read read"`, `" read"`, `"read  write"`, `"read\twrite"`, `"*"`, `"read:*"`, `"tools:a:b"`, `"namespace:x namespace:"`, `"trust:verified"`, `"Read"`, `"é"`, `"\""`, `["read"]`, "null", "1"}},
	{"scopes", []string{`["read","write"]`, `"read"`, `[]`, `["read write"]`}},
	{"aoauth", []string{
		"", "null", "{}", "[]", `"x"`, `{"mode":"portal"}`, `{"mode":"self","agent_url":"https://alice.example"}`, `{"mode":"self","agent_url":"https://alice.example/x"}`,
		`{"agent_url":"https://evil.example"}`, `{"agent_url":"https://alice.example.evil"}`, `{"agent_url":1}`, `{"agent_url":"https://alice.example","agent_url":"https://x.example"}`,
	}},
	{"htm", []string{"", `"POST"`, `"post"`, `"GET"`, `""`, "1", `"POST "`, `"PO\u0053T"`}},
	{"htu", []string{
		"", `"https://agent.example/agent"`, `"https://AGENT.example:443/agent"`, `"https://agent.example/agent?"`, `"https://agent.example/agent#"`, `"https://agent.example/%61gent"`,
		`"https://agent.example/x/../agent"`, `"https://agent.example//agent"`, `"https://agent.example/agent/"`, `"http://agent.example/agent"`, `"/agent"`, `""`, "1", `"https://u@agent.example/agent"`,
		`"https://agent.example./agent"`, `"https://agent.example:0443/agent"`, `"https:\\agent.example\\agent"`, `"https://agent.example/AGENT"`, `"https://[::1]/agent"`,
	}},
	{"content_sha256", []string{
		"", `""`, "1", `"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`, `"794b7d525f6a2e6cbc19d52a6cbd8e9b2053a79a87c3d4aa17b4a550be190d7d"`,
		`"794B7D525F6A2E6CBC19D52A6CBD8E9B2053A79A87C3D4AA17B4A550BE190D7D"`, `" 794b7d525f6a2e6cbc19d52a6cbd8e9b2053a79a87c3d4aa17b4a550be190d7d"`,
	}},
	{"query_sha256", []string{"", `""`, "1", `"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"`}},
	{"token_type", []string{"", `"Bearer"`, `"bearer"`, `"DPoP"`, "1"}},
	{"ISS", identities}, {"Exp", times},
}

var headerValues = memberValues{
	{"alg", []string{"", `"RS256"`, `"rs256"`, `"RS384"`, `"RS512"`, `"PS256"`, `"none"`, `"None"`, `"HS256"`, `"ES256"`, `"EdDSA"`, `"Ed25519"`, `"es256"`, `"ES384"`, `"Ed448"`, `""`, "null", "256", `["RS256"]`, `"RS256 "`, `"R\u0053256"`, `"RS256\u0000"`}},
	{"typ", []string{"", `"JWT"`, `"jwt"`, `"at+jwt"`, `"application/at+jwt"`, `"dpop+jwt"`, `""`, "1", "null", `"JWT\u0000"`}},
	{"kid", []string{"", `""`, `"x"`, "1", "null", `"../alice"`, `"\u0000"`, `"dtRTjTMeYvucqFHyFmpytGQ1WGuPykh-CaYPQ7juV_A"`, `"DTRTjTMeYvucqFHyFmpytGQ1WGuPykh-CaYPQ7juV_A"`, `["x"]`}},
	{"crit", []string{`[]`, `["exp"]`, `["b64"]`, "null", `"exp"`}},
	{"b64", []string{"true", "false", "null", "1"}},
	{"cty", []string{`"JWT"`, "1", `""`}},
	{"jwk", []string{`{"kty":"RSA","n":"AQAB","e":"AQAB"}`, "null"}},
	{"jku", []string{`"https://evil.example/keys"`, "1"}},
	{"zip", []string{`"DEF"`}}, {"enc", []string{`"A256GCM"`}},
	{"x", []string{"1e400", `"\ud800"`, "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", `"\u0000"`}},
}
