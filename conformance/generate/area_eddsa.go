package generate

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

const (
	edSignature = "RFC 8032 section 5.1.7"
	edPoint     = "RFC 8032 section 5.1.3"
	smallOrder  = "protocol.md section 10: small-order keys; RFC 8032 section 5.1"
	edBytes     = 32
)

func eddsa() *area {
	a := newArea("eddsa", "EdDSA: Ed25519, its signatures and its keys.")
	edSignatures(a)
	edNames(a)
	edKeys(a)
	edPoints(a)
	edJWKs(a)
	edPEMs(a)
	return a
}

// edOrder is L, edField p (RFC 8032 section 5.1).
var (
	edOrder = numberOf("1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed")
	edField = numberOf("7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed")
)

func numberOf(digits string) *big.Int {
	n, ok := new(big.Int).SetString(digits, 16)
	if !ok {
		panic(digits)
	}
	return n
}

// littleEndian is a number in 32 bytes.
func littleEndian(n *big.Int) []byte {
	b := n.FillBytes(make([]byte, edBytes))
	slices.Reverse(b)
	return b
}

func fromLittleEndian(b []byte) *big.Int {
	reversed := slices.Clone(b)
	slices.Reverse(reversed)
	return new(big.Int).SetBytes(reversed)
}

func edSignatures(a *area) {
	knows := keysOfAlice(edwards.spki())
	good := sign(edwards, rotagentClaims())
	a.accept("good", "a signature by the issuer's Ed25519 key", "RFC 8037 section 3.1", knows, accepted(good, nil))
	a.accept("jwk", "the key as a JWK", "RFC 8037 section 2", keysOfAlice(text(edwards.jwk())), accepted(good, nil))
	whole := publishedJWK(edwards).with(object{"key_ops": []string{"verify"}})
	a.accept("jwk-whole", "a JWK with kid, use, alg and key_ops", "RFC 7517 section 4", keysOfAlice(jwks(whole)),
		accepted(withKid(edwards, edwards.kid()), nil))
	a.accept("second-key", "two keys without a kid: the second is tried", step5,
		keysOfAlice(edwardsNext.spki()+edwards.spki()), accepted(good, nil))

	bad := func(name, says, source, signature string) {
		forged := good
		forged.signature = signature
		a.reject(name, "good", says, source, knows, refused(forged, nil, "invalid_signature"))
	}
	r, s := good.signature[:edBytes], fromLittleEndian([]byte(good.signature[edBytes:]))
	sum := func(n *big.Int) string { return r + string(littleEndian(new(big.Int).Add(s, n))) }
	over := edSignature + ": 0 <= S < L"
	bad("s-plus-l", "S + L, the same number to who does not look", over, sum(edOrder))
	bad("s-plus-2l", "S + 2L", over, sum(new(big.Int).Lsh(edOrder, 1)))
	bad("s-plus-7l", "S + 7L, which still has 255 bits", over, sum(new(big.Int).Mul(edOrder, big.NewInt(7))))
	bad("s-l", "S is L", over, r+string(littleEndian(edOrder)))
	bad("s-zero", "S is 0", edSignature, r+strings.Repeat("\x00", edBytes))
	bad("s-largest", "S is 2^256 - 1", over, r+strings.Repeat("\xff", edBytes))
	bad("s-top-bit", "the highest bit of S is set", over, r+string(littleEndian(new(big.Int).SetBit(s, 255, 1))))
	bad("s-negated", "L - S", edSignature, r+string(littleEndian(new(big.Int).Sub(edOrder, s))))
	bad("zero", "64 zero bytes", edSignature, strings.Repeat("\x00", 64))
	bad("r-identity", "R is the neutral point and S is 0: good for a key of small order, not for this one", edSignature,
		string(littleEndian(big.NewInt(1)))+strings.Repeat("\x00", edBytes))
	bad("r-sign", "the sign of R changed", edSignature, good.signature[:31]+string(good.signature[31]^0x80)+good.signature[32:])
	bad("empty", "no signature", edSignature, "")
	bad("63-bytes", "without its last byte", edSignature, good.signature[:63])
	bad("65-bytes", "a zero byte behind it", edSignature, good.signature+"\x00")
	bad("r-alone", "R alone", edSignature, r)
	bad("twice", "the signature twice", edSignature, good.signature+good.signature)
	bad("halves-swapped", "S in front of R", edSignature, good.signature[edBytes:]+r)
	bad("hex", "the signature in hexadecimal", edSignature, hex.EncodeToString([]byte(good.signature)))
	for _, at := range []int{0, 31, 32, 62} {
		flipped := []byte(good.signature)
		flipped[at] ^= 1
		bad(fmt.Sprintf("bit-flipped-%d", at), fmt.Sprintf("one bit of byte %d changed", at), edSignature, string(flipped))
	}
	bad("by-another-key", "a signature by a key that nobody trusts", keyDecides, edwardsMallory.sign(good.input()))
	bad("of-another-token", "the signature of another token", keyDecides, sign(edwards, boundClaims()).signature)
	digest := sha512.Sum512([]byte(good.input()))
	bad("ed25519ph", "Ed25519ph, over a digest", "RFC 8032 section 5.1; RFC 8037 section 3.1",
		edVariant(digest[:], &ed25519.Options{Hash: crypto.SHA512}))
	bad("ed25519ctx", "Ed25519ctx, with a context", "RFC 8032 section 5.1; RFC 8037 section 3.1",
		edVariant([]byte(good.input()), &ed25519.Options{Context: "JWS"}))
	bad("digest", "a signature of the input's SHA-256", "RFC 8037 section 3.1", edwards.sign(digest256(good.input())))
	changed := sign(edwards, rotagentClaims().with(object{"exp": now + 600}))
	changed.signature = good.signature
	a.reject("claims-changed", "good", "claims that were changed after signing", keyDecides, knows,
		refused(changed, nil, "invalid_signature"))
}

func edVariant(message []byte, options *ed25519.Options) string {
	signature, err := edwards.Sign(nil, message, options)
	if err != nil {
		panic(err)
	}
	return string(signature)
}

// edNames: RFC 9864 has another name for the same.
func edNames(a *area) {
	named := func(alg, jti string) token {
		return signTexts(edwards, `{"alg":"`+alg+`","typ":"JWT"}`, text(rotagentClaims().with(object{"jti": jti})))
	}
	source := "RFC 9864 section 2.2; " + keyDecides
	knows := keysOfAlice(edwards.spki())
	a.accept("name-ed25519", "a header that says Ed25519", source, knows, accepted(named("Ed25519", "jti-1"), nil))
	a.accept("jwk-name-ed25519", "a JWK that says Ed25519, and a header that says either", source,
		keysOfAlice(text(edwards.jwk().with(object{"alg": "Ed25519"}))), accepted(named("EdDSA", "jti-1"), nil),
		accepted(named("Ed25519", "jti-2"), nil))
	a.accept("name-signed", "a header that says Ed25519 is signed where it was asked for", source,
		call("jws.sign", object{"private_key": edwards.pkcs8(), "header": object{"alg": "Ed25519"}}, "{}",
			ok(object{"token": signTexts(edwards, `{"alg":"Ed25519"}`, "{}").String()})))
	for _, other := range []struct{ name, alg string }{
		{"ed448", "Ed448"}, {"lower-case", "ed25519"}, {"eddsa-lower-case", "eddsa"}, {"eddsa-upper-case", "EDDSA"},
		{"ed25519ph", "Ed25519ph"}, {"x25519", "X25519"},
	} {
		a.reject("name-"+other.name, "name-ed25519", "a header that says "+other.alg, source, knows,
			refused(named(other.alg, "jti-1"), nil, "unsupported_algorithm"))
	}
}

func describedEd(kind string, key edPair) object {
	return object{"kind": kind, "alg": "EdDSA", "bits": 256, "kid": key.kid(), "public_pem": key.spki(), "public_jwk": publishedJWK(key)}
}

func edKeys(a *area) {
	whole := describedEd("public", edwards).with(object{"key_id": ""})
	a.accept("key-spki", "SPKI PEM: what is told of it, and no PKCS#1", "RFC 8410 section 4",
		call("key.inspect", object{"text": edwards.spki()}, "", ok(object{"keys": []object{whole}})))
	public, private := object{"keys": []object{describedEd("public", edwards)}}, object{"keys": []object{describedEd("private", edwards)}}
	a.accept("key-jwk", "a public JWK", "RFC 8037 section 2", inspect(text(edwards.jwk()), nil, public))
	a.accept("key-jwk-private", "a private JWK", "RFC 8037 section 2", inspect(text(edwards.privateJWK()), nil, private))
	a.accept("key-pkcs8", "PKCS#8 PEM", "RFC 8410 section 7", inspect(edwards.pkcs8(), nil, private))
	shown := whole.with(object{"kind": "private", "private_pem": edwards.pkcs8(),
		"private_jwk": publishedJWK(edwards).with(object{"d": edwards.privateJWK()["d"]})})
	a.accept("key-private-forms", "private forms where they were asked for, and no PKCS#1", "abi.md key.inspect",
		call("key.inspect", object{"text": edwards.pkcs8(), "include_private": true}, "", ok(object{"keys": []object{shown}})))
}

// smallOrderPoints are the encodings of the eight points whose order divides 8: those that
// RFC 8032 gives, and those of the same numbers with p added, or with a sign that 0 has not.
var smallOrderPoints = []struct{ name, says, encoding string }{
	{"one", "the neutral point", "0100000000000000000000000000000000000000000000000000000000000000"},
	{"one-signed", "the neutral point with a sign", "0100000000000000000000000000000000000000000000000000000000000080"},
	{"one-over-p", "the neutral point with p added", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
	{"one-over-p-signed", "the neutral point with p added, and a sign", "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	{"two", "the point of order 2", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
	{"two-signed", "the point of order 2 with a sign", "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	{"four", "a point of order 4", "0000000000000000000000000000000000000000000000000000000000000000"},
	{"four-other", "the other one", "0000000000000000000000000000000000000000000000000000000000000080"},
	{"four-over-p", "a point of order 4 with p added", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
	{"four-over-p-other", "the other one with p added", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
	{"eight", "a point of order 8", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"},
	{"eight-second", "the second one", "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"},
	{"eight-third", "the third one", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"},
	{"eight-fourth", "the fourth one", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"},
}

func edSPKI(point []byte) string { return pemText("PUBLIC KEY", spkiWith(oidEdwards, nil, point)) }

func edPoints(a *area) {
	for _, small := range smallOrderPoints {
		point, err := hex.DecodeString(small.encoding)
		if err != nil {
			panic(err)
		}
		a.reject("small-order-"+small.name, "key-jwk", small.says+": anybody makes signatures for it", smallOrder,
			call("key.inspect", object{"text": text(edJWK(point))}, "", errorCode("invalid_key")),
			call("key.inspect", object{"text": edSPKI(point)}, "", errorCode("invalid_key")))
	}
	smallOrderPlaces(a)

	low := smallY(true)
	good := littleEndian(low)
	a.accept("point-small-y", "a point with a small y", edPoint, inspect(text(edJWK(good)), nil, object{"keys": []object{{"bits": 256}}}))
	bad := func(name, twin, says string, point []byte) {
		a.reject("point-"+name, twin, says, edPoint, call("key.inspect", object{"text": text(edJWK(point))}, "", errorCode("invalid_key")),
			call("key.inspect", object{"text": edSPKI(point)}, "", errorCode("invalid_key")))
	}
	over := littleEndian(new(big.Int).Add(low, edField))
	bad("over-p", "point-small-y", "y + p, which is the same y to who does not look", over)
	signed := slices.Clone(over)
	signed[31] |= 0x80
	bad("over-p-signed", "point-small-y", "y + p, and the other x", signed)
	bad("none", "point-small-y", "a y that has no x", littleEndian(smallY(false)))
	largest := littleEndian(new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1)))
	bad("largest", "point-small-y", "32 bytes FF", largest)
	bad("short", "key-jwk", "31 bytes", edwards.Public().(ed25519.PublicKey)[:31])
	bad("long", "key-jwk", "33 bytes", append(slices.Clone(edwards.Public().(ed25519.PublicKey)), 0))
}

// smallOrderPlaces: one such key in each place where keys are read, and the signature that it
// takes for every token.
func smallOrderPlaces(a *area) {
	point, _ := hex.DecodeString(smallOrderPoints[0].encoding)
	key := edJWK(point)
	forged := token{header: headerOf(edwards), payload: text(rotagentClaims())}
	forged.signature = string(point) + strings.Repeat("\x00", edBytes) // R = [S]B - [k]A with S = 0 and A neutral
	a.reject("forged-small-order", "good", "a token that nobody signed, for a key of small order: the key is refused", smallOrder,
		call("jws.verify", object{"token": forged.String(), "key": text(key)}, "", errorCode("invalid_key")))
	a.reject("keys-small-order", "good", "such a key in keys", smallOrder,
		call("engine.open", object{"verifier": object{"keys": object{"alice": text(key)}}}, "", errorCode("invalid_key")))
	a.reject("folder-small-order", "key-algorithm/folder-eddsa", "a folder's file with such a key is a weak key", smallOrder,
		loads(object{}, []object{{"issuer": "alice", "code": "weak_key"}}, file("alice.jwks.json", text(key))))
	a.reject("fetched-small-order", "key-algorithm/fetched-eddsa", "in a fetched set it is passed over", smallOrder,
		sequence(openEmpty(nil), locates(accessTokenBy(edwards, nil), nil), []step{
			answered(200, nil, jwks(publishedJWK(edwards).with(object{"x": key["x"]})), nil, refusal("unknown_key"))})...)
}

// smallY is the least y over 1 that has an x, or the least that has none: x^2 = (y^2 - 1) / (d y^2 + 1)
// (RFC 8032 section 5.1.3).
func smallY(wanted bool) *big.Int {
	d := numberOf("52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3")
	one := big.NewInt(1)
	for n := int64(2); ; n++ {
		y := big.NewInt(n)
		square := new(big.Int).Mul(y, y)
		under := new(big.Int).Mul(d, square)
		under.Add(under, one).ModInverse(under, edField)
		x := new(big.Int).Sub(square, one)
		x.Mul(x, under).Mod(x, edField)
		if (new(big.Int).ModSqrt(x, edField) != nil) == wanted {
			return y
		}
	}
}

func edJWKs(a *area) {
	bad := func(name, twin, says string, members object) {
		refusesKey(a, "jwk-"+name, twin, says, "RFC 8037 section 2; RFC 7517 section 4", text(members))
	}
	public := func(name, says string, changes object) { bad(name, "key-jwk", says, edwards.jwk().with(changes)) }
	a.accept("jwk-other-members", "members of other kinds of keys are not looked at", "RFC 7517 section 4",
		inspect(text(edwards.jwk().with(object{"y": "!", "n": 1})), nil, object{"keys": []object{describedEd("public", edwards)}}))
	public("x-missing", "no x", object{"x": remove})
	public("x-number", "an x that is a number", object{"x": 1})
	public("x-padded", "an x with padding", object{"x": edwards.jwk()["x"].(string) + "="})
	public("crv-missing", "no curve", object{"crv": remove})
	public("crv-x25519", "X25519, whose keys sign nothing", object{"crv": "X25519"})
	public("crv-lower-case", "ed25519", object{"crv": "ed25519"})
	public("kty-ec", "Ed25519 as the curve of an EC key", object{"kty": "EC"})
	public("use-enc", "a key for encryption", object{"use": "enc"})
	public("key-ops-derive", "a key that derives", object{"key_ops": []string{"deriveBits"}})
	for _, alg := range []string{"RS256", "ES256", "PS256", "Ed448", "ECDH-ES"} {
		public("alg-"+strings.ToLower(alg), "an Ed25519 key for "+alg, object{"alg": alg})
	}
	ed448 := pemBytes("ed448.pub.pem")
	bad("ed448", "key-jwk", "an Ed448 key", object{"kty": "OKP", "crv": "Ed448", "x": base64url(ed448[len(ed448)-57:])})
	private := func(name, says string, d []byte) {
		bad("d-"+name, "key-jwk-private", says, edwards.jwk().with(object{"d": base64url(d)}))
	}
	private("of-another-key", "the private half of another key", edwardsMallory.Seed())
	private("short", "a private half of 31 bytes", edwards.Seed()[:31])
	private("with-public", "both halves in one, as libraries hold them", edwards.PrivateKey)
}

func edPEMs(a *area) {
	source := "RFC 8410 section 3: the parameters field MUST be absent"
	point := edwards.Public().(ed25519.PublicKey)
	refusesKey(a, "spki-null", "key-spki", "NULL parameters", source, pemText("PUBLIC KEY", spkiWith(oidEdwards, asn1Null, point)))
	refusesKey(a, "spki-curve", "key-spki", "P-256 as a parameter", source, pemText("PUBLIC KEY", spkiWith(oidEdwards, oidP256, point)))
	seed := marshalASN1(edwards.Seed())
	refusesKey(a, "pkcs8-null", "key-pkcs8", "NULL parameters of a private key", source, pkcs8Of(oidEdwards, asn1Null, seed))
	refusesKey(a, "spki-trailing", "key-spki", "bytes after the DER", "RFC 7468 section 10",
		pemText("PUBLIC KEY", append(spkiWith(oidEdwards, nil, point), 0)))
	refusesKey(a, "pkcs8-bare", "key-pkcs8", "the private half without its OCTET STRING", "RFC 8410 section 7", pkcs8Of(oidEdwards, nil, edwards.Seed()))
	refusesKey(a, "pkcs8-short", "key-pkcs8", "a private half of 31 bytes", "RFC 8410 section 7",
		pkcs8Of(oidEdwards, nil, marshalASN1(edwards.Seed()[:31])))
	refusesKey(a, "pkcs8-both-halves", "key-pkcs8", "both halves in one", "RFC 8410 section 7",
		pkcs8Of(oidEdwards, nil, marshalASN1([]byte(edwards.PrivateKey))))
	refusesKey(a, "pkcs8-trailing", "key-pkcs8", "bytes behind the private half", "RFC 8410 section 7",
		pkcs8Of(oidEdwards, nil, append(slices.Clone(seed), 0)))
	others := "protocol.md section 10: Ed25519 alone"
	refusesKey(a, "spki-ed448", "key-spki", "an Ed448 key", others, readKeyText("ed448.pub.pem"))
	refusesKey(a, "pkcs8-ed448", "key-pkcs8", "a private Ed448 key", others, readKeyText("ed448.pem"))
	refusesKey(a, "spki-x25519", "key-spki", "an X25519 key", others, pemText("PUBLIC KEY", spkiWith(oidX25519, nil, point)))
	refusesKey(a, "pkcs8-x25519", "key-pkcs8", "a private X25519 key", others, readKeyText("x25519.pem"))
}
