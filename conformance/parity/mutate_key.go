package parity

import (
	"encoding/base64"
	"encoding/pem"
	"math/rand/v2"
	"strings"
)

// keyMutators change texts of keys: PEM, JWK and JWKS.
var keyMutators = []mutator{
	{name: "pem-line", weight: 20, fits: holdsPEM, value: changeLines},
	{name: "pem-label", weight: 4, fits: holdsPEM, value: changeLabel},
	{name: "pem-der", weight: 24, fits: holdsPEM, value: changeDER},
	{name: "pem-blocks", weight: 6, fits: holdsPEM, value: changeBlocks},
	{name: "jwk-number", weight: 60, fits: holdsJWK, value: onJWK(changeKeyNumber)},
	{name: "jwk-member", weight: 50, fits: holdsJWK, value: onJWK(addKeyMember)},
}

func holdsPEM(s site) bool { return anyText(s) && strings.Contains(s.node().text, "-----BEGIN") }

func changeLines(r *rand.Rand, s site) bool {
	lines := strings.Split(s.node().text, "\n")
	at := r.IntN(len(lines))
	switch r.IntN(8) {
	case 0:
		return s.setText(strings.Join(lines, pick(r, []string{"\r\n", "\r", "\n\n", "\n ", " \n", "", "\t\n", "\\n", "\x00\n"})))
	case 1:
		lines = append(lines[:at:at], lines[at+1:]...)
	case 2:
		lines = append(lines[:at+1:at+1], lines[at:]...)
	case 3:
		lines[at] = pick(r, []string{"", " ", "# comment", "Proc-Type: 4,ENCRYPTED", "Comment: x", "-----", "===="}) + "\n" + lines[at]
	case 4:
		lines[at] += pick(r, []string{" ", "=", "==", "\r", "é", "\t", "-", "A"})
	case 5:
		lines[at] = pick(r, []string{" ", "\t", "\ufeff", "-", "x"}) + lines[at]
	default:
		lines[at] = changeText(r, lines[at], tokenPieces)
	}
	return s.setText(strings.Join(lines, "\n"))
}

var labels = []string{
	"PUBLIC KEY", "RSA PUBLIC KEY", "PRIVATE KEY", "RSA PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "CERTIFICATE", "EC PRIVATE KEY", "EC PARAMETERS", "public key", "PUBLIC  KEY", "PUBLIC KEY ", "",
}

func changeLabel(r *rand.Rand, s site) bool {
	text := s.node().text
	for _, label := range labels {
		if strings.Contains(text, "BEGIN "+label+"-") {
			return s.setText(strings.Replace(text, label, pick(r, labels), pick(r, []int{1, -1})))
		}
	}
	return false
}

// changeDER changes bytes of ASN.1: types, lengths, numbers.
func changeDER(r *rand.Rand, s site) bool {
	text := s.node().text
	block, rest := pem.Decode([]byte(text))
	if block == nil {
		return false
	}
	block.Bytes = []byte(changeBinary(r, string(block.Bytes)))
	return s.setText(string(pem.EncodeToMemory(block)) + string(rest))
}

func changeBlocks(r *rand.Rand, s site) bool {
	text := s.node().text
	other := string(pem.EncodeToMemory(&pem.Block{Type: pick(r, labels), Bytes: []byte("x")}))
	return s.setText(pick(r, []string{text + text, text + other, other + text, "x\n" + text, text + "x", strings.TrimSpace(text), "\ufeff" + text, text + "\x00", strings.TrimSpace(text) + text}))
}

func holdsJWK(s site) bool { return holdsJSON(s) && strings.Contains(s.node().text, `"kty"`) }

// onJWK makes a mutator of a function that changes one JWK of a text.
func onJWK(change func(r *rand.Rand, jwk *node)) func(*rand.Rand, site) bool {
	return func(r *rand.Rand, s site) bool {
		root, err := parse(s.node().text, false)
		if err != nil {
			return false
		}
		var keys []*node
		root.each(func(n *node) {
			if n.get("kty") != nil {
				keys = append(keys, n)
			}
		})
		if len(keys) == 0 {
			return false
		}
		change(r, pick(r, keys))
		return s.setText(root.write(asItIs))
	}
}

func changeKeyNumber(r *rand.Rand, jwk *node) {
	member := pick(r, []string{"n", "e", "n", "e", "d", "p", "q", "dp", "dq", "qi", "x", "y", "x", "y"})
	if value := jwk.get(member); value != nil && value.kind == isString {
		jwk.set(member, str(otherNumber(r, value.text)))
	}
}

// otherNumber spells a base64url number in another way, or changes it.
func otherNumber(r *rand.Rand, text string) string {
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || r.IntN(4) == 0 {
		return pick(r, []string{text + "=", text + "==", text + "A", strings.ReplaceAll(strings.ReplaceAll(text, "-", "+"), "_", "/"), " " + text, text + "\n", "", "AA", "AQ", "Aw", "AQAB", "AQAAAAE", "AAEAAQ"})
	}
	number := string(data)
	return base64url(pick(r, []string{"\x00" + number, "\x00\x00" + number, number + "\x00", changeBinary(r, number), number + number, number[min(1, len(number)):]}))
}

var keyMembers = memberValues{
	{"use", []string{`"sig"`, `"enc"`, `""`, "1", "null", `"SIG"`}},
	{"alg", []string{`"RS256"`, `"PS256"`, `"ES256"`, `"EdDSA"`, `"Ed25519"`, `"RS512"`, `""`, "1", "null", `"rs256"`}},
	{"key_ops", []string{`["verify"]`, `["sign"]`, `["encrypt"]`, "[]", `"verify"`, `["verify","verify"]`, "null"}},
	{"crv", []string{`"P-256"`, `"p-256"`, `"P-384"`, `"Ed25519"`, `"X25519"`, "1", ""}},
	{"kty", []string{`"RSA"`, `"rsa"`, `"EC"`, `"OKP"`, `"oct"`, `""`, "1", ""}},
	{"kid", []string{`""`, `"x"`, "1", "null", `"\u0000"`, `"é"`, ""}},
	{"d", []string{`"AQAB"`, `""`, "null", "1"}}, {"p", []string{`"Aw"`}}, {"oth", []string{"[]"}}, {"k", []string{`"AQAB"`}},
	{"x5c", []string{`["x"]`, "1"}}, {"ext", []string{"true"}}, {"N", []string{`"AQAB"`}},
}

func addKeyMember(r *rand.Rand, jwk *node) { setMember(r, jwk, keyMembers) }
