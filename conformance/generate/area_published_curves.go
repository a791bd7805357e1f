package generate

import (
	"crypto/ecdsa"
	"encoding/pem"
	"math/big"
)

// printedEC is the key of RFC 7515 appendix A.3, which signed rfc7515A3.
var (
	printedEC = object{"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
		"y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0", "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}
	rfc7515A3 = unsupportedJWS["rfc7515-a3-es256"].printedJWS
)

// printedEd is the key of RFC 8037 appendix A.1, which signed rfc8037A4.
var (
	printedEd = object{"kty": "OKP", "crv": "Ed25519", "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
		"x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
	rfc8037A4 = unsupportedJWS["rfc8037-a4-ed25519"].printedJWS
)

const rfc8037Thumbprint = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"

// rfc6979Key is the private number of RFC 6979 appendix A.2.5; Ux and Uy are its point.
var rfc6979Key = ecPairOf(numberOf("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"))

const (
	rfc6979X = "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
	rfc6979Y = "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
)

// PEM blocks of RFC 8410 sections 10.1 and 10.3.
const (
	rfc8410Public = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
`
	rfc8410Private = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
`
	rfc8410WithAttributes = `-----BEGIN PRIVATE KEY-----
MHICAQEwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
oB8wHQYKKoZIhvcNAQkJFDEPDA1DdXJkbGUgQ2hhaXJzgSEAGb9ECWmEzf6FQbrB
Z9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PRIVATE KEY-----
`
)

func publishedCurves(a *area) {
	printedES256(a)
	printedEdDSA(a)
	rfc8410(a)
	wide := object{"kty": "EC", "crv": "P-521", "kid": bilbo, "use": "sig",
		"x": "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
		"y": "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"}
	refusesKey(a, "rfc7520-3-1-p521", "rfc7515-a3-key", "the printed P-521 key", "RFC 7520 section 3.1; "+otherCurves, text(wide))
	a.reject("rfc7520-4-3-es512-curve", "rfc7515-a3-verify", "the printed ES512, with a P-256 key", "RFC 7520 section 4.3",
		call("jws.verify", object{"token": unsupportedJWS["rfc7520-4-3-es512"].String(), "key": publicHalf(printedEC)}, "", errorCode("unsupported_algorithm")))
}

func printedES256(a *area) {
	source := "RFC 7515 appendix A.3"
	public := publicHalf(printedEC)
	a.accept("rfc7515-a3-key", "the printed private key is read", source, inspect(text(printedEC), nil, object{"keys": []object{{"kind": "private", "alg": "ES256"}}}))
	a.accept("rfc7515-a3-verify", "the printed JWS verifies", source, rfc7515A3.verifiesWith(public))
	changed := rfc7515A3
	changed.signature = "E" + changed.signature[1:]
	a.reject("rfc7515-a3-signature-changed", "rfc7515-a3-verify", "the printed JWS with another first byte of the signature", source,
		call("jws.verify", object{"token": changed.String(), "key": public}, "", errorCode("invalid_signature")))
	key := ecPairOf(number(printedEC["d"]))
	signed := token{header: rfc7515A3.header, payload: rfc7515A3.payload}
	signed.signature = key.sign(signed.input())
	a.accept("rfc7515-a3-sign", "signed by the printed key, with the number that RFC 6979 gives: another signature than the printed one, as good", "RFC 6979 section 3.2; "+source,
		call("jws.sign", object{"private_key": text(printedEC), "header": parsed(rfc7515A3.header)}, rfc7515A3.payload, ok(object{"token": signed.String()})))
	numbers := object{"kty": "EC", "crv": "P-256", "x": base64url(numberOf(rfc6979X).Bytes()), "y": base64url(numberOf(rfc6979Y).Bytes())}
	a.accept("rfc6979-a2-5-key", "the printed numbers of the key are one key", "RFC 6979 appendix A.2.5",
		inspect(text(numbers.with(object{"d": base64url(rfc6979Key.number())})), nil, object{"keys": []object{{"kind": "private", "kid": rfc6979Key.kid()}}}))
	sample := token{header: `{"alg":"ES256"}`, payload: "sample"}
	sample.signature = rfc6979Key.sign(sample.input())
	a.accept("rfc6979-a2-5-sign", "a JWS by this key: the generator's signatures of the printed messages are the printed ones (area_published_test.go)", "RFC 6979 appendix A.2.5",
		call("jws.sign", object{"private_key": rfc6979Key.pkcs8(), "header": object{"alg": "ES256"}}, "sample", ok(object{"token": sample.String()})))
	a.accept("rfc7517-a1-elliptic-for-signatures", "the EC key of the printed set without its use", "RFC 7517 appendix A.1",
		inspect(text(p256.with(object{"use": remove})), nil, object{"keys": []object{{"alg": "ES256", "key_id": "1"}}}))
}

func printedEdDSA(a *area) {
	shown := object{"alg": "EdDSA", "kid": rfc8037Thumbprint, "bits": 256}
	public := publicHalf(printedEd)
	a.accept("rfc8037-a1-private", "the printed private key", "RFC 8037 appendix A.1", inspect(text(printedEd), object{"include_private": true},
		object{"keys": []object{shown.with(object{"kind": "private", "private_jwk": printedEd})}}))
	a.accept("rfc8037-a2-ed25519", "the printed public key", "RFC 8037 appendix A.2", inspect(public, nil, object{"keys": []object{shown.with(object{"kind": "public"})}}))
	a.accept("rfc8037-a3-thumbprint", "the printed thumbprint", "RFC 8037 appendix A.3", inspect(public, nil, object{"keys": []object{{"kid": rfc8037Thumbprint}}}))
	a.accept("rfc8037-a4-sign", "signing gives the printed JWS", "RFC 8037 appendix A.4",
		call("jws.sign", object{"private_key": text(printedEd), "header": parsed(rfc8037A4.header)}, rfc8037A4.payload, ok(object{"token": rfc8037A4.String()})))
	a.accept("rfc8037-a5-verify", "the printed JWS verifies", "RFC 8037 appendix A.5", rfc8037A4.verifiesWith(public))
	changed := rfc8037A4
	changed.signature = "i" + changed.signature[1:]
	a.reject("rfc8037-a5-signature-changed", "rfc8037-a5-verify", "the printed JWS with another first byte of the signature", "RFC 8037 appendix A.5",
		call("jws.verify", object{"token": changed.String(), "key": public}, "", errorCode("invalid_signature")))
	a.reject("rfc8037-a6-x25519", "rfc8037-a2-ed25519", "the printed key of X25519 signs nothing", "RFC 8037 appendix A.6", call("key.inspect", object{"text": text(object{
		"kty": "OKP", "crv": "X25519", "kid": "Bob", "x": "3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"})}, "", errorCode("invalid_key")))
}

// rfc8410: the private key is printed twice, once with attributes and its public half behind it.
func rfc8410(a *area) {
	block, _ := pem.Decode([]byte(rfc8410Public))
	x := base64url(block.Bytes[len(block.Bytes)-edBytes:])
	public := object{"kty": "OKP", "crv": "Ed25519", "x": x}
	a.accept("rfc8410-10-1-public", "the printed public key", "RFC 8410 section 10.1", inspect(rfc8410Public, nil, object{"keys": []object{{"alg": "EdDSA", "public_jwk": public}}}))
	private := object{"keys": []object{{"kind": "private", "alg": "EdDSA", "public_jwk": public}}}
	a.accept("rfc8410-10-3-private", "the printed private key", "RFC 8410 section 10.3", inspect(rfc8410Private, nil, private))
	a.accept("rfc8410-10-3-attributes", "the same with attributes and its public half", "RFC 8410 section 10.3", inspect(rfc8410WithAttributes, nil, private))
}

// printedRFC6979 are r and s of the two messages of RFC 6979 appendix A.2.5 with SHA-256.
var printedRFC6979 = map[string][2]string{
	"sample": {"efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716", "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"},
	"test":   {"f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367", "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083"},
}

// publicNumbers are a key's point.
func publicNumbers(key *ecdsa.PrivateKey) (x, y *big.Int) {
	point := ecPair{key}.point()
	return new(big.Int).SetBytes(point[1 : 1+ecBytes]), new(big.Int).SetBytes(point[1+ecBytes:])
}
