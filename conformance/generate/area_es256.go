package generate

import (
	"crypto"
	"crypto/ecdsa"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

const (
	ecdsaRaw    = "RFC 7518 section 3.4: R and S, 32 octets each"
	ecdsaRange  = "FIPS 186-5 section 6.4.2: r and s from 1 to n-1"
	keyDecides  = "protocol.md section 10: the key decides"
	otherCurves = "protocol.md section 10: P-256 alone"
)

func es256() *area {
	a := newArea("es256", "ES256: ECDSA on P-256 with SHA-256, its signatures and its keys.")
	ecdsaSignatures(a)
	ecdsaForms(a)
	ecdsaSpellings(a)
	otherECDSA(a)
	ecKeys(a)
	ecPoints(a)
	ecJWKs(a)
	ecPEMs(a)
	return a
}

func ecdsaSignatures(a *area) {
	knows := keysOfAlice(curve.spki())
	good := sign(curve, rotagentClaims())
	a.accept("good", "a signature by the issuer's P-256 key", ecdsaRaw, knows, accepted(good, nil))
	a.accept("jwk", "the key as a JWK", "RFC 7518 section 6.2.1", keysOfAlice(text(curve.jwk())), accepted(good, nil))
	whole := publishedJWK(curve).with(object{"key_ops": []string{"verify"}})
	a.accept("jwk-whole", "a JWK with kid, use, alg and key_ops", "RFC 7517 section 4", keysOfAlice(jwks(whole)),
		accepted(withKid(curve, curve.kid()), nil))
	a.accept("second-key", "two keys without a kid: the second is tried", step5,
		keysOfAlice(curveNext.spki()+curve.spki()), accepted(good, nil))

	bad := func(name, says, source, signature string) {
		forged := good
		forged.signature = signature
		a.reject(name, "good", says, source, knows, refused(forged, nil, "invalid_signature"))
	}
	bad("by-another-key", "a signature by a key that nobody trusts", keyDecides, curveMallory.sign(good.input()))
	bad("of-another-token", "the signature of another token", keyDecides, sign(curve, boundClaims()).signature)
	for _, at := range []int{0, 31, 32, 63} {
		flipped := []byte(good.signature)
		flipped[at] ^= 1
		bad(fmt.Sprintf("bit-flipped-%d", at), fmt.Sprintf("one bit of byte %d changed", at), ecdsaRaw, string(flipped))
	}
	bad("halves-swapped", "s in front of r", ecdsaRaw, good.signature[ecBytes:]+good.signature[:ecBytes])
	reversed := []byte(good.signature)
	slices.Reverse(reversed[:ecBytes])
	slices.Reverse(reversed[ecBytes:])
	bad("little-endian", "r and s in the other order of bytes", ecdsaRaw, string(reversed))
	for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA384, crypto.SHA512} {
		name := strings.ToLower(strings.ReplaceAll(hash.String(), "-", ""))
		bad("digest-"+name, "really signed, with another digest than SHA-256", "RFC 7518 section 3.4",
			rawEC(curve.parts(hash, good.input())))
	}
	ecdsaNumbers(bad, good)
	changed := sign(curve, rotagentClaims().with(object{"exp": now + 600}))
	changed.signature = good.signature
	a.reject("claims-changed", "good", "claims that were changed after signing", keyDecides, knows,
		refused(changed, nil, "invalid_signature"))
}

// ecdsaNumbers: r and s that a verifier without the range check takes, for any token.
func ecdsaNumbers(bad func(name, says, source, signature string), good token) {
	r, s := partsOf(good.signature)
	zero, one := new(big.Int), big.NewInt(1)
	most := new(big.Int).Sub(new(big.Int).Lsh(one, 256), one)
	over := new(big.Int).Add(ecOrder, one)
	psychic := "CVE-2022-21449; " + ecdsaRange
	bad("zero", "r and s are 0: a verifier that computes with them takes it for every token", psychic, rawEC(zero, zero))
	bad("r-zero", "r is 0", psychic, rawEC(zero, s))
	bad("s-zero", "s is 0", psychic, rawEC(r, zero))
	bad("n", "r and s are n", psychic, rawEC(ecOrder, ecOrder))
	bad("r-n", "r is n", ecdsaRange, rawEC(ecOrder, s))
	bad("s-n", "s is n", ecdsaRange, rawEC(r, ecOrder))
	bad("r-over-n", "r is n + 1", ecdsaRange, rawEC(over, s))
	bad("s-over-n", "s is n + 1", ecdsaRange, rawEC(r, over))
	bad("r-largest", "r is 2^256 - 1", ecdsaRange, rawEC(most, s))
	bad("s-largest", "s is 2^256 - 1", ecdsaRange, rawEC(r, most))
	bad("one", "r and s are 1", ecdsaRange, rawEC(one, one))
	bad("r-p", "r is p", ecdsaRange, rawEC(ecField, s))
}

// ecdsaForms: signatures have 64 bytes; ASN.1 is what X.509 and most libraries use.
func ecdsaForms(a *area) {
	knows := keysOfAlice(curve.spki())
	good := sign(curve, rotagentClaims())
	r, s := partsOf(good.signature)
	bad := func(name, says, signature string) {
		forged := good
		forged.signature = signature
		a.reject(name, "good", says, ecdsaRaw, knows, refused(forged, nil, "invalid_signature"))
	}
	bad("der", "the same signature in DER", derEC(r, s))
	bad("der-base64", "the same signature in DER, and that as base64", base64url([]byte(derEC(r, s))))
	bad("empty", "no signature", "")
	bad("63-bytes", "without its last byte", good.signature[:63])
	bad("65-bytes", "a zero byte behind it", good.signature+"\x00")
	bad("65-bytes-front", "a zero byte in front of it", "\x00"+good.signature)
	bad("r-alone", "r alone", good.signature[:ecBytes])
	bad("twice", "the signature twice", good.signature+good.signature)
	bad("66-bytes", "r and s in 33 bytes each", "\x00"+good.signature[:ecBytes]+"\x00"+good.signature[ecBytes:])
	bad("96-bytes", "r and s in 48 bytes each, as ES384 has them",
		string(r.FillBytes(make([]byte, 48)))+string(s.FillBytes(make([]byte, 48))))
	bad("hex", "r and s in hexadecimal", fmt.Sprintf("%x", good.signature))
	bad("64-text", "64 letters", strings.Repeat("A", 64))
}

// ecdsaSpellings: what is accepted though it looks odd.
func ecdsaSpellings(a *area) {
	knows := keysOfAlice(curve.spki())
	half := new(big.Int).Rsh(ecOrder, 1)
	low := ecdsaWith(func(_, s *big.Int) bool { return s.Cmp(half) <= 0 })
	a.accept("low-s", "s of at most n/2", "RFC 7518 section 3.4", knows, accepted(low, nil))
	high := low
	r, s := partsOf(low.signature)
	high.signature = rawEC(r, s.Sub(ecOrder, s))
	a.accept("high-s", "n - s in place of s: JWS asks for no low s, and a token is used once by its jti, however it is spelled",
		"RFC 7518 section 3.4; FIPS 186-5 section 6.4.2", knows, accepted(high, nil))
	a.reject("high-s-replayed", "high-s", "the other spelling of a token that was used", step14, knows,
		accepted(low, nil), refused(high, nil, "replay_detected"))
	for _, part := range []struct {
		name string
		at   int
	}{{"r", 0}, {"s", ecBytes}} {
		short := ecdsaWith(func(r, s *big.Int) bool { return []*big.Int{r, s}[part.at/ecBytes].BitLen() <= 248 })
		a.accept(part.name+"-leading-zero", part.name+" begins with a zero byte", ecdsaRaw, knows, accepted(short, nil))
		short.signature = short.signature[:part.at] + short.signature[part.at+1:]
		a.reject(part.name+"-stripped", part.name+"-leading-zero", "and it is left out", ecdsaRaw, knows,
			refused(short, nil, "invalid_signature"))
	}
}

// ecdsaWith is a token whose signature has numbers of some kind.
func ecdsaWith(wanted func(r, s *big.Int) bool) token {
	for i := 0; ; i++ {
		t := sign(curve, rotagentClaims().with(object{"jti": fmt.Sprintf("odd-%d", i)}))
		if wanted(partsOf(t.signature)) {
			return t
		}
	}
}

// otherECDSA: other curves, other digests, other spellings of the name.
func otherECDSA(a *area) {
	p384 := readKey[*ecdsa.PrivateKey]("p384.pem")
	claims := text(rotagentClaims())
	bad := func(name, says, alg string) {
		t := signTexts(curve, `{"alg":"`+alg+`"}`, claims)
		a.reject("alg-"+name, "good", says, keyDecides, keysOfAlice(curve.spki()), refused(t, nil, "unsupported_algorithm"))
	}
	bad("es384", "ES384, signed by a P-256 key", "ES384")
	bad("es512", "ES512", "ES512")
	bad("es256k", "ES256K, of another curve", "ES256K")
	bad("lower-case", "es256: names are case-sensitive", "es256")
	bad("esp256", "ESP256, which RFC 9864 registers for COSE alone", "ESP256")
	wide := token{header: `{"alg":"ES384"}`, payload: claims}
	r, s := ecdsaParts(p384, crypto.SHA384, wide.input())
	wide.signature = string(r.FillBytes(make([]byte, 48))) + string(s.FillBytes(make([]byte, 48)))
	a.reject("alg-es384-really", "good", "ES384, really signed so by a P-384 key; the issuer has a P-256 key", otherCurves,
		keysOfAlice(curve.spki()), refused(wide, nil, "unsupported_algorithm"))
	a.reject("keys-p384", "good", "a P-384 key in keys", otherCurves,
		call("engine.open", object{"verifier": object{"keys": object{"alice": spkiPEM(&p384.PublicKey)}}}, "", errorCode("invalid_key")))
}

func describedEC(kind string, key ecPair) object {
	public := publishedJWK(key)
	return object{"kind": kind, "alg": "ES256", "bits": 256, "kid": key.kid(), "public_pem": key.spki(), "public_jwk": public}
}

func ecKeys(a *area) {
	whole := describedEC("public", curve).with(object{"key_id": ""})
	a.accept("key-spki", "SPKI PEM: what is told of it, and no PKCS#1", "RFC 5480 section 2",
		call("key.inspect", object{"text": curve.spki()}, "", ok(object{"keys": []object{whole}})))
	public, private := object{"keys": []object{describedEC("public", curve)}}, object{"keys": []object{describedEC("private", curve)}}
	a.accept("key-jwk", "a public JWK", "RFC 7518 section 6.2.1", inspect(text(curve.jwk()), nil, public))
	a.accept("key-jwk-private", "a private JWK", "RFC 7518 section 6.2.2", inspect(text(curve.privateJWK()), nil, private))
	a.accept("key-pkcs8", "PKCS#8 PEM", "RFC 5915; RFC 5208", inspect(curve.pkcs8(), nil, private))
	a.accept("key-sec1", "SEC 1 PEM, EC PRIVATE KEY", "RFC 5915 section 4", inspect(curve.sec1(), nil, private))
	a.accept("key-sec1-parameters", "the curve's name in a block in front of it, as openssl writes it", "RFC 5915 section 4",
		inspect(ecParameters()+curve.sec1(), nil, private))
	shown := whole.with(object{"kind": "private", "private_pem": curve.pkcs8(),
		"private_jwk": publishedJWK(curve).with(object{"d": curve.privateJWK()["d"]})})
	a.accept("key-private-forms", "private forms where they were asked for, and no PKCS#1", "abi.md key.inspect",
		call("key.inspect", object{"text": curve.sec1(), "include_private": true}, "", ok(object{"keys": []object{shown}})))
	a.accept("key-mixed", "PEM blocks of several kinds in one text", keyDecides,
		inspect(alice.spki()+curve.spki()+edwards.spki(), nil, object{"keys": []object{{"alg": "RS256"}, {"alg": "ES256"}, {"alg": "EdDSA"}}}))
	five := ecPairOf(big.NewInt(5))
	a.accept("key-small-number", "a private key whose number is small, in its full length", "RFC 5915 section 3",
		inspect(five.sec1(), nil, object{"keys": []object{{"kid": five.kid()}}}))
}

// ecParameters is the block that openssl ecparam -genkey writes first.
func ecParameters() string { return pemText("EC PARAMETERS", marshalASN1(oidP256)) }

// ecPoints: a point that is not on the curve lies on a weaker one.
func ecPoints(a *area) {
	source := "RFC 7518 section 6.2.1; SEC 1 section 3.2.2.1"
	small := smallX()
	x, y := small.x.FillBytes(make([]byte, ecBytes)), small.y.FillBytes(make([]byte, ecBytes))
	a.accept("point-small-x", "a point with a small x", source,
		inspect(text(ecJWK(x, y)), nil, object{"keys": []object{{"bits": 256}}}),
		inspect(ecSPKI(slices.Concat([]byte{4}, x, y)), nil, object{"keys": []object{{"bits": 256}}}))
	bad := func(name, says string, x, y []byte) {
		point := slices.Concat([]byte{4}, x, y)
		a.reject("point-"+name, "point-small-x", says, source,
			call("key.inspect", object{"text": text(ecJWK(x, y))}, "", errorCode("invalid_key")),
			call("key.inspect", object{"text": ecSPKI(point)}, "", errorCode("invalid_key")))
	}
	add := func(n, more *big.Int) []byte { return new(big.Int).Add(n, more).FillBytes(make([]byte, ecBytes)) }
	one, zero := big.NewInt(1), make([]byte, ecBytes)
	bad("off-curve", "a point that is not on the curve", x, add(small.y, one))
	bad("off-curve-x", "another x for the y", add(small.x, one), y)
	bad("x-over-p", "x + p, which is the same x to who does not look", add(small.x, ecField), y)
	bad("x-is-p", "x is p", ecField.Bytes(), y)
	bad("zero", "x and y are 0", zero, zero)
	bad("swapped", "y in place of x", y, x)
	bad("short-x", "x without its leading zero bytes", small.x.Bytes(), y)
	bad("long-x", "x with a zero byte in front", slices.Concat([]byte{0}, x), y)
	bad("short-y", "y without its last byte", x, y[:31])
	der := func(name, says string, point []byte) {
		refusesKey(a, "point-"+name, "point-small-x", says, "RFC 7518 section 6.2.1; RFC 5480 section 2.2", ecSPKI(point))
	}
	sign := byte(2 + small.y.Bit(0))
	der("compressed", "a compressed point", slices.Concat([]byte{sign}, x))
	der("hybrid", "the hybrid form", slices.Concat([]byte{4 + sign}, x, y))
	der("infinity", "the point at infinity", []byte{0})
	der("empty", "no point", nil)
	der("bare", "x and y without the first byte", slices.Concat(x, y))
	off := ecJWK(x, add(small.y, one))
	a.reject("point-off-curve-folder", "point-small-x", "a folder's file with such a key is a weak key", authorizedKeys,
		loads(object{}, []object{{"issuer": "alice", "code": "weak_key"}}, file("alice.jwks.json", text(off))))
	a.reject("point-off-curve-fetched", "key-algorithm/fetched-es256", "in a fetched set it is passed over", keysOfOthers,
		sequence(openEmpty(nil), locates(accessTokenBy(curve, nil), nil), []step{
			answered(200, nil, jwks(publishedJWK(curve).with(object{"y": off["y"]})), nil, refusal("unknown_key"))})...)
}

type affine struct{ x, y *big.Int }

// smallX is the point of the smallest x that has one: y^2 = x^3 - 3x + b (FIPS 186-5).
func smallX() affine {
	b, _ := new(big.Int).SetString("5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b", 16)
	for n := int64(1); ; n++ {
		x := big.NewInt(n)
		square := new(big.Int).Exp(x, big.NewInt(3), ecField)
		square.Sub(square, big.NewInt(3*n)).Add(square, b).Mod(square, ecField)
		if y := new(big.Int).ModSqrt(square, ecField); y != nil {
			return affine{x, y}
		}
	}
}

func ecJWKs(a *area) {
	refuses := func(name, twin, says, source string, members object) {
		refusesKey(a, "jwk-"+name, twin, says, source, text(members))
	}
	bad := func(name, says string, changes object) {
		refuses(name, "key-jwk", says, "RFC 7518 section 6.2.1; RFC 7517 section 4", curve.jwk().with(changes))
	}
	bad("x-missing", "no x", object{"x": remove})
	bad("y-missing", "no y", object{"y": remove})
	bad("x-number", "an x that is a number", object{"x": 7})
	bad("x-padded", "an x with padding", object{"x": curve.jwk()["x"].(string) + "="})
	bad("crv-missing", "no curve", object{"crv": remove})
	bad("crv-lower-case", "p-256", object{"crv": "p-256"})
	bad("crv-number", "a curve that is a number", object{"crv": 256})
	bad("crv-ed25519", "Ed25519 as the curve of an EC key", object{"crv": "Ed25519"})
	bad("kty-okp", "P-256 as the curve of an OKP", object{"kty": "OKP"})
	bad("kty-rsa", "EC members of an RSA key", object{"kty": "RSA"})
	bad("kty-lower-case", "ec", object{"kty": "ec"})
	bad("use-enc", "a key for encryption", object{"use": "enc"})
	bad("key-ops-derive", "a key that derives", object{"key_ops": []string{"deriveKey"}})
	a.accept("jwk-other-members", "members of other kinds of keys are not looked at", "RFC 7517 section 4",
		inspect(text(curve.jwk().with(object{"n": "!", "e": 1, "dp": nil})), nil, object{"keys": []object{describedEC("public", curve)}}))
	for _, alg := range []string{"RS256", "PS256", "EdDSA", "Ed25519", "ES384", "ES256K", "ECDH-ES", "", "es256"} {
		bad("alg-"+strings.ToLower(alg), "a P-256 key for "+alg, object{"alg": alg})
	}
	p384 := readKey[*ecdsa.PrivateKey]("p384.pem")
	refuses("p384", "key-jwk", "a P-384 key", otherCurves, p384JWK(p384))
	block := pemBytes("secp256k1.pub.pem")
	point := block[len(block)-2*ecBytes:]
	koblitz := ecJWK(point[:ecBytes], point[ecBytes:])
	refuses("secp256k1", "key-jwk", "a secp256k1 key", otherCurves, koblitz.with(object{"crv": "secp256k1"}))
	refuses("secp256k1-as-p256", "key-jwk", "a secp256k1 key that says P-256: its point is on another curve", otherCurves, koblitz)

	private := func(name, says string, d []byte) {
		refuses("d-"+name, "key-jwk-private", says, "RFC 7518 section 6.2.2.1", curve.jwk().with(object{"d": base64url(d)}))
	}
	private("of-another-key", "the private number of another key", curveMallory.number())
	private("zero", "the private number 0", make([]byte, ecBytes))
	private("n", "the private number n", ecOrder.Bytes())
	private("over-n", "the private number d + n, which is d to who computes modulo n",
		new(big.Int).Add(new(big.Int).SetBytes(curve.number()), ecOrder).Bytes())
	five := ecPairOf(big.NewInt(5))
	a.accept("jwk-d-small", "a small private number, in its full length", "RFC 7518 section 6.2.2.1",
		inspect(text(five.privateJWK()), nil, object{"keys": []object{{"kid": five.kid()}}}))
	refuses("d-short", "jwk-d-small", "and without its leading zero bytes", "RFC 7518 section 6.2.2.1", five.jwk().with(object{"d": base64url([]byte{5})}))
	private("long", "with a zero byte in front", slices.Concat([]byte{0}, curve.number()))
}

func p384JWK(key *ecdsa.PrivateKey) object {
	point, err := key.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	return object{"kty": "EC", "crv": "P-384", "x": base64url(point[1:49]), "y": base64url(point[49:])}
}

func ecPEMs(a *area) {
	p384 := readKey[*ecdsa.PrivateKey]("p384.pem")
	for _, other := range []struct{ name, says, twin, text string }{
		{"spki-p384", "a P-384 key", "key-spki", spkiPEM(&p384.PublicKey)},
		{"spki-secp256k1", "a secp256k1 key", "key-spki", readKeyText("secp256k1.pub.pem")},
		{"pkcs8-p384", "a private P-384 key", "key-pkcs8", readKeyText("p384.pem")},
		{"pkcs8-secp256k1", "a private secp256k1 key", "key-pkcs8", readKeyText("secp256k1.pem")},
	} {
		refusesKey(a, other.name, other.twin, other.says, otherCurves, other.text)
	}
	point := curve.point()
	spki := func(name, says string, parameters any) {
		refusesKey(a, "spki-"+name, "key-spki", says, "CVE-2020-0601; RFC 5480 section 2.1.1: namedCurve", ecSPKIWith(parameters, point))
	}
	spki("explicit", "the numbers of a curve in place of its name: they may be of the attacker's choice", explicitP256())
	spki("no-curve", "no curve", nil)
	spki("null-curve", "NULL in place of a curve", asn1Null)
	spki("curve-of-another", "a point of P-256 that says secp256k1", oidSecp256k1)
	trailing := append(ecSPKIDER(oidP256, point), 0)
	refusesKey(a, "spki-trailing", "key-spki", "bytes after the DER", "RFC 7468 section 10", pemText("PUBLIC KEY", trailing))
	refusesKey(a, "spki-as-rsa", "key-spki", "a point under the identifier of RSA", "RFC 5480 section 2.1",
		pemText("PUBLIC KEY", spkiWith(oidRSAKey, oidP256, point)))

	refusesKey(a, "parameters-alone", "key-sec1-parameters", "the block with the curve's name, and no key", "RFC 5915 section 4", ecParameters())
	refusesKey(a, "parameters-cut", "key-sec1-parameters", "that block without its end", "RFC 7468 section 3",
		strings.Replace(ecParameters(), "-----END EC PARAMETERS-----\n", "", 1)+curve.sec1())
	sec1 := func(name, twin, says string, key sec1Key) {
		refusesKey(a, "sec1-"+name, twin, says, "RFC 5915 section 3", pemText("EC PRIVATE KEY", marshalASN1(key)))
	}
	good := sec1Key{1, curve.number(), oidP256, bits(point)}
	a.accept("sec1-no-point", "SEC 1 without the public point", "RFC 5915 section 3",
		inspect(pemText("EC PRIVATE KEY", marshalASN1(sec1Key{1, curve.number(), oidP256, bits(nil)})), nil,
			object{"keys": []object{{"kid": curve.kid(), "kind": "private"}}}))
	sec1("no-curve", "key-sec1", "SEC 1 without a curve", sec1Key{1, good.Number, nil, good.Point})
	sec1("other-curve", "key-sec1", "SEC 1 with another curve", sec1Key{1, good.Number, oidSecp256k1, good.Point})
	sec1("version", "key-sec1", "SEC 1 of another version", sec1Key{2, good.Number, oidP256, good.Point})
	sec1("point-of-another", "key-sec1", "SEC 1 with another key's point", sec1Key{1, good.Number, oidP256, bits(curveMallory.point())})
	sec1("zero", "sec1-no-point", "the private number 0", sec1Key{1, make([]byte, ecBytes), oidP256, bits(nil)})
	sec1("n", "sec1-no-point", "the private number n", sec1Key{1, ecOrder.Bytes(), oidP256, bits(nil)})
	sec1("long", "sec1-no-point", "a number of 33 bytes", sec1Key{1, slices.Concat([]byte{0}, good.Number), oidP256, bits(nil)})
	sec1("empty", "sec1-no-point", "a number of no bytes", sec1Key{1, nil, oidP256, bits(nil)})
	refusesKey(a, "sec1-p384", "key-sec1", "SEC 1 of a P-384 key", otherCurves, sec1Of(p384))
	trailing = append(marshalASN1(good), 0)
	refusesKey(a, "sec1-trailing", "key-sec1", "bytes after the DER", "RFC 7468 section 10", pemText("EC PRIVATE KEY", trailing))
	a.accept("pkcs8-curve-twice", "PKCS#8 with the curve's name inside too", "RFC 5915 section 3",
		inspect(pkcs8Of(oidECKey, oidP256, marshalASN1(good)), nil, object{"keys": []object{{"kid": curve.kid()}}}))
	refusesKey(a, "pkcs8-curves-differ", "pkcs8-curve-twice", "PKCS#8 with the name of another curve inside", "RFC 5915 section 3",
		pkcs8Of(oidECKey, oidP256, marshalASN1(sec1Key{1, good.Number, oidSecp256k1, good.Point})))
	refusesKey(a, "pkcs8-no-curve", "pkcs8-curve-twice", "PKCS#8 with the curve's name inside alone", "RFC 5915 section 3",
		pkcs8Of(oidECKey, nil, marshalASN1(good)))
}
