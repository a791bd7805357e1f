// Package sealed encrypts documents that lie in a store which others may read, such as
// a key ring in a database (protocol.md section 9). Its functions keep nothing and are
// safe for concurrent use.
package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
)

// KeySize is the size of a key-encryption key, in bytes: AES-256.
const KeySize = 32

// MaxDocument bounds a document, in bytes.
const MaxDocument = 8 << 20

// The first byte says how the rest is sealed. Another one is of a later version.
const form = 1

var (
	errKey      = errors.New("the key-encryption key must have 32 bytes")
	errDocument = errors.New("the document is over 8388608 bytes")
	errSealed   = errors.New("the document was not sealed with this key-encryption key under this name and version")
)

// Seal encrypts a document with AES-256-GCM and a random nonce (NIST SP 800-38D). Its
// name and version are authenticated, so that nobody puts an older document, or that of
// another agent, in its place.
func Seal(key []byte, name string, version int64, document []byte) ([]byte, error) {
	gcm, err := open(key)
	if err != nil {
		return nil, err
	}
	if len(document) > MaxDocument {
		return nil, errDocument
	}
	out := make([]byte, 1+gcm.NonceSize(), 1+gcm.NonceSize()+len(document)+gcm.Overhead())
	out[0] = form
	rand.Read(out[1:])
	return gcm.Seal(out, out[1:], document, about(name, version)), nil
}

// Open decrypts what Seal made for the same name and version.
func Open(key []byte, name string, version int64, value []byte) ([]byte, error) {
	gcm, err := open(key)
	if err != nil {
		return nil, err
	}
	if len(value) < 1+gcm.NonceSize() || value[0] != form { //guard:unseal-form drop 2
		return nil, errSealed
	}
	nonce, sealed := value[1:1+gcm.NonceSize()], value[1+gcm.NonceSize():]
	document, err := gcm.Open(nil, nonce, sealed, about(name, version))
	if err != nil {
		return nil, errSealed
	}
	return document, nil
}

// Name is what a document of an agent is called where it lies: agents of one name at
// different URLs may share a store.
func Name(kind, baseURL string) string {
	sum := sha256.Sum256([]byte(baseURL))
	return kind + "-" + hex.EncodeToString(sum[:16])
}

// ParseKey reads a key-encryption key as people make one: base64, base64url or hex.
func ParseKey(text string) ([]byte, error) {
	text = strings.TrimSpace(text) // a mounted secret often ends with a line break
	if text == "" {
		return nil, errors.New("the key-encryption key is empty: openssl rand -base64 32 makes one")
	}
	bare := strings.TrimRight(text, "=")
	for _, decode := range [...]func(string) ([]byte, error){
		hex.DecodeString, base64.RawURLEncoding.Strict().DecodeString, base64.RawStdEncoding.Strict().DecodeString,
	} {
		if key, err := decode(bare); err == nil && len(key) == KeySize && len(text)-len(bare) <= 1 {
			return key, nil
		}
	}
	return nil, errors.New("the key-encryption key must be 32 bytes as base64 or hex: openssl rand -base64 32 makes one")
}

func open(key []byte) (cipher.AEAD, error) {
	if len(key) != KeySize {
		return nil, errKey
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// about is what is authenticated besides. A name has no line break.
func about(name string, version int64) []byte {
	return []byte("tallystick document\n" + name + "\n" + strconv.FormatInt(version, 10))
}
