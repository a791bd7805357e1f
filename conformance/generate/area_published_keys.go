package generate

const rfc7638Thumbprint = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"

// p256 is the elliptic key of RFC 7517 appendix A.1; A.2 prints its d.
var p256 = object{"kty": "EC", "crv": "P-256", "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM", "use": "enc", "kid": "1"}

func rfc7517(a *area) {
	key := parsed(readKeyFile("rfc7517-a2.json"))
	public := object{"kty": "RSA", "n": key["n"], "e": key["e"], "alg": "RS256", "kid": "2011-04-29"}
	shown := object{"kid": rfc7638Thumbprint, "key_id": "2011-04-29", "bits": 2048}
	a.accept("rfc7638-thumbprint", "the printed thumbprint", "RFC 7638 section 3.1", inspect(text(public), nil, object{"keys": []object{shown}}))
	a.accept("rfc7517-a1-set", "the printed set: its EC key is passed over, its RSA key is used", "RFC 7517 appendix A.1",
		call("keys.load", object{"files": []object{file("joe.jwks.json", jwks(p256, public))}}, "",
			ok(object{"issuers": object{"joe": []object{{"kid": rfc7638Thumbprint, "key_id": "2011-04-29", "alg": "RS256", "bits": 2048, "public_pem": spkiOf(number(key["n"]), number(key["e"])),
				"public_jwk": object{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": rfc7638Thumbprint, "n": key["n"], "e": "AQAB"}}}}, "warnings": []object{}})))
	a.accept("rfc7517-a1-set-read", "the same set as one text", "RFC 7517 appendix A.1", inspect(jwks(p256, public), nil, object{"keys": []object{shown}}))
	privateSet(a, key)
	unsuitableKeys(a)
	withCertificate(a)
}

func privateSet(a *area, key object) {
	a.accept("rfc7517-a2-private", "the printed private key", "RFC 7517 appendix A.2", inspect(text(key), object{"include_private": true},
		object{"keys": []object{{"kind": "private", "kid": rfc7638Thumbprint, "private_jwk": object{"d": key["d"], "p": key["p"], "q": key["q"], "dp": key["dp"], "dq": key["dq"], "qi": key["qi"]}}}}))
	set := jwks(p256.with(object{"d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}), key)
	a.accept("rfc7517-a2-set", "the printed set of private keys: its EC key is passed over", "RFC 7517 appendix A.2",
		inspect(set, nil, object{"keys": []object{{"kind": "private", "kid": rfc7638Thumbprint, "key_id": "2011-04-29"}}}))
	a.accept("rfc7517-a2-set-in-folder", "the same set in a folder of authorized keys gives a warning and no key", "RFC 7517 appendix A.2; protocol.md section 1",
		call("keys.load", object{"files": []object{file("joe.jwks.json", set)}}, "", okIncludes(object{"issuers": object{}, "warnings": []object{{"source": "joe.jwks.json", "code": "private_key"}}})))
}

func unsuitableKeys(a *area) {
	octets := object{"kty": "oct", "alg": "A128KW", "k": "GawgguFyGrWKav7AX4VKUg"}
	hmac := object{"kty": "oct", "k": rfc7515Secret, "kid": "HMAC key used in JWS A.1 example"}
	refusesKey(a, "rfc7517-a1-elliptic", "rfc7638-thumbprint", "the EC key of the printed set alone: it is for encryption", "RFC 7517 appendix A.1", text(p256))
	refusesKey(a, "rfc7517-a3-symmetric", "rfc7517-a1-set-read", "the printed set of symmetric keys has none for RS256", "RFC 7517 appendix A.3", jwks(octets, hmac))
}

// rfc7515Secret is the symmetric key of RFC 7515 appendix A.1.
const rfc7515Secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"

// withCertificate: the certificate is of 2013 and signed with SHA-1; nobody looks at it.
func withCertificate(a *area) {
	key := parsed(readKeyFile("rfc7517-b.json"))
	a.accept("rfc7517-b-certificate", "the printed key with x5c: the key counts, its certificate is not looked at", "RFC 7517 appendix B",
		inspect(text(key), nil, object{"keys": []object{{"kind": "public", "bits": 2048, "key_id": "1b94c", "public_pem": spkiOf(number(key["n"]), number(key["e"]))}}}))
}
