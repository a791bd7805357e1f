package jose

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"

	"github.com/tallystick/tallystick/core/problem"
)

// PrivateKey signs. It prints as its thumbprint only.
type PrivateKey struct {
	material privateMaterial
	public   *PublicKey
}

// privateMaterial is what the kinds of private keys do each in their own way.
type privateMaterial interface {
	sign(input string, algorithm Algorithm) ([]byte, error)
	members() string // of a JWK, beside those of the public half
	pkcs8() []byte   // what PrivateKeyInfo wraps
}

// KeyType is the kind of a key that is made.
type KeyType string

// The kinds: RSA signs RS256, EC (P-256) ES256, and Ed25519 EdDSA.
const (
	TypeRSA     KeyType = "rsa"
	TypeEC      KeyType = "ec"
	TypeEd25519 KeyType = "ed25519"
)

// DefaultBits are those of an RSA key where nobody says.
const DefaultBits = 2048

// CheckKeyType refuses a kind of keys that there is not, and a size that it does not have. bits 0
// is the kind's own.
func CheckKeyType(kind KeyType, bits int) error {
	switch kind {
	case TypeRSA:
		switch bits {
		case 0, 2048, 3072, 4096:
			return nil
		}
		return fmt.Errorf("an RSA key of %d bits is not offered: choose 2048, 3072 or 4096", bits)
	case TypeEC, TypeEd25519:
		if bits == 0 || bits == curveBits { //guard:curve-bits always
			return nil
		}
		return fmt.Errorf("a key of type %s has %d bits: leave bits out", kind, curveBits)
	}
	return fmt.Errorf("there is no key type %.40q: choose rsa, ec or ed25519", string(kind))
}

// Generate makes an RSA key of 2048, 3072 or 4096 bits with exponent 65537. It
// takes seconds in WebAssembly.
func Generate(bits int) (*PrivateKey, error) { return GenerateType(TypeRSA, bits) }

// GenerateType makes a key of a kind. bits 0 is the kind's own.
func GenerateType(kind KeyType, bits int) (*PrivateKey, error) {
	if err := CheckKeyType(kind, bits); err != nil {
		return nil, err
	}
	switch kind {
	case TypeEC:
		return generateEC()
	case TypeEd25519:
		return generateEd25519()
	}
	if bits == 0 {
		bits = DefaultBits
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, err
	}
	return privateRSA(key, RS256)
}

// Public returns the public half.
func (k *PrivateKey) Public() *PublicKey { return k.public }

// Type returns the kind of the key.
func (k *PublicKey) Type() KeyType {
	switch k.algorithm {
	case ES256:
		return TypeEC
	case EdDSA:
		return TypeEd25519
	}
	return TypeRSA
}

// String keeps the key out of every log.
func (k *PrivateKey) String() string { return "private key " + k.public.thumbprint }

// GoString is String.
func (k *PrivateKey) GoString() string { return k.String() }

// JWK returns the private key as a JWK text (RFC 7518 section 6, RFC 8037 section 2).
func (k *PrivateKey) JWK() string { return k.public.jwk("," + k.material.members()) }

// PEM returns PKCS#8, "PRIVATE KEY" (RFC 5208).
func (k *PrivateKey) PEM() string {
	return encodePEM("PRIVATE KEY", mustMarshal(pkcs8PrivateKey{
		Algorithm: k.public.material.algorithmIdentifier(), PrivateKey: k.material.pkcs8(),
	}))
}

// PKCS1 returns the older form, "RSA PRIVATE KEY" (RFC 8017 appendix A.1.2), "" of a key that is
// none.
func (k *PrivateKey) PKCS1() string {
	if _, is := k.material.(*rsaPrivate); !is {
		return ""
	}
	return encodePEM("RSA PRIVATE KEY", k.material.pkcs8())
}

// Sign makes the signature of a signing input by the key's algorithm. Those of RS256, ES256 (RFC
// 6979) and EdDSA are deterministic.
func Sign(input string, key *PrivateKey) ([]byte, *problem.Problem) {
	signature, err := key.material.sign(input, key.public.algorithm)
	if err != nil {
		return nil, problem.New(problem.SignerFailed, "the private key did not sign")
	}
	return signature, nil
}
