package generate

import "strings"

const step6 = "protocol.md section 3 step 6; RFC 8017 section 8.2.2"

func signatures() *area {
	a := newArea("signature", "RSASSA-PKCS1-v1_5 with SHA-256 over the two encoded parts as they are spelled.")
	good := sign(alice, rotagentClaims())
	a.accept("good", "a signature by the issuer's key", step6, open(nil), accepted(good, nil))
	a.accept("3072-bits", "a key of 3072 bits", step6, keysOfAlice(large.spki()), accepted(sign(large, rotagentClaims()), nil))
	a.accept("exponent-3", "a key with exponent 3", "protocol.md section 6", keysOfAlice(cubic.spki()), accepted(sign(cubic, rotagentClaims()), nil))

	bad := func(name, says, source, signature string) {
		forged := good
		forged.signature = signature
		a.reject(name, "good", says, source, open(nil), refused(forged, nil, "invalid_signature"))
	}
	flipped := []byte(good.signature)
	flipped[100] ^= 1
	bad("bit-flipped", "one bit of the signature changed", step6, string(flipped))
	bad("empty", "no signature", step6, "")
	bad("short", "a signature without its last byte", step6, good.signature[:255])
	bad("long", "a zero byte after the signature", step6, good.signature+"\x00")
	bad("leading-zero", "a zero byte in front of the signature", step6, "\x00"+good.signature)
	bad("all-zero", "a signature of 0", step6, strings.Repeat("\x00", 256))
	bad("over-modulus", "a number that is not below the modulus", "RFC 8017 section 5.2.2", strings.Repeat("\xff", 256))
	bad("of-another-token", "the signature of another token", step6, sign(alice, boundClaims()).signature)
	bad("by-another-key", "a signature by a key that nobody trusts", step6, rs256(mallory, good.input()))

	forgeries(a, bad, good)
	changed := sign(alice, rotagentClaims().with(object{"exp": now + 600}))
	changed.signature = good.signature
	a.reject("claims-changed", "good", "claims that were changed after signing", step6, open(nil), refused(changed, nil, "invalid_signature"))
	header := signHeader(alice, object{"kid": "x"}, rotagentClaims())
	header.signature = good.signature
	a.reject("header-changed", "good", "a header that was changed after signing", step6, open(nil), refused(header, nil, "invalid_signature"))
	return a
}

// forgeries are numbers that a lenient verifier takes for signatures.
func forgeries(a *area, bad func(name, says, source, signature string), good token) {
	strict := "RFC 8017 section 8.2.2: the encoded message is compared whole"
	size, input := alice.Size(), good.input()
	bad("digest-info-without-null", "a DigestInfo without its NULL parameters", strict, signRaw(alice.N, alice.D, encoded(size, 1, 0xFF, sha256InfoNoNull+digest256(input))))
	bad("sha512-inside", "a SHA-512 digest under RS256", strict, signRaw(alice.N, alice.D, encoded(size, 1, 0xFF, sha512Info+digest512(input))))
	bad("digest-without-info", "the digest without its DigestInfo", strict, signRaw(alice.N, alice.D, encoded(size, 1, 0xFF, digest256(input))))
	bad("block-type-2", "the block type of encryption", strict, signRaw(alice.N, alice.D, encoded(size, 2, 0xFF, sha256Info+digest256(input))))
	bad("padding-other-octets", "other padding than FF", strict, signRaw(alice.N, alice.D, encoded(size, 1, 0xFE, sha256Info+digest256(input))))
	short := "\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff\x00" + sha256Info + digest256(input)
	bad("padding-short", "short padding and garbage behind the digest", strict, signRaw(alice.N, alice.D, short+string(make([]byte, size-len(short)))))

	unsigned := sign(cubic, rotagentClaims())
	unsigned.signature = cubeRootForgery(cubic.Size(), unsigned.input())
	a.reject("cube-root", "exponent-3", "a signature for exponent 3 that nobody signed: the cube begins like an encoded message", "CVE-2006-4339; "+strict,
		keysOfAlice(cubic.spki()), refused(unsigned, nil, "invalid_signature"))

	small, spelled := plusModulus(alice)
	a.accept("small", "a signature that is a small number", step6, open(nil), accepted(small, nil))
	small.signature = spelled
	a.reject("plus-modulus", "small", "the same number plus the modulus, in as many bytes", "RFC 8017 section 5.2.2", open(nil), refused(small, nil, "invalid_signature"))

	wide := readWideKey()
	t := token{header: plainHeader, payload: text(rotagentClaims())}
	t.signature = signRaw(wide.n, wide.d, encoded(size, 1, 0xFF, sha256Info+digest256(t.input())))
	a.accept("exponent-largest", "a key with the exponent 2^32-1, over what crypto/rsa takes", "protocol.md section 6", keysOfAlice(spkiOf(wide.n, wide.e)), accepted(t, nil))
}
