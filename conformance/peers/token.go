package peers

import (
	"encoding/base64"
	"strings"

	"github.com/tidwall/gjson"
)

// decodePart reads a part of a compact token, "" where it is not base64url.
func decodePart(token string, part int) string {
	parts := strings.Split(token, ".")
	if part >= len(parts) {
		return ""
	}
	octets, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[part], "="))
	if err != nil {
		return ""
	}
	return string(octets)
}

func headerOf(token string) gjson.Result { return gjson.Parse(decodePart(token, 0)) }

func claimsOf(token string) gjson.Result { return gjson.Parse(decodePart(token, 1)) }
