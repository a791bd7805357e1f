package runner

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"maps"
	"math/big"
	"testing"

	"github.com/tallystick/tallystick/core/abi"
)

// TestChecksOutside: a leg whose signatures this process checks gives the same
// answers, and really does check some.
func TestChecksOutside(t *testing.T) {
	checked := &checking{}
	source := Source{Name: "checking", HostCrypto: true, Open: func(context.Context) (Leg, error) {
		checked = withChecks(InProcess(abi.New().Call)).(*checking)
		return checked, nil
	}}
	demandExit(t, run(t, vectors(t, "signature/*", "access/*", "fetch/*", "key-selection/*", "needs/*", "published/*",
		"es256/*", "eddsa/*", "ps256/*", "key-algorithm/*"), source), ExitPassed)
	used := map[string]bool{}
	for _, key := range checked.keys {
		used[key.algorithm] = true
	}
	if len(checked.engines) == 0 || len(used) != 4 {
		t.Errorf("%d engines, keys for %v: not everything was checked outside", len(checked.engines), used)
	}
}

func TestVerifies(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("input"))
	signature, err := rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	pss, err := rsa.SignPSS(rand.Reader, private, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: sha256.Size})
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, s, err := ecdsa.Sign(rand.Reader, curve, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	raw := append(r.FillBytes(make([]byte, halfSize)), s.FillBytes(make([]byte, halfSize))...)
	der, err := ecdsa.SignASN1(rand.Reader, curve, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	edwards, edwardsPrivate, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	larger := new(big.Int).Add(new(big.Int).SetBytes(signature), private.N) // the same number modulo n
	for _, c := range []struct {
		key  checkKey
		good []byte
		bad  map[string][]byte
	}{
		{checkKey{"RS256", &private.PublicKey}, signature, map[string][]byte{"above the modulus": larger.Bytes(), "PSS": pss}},
		{checkKey{"PS256", &private.PublicKey}, pss, map[string][]byte{"PKCS#1": signature}},
		{checkKey{"ES256", &curve.PublicKey}, raw, map[string][]byte{"DER": der, "halves swapped": append(bytes.Clone(raw[halfSize:]), raw[:halfSize]...)}},
		{checkKey{"EdDSA", edwards}, ed25519.Sign(edwardsPrivate, []byte("input")), nil},
	} {
		if !c.key.fits() || !c.key.verifies("input", c.good) {
			t.Errorf("%s: a good signature is refused", c.key.algorithm)
		}
		if c.key.verifies("inpuT", c.good) {
			t.Errorf("%s: another input: accepted", c.key.algorithm)
		}
		bad := map[string][]byte{"cut": c.good[1:], "longer": append([]byte{0}, c.good...), "nothing": nil}
		maps.Copy(bad, c.bad)
		for name, wrong := range bad {
			if c.key.verifies("input", wrong) {
				t.Errorf("%s: %s: accepted", c.key.algorithm, name)
			}
		}
	}
	for _, wrong := range []checkKey{{"ES256", &private.PublicKey}, {"RS256", edwards}, {"EdDSA", &curve.PublicKey}, {"", edwards}} {
		if wrong.fits() {
			t.Errorf("a %T for %q is accepted", wrong.public, wrong.algorithm)
		}
	}
}
