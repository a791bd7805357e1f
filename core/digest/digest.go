// Package digest names bodies by their SHA-256: as rotagent's content_sha256
// and as the Content-Digest field of RFC 9530. Bodies are the exact bytes after
// transfer decoding and before content decoding or parsing.
package digest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"

	"github.com/tallystick/tallystick/core/strictjson"
)

// Hex returns the SHA-256 of data in lower-case hex: the value of content_sha256
// and query_sha256.
func Hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// IsHex reports whether a text has the form of Hex.
func IsHex(text string) bool {
	for i := 0; i < len(text); i++ {
		if c := text[i]; !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f') {
			return false
		}
	}
	return len(text) == 2*sha256.Size
}

// Field returns the value of an RFC 9530 Content-Digest field for data.
func Field(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"
}

// Equal compares two digests in constant time.
func Equal(claimed, computed string) bool {
	return subtle.ConstantTimeCompare(strictjson.BytesOf(claimed), strictjson.BytesOf(computed)) == 1
}
