package digest

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strings"
	"testing"
)

// FuzzDigests: the two spellings of a body's digest hold the same 32 bytes, and no
// other body of the same length has them.
func FuzzDigests(f *testing.F) {
	f.Add([]byte{}, 0)
	f.Add([]byte("{\"hello\": \"world\"}\n"), 18)
	f.Add([]byte{0x0b, 0x09, 0x80, 0xff}, -1)
	f.Fuzz(func(t *testing.T, body []byte, at int) {
		inHex, err := hex.DecodeString(Hex(body))
		if err != nil || !IsHex(Hex(body)) {
			t.Fatalf("%s is no digest", Hex(body))
		}
		member, ok := strings.CutPrefix(Field(body), "sha-256=:")
		member, closed := strings.CutSuffix(member, ":")
		inField, err := base64.StdEncoding.Strict().DecodeString(member)
		if !ok || !closed || err != nil || !bytes.Equal(inHex, inField) {
			t.Fatalf("%s is not the field of %x", Field(body), inHex)
		}
		if !Equal(Hex(body), Hex(bytes.Clone(body))) {
			t.Fatal("a body has two digests")
		}
		if len(body) > 0 {
			other := bytes.Clone(body)
			other[uint(at)%uint(len(other))] ^= 1
			if Equal(Hex(body), Hex(other)) {
				t.Fatal("two bodies have one digest")
			}
		}
	})
}

var hexDigest = regexp.MustCompile(`\A[0-9a-f]{64}\z`)

// FuzzClaimedDigest: what a token or a host says is compared to the letter.
func FuzzClaimedDigest(f *testing.F) {
	sum := Hex([]byte("body"))
	f.Add(sum, sum)
	f.Add(strings.ToUpper(sum), sum)
	f.Add(sum+"\n", sum)
	f.Add("", sum[:63])
	f.Fuzz(func(t *testing.T, claimed, computed string) {
		if IsHex(claimed) != hexDigest.MatchString(claimed) {
			t.Errorf("IsHex(%q) = %v", claimed, IsHex(claimed))
		}
		if Equal(claimed, computed) != (claimed == computed) {
			t.Errorf("Equal(%q, %q) = %v", claimed, computed, Equal(claimed, computed))
		}
	})
}
