package tallystick

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

// A folder that looks the same is not read again, so whatever is put in place of a file must show.
func TestALookShowsAChangedFile(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "a.pem")
	write := func(path string) {
		t.Helper()
		if err := os.WriteFile(path, []byte("one"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := &keysFolder{path: folder, logger: slog.New(slog.DiscardHandler)}
	look := func() *listing {
		t.Helper()
		found, err := f.list()
		if err != nil {
			t.Fatal(err)
		}
		found.certain = true // as it is two seconds later
		return found
	}
	write(path)
	before := look()
	if !look().provesSame(before) {
		t.Error("nothing has changed")
	}
	write(filepath.Join(folder, ".new"))
	if look().provesSame(before) {
		t.Error("a file more does not show")
	}
	if err := os.Rename(filepath.Join(folder, ".new"), path); err != nil {
		t.Fatal(err)
	}
	if look().provesSame(before) {
		t.Error("another file of that name, size and text does not show")
	}
	early := look()
	early.certain = false
	if look().provesSame(early) {
		t.Error("times that are too new prove nothing")
	}
}
