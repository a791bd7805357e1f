package runner

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"

	"github.com/tidwall/gjson"
)

// checking is a leg for which this process verifies signatures: its engines are
// opened with rsa "host", and the need check is met here. It makes legs bearable in
// which that is the most of the work.
type checking struct {
	Leg
	engines map[string]bool     // numbers of the engines that were opened so
	keys    map[string]checkKey // by their name
}

// checkKey is a key as engine.key tells it.
type checkKey struct {
	algorithm string
	public    crypto.PublicKey
}

func withChecks(leg Leg) Leg {
	return &checking{leg, map[string]bool{}, map[string]checkKey{}}
}

// Call makes the call; where a vector leaves open who verifies, it goes on until
// the answer is no need check.
func (c *checking) Call(ctx context.Context, call Call) ([]byte, error) {
	if !call.HostCrypto {
		return c.Leg.Call(ctx, call)
	}
	engine := gjson.GetBytes(call.Request, "engine").Raw
	if call.Op == "engine.open" {
		call.Request = openChecking(call.Request)
	}
	answer, err := c.Leg.Call(ctx, call)
	if opened := gjson.GetBytes(answer, "ok.engine"); err == nil && call.Op == "engine.open" && opened.Exists() {
		c.engines[opened.Raw] = true
	}
	for err == nil && c.engines[engine] && gjson.GetBytes(answer, "need.kind").Str == "check" {
		answer, err = c.meet(ctx, engine, gjson.GetBytes(call.Request, "now").Raw, answer)
	}
	return answer, err
}

// openChecking asks for the need check, and leaves signing to the core. The text
// is otherwise as it was: which of two faults is told may depend on their order.
func openChecking(request []byte) []byte {
	for part, members := range map[string]string{"verifier": `"rsa":"host"`, "access": `"rsa":"host","signing":"core"`} {
		object := gjson.GetBytes(request, part)
		if !object.IsObject() || object.Get("signing").Exists() {
			continue
		}
		if len(object.Map()) > 0 {
			members += ","
		}
		at := object.Index + 1
		request = append(append(bytes.Clone(request[:at]), members...), request[at:]...)
	}
	return request
}

func (c *checking) meet(ctx context.Context, engine, now string, answer []byte) ([]byte, error) {
	need := gjson.GetBytes(answer, "need")
	key, err := c.key(ctx, engine, need.Get("key").Str)
	if err != nil {
		return nil, err
	}
	signature, err := base64.RawURLEncoding.DecodeString(need.Get("signature").Str)
	if err != nil {
		return nil, fmt.Errorf("need check: the signature: %w", err)
	}
	if said := need.Get("alg").Str; said != key.algorithm {
		return nil, fmt.Errorf("need check: alg %q, and engine.key says %q of the key", said, key.algorithm)
	}
	request := fmt.Appendf(nil, `{"engine":%s,"ticket":%s,"now":%s,"valid":%t}`,
		engine, gjson.GetBytes(answer, "ticket").Raw, now, key.verifies(need.Get("input").Str, signature))
	return c.Leg.Call(ctx, Call{Op: "engine.resume", Request: request})
}

func (c *checking) key(ctx context.Context, engine, name string) (checkKey, error) {
	if key, there := c.keys[name]; there {
		return key, nil
	}
	answer, err := c.Leg.Call(ctx, Call{Op: "engine.key", Request: fmt.Appendf(nil, `{"engine":%s,"key":%q}`, engine, name)})
	if err != nil {
		return checkKey{}, err
	}
	block, _ := pem.Decode([]byte(gjson.GetBytes(answer, "ok.public_pem").Str))
	if block == nil {
		return checkKey{}, fmt.Errorf("need check: engine.key gives no PEM for %s: %s", name, cut(answer))
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return checkKey{}, fmt.Errorf("need check: %w", err)
	}
	key := checkKey{gjson.GetBytes(answer, "ok.alg").Str, public}
	if !key.fits() {
		return checkKey{}, fmt.Errorf("need check: %s is a %T for %q", name, public, key.algorithm)
	}
	c.keys[name] = key
	return key, nil
}

// fits reports whether such a key has this algorithm.
func (k checkKey) fits() bool {
	switch k.public.(type) {
	case *rsa.PublicKey:
		return k.algorithm == "RS256" || k.algorithm == "PS256"
	case *ecdsa.PublicKey:
		return k.algorithm == "ES256"
	case ed25519.PublicKey:
		return k.algorithm == "EdDSA"
	}
	return false
}

// halfSize is the length of r and of s, in bytes (RFC 7518 section 3.4).
const halfSize = 32

// verifies checks a signature of a JWS.
func (k checkKey) verifies(input string, signature []byte) bool {
	digest := sha256.Sum256([]byte(input))
	switch key := k.public.(type) {
	case *ecdsa.PublicKey:
		if len(signature) != 2*halfSize {
			return false
		}
		r, s := new(big.Int).SetBytes(signature[:halfSize]), new(big.Int).SetBytes(signature[halfSize:])
		return ecdsa.Verify(key, digest[:], r, s)
	case ed25519.PublicKey:
		return ed25519.Verify(key, []byte(input), signature)
	case *rsa.PublicKey:
		if k.algorithm == "PS256" {
			salt := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash} // RFC 7518 section 3.5
			return rsa.VerifyPSS(key, crypto.SHA256, digest[:], signature, salt) == nil
		}
		return verifiesPKCS1(key, digest[:], signature)
	}
	return false
}

// sha256Info is the DER of DigestInfo up to the digest (RFC 8017 section 9.2).
const sha256Info = "\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20"

// verifiesPKCS1 is RSASSA-PKCS1-v1_5 with SHA-256 for keys of any size and exponent,
// some of which crypto/rsa refuses.
func verifiesPKCS1(key *rsa.PublicKey, digest, signature []byte) bool {
	number := new(big.Int).SetBytes(signature)
	if len(signature) != key.Size() || number.Cmp(key.N) >= 0 {
		return false
	}
	padding := bytes.Repeat([]byte{0xff}, key.Size()-3-len(sha256Info)-len(digest))
	want := append(append([]byte{0, 1}, padding...), 0)
	want = append(append(want, sha256Info...), digest...)
	got := number.Exp(number, big.NewInt(int64(key.E)), key.N).FillBytes(make([]byte, key.Size()))
	return bytes.Equal(got, want)
}
