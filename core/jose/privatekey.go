package jose

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"math/big"
)

// PrivateKey signs. It prints as its thumbprint only.
type PrivateKey struct {
	rsa    *rsa.PrivateKey
	public *PublicKey
}

// Generate makes a key of 2048, 3072 or 4096 bits with exponent 65537. It
// takes seconds in WebAssembly.
func Generate(bits int) (*PrivateKey, error) {
	switch bits {
	case 2048, 3072, 4096:
	default:
		return nil, fmt.Errorf("an RSA key of %d bits is not offered: choose 2048, 3072 or 4096", bits)
	}
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, err
	}
	public, err := NewPublicKey(key.N, big.NewInt(int64(key.E)))
	if err != nil {
		return nil, err
	}
	return &PrivateKey{rsa: key, public: public}, nil
}

// Public returns the public half.
func (k *PrivateKey) Public() *PublicKey { return k.public }

// String keeps the key out of every log.
func (k *PrivateKey) String() string { return "private key " + k.public.thumbprint }

// GoString is String.
func (k *PrivateKey) GoString() string { return k.String() }

// JWK returns the private key as a JWK text (RFC 7518 section 6.3.2).
func (k *PrivateKey) JWK() string {
	number := func(n *big.Int) string { return Encode64(n.Bytes()) }
	pre := k.rsa.Precomputed
	return `{"kty":"RSA","use":"sig","alg":"RS256","kid":"` + k.public.thumbprint +
		`","n":"` + Encode64(k.public.n) + `","e":"` + Encode64(k.public.exponentBytes()) +
		`","d":"` + number(k.rsa.D) + `","p":"` + number(k.rsa.Primes[0]) + `","q":"` + number(k.rsa.Primes[1]) +
		`","dp":"` + number(pre.Dp) + `","dq":"` + number(pre.Dq) + `","qi":"` + number(pre.Qinv) + `"}`
}
