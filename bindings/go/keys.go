package tallystick

import (
	"github.com/tallystick/tallystick/core/jose"
)

// KeyType is the kind of a key that is made.
type KeyType = jose.KeyType

// The kinds of keys: RSA signs RS256, which every peer reads; KeyEC (P-256) ES256 and KeyEd25519
// EdDSA are shorter and faster to sign with.
const (
	KeyRSA     = jose.TypeRSA
	KeyEC      = jose.TypeEC
	KeyEd25519 = jose.TypeEd25519
)

// GenerateKey makes an RSA key of 2048, 3072 or 4096 bits and returns both halves as PEM: the
// private one for [NewSigner], the public one for the folder of whoever is called. Errors:
// [ErrInvalidArgument] for another size.
func GenerateKey(bits int) (private, public string, err error) {
	if bits == 0 {
		return "", "", wrongArgument("bits 0 is no size: choose 2048, 3072 or 4096")
	}
	return GenerateKeyType(KeyRSA, bits)
}

// GenerateKeyType is [GenerateKey] for a kind of keys. bits 0 is the kind's own size: 2048 of RSA, 256
// of the others.
func GenerateKeyType(kind KeyType, bits int) (private, public string, err error) {
	key, err := jose.GenerateType(kind, bits)
	if err != nil {
		return "", "", wrongArgument("%s", err)
	}
	return key.PEM(), key.Public().PEM(), nil
}
