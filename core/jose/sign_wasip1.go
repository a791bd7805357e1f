package jose

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
)

// signRS256 makes the same bytes as golang-jwt, which the conformance suite shows
// (the signature is deterministic, RFC 8017 section 8.2.1). golang-jwt would link
// every other algorithm and package net into the module, an eighth of its size.
func signRS256(input string, key *rsa.PrivateKey) ([]byte, error) {
	digest := sha256.Sum256([]byte(input))
	return rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
}
