package jose

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"math"
	"math/big"
	"sync"

	"filippo.io/bigmod"
)

// The sizes of RSA keys that are used at all, in bits, and the exponents: odd,
// 3 to 2^32-1 (protocol.md section 6; RFC 7518 section 3.3 asks for 2048).
const (
	MinBits     = 2048
	MaxBits     = 8192
	minExponent = 3
	maxExponent = math.MaxUint32
)

// ErrWeak marks a key whose size, exponent or modulus is refused.
var ErrWeak = errors.New("weak or oversized key")

// PublicKey is an RSA key that verifies RS256 signatures. It keeps its modulus
// prepared: crypto/rsa prepares it anew at each verification, which takes longer
// than the verification itself. It is prepared at the first one: a stranger's set
// may hold 64 large keys, of which a token uses one. Safe for concurrent use.
type PublicKey struct {
	prepare    sync.Once
	modulus    *bigmod.Modulus
	n          []byte // big-endian, no leading zero
	exponent   uint
	bits       int
	thumbprint string
}

// NewPublicKey checks a modulus and an exponent.
func NewPublicKey(n, e *big.Int) (*PublicKey, error) {
	bits := n.BitLen()
	if n.Sign() < 0 {
		return nil, fmt.Errorf("%w: the RSA modulus is negative", ErrWeak)
	}
	if bits < MinBits || bits > MaxBits { //guard:key-too-small drop 1; key-too-large drop 2
		return nil, fmt.Errorf("%w: the RSA key has %d bits, it must have %d to %d", ErrWeak, bits, MinBits, MaxBits)
	}
	if n.Bit(0) == 0 { //guard:key-even never
		return nil, fmt.Errorf("%w: the RSA modulus is even", ErrWeak)
	}
	if e.Cmp(big.NewInt(minExponent)) < 0 || e.Cmp(big.NewInt(maxExponent)) > 0 || e.Bit(0) == 0 { //guard:key-exponent-small drop 1; key-exponent-even drop 3
		return nil, fmt.Errorf("%w: the RSA exponent must be odd, %d to %d", ErrWeak, minExponent, uint64(maxExponent))
	}
	if hasROCA(n) { //guard:key-roca never
		return nil, fmt.Errorf("%w: the RSA key has the fingerprint of CVE-2017-15361 (ROCA), its private key can be computed: make a new one", ErrWeak)
	}
	k := &PublicKey{n: n.Bytes(), exponent: uint(e.Uint64()), bits: bits}
	k.thumbprint = k.computeThumbprint()
	return k, nil
}

// Bits returns the size of the modulus.
func (k *PublicKey) Bits() int { return k.bits }

// Size returns the length of a signature, in bytes.
func (k *PublicKey) Size() int { return len(k.n) }

// Thumbprint returns the RFC 7638 SHA-256 thumbprint, base64url: the key's id.
func (k *PublicKey) Thumbprint() string { return k.thumbprint }

// sha256Prefix is the DER of DigestInfo up to the digest (RFC 8017 section 9.2, note 1).
var sha256Prefix = []byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}

// Verify checks an RSASSA-PKCS1-v1_5 signature with SHA-256 (RFC 8017 section
// 8.2.2). The expected encoding is built and compared whole, so there is no
// padding to parse leniently.
func (k *PublicKey) Verify(input string, signature []byte) bool {
	if len(signature) != k.Size() {
		return false
	}
	modulus := k.prepared()
	s, err := bigmod.NewNat().SetBytes(signature, modulus) // refuses s >= n
	if err != nil {
		return false
	}
	got := bigmod.NewNat().ExpShortVarTime(s, k.exponent, modulus).Bytes(modulus)
	return subtle.ConstantTimeCompare(got, k.encode(input)) == 1 //guard:signature-compare cut
}

func (k *PublicKey) prepared() *bigmod.Modulus {
	k.prepare.Do(func() {
		modulus, err := bigmod.NewModulus(k.n)
		if err != nil {
			panic(err) // NewPublicKey has refused what has no inverse: an even modulus, 0 and 1
		}
		k.modulus = modulus
	})
	return k.modulus
}

// encode is EMSA-PKCS1-v1_5 (RFC 8017 section 9.2).
func (k *PublicKey) encode(input string) []byte {
	digest := sha256.Sum256([]byte(input))
	encoded := make([]byte, k.Size())
	tail := len(encoded) - len(sha256Prefix) - len(digest)
	encoded[1] = 1
	for i := 2; i < tail-1; i++ {
		encoded[i] = 0xFF
	}
	copy(encoded[tail:], sha256Prefix)
	copy(encoded[tail+len(sha256Prefix):], digest[:])
	return encoded
}

func (k *PublicKey) bigN() *big.Int { return new(big.Int).SetBytes(k.n) }

func (k *PublicKey) exponentBytes() []byte {
	return new(big.Int).SetUint64(uint64(k.exponent)).Bytes()
}

// JWK returns the public key as a JWK text with its thumbprint as kid (RFC 7517, RFC 7518
// section 6.3.1).
func (k *PublicKey) JWK() string {
	return `{"kty":"RSA","use":"sig","alg":"RS256","kid":"` + k.thumbprint + `","n":"` + Encode64(k.n) + `","e":"` + Encode64(k.exponentBytes()) + `"}`
}

// computeThumbprint hashes the required members in lexical order (RFC 7638 section 3).
func (k *PublicKey) computeThumbprint() string {
	sum := sha256.Sum256([]byte(`{"e":"` + Encode64(k.exponentBytes()) + `","kty":"RSA","n":"` + Encode64(k.n) + `"}`))
	return Encode64(sum[:])
}
