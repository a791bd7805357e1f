package generate

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"slices"
)

// pair is a key pair, good for one algorithm. Its texts and its signatures are made with
// the standard library and never with the core, which is what they test.
type pair interface {
	algorithm() string
	sign(input string) string
	bits() int
	kid() string // the RFC 7638 thumbprint
	spki() string
	pkcs8() string
	jwk() object // the members that the kind of key has, alone
	privateJWK() object
	// publicText and privateText are texts from which the algorithm shows.
	publicText() string
	privateText() string
}

// Alice's and mallory's keys on curves. pss are alice's RSA keys as keys for PS256.
var (
	curve        = ecPair{readKey[*ecdsa.PrivateKey]("p256.pem")}
	curveNext    = ecPair{readKey[*ecdsa.PrivateKey]("p256-next.pem")}
	curveMallory = ecPair{readKey[*ecdsa.PrivateKey]("p256-mallory.pem")}

	edwards        = edPair{readKey[ed25519.PrivateKey]("ed25519.pem")}
	edwardsNext    = edPair{readKey[ed25519.PrivateKey]("ed25519-next.pem")}
	edwardsMallory = edPair{readKey[ed25519.PrivateKey]("ed25519-mallory.pem")}

	pss        = pssPair{alice}
	pssNext    = pssPair{aliceNext}
	pssMallory = pssPair{mallory}
)

// kinds are the algorithms: the key that is used, the one after it, and one that nobody trusts.
var kinds = []struct {
	name                string // as it stands in the names of vectors
	key, next, stranger pair
}{
	{"rs256", alice, aliceNext, mallory},
	{"ps256", pss, pssNext, pssMallory},
	{"es256", curve, curveNext, curveMallory},
	{"eddsa", edwards, edwardsNext, edwardsMallory},
}

// readKey reads a private key of one type.
func readKey[K any](name string) K {
	block, _ := pem.Decode([]byte(readKeyFile(name)))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		panic(err)
	}
	return key.(K)
}

func spkiPEM(public any) string {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		panic(err)
	}
	return pemText("PUBLIC KEY", der)
}

func pkcs8PEM(private any) string {
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	return pemText("PRIVATE KEY", der)
}

func (k keyPair) algorithm() string        { return "RS256" }
func (k keyPair) sign(input string) string { return rs256(k, input) }
func (k keyPair) bits() int                { return k.N.BitLen() }
func (k keyPair) publicText() string       { return k.spki() }
func (k keyPair) privateText() string      { return k.pkcs8() }

// ecPair is a P-256 key.
type ecPair struct{ *ecdsa.PrivateKey }

// ecBytes is the length of a coordinate and of half a signature, in bytes.
const ecBytes = 32

// ecOrder is n, ecField p (FIPS 186-5).
var (
	ecOrder = elliptic.P256().Params().N
	ecField = elliptic.P256().Params().P
)

// ecPairOf has a private number.
func ecPairOf(d *big.Int) ecPair {
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d.FillBytes(make([]byte, ecBytes)))
	if err != nil {
		panic(err)
	}
	return ecPair{key}
}

func (k ecPair) algorithm() string { return "ES256" }

func (k ecPair) sign(input string) string {
	r, s := k.parts(crypto.SHA256, input)
	return rawEC(r, s)
}

// parts are r and s of a deterministic signature (RFC 6979).
func (k ecPair) parts(hash crypto.Hash, input string) (r, s *big.Int) {
	return ecdsaParts(k.PrivateKey, hash, input)
}

func ecdsaParts(key *ecdsa.PrivateKey, hash crypto.Hash, input string) (r, s *big.Int) {
	digest := hash.New()
	digest.Write([]byte(input))
	der, err := key.Sign(nil, digest.Sum(nil), hash)
	if err != nil {
		panic(err)
	}
	var parts struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &parts); err != nil {
		panic(err)
	}
	return parts.R, parts.S
}

// rawEC is r and s, 32 bytes each (RFC 7518 section 3.4).
func rawEC(r, s *big.Int) string {
	return string(r.FillBytes(make([]byte, ecBytes))) + string(s.FillBytes(make([]byte, ecBytes)))
}

func derEC(r, s *big.Int) string { return string(marshalASN1(struct{ R, S *big.Int }{r, s})) }

// partsOf are r and s of a raw signature.
func partsOf(signature string) (r, s *big.Int) {
	return new(big.Int).SetBytes([]byte(signature[:ecBytes])), new(big.Int).SetBytes([]byte(signature[ecBytes:]))
}

// point is 0x04, x and y (SEC 1 section 2.3.3).
func (k ecPair) point() []byte {
	point, err := k.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	return point
}

func (k ecPair) number() []byte {
	d, err := k.Bytes()
	if err != nil {
		panic(err)
	}
	return d
}

func (k ecPair) bits() int           { return 256 }
func (k ecPair) spki() string        { return spkiPEM(&k.PublicKey) }
func (k ecPair) publicText() string  { return k.spki() }
func (k ecPair) privateText() string { return k.pkcs8() }

// pkcs8 holds the public point, and the curve's name once (RFC 5915 section 3).
func (k ecPair) pkcs8() string { return pkcs8PEM(k.PrivateKey) }

// sec1 is the older form, with the curve's name in it (RFC 5915 section 4).
func (k ecPair) sec1() string {
	der, err := x509.MarshalECPrivateKey(k.PrivateKey)
	if err != nil {
		panic(err)
	}
	return pemText("EC PRIVATE KEY", der)
}

func (k ecPair) jwk() object {
	point := k.point()
	return ecJWK(point[1:1+ecBytes], point[1+ecBytes:])
}

func ecJWK(x, y []byte) object {
	return object{"kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y)}
}

func (k ecPair) privateJWK() object { return k.jwk().with(object{"d": base64url(k.number())}) }

func (k ecPair) kid() string {
	members := k.jwk()
	return thumbprint(`{"crv":"P-256","kty":"EC","x":"` + members["x"].(string) + `","y":"` + members["y"].(string) + `"}`)
}

func thumbprint(members string) string {
	sum := sha256.Sum256([]byte(members))
	return base64url(sum[:])
}

// edPair is an Ed25519 key.
type edPair struct{ ed25519.PrivateKey }

func (k edPair) algorithm() string        { return "EdDSA" }
func (k edPair) sign(input string) string { return string(ed25519.Sign(k.PrivateKey, []byte(input))) }
func (k edPair) bits() int                { return 256 }
func (k edPair) spki() string             { return spkiPEM(k.Public()) }
func (k edPair) pkcs8() string            { return pkcs8PEM(k.PrivateKey) }
func (k edPair) publicText() string       { return k.spki() }
func (k edPair) privateText() string      { return k.pkcs8() }
func (k edPair) jwk() object              { return edJWK(k.Public().(ed25519.PublicKey)) }

func edJWK(point []byte) object {
	return object{"kty": "OKP", "crv": "Ed25519", "x": base64url(point)}
}

func (k edPair) privateJWK() object { return k.jwk().with(object{"d": base64url(k.Seed())}) }

func (k edPair) kid() string {
	return thumbprint(`{"crv":"Ed25519","kty":"OKP","x":"` + k.jwk()["x"].(string) + `"}`)
}

// pssPair is an RSA key whose JWK says PS256; its PEM cannot say so, and is for RS256.
type pssPair struct{ keyPair }

func (k pssPair) algorithm() string { return "PS256" }

// sign makes a signature whose salt is drawn from the input: vectors are the same bytes each
// time that they are made.
func (k pssPair) sign(input string) string {
	return signPSS(k.keyPair, pssForm{crypto.SHA256, crypto.SHA256, sha256.Size, 0xBC}, input)
}

func (k pssPair) jwk() object         { return k.keyPair.jwk().with(object{"alg": "PS256"}) }
func (k pssPair) privateJWK() object  { return k.keyPair.privateJWK().with(object{"alg": "PS256"}) }
func (k pssPair) publicText() string  { return text(k.jwk()) }
func (k pssPair) privateText() string { return text(k.privateJWK()) }

// name is what the needs check and engine.key call the key.
func (k pssPair) name() string { return k.kid() + ".PS256" }

func nameOf(key pair) string {
	if named, is := key.(pssPair); is {
		return named.name()
	}
	return key.kid()
}

// pssForm is a choice of RSASSA-PSS (RFC 8017 section 9.1); PS256 is one of them.
type pssForm struct {
	hash, mask crypto.Hash
	salt       int // bytes
	trailer    byte
}

// signPSS is EMSA-PSS (RFC 8017 section 9.1.1) and RSASP1.
func signPSS(key keyPair, form pssForm, input string) string {
	digest := func(hash crypto.Hash, parts ...[]byte) []byte {
		h := hash.New()
		h.Write(bytes.Join(parts, nil))
		return h.Sum(nil)
	}
	salt := mask(crypto.SHA256, []byte("salt of "+input), form.salt)
	h := digest(form.hash, make([]byte, 8), digest(form.hash, []byte(input)), salt)
	bits := key.N.BitLen() - 1
	size := (bits + 7) / 8
	block := slices.Concat(make([]byte, size-len(h)-len(salt)-2), []byte{1}, salt)
	for i, b := range mask(form.mask, h, len(block)) {
		block[i] ^= b
	}
	block[0] &= 0xFF >> (8*size - bits)
	return signRaw(key.N, key.D, string(slices.Concat(block, h, []byte{form.trailer})))
}

// mask is MGF1 (RFC 8017 appendix B.2.1).
func mask(hash crypto.Hash, seed []byte, length int) []byte {
	var out []byte
	for counter := byte(0); len(out) < length; counter++ {
		h := hash.New()
		h.Write(slices.Concat(seed, []byte{0, 0, 0, counter}))
		out = h.Sum(out)
	}
	return out[:length]
}
