package jose

import "math/big"

// hasROCA reports whether a modulus has the fingerprint of CVE-2017-15361: keys of
// Infineon's library have primes k*M + (65537^a mod M), M the product of the first
// primes, and can be factored (Nemec, Sys, Svenda, Klinec, Matyas: The Return of
// Coppersmith's Attack, ACM CCS 2017, section 2). So the modulus is a power of 65537
// modulo each small prime. A random modulus is so with a probability of 2^-27.8, the
// product of (order of 65537 modulo r) / (r - 1) over the primes below.
func hasROCA(n *big.Int) bool {
	residue, prime := new(big.Int), new(big.Int)
	for _, r := range rocaPrimes {
		if !isPowerOf65537(residue.Mod(n, prime.SetUint64(r)).Uint64(), r) {
			return false
		}
	}
	return true
}

// rocaPrimes are the odd primes of M for the library's smallest keys, 512 to 960 bits, as
// in the published test: M of larger keys has these and more.
var rocaPrimes = [...]uint64{
	3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89,
	97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
}

// isPowerOf65537 walks through the subgroup that 65537 generates modulo a prime.
func isPowerOf65537(value, prime uint64) bool {
	for power := uint64(1); ; {
		if power == value {
			return true
		}
		if power = power * 65537 % prime; power == 1 {
			return false
		}
	}
}
