package jose

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/asn1"
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
	// maxPSSExponent is the largest that crypto/rsa takes.
	maxPSSExponent = math.MaxInt32
)

// rsaPublic keeps its modulus prepared: crypto/rsa prepares it anew at each verification, which
// takes longer than the verification itself. It is prepared at the first one: a stranger's set may
// hold 64 large keys, of which a token uses one.
type rsaPublic struct {
	prepare  sync.Once
	modulus  *bigmod.Modulus
	n        []byte // big-endian, no leading zero
	exponent uint
	size     int            // of the modulus, in bits
	pss      *rsa.PublicKey // of a key for PS256
}

// NewPublicKey checks a modulus and an exponent of a key for RS256.
func NewPublicKey(n, e *big.Int) (*PublicKey, error) { return newRSA(n, e, RS256) }

func newRSA(n, e *big.Int, algorithm Algorithm) (*PublicKey, error) {
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
	most := uint64(maxExponent)
	if algorithm == PS256 { //guard:pss-exponent never
		most = maxPSSExponent
	}
	if e.Cmp(big.NewInt(minExponent)) < 0 || e.Cmp(new(big.Int).SetUint64(most)) > 0 || e.Bit(0) == 0 { //guard:key-exponent-small drop 1; key-exponent-even drop 3
		return nil, fmt.Errorf("%w: the RSA exponent must be odd, %d to %d", ErrWeak, minExponent, most)
	}
	if hasROCA(n) { //guard:key-roca never
		return nil, fmt.Errorf("%w: the RSA key has the fingerprint of CVE-2017-15361 (ROCA), its private key can be computed: make a new one", ErrWeak)
	}
	k := &rsaPublic{n: n.Bytes(), exponent: uint(e.Uint64()), size: bits}
	if algorithm == PS256 {
		k.pss = &rsa.PublicKey{N: n, E: int(k.exponent)}
	}
	return newPublicKey(k, algorithm), nil
}

func (k *rsaPublic) bits() int { return k.size }

func (k *rsaPublic) signatureSize() int { return len(k.n) }

// sha256Prefix is the DER of DigestInfo up to the digest (RFC 8017 section 9.2, note 1).
var sha256Prefix = []byte{0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20}

// verify checks an RSASSA-PKCS1-v1_5 signature with SHA-256 (RFC 8017 section
// 8.2.2). The expected encoding is built and compared whole, so there is no
// padding to parse leniently. A key for PS256 checks RSASSA-PSS (section 8.1.2).
func (k *rsaPublic) verify(input string, signature []byte) bool {
	if len(signature) != len(k.n) {
		return false
	}
	if k.pss != nil { //guard:pss-verify never
		digest := sha256.Sum256([]byte(input))
		return rsa.VerifyPSS(k.pss, crypto.SHA256, digest[:], signature, pssOptions()) == nil
	}
	modulus := k.prepared()
	s, err := bigmod.NewNat().SetBytes(signature, modulus) // refuses s >= n
	if err != nil {
		return false
	}
	got := bigmod.NewNat().ExpShortVarTime(s, k.exponent, modulus).Bytes(modulus)
	return subtle.ConstantTimeCompare(got, k.encode(input)) == 1 //guard:signature-compare cut
}

// pssOptions are those of PS256: the salt is as long as the digest (RFC 7518 section 3.5).
func pssOptions() *rsa.PSSOptions { return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash} }

func (k *rsaPublic) prepared() *bigmod.Modulus {
	k.prepare.Do(func() {
		modulus, err := bigmod.NewModulus(k.n)
		if err != nil {
			panic(err) // newRSA has refused what has no inverse: an even modulus, 0 and 1
		}
		k.modulus = modulus
	})
	return k.modulus
}

// encode is EMSA-PKCS1-v1_5 (RFC 8017 section 9.2).
func (k *rsaPublic) encode(input string) []byte {
	digest := sha256.Sum256([]byte(input))
	encoded := make([]byte, len(k.n))
	tail := len(encoded) - len(sha256Prefix) - len(digest)
	encoded[1] = 1
	for i := 2; i < tail-1; i++ {
		encoded[i] = 0xFF
	}
	copy(encoded[tail:], sha256Prefix)
	copy(encoded[tail+len(sha256Prefix):], digest[:])
	return encoded
}

func (k *rsaPublic) exponentBytes() []byte {
	return new(big.Int).SetUint64(uint64(k.exponent)).Bytes()
}

// members are of RFC 7518 section 6.3.1.
func (k *rsaPublic) members() (kty, rest string) {
	return "RSA", `"n":"` + Encode64(k.n) + `","e":"` + Encode64(k.exponentBytes()) + `"`
}

func (k *rsaPublic) hashed() string {
	return `{"e":"` + Encode64(k.exponentBytes()) + `","kty":"RSA","n":"` + Encode64(k.n) + `"}`
}

// oidRSA is rsaEncryption (RFC 8017 appendix C). RSASSA-PSS keys have another: they must
// not make PKCS#1 v1.5 signatures.
var oidRSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}

func (k *rsaPublic) algorithmIdentifier() algorithmIdentifier {
	return algorithmIdentifier{oidRSA, asn1.NullRawValue}
}

type pkcs1PublicKey struct {
	N *big.Int
	E *big.Int
}

func (k *rsaPublic) bitString() []byte {
	return mustMarshal(pkcs1PublicKey{new(big.Int).SetBytes(k.n), new(big.Int).SetUint64(uint64(k.exponent))})
}

func parsePKCS1Public(der []byte) (Key, error) {
	var parts pkcs1PublicKey
	rest, err := asn1.Unmarshal(der, &parts)
	if err != nil || len(rest) > 0 {
		return Key{}, errPublicDER
	}
	public, err := NewPublicKey(parts.N, parts.E)
	return Key{Public: public}, err
}

type rsaPrivate struct{ key *rsa.PrivateKey }

func (k *rsaPrivate) sign(input string, algorithm Algorithm) ([]byte, error) {
	if algorithm == PS256 {
		digest := sha256.Sum256([]byte(input))
		return rsa.SignPSS(rand.Reader, k.key, crypto.SHA256, digest[:], pssOptions())
	}
	return signRS256(input, k.key)
}

// members are of RFC 7518 section 6.3.2.
func (k *rsaPrivate) members() string {
	number := func(n *big.Int) string { return Encode64(n.Bytes()) }
	pre := k.key.Precomputed
	return `"d":"` + number(k.key.D) + `","p":"` + number(k.key.Primes[0]) + `","q":"` + number(k.key.Primes[1]) +
		`","dp":"` + number(pre.Dp) + `","dq":"` + number(pre.Dq) + `","qi":"` + number(pre.Qinv) + `"`
}

type pkcs1PrivateKey struct {
	Version          int
	N                *big.Int
	E                *big.Int
	D, P, Q          *big.Int
	DP, DQ, QInverse *big.Int
}

func (k *rsaPrivate) pkcs8() []byte {
	pre := k.key.Precomputed
	return mustMarshal(pkcs1PrivateKey{0, k.key.N, big.NewInt(int64(k.key.E)), k.key.D, k.key.Primes[0], k.key.Primes[1], pre.Dp, pre.Dq, pre.Qinv})
}

var errPrivateDER = errors.New("the private key's DER is damaged or its numbers do not fit together")

func parsePKCS1Private(der []byte) (Key, error) {
	var parts pkcs1PrivateKey
	rest, err := asn1.Unmarshal(der, &parts)
	if err != nil || len(rest) > 0 || parts.Version != 0 { //guard:pkcs1-version drop 3
		return Key{}, errPrivateDER
	}
	return privateFromNumbers(parts.N, parts.E, parts.D, parts.P, parts.Q, RS256)
}

// privateFromNumbers checks that the five numbers are one key; the CRT values
// are computed anew rather than believed.
func privateFromNumbers(n, e, d, p, q *big.Int, algorithm Algorithm) (Key, error) {
	public, err := newRSA(n, e, algorithm)
	if err != nil {
		return Key{}, err
	}
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: n, E: int(e.Uint64())},
		D:         d,
		Primes:    []*big.Int{p, q},
	}
	if err := key.Validate(); err != nil { //guard:private-numbers never
		return Key{}, errPrivateDER
	}
	key.Precompute()
	return Key{Public: public, Private: &PrivateKey{&rsaPrivate{key}, public}}, nil
}

func privateRSA(key *rsa.PrivateKey, algorithm Algorithm) (*PrivateKey, error) {
	public, err := newRSA(key.N, big.NewInt(int64(key.E)), algorithm)
	if err != nil {
		return nil, err
	}
	return &PrivateKey{&rsaPrivate{key}, public}, nil
}

// rsaMembers are the numbers of a JWK.
type rsaMembers map[string]*big.Int

func (m rsaMembers) key(algorithm Algorithm) (Key, error) {
	n, e, d := m["n"], m["e"], m["d"]
	if n == nil || e == nil {
		return Key{}, errors.New("the JWK lacks n or e")
	}
	if d == nil {
		public, err := newRSA(n, e, algorithm)
		return Key{Public: public}, err
	}
	p, q := m["p"], m["q"]
	if p == nil || q == nil {
		if _, err := newRSA(n, e, algorithm); err != nil {
			return Key{}, err
		}
		return Key{}, errors.New("the private JWK lacks p or q")
	}
	return privateFromNumbers(n, e, d, p, q, algorithm)
}
