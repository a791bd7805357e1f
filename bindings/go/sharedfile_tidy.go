package tallystick

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// tidy empties the superseded versions, gives up old names, and removes files of dead writers.
// What fails now is done after the next change.
func (f *sharedFile) tidy() {
	numbers, err := f.numbers()
	if err != nil || len(numbers) == 0 {
		return
	}
	newest, superseded := numbers[len(numbers)-1], numbers[:len(numbers)-1]
	for _, number := range superseded {
		emptyFile(f.name(number))
	}
	// The name of version 1 stays, so that no process makes a first version again.
	for _, number := range superseded {
		if number <= 1 || number > newest-keptNames {
			continue
		}
		if err := os.Remove(f.name(number)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return
		}
	}
	f.removeAbandoned(newest)
}

// emptyFile leaves the name, which still stops slow writers. It does so by no rename, which would
// make the name anew if it was given up meanwhile.
func emptyFile(path string) {
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		return
	}
	file, err := os.OpenFile(path, os.O_WRONLY|openNoFollow, 0)
	if err != nil {
		return
	}
	defer file.Close()
	_ = file.Truncate(0)
}

func (f *sharedFile) removeAbandoned(newest int64) {
	// By the clock of the file system, which also dated the temporary files.
	now, err := os.Stat(f.name(newest))
	if err != nil {
		return
	}
	names, err := f.names()
	if err != nil {
		return
	}
	for _, name := range names {
		if !f.isTemporary(name) {
			continue
		}
		path := filepath.Join(filepath.Dir(f.path), name)
		if info, err := os.Lstat(path); err == nil && info.ModTime().Before(now.ModTime().Add(-abandonedAfter)) {
			_ = os.Remove(path)
		}
	}
}

func (f *sharedFile) isTemporary(name string) bool {
	rest, ok := strings.CutPrefix(name, "."+filepath.Base(f.path)+".")
	digits, tmp := strings.CutSuffix(rest, ".tmp")
	return ok && tmp && len(digits) == 16 && !strings.ContainsFunc(digits, func(c rune) bool {
		return !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f')
	})
}
