package tallystick

import (
	"github.com/tallystick/tallystick/core/jose"
)

// GenerateKey makes an RSA key of 2048, 3072 or 4096 bits and returns both halves as PEM: the
// private one for [NewSigner], the public one for the folder of whoever is called. Errors:
// [ErrInvalidArgument] for another size.
func GenerateKey(bits int) (private, public string, err error) {
	key, err := jose.Generate(bits)
	if err != nil {
		return "", "", wrongArgument("%s", err)
	}
	return key.PEM(), key.Public().PEM(), nil
}
