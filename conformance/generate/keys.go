package generate

import (
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io/fs"
	"math/big"
	"strings"

	"github.com/tallystick/tallystick/conformance"
)

// keyPair is an RSA key of conformance/vectors/keys, for RS256.
type keyPair struct{ *rsa.PrivateKey }

var (
	alice     = readPair("alice.pem")
	aliceNext = readPair("alice-next.pem")
	bob       = readPair("bob.pem")
	mallory   = readPair("mallory.pem")
	cubic     = readPair("cubic.pem")
	large     = readPair("large.pem")
	weak      = readPair("weak.pem")
)

// roca has the fingerprint of CVE-2017-15361: each prime is k*M + (65537^a mod M), M the
// product of the first 39 primes. rocaTwin differs from it in one prime, the next one.
var (
	rocaFirst, rocaSecond = rocaPrime(12, 30, 1009), rocaPrime(14, 18, 2003)
	roca                  = pairOf(rocaFirst, rocaSecond)
	rocaTwin              = pairOf(rocaFirst, new(big.Int).Add(rocaSecond, big.NewInt(138)))
)

// rocaPrime is such a prime for k = lead * 2^801 + step, found by counting steps.
func rocaPrime(lead, step, exponent int64) *big.Int {
	m := big.NewInt(1)
	for n, found := int64(2), 0; found < 39; n++ {
		if big.NewInt(n).ProbablyPrime(0) {
			m.Mul(m, big.NewInt(n))
			found++
		}
	}
	k := new(big.Int).Lsh(big.NewInt(lead), 801)
	k.Add(k, big.NewInt(step)).Mul(k, m)
	return k.Add(k, new(big.Int).Exp(big.NewInt(65537), big.NewInt(exponent), m))
}

func pairOf(p, q *big.Int) keyPair {
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537}, Primes: []*big.Int{p, q}}
	key.D = new(big.Int).ModInverse(big.NewInt(65537), phi)
	if err := key.Validate(); err != nil {
		panic(err) // a step or an exponent was changed
	}
	key.Precompute()
	return keyPair{key}
}

func readKeyFile(name string) string {
	text, err := fs.ReadFile(conformance.Files(), "keys/"+name)
	if err != nil {
		panic(err) // the folder is embedded
	}
	return string(text)
}

// readKeyText is readKeyFile without the lines that label a file.
func readKeyText(name string) string {
	text := readKeyFile(name)
	return text[strings.Index(text, "-----BEGIN"):]
}

func readPair(name string) keyPair { return keyPair{readKey[*rsa.PrivateKey](name)} }

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func (k keyPair) spki() string  { return spkiPEM(&k.PublicKey) }
func (k keyPair) pkcs8() string { return pkcs8PEM(k.PrivateKey) }

func (k keyPair) publicPKCS1() string {
	return pemText("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&k.PublicKey))
}

func (k keyPair) privatePKCS1() string {
	return pemText("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k.PrivateKey))
}

func base64url(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// jwk is the public key as the members of RFC 7518 section 6.3.1 alone.
func (k keyPair) jwk() object {
	return object{"kty": "RSA", "n": base64url(k.N.Bytes()), "e": base64url(big.NewInt(int64(k.E)).Bytes())}
}

func (k keyPair) privateJWK() object {
	number := func(n *big.Int) string { return base64url(n.Bytes()) }
	return k.jwk().with(object{
		"d": number(k.D), "p": number(k.Primes[0]), "q": number(k.Primes[1]),
		"dp": number(k.Precomputed.Dp), "dq": number(k.Precomputed.Dq), "qi": number(k.Precomputed.Qinv),
	})
}

// kid is the RFC 7638 thumbprint, computed here and not by the core.
func (k keyPair) kid() string {
	members := k.jwk()
	return thumbprint(`{"e":"` + members["e"].(string) + `","kty":"RSA","n":"` + members["n"].(string) + `"}`)
}

// rsaEncryption and rsassaPSS are the last arcs of two identifiers of RFC 8017
// appendix C.
const (
	rsaEncryption = 1
	rsassaPSS     = 10
)

// spkiOf writes a public key that crypto/x509 would not: any modulus, any exponent.
func spkiOf(n, e *big.Int) string { return pemText("PUBLIC KEY", spkiDER(rsaEncryption, n, e)) }

func spkiDER(algorithm int, n, e *big.Int) []byte {
	pkcs1 := marshalASN1(struct{ N, E *big.Int }{n, e})
	return marshalASN1(struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}{
		pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, algorithm}, Parameters: asn1.NullRawValue},
		asn1.BitString{Bytes: pkcs1, BitLength: 8 * len(pkcs1)},
	})
}

func marshalASN1(value any) []byte {
	der, err := asn1.Marshal(value)
	if err != nil {
		panic(err)
	}
	return der
}

func jwks(keys ...object) string {
	return text(object{"keys": keys})
}

// text writes JSON with sorted members.
func text(value any) string {
	out, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(out)
}

// number reads a base64url member of a JWK.
func number(member any) *big.Int {
	raw, err := base64.RawURLEncoding.DecodeString(member.(string))
	if err != nil {
		panic(err)
	}
	return new(big.Int).SetBytes(raw)
}
