package jose

import (
	"crypto/sha256"
	"encoding/asn1"
	"errors"
)

// ErrWeak marks a key whose size, exponent, modulus or order is refused.
var ErrWeak = errors.New("weak or oversized key")

// PublicKey verifies signatures of one algorithm. Safe for concurrent use.
type PublicKey struct {
	material   publicMaterial
	algorithm  Algorithm
	thumbprint string
}

// publicMaterial is what the kinds of keys do each in their own way.
type publicMaterial interface {
	verify(input string, signature []byte) bool
	signatureSize() int // bytes
	bits() int          // of the modulus, or of the curve's field
	// members are those of a JWK, kty first, and hashed the ones of its thumbprint, in lexical
	// order (RFC 7638 section 3.2).
	members() (kty, rest string)
	hashed() string
	algorithmIdentifier() algorithmIdentifier
	bitString() []byte // of SubjectPublicKeyInfo
}

func newPublicKey(material publicMaterial, algorithm Algorithm) *PublicKey {
	sum := sha256.Sum256([]byte(material.hashed()))
	return &PublicKey{material, algorithm, Encode64(sum[:])}
}

// Algorithm returns the one that the key is good for.
func (k *PublicKey) Algorithm() Algorithm { return k.algorithm }

// Bits returns the size of the modulus, or of the curve's field.
func (k *PublicKey) Bits() int { return k.material.bits() }

// Size returns the length of a signature, in bytes.
func (k *PublicKey) Size() int { return k.material.signatureSize() }

// Thumbprint returns the RFC 7638 SHA-256 thumbprint, base64url: the key's id.
func (k *PublicKey) Thumbprint() string { return k.thumbprint }

// Name tells the keys of one engine apart, for a host that checks: one RSA key may be good for
// RS256 in one place and for PS256 in another.
func (k *PublicKey) Name() string { return KeyName(k.thumbprint, k.algorithm) }

// KeyName is the Name of the key with a thumbprint that is good for an algorithm.
func KeyName(thumbprint string, algorithm Algorithm) string {
	if algorithm == PS256 {
		return thumbprint + "." + string(PS256)
	}
	return thumbprint
}

// Verify checks a signature.
func (k *PublicKey) Verify(input string, signature []byte) bool {
	return k.material.verify(input, signature)
}

// JWK returns the public key as a JWK text with its thumbprint as kid (RFC 7517).
func (k *PublicKey) JWK() string { return k.jwk("") }

func (k *PublicKey) jwk(private string) string {
	kty, rest := k.material.members()
	return `{"kty":"` + kty + `","use":"sig","alg":"` + string(k.algorithm) + `","kid":"` + k.thumbprint + `",` + rest + private + `}`
}

// PEM returns SPKI, "PUBLIC KEY" (RFC 5280 section 4.1.2.7).
func (k *PublicKey) PEM() string {
	bytes := k.material.bitString()
	return encodePEM("PUBLIC KEY", mustMarshal(subjectPublicKeyInfo{
		k.material.algorithmIdentifier(), asn1.BitString{Bytes: bytes, BitLength: 8 * len(bytes)},
	}))
}

// PKCS1 returns "RSA PUBLIC KEY" (RFC 8017 appendix A.1.1), "" of a key that is none.
func (k *PublicKey) PKCS1() string {
	if _, is := k.material.(*rsaPublic); !is {
		return ""
	}
	return encodePEM("RSA PUBLIC KEY", k.material.bitString())
}
