package generate

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"
)

// DER of a DigestInfo up to its digest (RFC 8017 section 9.2, note 1), and the
// same for SHA-256 without the NULL parameters.
const (
	sha256Info          = "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"
	sha256InfoNoNull    = "\x30\x2f\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x04\x20"
	sha512Info          = "\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40"
	fewestPaddingOctets = 8
)

func digest256(input string) string {
	sum := sha256.Sum256([]byte(input))
	return string(sum[:])
}

func digest512(input string) string {
	sum := sha512.Sum512([]byte(input))
	return string(sum[:])
}

// encoded is EMSA-PKCS1-v1_5 with a block type and a filler of choice.
func encoded(size int, blockType, filler byte, info string) string {
	padding := bytes.Repeat([]byte{filler}, size-3-len(info))
	return "\x00" + string(blockType) + string(padding) + "\x00" + info
}

// signRaw is RSASP1 over any encoded message.
func signRaw(n, d *big.Int, message string) string {
	m := new(big.Int).SetBytes([]byte(message))
	return string(m.Exp(m, d, n).FillBytes(make([]byte, (n.BitLen()+7)/8)))
}

// cubeRootForgery makes a signature for exponent 3 without a private key: a
// verifier that does not look behind the digest takes it (CVE-2006-4339).
func cubeRootForgery(size int, input string) string {
	front := "\x00\x01" + string(bytes.Repeat([]byte{0xFF}, fewestPaddingOctets)) + "\x00" + sha256Info + digest256(input)
	target := append([]byte(front), bytes.Repeat([]byte{0xFF}, size-len(front))...)
	root := cubeRoot(new(big.Int).SetBytes(target))
	cube := new(big.Int).Exp(root, big.NewInt(3), nil).FillBytes(make([]byte, size))
	if !bytes.HasPrefix(cube, []byte(front)) {
		panic("the cube does not begin like an encoded message")
	}
	return string(root.FillBytes(make([]byte, size)))
}

// cubeRoot returns the largest integer whose cube is not above n.
func cubeRoot(n *big.Int) *big.Int {
	low, high := new(big.Int), new(big.Int).Lsh(big.NewInt(1), uint(n.BitLen()/3+1))
	for new(big.Int).Sub(high, low).Cmp(big.NewInt(1)) > 0 {
		middle := new(big.Int).Rsh(new(big.Int).Add(low, high), 1)
		if new(big.Int).Exp(middle, big.NewInt(3), nil).Cmp(n) > 0 {
			high = middle
		} else {
			low = middle
		}
	}
	return low
}

// plusModulus finds a token whose signature s leaves room for s + n in as many
// bytes: the same number modulo n, spelled differently.
func plusModulus(key keyPair) (token, string) {
	limit := new(big.Int).Lsh(big.NewInt(1), uint(key.N.BitLen()))
	for i := 0; ; i++ {
		t := claim("jti", fmt.Sprintf("small-%d", i))
		sum := new(big.Int).Add(new(big.Int).SetBytes([]byte(t.signature)), key.N)
		if sum.Cmp(limit) < 0 {
			return t, string(sum.Bytes())
		}
	}
}

// wideKey is the key of wide.pem: crypto/rsa does not take its exponent.
type wideKey struct{ n, e, d *big.Int }

func readWideKey() wideKey {
	block, _ := pem.Decode([]byte(readKeyFile("wide.pem")))
	var pkcs8 struct {
		Version   int
		Algorithm asn1.RawValue
		Key       []byte
	}
	var pkcs1 struct {
		Version                     int
		N, E, D, P, Q, DP, DQ, QInv *big.Int
	}
	if _, err := asn1.Unmarshal(block.Bytes, &pkcs8); err != nil {
		panic(err)
	}
	if _, err := asn1.Unmarshal(pkcs8.Key, &pkcs1); err != nil {
		panic(err)
	}
	return wideKey{pkcs1.N, pkcs1.E, pkcs1.D}
}
