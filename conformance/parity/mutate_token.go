package parity

import (
	"crypto/elliptic"
	"encoding/asn1"
	"math/big"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
)

// tokenMutators change the text of a compact JWS, wherever one stands in a string.
var tokenMutators = []mutator{
	{name: "token-character", weight: 8, fits: holdsToken, value: onParts(changePart)},
	{name: "token-padding", weight: 4, fits: holdsToken, value: onParts(padPart)},
	{name: "token-bits", weight: 14, fits: holdsToken, value: onParts(changeLastBits)},
	{name: "token-parts", weight: 4, fits: holdsToken, value: onParts(changeParts)},
	{name: "token-signature", weight: 10, fits: holdsToken, value: onParts(changeSignature)},
	{name: "token-bytes", weight: 8, fits: holdsToken, value: onParts(changeBytes)},
}

// compact finds a token: a header is an object, whose base64url begins in this way.
var compact = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{7,}\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*`)

func holdsToken(s site) bool {
	return anyText(s) && strings.Contains(s.node().text, "eyJ") && compact.MatchString(s.node().text)
}

// onParts makes a mutator of a function that changes the parts of a token.
func onParts(change func(r *rand.Rand, parts []string) []string) func(*rand.Rand, site) bool {
	return func(r *rand.Rand, s site) bool {
		text := s.node().text
		found := compact.FindStringIndex(text)
		parts := change(r, strings.Split(text[found[0]:found[1]], "."))
		return s.setText(text[:found[0]] + strings.Join(parts, ".") + text[found[1]:])
	}
}

var tokenPieces = []string{
	"A", "z", "9", "-", "_", "+", "/", "=", "%3D", ".", " ", "\t", "\n", "\r\n", "\x00", "é", "ÿ", "\u00a0", "\u200b", "\U0001F600", ",", "\\", `"`, "~",
}

func changePart(r *rand.Rand, parts []string) []string {
	at := r.IntN(len(parts))
	parts[at] = changeText(r, parts[at], tokenPieces)
	return parts
}

func padPart(r *rand.Rand, parts []string) []string {
	parts[r.IntN(len(parts))] += pick(r, []string{"=", "==", "===", "A", "AA", "AAA", "AAAA", "\n", " "})
	return parts
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// changeLastBits: the last character of a part may hold bits that no byte has.
func changeLastBits(r *rand.Rand, parts []string) []string {
	at := r.IntN(len(parts))
	part := parts[at]
	if part == "" {
		return parts
	}
	last := strings.IndexByte(alphabet, part[len(part)-1]) ^ (1 << r.IntN(6))
	parts[at] = part[:len(part)-1] + string(alphabet[last&63])
	return parts
}

func changeParts(r *rand.Rand, parts []string) []string {
	header, payload, signature := parts[0], parts[1], parts[2]
	return pick(r, [][]string{
		{payload, header, signature}, {header, signature, payload}, {header, payload}, {header, payload, ""}, {header, "", signature},
		{"", payload, signature}, {header, payload, signature, ""}, {"", header, payload, signature}, {header, payload, signature, signature},
		{header, payload, signature, "", signature}, {header}, {header, payload, "" + signature + signature},
	})
}

// Orders of P-256 and of Ed25519 (FIPS 186-5; RFC 8032 section 5.1).
var (
	orderP256    = elliptic.P256().Params().N
	orderEd25519 = new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 252), mustNumber("27742317777372353535851937790883648493"))
)

func mustNumber(digits string) *big.Int {
	n, ok := new(big.Int).SetString(digits, 10)
	if !ok {
		panic(digits)
	}
	return n
}

// changeSignature spells r and s of a signature of 64 bytes in another way, or changes one as
// lenient readers would not see. Other signatures lose their form.
func changeSignature(r *rand.Rand, parts []string) []string {
	signature, ok := fromBase64url(parts[2])
	if !ok || len(signature) != 2*half {
		parts[2] = base64url(pick(r, []string{"\x00" + signature, signature + "\x00", strings.Repeat("\x00", 2*half), "", signature + signature}))
		return parts
	}
	first, second := bigOf([]byte(signature[:half])), bigOf([]byte(signature[half:]))
	der, err := asn1.Marshal(ecNumbers{first, second})
	if err != nil {
		panic(err) // two integers
	}
	parts[2] = base64url(pick(r, []string{
		string(der), signature[half:] + signature[:half], signature[:half], signature + "\x00", "\x00" + signature, signature[1:],
		rawSignature(first, new(big.Int).Mod(new(big.Int).Sub(orderP256, second), orderP256)),
		rawSignature(new(big.Int), second), rawSignature(first, new(big.Int)), rawSignature(new(big.Int), new(big.Int)),
		rawSignature(orderP256, second), rawSignature(first, orderP256), signature[:half] + plusOrder(signature[half:]),
	}))
	return parts
}

// plusOrder adds L to a number of Ed25519, whose bytes are in the other order.
func plusOrder(text string) string {
	data := []byte(text)
	slices.Reverse(data)
	sum := new(big.Int).Add(bigOf(data), orderEd25519)
	sum.Mod(sum, new(big.Int).Lsh(big.NewInt(1), 8*half))
	data = sum.FillBytes(data)
	slices.Reverse(data)
	return string(data)
}

// changeBytes changes what a part says, and leaves its encoding good.
func changeBytes(r *rand.Rand, parts []string) []string {
	at := r.IntN(len(parts))
	said, ok := fromBase64url(parts[at])
	if !ok {
		return parts
	}
	parts[at] = base64url(changeBinary(r, said))
	return parts
}

// changeBinary changes, adds or takes one byte.
func changeBinary(r *rand.Rand, data string) string {
	if data == "" {
		return "\x00"
	}
	at := r.IntN(len(data))
	if r.IntN(3) == 0 {
		at = min(at, r.IntN(40)) // where lengths and types are
	}
	switch r.IntN(4) {
	case 0:
		return data[:at] + data[at+1:]
	case 1:
		return data[:at] + string([]byte{byte(r.IntN(256))}) + data[at:]
	}
	return data[:at] + string([]byte{data[at] ^ 1<<r.IntN(8)}) + data[at+1:]
}
