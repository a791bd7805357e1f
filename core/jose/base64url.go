package jose

import (
	"encoding/base64"
	"strings"
)

// strict64 is base64url without padding whose last character may hold no stray
// bits (RFC 7515 section 2, RFC 4648 section 3.5).
var strict64 = base64.RawURLEncoding.Strict()

// Encode64 returns base64url without padding.
func Encode64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// Decode64 decodes base64url strictly. Go's decoder skips line breaks even in
// strict mode, so one token would have endlessly many spellings: they are
// refused first.
func Decode64(text string) ([]byte, bool) {
	if strings.Contains(text, "\n") || strings.Contains(text, "\r") {
		return nil, false
	}
	data, err := strict64.DecodeString(text)
	return data, err == nil
}

// EncodeStandard64 returns base64 with padding, as RFC 7617 wants it.
func EncodeStandard64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }
