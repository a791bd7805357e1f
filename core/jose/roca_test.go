package jose

import (
	"errors"
	"math/big"
	"math/rand/v2"
	"testing"
)

// rocaProduct is M of the smallest keys: with 2, the first 39 primes.
func rocaProduct() *big.Int {
	m := big.NewInt(2)
	for _, r := range rocaPrimes {
		m.Mul(m, new(big.Int).SetUint64(r))
	}
	return m
}

func TestROCAPrimes(t *testing.T) {
	odd := uint64(1)
	for _, r := range rocaPrimes {
		for odd += 2; !new(big.Int).SetUint64(odd).ProbablyPrime(0); {
			odd += 2
		}
		if odd != r {
			t.Fatalf("%d is not the next prime after those before it, %d is", r, odd)
		}
	}
	if len(rocaPrimes) != 38 {
		t.Errorf("%d primes", len(rocaPrimes))
	}
}

// Numbers of the fingerprint's form are found, and one unit beside them is not.
func TestROCAFingerprint(t *testing.T) {
	m, generator := rocaProduct(), big.NewInt(65537)
	random := rand.New(rand.NewPCG(1, 2))
	factor := func() *big.Int {
		k := new(big.Int).Lsh(big.NewInt(int64(random.Uint64()>>1)|1<<62), 742)
		power := new(big.Int).Exp(generator, big.NewInt(int64(random.Uint64()>>1)), m)
		return k.Mul(k, m).Add(k, power)
	}
	for range 100 {
		n := factor()
		n.Mul(n, factor())
		if !hasROCA(n) {
			t.Fatalf("%x has the fingerprint", n)
		}
		if _, err := NewPublicKey(n, generator); !errors.Is(err, ErrWeak) {
			t.Fatalf("%d bits: %v", n.BitLen(), err)
		}
		if other := new(big.Int).Add(n, big.NewInt(2)); hasROCA(other) {
			t.Fatalf("%x has no fingerprint", other)
		}
	}
}

// Of a million random odd numbers none is refused: one has the fingerprint with a
// probability of 2^-27.8, one of these with 0.4 %. The seed is fixed.
func TestRandomModuliHaveNoFingerprint(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	words := make([]byte, 256)
	n := new(big.Int)
	for range 1_000_000 {
		for i := 0; i < len(words); i += 8 {
			for j, w := 0, random.Uint64(); j < 8; j++ {
				words[i+j] = byte(w >> (8 * j))
			}
		}
		words[0], words[255] = words[0]|0x80, words[255]|1
		if hasROCA(n.SetBytes(words)) {
			t.Fatalf("%x", n)
		}
	}
}

func BenchmarkROCA(b *testing.B) {
	n := new(big.Int).Lsh(big.NewInt(3), 2046)
	n.Add(n, big.NewInt(12345))
	for b.Loop() {
		hasROCA(n)
	}
}
