package runner

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
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
	demandExit(t, run(t, vectors(t, "signature/*", "access/*", "fetch/*", "key-selection/*", "needs/*", "published/*"), source), ExitPassed)
	if len(checked.engines) == 0 || len(checked.keys) == 0 {
		t.Errorf("%d engines, %d keys: nothing was checked outside", len(checked.engines), len(checked.keys))
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
	if !verifies(&private.PublicKey, "input", signature) {
		t.Error("a good signature is refused")
	}
	larger := new(big.Int).Add(new(big.Int).SetBytes(signature), private.N) // the same number modulo n
	for name, wrong := range map[string]bool{
		"another input":    verifies(&private.PublicKey, "inpuT", signature),
		"cut":              verifies(&private.PublicKey, "input", signature[1:]),
		"longer":           verifies(&private.PublicKey, "input", append([]byte{0}, signature...)),
		"above the modulo": verifies(&private.PublicKey, "input", larger.Bytes()),
		"nothing":          verifies(&private.PublicKey, "input", nil),
	} {
		if wrong {
			t.Errorf("%s: accepted", name)
		}
	}
}
