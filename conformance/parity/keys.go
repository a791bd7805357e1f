package parity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"io/fs"
	"math/big"
	"math/rand/v2"

	"github.com/tallystick/tallystick/conformance"
)

// testKey signs by one algorithm; an RSA key may be there for two.
type testKey struct {
	alg string
	key crypto.Signer
}

// testKeys are the private keys of the vectors, so that a changed token can be
// signed again and gets past its signature.
var testKeys = readKeys(map[string][]string{
	"RS256": {"alice", "alice-next", "bob", "mallory", "cubic", "large", "weak"},
	"PS256": {"alice", "alice-next", "mallory"},
	"ES256": {"p256", "p256-next", "p256-mallory"},
	"EdDSA": {"ed25519", "ed25519-next", "ed25519-mallory"},
})

func readKeys(names map[string][]string) []testKey {
	var keys []testKey
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		for _, name := range names[alg] {
			text, err := fs.ReadFile(conformance.Files(), "keys/"+name+".pem")
			if err != nil {
				panic(err) // the folder is embedded
			}
			block, _ := pem.Decode(text)
			key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				panic(err) // and holds what this module's tests read
			}
			keys = append(keys, testKey{alg, key.(crypto.Signer)})
		}
	}
	return keys
}

// signs returns the key that made a signature; where none did, the first.
func signs(input, signature string) testKey {
	for _, key := range testKeys {
		if key.made(input, []byte(signature)) {
			return key
		}
	}
	return testKeys[0]
}

// half is the length of r and of s of a P-256 signature, in bytes (RFC 7518 section 3.4).
const half = 32

var pssSalt = rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}

func (k testKey) made(input string, signature []byte) bool {
	digest := sha256.Sum256([]byte(input))
	switch public := k.key.Public().(type) {
	case *ecdsa.PublicKey:
		return len(signature) == 2*half && ecdsa.Verify(public, digest[:], bigOf(signature[:half]), bigOf(signature[half:]))
	case ed25519.PublicKey:
		return ed25519.Verify(public, []byte(input), signature)
	case *rsa.PublicKey:
		if k.alg == "PS256" {
			return rsa.VerifyPSS(public, crypto.SHA256, digest[:], signature, &pssSalt) == nil
		}
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
	}
	return false
}

func bigOf(data []byte) *big.Int { return new(big.Int).SetBytes(data) }

// sign gives the same bytes for the same input: a case is made again from its seed.
func (k testKey) sign(input string) string {
	digest := sha256.Sum256([]byte(input))
	message, options := digest[:], crypto.SignerOpts(crypto.SHA256)
	switch k.alg {
	case "PS256":
		options = &pssSalt
	case "EdDSA":
		message, options = []byte(input), crypto.Hash(0)
	}
	signature, err := k.key.Sign(k.source(digest), message, options)
	if err != nil {
		panic(err) // the keys are good
	}
	if k.alg == "ES256" {
		r, s := fromDER(signature)
		return rawSignature(r, s)
	}
	return string(signature)
}

// source draws the salt of PSS from the digest; the others draw nothing, ES256 as RFC 6979 says.
func (k testKey) source(digest [sha256.Size]byte) interface{ Read([]byte) (int, error) } {
	if k.alg == "PS256" {
		return rand.NewChaCha8(digest)
	}
	return nil
}

type ecNumbers struct{ R, S *big.Int }

func fromDER(signature []byte) (r, s *big.Int) {
	var parts ecNumbers
	if _, err := asn1.Unmarshal(signature, &parts); err != nil {
		panic(err) // crypto/ecdsa made it
	}
	return parts.R, parts.S
}

func rawSignature(r, s *big.Int) string {
	return string(r.FillBytes(make([]byte, half))) + string(s.FillBytes(make([]byte, half)))
}

func base64url(data string) string { return base64.RawURLEncoding.EncodeToString([]byte(data)) }

func fromBase64url(text string) (string, bool) {
	data, err := base64.RawURLEncoding.DecodeString(text)
	return string(data), err == nil
}
