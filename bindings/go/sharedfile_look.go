package tallystick

import (
	"fmt"
	"os"
	"path/filepath"
)

// sharedLook is the state of a document's files at one look, to see whether it has changed.
type sharedLook struct {
	number                int64
	newest, plain, folder os.FileInfo // nil: not there
}

func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && sameChange(a, b)
}

func (l *sharedLook) same(other *sharedLook) bool {
	return other != nil && l.number == other.number && sameFile(l.newest, other.newest) && sameFile(l.plain, other.plain)
}

// look looks at the document without reading it; with the last look it is cheaper.
func (f *sharedFile) look(before *sharedLook) *sharedLook {
	folder := statOf(filepath.Dir(f.path))
	number, known := int64(0), false
	if before != nil && sameFile(before.folder, folder) {
		number, known = before.number, true
	}
	// Two changes of a folder within one tick of its clock look like one.
	if !known || statOf(f.name(number+1)) != nil {
		if found, err := f.newestNumber(); err == nil {
			number = found
		}
	}
	return &sharedLook{number, statOf(f.name(number)), statOf(f.path), folder}
}

func statOf(path string) os.FileInfo {
	info, err := os.Stat(path)
	if err != nil {
		return nil
	}
	return info
}

// stray returns a warning if a file NAME lies beside the versions and is none of them; else "".
func (f *sharedFile) stray() string {
	first, plain := statOf(f.name(1)), statOf(f.path)
	if plain == nil || plain.Size() == 0 || first != nil && os.SameFile(first, plain) {
		return ""
	}
	number, err := f.newestNumber()
	if err != nil || number == 0 {
		return ""
	}
	name := func(number int64) string { return shown(filepath.Base(f.name(number))) }
	return fmt.Sprintf("the %s %s is not used: the document is %s beside it. Move %s away, or, where it is the one "+
		"to use, run \"ln %s %s\", which fails where another process was faster, and remove it; an older release of "+
		"tallystick may have written it", f.what, shown(f.path), name(number), name(0), name(0), name(number+1))
}
