package parity

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io/fs"

	"github.com/tallystick/tallystick/conformance"
)

// testKeys are the private keys of the vectors, so that a changed token can be
// signed again and gets past its signature.
var testKeys = readKeys("alice", "alice-next", "bob", "mallory", "cubic", "large", "weak")

func readKeys(names ...string) []*rsa.PrivateKey {
	var keys []*rsa.PrivateKey
	for _, name := range names {
		text, err := fs.ReadFile(conformance.Files(), "keys/"+name+".pem")
		if err != nil {
			panic(err) // the folder is embedded
		}
		block, _ := pem.Decode(text)
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			panic(err) // and holds what this module's tests read
		}
		keys = append(keys, key.(*rsa.PrivateKey))
	}
	return keys
}

// signs returns the key that made a signature; where none did, the first.
func signs(input, signature string) *rsa.PrivateKey {
	digest := sha256.Sum256([]byte(input))
	for _, key := range testKeys {
		if rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], []byte(signature)) == nil {
			return key
		}
	}
	return testKeys[0]
}

// rs256 is deterministic (RFC 8017 section 8.2.1).
func rs256(key *rsa.PrivateKey, input string) string {
	digest := sha256.Sum256([]byte(input))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		panic(err) // the keys are good
	}
	return string(signature)
}

func base64url(data string) string { return base64.RawURLEncoding.EncodeToString([]byte(data)) }

func fromBase64url(text string) (string, bool) {
	data, err := base64.RawURLEncoding.DecodeString(text)
	return string(data), err == nil
}
