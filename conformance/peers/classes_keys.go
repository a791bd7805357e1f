package peers

const invalidKey = "invalid_key"

// keyClasses: which keys are read, and which key is tried.
func keyClasses() []Class {
	return []Class{{
		ID: "key-size", Side: WeRefuse, Peers: []string{golang, pyJWT, joserfc, joseNode}, Source: "RFC 7518 section 3.3: 2048 bits or larger",
		Reason: "The modulus has fewer than 2048 or more than 8192 bits. Importing looks at no size; joserfc and PyJWT can warn, jose refuses short keys when they are used. The upper limit bounds the time of one verification.",
		Fits:   because(invalidKey, "the RSA key has"),
	}, {
		ID: "key-exponent", Side: WeRefuse, Peers: []string{golang, pyJWT, joserfc, joseNode}, Source: "RFC 8017 section 3.1; FIPS 186-5 section 5.1",
		Reason: "The public exponent is even, 0, 1, negative or above 2^32-1. With 1 every signature is its own message; an even one is no RSA; a large one costs time.",
		Fits:   because(invalidKey, "the RSA exponent"),
	}, {
		ID: "key-modulus-even", Side: WeRefuse, Peers: []string{golang, pyJWT, joserfc, joseNode}, Source: "RFC 8017 section 3.1: a product of odd primes",
		Reason: "The modulus is even, so that its factors are known.",
		Fits:   because(invalidKey, "the RSA modulus is even"),
	}, {
		ID: "key-modulus-negative", Side: WeRefuse, Peers: []string{joseNode}, Source: "RFC 8017 section 3.1: a product of odd primes",
		Reason: "The modulus is a negative number. jose leaves the DER to the Web Cryptography API, which imports it.",
		Fits:   because(invalidKey, "the RSA modulus is negative"),
	}, {
		ID: "key-certificate", Side: WeRefuse, Peers: []string{golang, joserfc}, Source: "RFC 7515 section 4.1.6; protocol.md section 6",
		Reason: "The text is a certificate. These libraries take its key without a look at validity, names or chain; the core asks for the key itself and says how to take it out.",
		Fits:   because(invalidKey, "a certificate, not a key"),
	}, {
		ID: "key-der", Side: WeRefuse, Peers: []string{golang, joseNode}, Source: "RFC 7468 sections 3, 10 and 13; X.690",
		Reason: "The DER has bytes behind its end (jose), or the label of the PEM block says another form than its content (golang-jwt does not read the label).",
		Fits:   because(invalidKey, "the public key's DER is damaged"),
	}, {
		ID: "private-der", Side: WeRefuse, Peers: []string{golang, joseNode}, Source: "RFC 5915 section 3; RFC 8410 section 7",
		Reason: "A private key on a curve has bytes behind it, a longer number, or the public point of another key. Go's readers do not look at these, nor does Web Cryptography at the first.",
		Fits: both(because(invalidKey, "the private key's DER is damaged"), func(f Finding) bool {
			return f.Case.Question.Alg != "RS256" && !isJSON(f.Case.Question.Key)
		}),
	}, {
		ID: "jwk-parts", Side: WeRefuse, Peers: []string{joseNode, joserfc}, Source: "RFC 8017 section 3.2; RFC 7518 section 6.3.2; RFC 8037 section 2",
		Reason: "The numbers of a private JWK do not belong to each other. jose imports an RSA key as it is, joserfc an Ed25519 key; signatures with it verify nowhere.",
		Fits:   because(invalidKey, "its numbers do not fit together"),
	}, {
		ID: "ed25519-small-order", Side: WeRefuse, Peers: []string{golang, pyJWT, joserfc, joseNode}, Source: "RFC 8032 section 5.1; protocol.md section 10",
		Reason: "The Ed25519 key is one of the points whose order divides 8: anybody makes signatures for it, for any token. The libraries import it, and verify what nobody signed.",
		Fits:   because(invalidKey, "is of small order"),
	}, {
		ID: "ed25519-point", Side: WeRefuse, Peers: []string{golang, pyJWT, joserfc, joseNode}, Source: "RFC 8032 section 5.1.3",
		Reason: "The 32 bytes are no point of Ed25519, or a second spelling of one: y is not below p. The libraries import every 32 bytes; where there is no point, nothing verifies later.",
		Fits:   because(invalidKey, "no point of Ed25519"),
	}, {
		ID: "ec-point", Side: WeRefuse, Peers: []string{pyJWT, joserfc, joseNode}, Source: "RFC 7518 section 6.2.1; RFC 5480 section 2.2",
		Reason: "The point is compressed or in the hybrid form, which OpenSSL reads, or x is not below p, which OpenSSL reduces (PyJWT, joserfc). The core reads the uncompressed form alone, so that one key has one spelling.",
		Fits:   because(invalidKey, "does not lie on the curve P-256"),
	}, {
		ID: "other-curve", Side: WeRefuse, Peers: []string{golang, pyJWT, joserfc, joseNode}, Source: "protocol.md section 10; RFC 5480 section 2.1.1; CVE-2020-0601",
		Reason: "The key is on another curve than P-256, or of another kind than Ed25519, or gives the numbers of its curve in place of the name (jose, by the Web Cryptography API). The libraries read the keys of all algorithms that they have.",
		Fits:   because(invalidKey, "on another curve than P-256", "key is not an RSA, P-256 or Ed25519 key"),
	}, {
		ID: "jwk-coordinate", Side: WeRefuse, Peers: []string{joserfc, joseNode}, Source: "RFC 7518 sections 6.2.1.2 and 6.2.2.1: the full size of a coordinate",
		Reason: "x or d has another length than 32 bytes: leading zero bytes are left out or added, or d is not below n. These libraries read it as a number.",
		Fits:   because(invalidKey, "bytes, it must have 32"),
	}, {
		ID: "jwk-member-twice", Side: WeRefuse, Peers: []string{pyJWT, joserfc, joseNode}, Source: "RFC 7517 section 4",
		Reason: "A member of the JWK appears twice: two readers have two keys.",
		Fits:   because(invalidKey, "a member appears twice"),
	}, {
		ID: "jwk-type", Side: WeRefuse, Peers: []string{pyJWT, joserfc, joseNode}, Source: "RFC 7517 sections 4.1 to 4.4; RFC 8725 section 3.1; protocol.md section 10",
		Reason: "`kty`, `crv`, `use`, `alg` or `key_ops` say that the key is for something else. The libraries do not look at them where they import a key, but for `kty`, and read other curves too; jose imports a shared secret as one.",
		Fits:   because(invalidKey, "is not an RSA, P-256 or Ed25519 key for signatures"),
	}, {
		ID: "jwk-base64url", Side: WeRefuse, Peers: []string{pyJWT, joseNode}, Source: "RFC 7518 section 2: Base64urlUInt",
		Reason: "A number of the JWK is padded with `=`.",
		Fits:   because(invalidKey, "is not strict base64url"),
	}, {
		ID: "jwk-primes", Side: WeRefuse, Peers: []string{pyJWT, joserfc}, Source: "RFC 7518 section 6.3.2: producers should include them",
		Reason: "A private JWK has `d` without its primes. These libraries compute them; the core asks for the whole key.",
		Fits:   because(invalidKey, "lacks p or q"),
	}, {
		ID: "jwk-kid", Side: WeRefuse, Peers: []string{pyJWT, joserfc, joseNode}, Source: "RFC 7517 section 4.5: a string; protocol.md section 6",
		Reason: "The `kid` of the JWK is empty, over 256 bytes, of another type, or has control characters: it is compared with tokens and written to logs. Two of the libraries take any value, joserfc any string.",
		Fits:   because(invalidKey, "kid is not a short string"),
	}, {
		ID: "pkcs1-version", Side: WeRefuse, Peers: []string{golang}, Source: "RFC 8017 appendix A.1.2: version 0 has two primes",
		Reason: "The version of a PKCS#1 private key is another than 0 (two primes). Go's reader takes 1 and two primes too.",
		Fits:   func(f Finding) bool { return f.Case.Ours.Code == invalidKey && f.Case.Vector == "keys/pkcs1-version" },
	}, {
		ID: "private-for-public", Side: WeRefuse, Peers: []string{joserfc, nodeJWT}, Source: "RFC 7517 section 9.2",
		Reason: "A private key is given where a public one is wanted. These libraries verify with its public half; the core says that a secret lies in the wrong place.",
		Fits:   both(because(invalidKey, "expected a public one"), func(f Finding) bool { return f.Case.Task == VerifyJWS }),
	}, {
		ID: "pss-salt", Side: WeRefuse, Peers: []string{golang}, Source: "RFC 7518 section 3.5: the size of the salt MUST be that of the digest",
		Reason: "The salt of a PS256 signature has another length than 32 bytes. golang-jwt verifies with the length that it finds.",
		Fits: func(f Finding) bool {
			return f.Case.Ours.Code == "invalid_signature" && f.Case.Question.Alg == "PS256"
		},
	}, {
		ID: "ninth-key", Side: WeRefuse, Peers: everyPeer(), Source: "protocol.md section 3 step 5",
		Reason: "The issuer's ninth key for an algorithm made the signature and no `kid` says so: the core tries eight keys for one token. The libraries were given that key.",
		Fits: func(f Finding) bool {
			return f.Case.Ours.Code == "invalid_signature" && (f.Case.Vector == "key-selection/ninth" || f.Case.Vector == "key-algorithm/ninth-curve")
		},
	}}
}
