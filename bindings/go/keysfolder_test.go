package tallystick_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	tallystick "github.com/tallystick/tallystick/bindings/go"
)

// verifyWith says what a verifier finds of a request that is signed now.
func verifyWith(t *testing.T, verifier *tallystick.Verifier, signer *tallystick.Signer) error {
	t.Helper()
	headers, err := signer.Sign(context.Background(), "GET", "https://a.example.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r := tallystick.Request{Authorization: headers["Authorization"], Method: "GET", Path: "/"}
	_, err = verifier.Verify(context.Background(), r)
	return err
}

// until waits for what a folder that is looked at once a second brings.
func until(t *testing.T, what string, there func() bool) {
	t.Helper()
	for range 200 {
		if there() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("not in time: " + what)
}

func TestAFolderIsReadAgain(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "authorized_keys")
	said := &journal{}
	verifier := newVerifier(t, func(o *verifierOptions) {
		o.Keys, o.KeysDir, o.Logger = nil, folder, said.logger()
	})
	signer := newSigner(t)
	missing := "does not exist, every caller is unknown: create it"
	if err := verifyWith(t, verifier, signer); err == nil || !strings.Contains(said.String(), missing) {
		t.Fatal(err, said)
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, folder, "orchestrator.pem", signer.PublicKey())
	until(t, "a caller who was added", func() bool { return verifyWith(t, verifier, signer) == nil })

	rotated, err := tallystick.NewSigner("orchestrator", otherKey(), tallystick.SignerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, folder, "orchestrator.pem", signer.PublicKey()+rotated.PublicKey())
	until(t, "both keys of a rotation", func() bool {
		return verifyWith(t, verifier, rotated) == nil && verifyWith(t, verifier, signer) == nil
	})
	if err := os.Remove(filepath.Join(folder, "orchestrator.pem")); err != nil {
		t.Fatal(err)
	}
	until(t, "a caller who was removed", func() bool { return verifyWith(t, verifier, signer) != nil })
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(folder, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "keys that cannot be read", func() bool {
		err := verifyWith(t, verifier, signer)
		return err != nil && strings.Contains(err.Error(), "keys_unavailable")
	})
	if !strings.Contains(said.String(), "is not a folder") {
		t.Error(said)
	}
}

func TestFilesThatAreNoKeysAreSaid(t *testing.T) {
	private, _ := keyPair()
	folder := t.TempDir()
	writeFile(t, folder, "private.pem", private)
	writeFile(t, folder, "empty.pem", "")
	writeFile(t, folder, "binary.pem", "\xff\xfe")
	writeFile(t, folder, "large.pem", strings.Repeat("x", 300<<10))
	writeFile(t, folder, "orchestrator.pem", newSigner(t).PublicKey())
	putIrregular(t, folder)
	said := &journal{}
	verifier := newVerifier(t, func(o *verifierOptions) {
		o.Keys, o.KeysDir, o.Logger = nil, folder, said.logger()
	})
	if err := verifyWith(t, verifier, newSigner(t)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"private.pem is not used", "empty.pem is not used", "not UTF-8 text", "larger than",
		"folder.pem is not used: not a regular file; put the issuer's public key there, or remove it",
		"pipe.pem is not used: not a regular file", "socket.pem is not used: not a regular file",
		"dangling.pem is not used: a link to a file that is not there; put",
	} {
		if strings.Count(said.String(), want) != 1 {
			t.Errorf("%q is not said once: %s", want, said)
		}
	}
	if strings.Contains(said.String(), "PRIVATE") {
		t.Error("the log has a key")
	}
	for _, quiet := range []string{"linked.pem", "..data"} {
		if strings.Contains(said.String(), quiet) {
			t.Errorf("nothing is wrong with %s: %s", quiet, said)
		}
	}
}

// putIrregular puts what is no file of keys under names of such files, and beside that what is one
// or has the name of none.
func putIrregular(t *testing.T, folder string) {
	t.Helper()
	listener, err := net.Listen("unix", filepath.Join(folder, "socket.pem"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	if err := errors.Join(
		syscall.Mkfifo(filepath.Join(folder, "pipe.pem"), 0o600),
		os.Mkdir(filepath.Join(folder, "folder.pem"), 0o700),
		os.Symlink("nowhere", filepath.Join(folder, "dangling.pem")),
		os.Symlink("orchestrator.pem", filepath.Join(folder, "linked.pem")),
		os.Symlink("nowhere", filepath.Join(folder, "..data")),
	); err != nil {
		t.Fatal(err)
	}
}
