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
		ID: "jwk-parts", Side: WeRefuse, Peers: []string{joseNode}, Source: "RFC 8017 section 3.2; RFC 7518 section 6.3.2",
		Reason: "The numbers of a private JWK do not belong to each other. jose imports it as it is; signatures with it verify nowhere.",
		Fits:   because(invalidKey, "its numbers do not fit together"),
	}, {
		ID: "jwk-member-twice", Side: WeRefuse, Peers: []string{pyJWT, joserfc, joseNode}, Source: "RFC 7517 section 4",
		Reason: "A member of the JWK appears twice: two readers have two keys.",
		Fits:   because(invalidKey, "a member appears twice"),
	}, {
		ID: "jwk-type", Side: WeRefuse, Peers: []string{joserfc, joseNode}, Source: "RFC 7517 section 4.1; RFC 8725 section 3.1",
		Reason: "`kty` is another than RSA. jose imports it as what it says (a shared secret), and joserfc's RSAKey does not look at it.",
		Fits:   because(invalidKey, "is not an RSA key for RS256"),
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
		ID: "ninth-key", Side: WeRefuse, Peers: everyPeer(), Source: "protocol.md section 3 step 5",
		Reason: "The issuer's ninth key made the signature and no `kid` says so: the core tries eight keys for one token. The libraries were given that key.",
		Fits: func(f Finding) bool {
			return f.Case.Ours.Code == "invalid_signature" && f.Case.Vector == "key-selection/ninth"
		},
	}}
}
