//go:build !wasip1

package jose

import (
	"crypto/rsa"

	"github.com/golang-jwt/jwt/v5"
)

func signRS256(input string, key *rsa.PrivateKey) ([]byte, error) {
	return jwt.SigningMethodRS256.Sign(input, key)
}
