package tallystick_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/core/authorizedkeys"
)

func TestReadKeysDir(t *testing.T) {
	_, public, err := tallystick.GenerateKey(2048)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "alice.pem"), []byte(public), 0o600); err != nil {
		t.Fatal(err)
	}
	files, err := tallystick.ReadKeysDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	set, warnings := authorizedkeys.FromFiles(files)
	if _, known := set.Issuer("alice"); !known || len(warnings) != 0 {
		t.Error(files, warnings)
	}
	if _, err := tallystick.ReadKeysDir(filepath.Join(dir, "nowhere")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := tallystick.ReadKeysDir(filepath.Join(dir, "alice.pem")); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
