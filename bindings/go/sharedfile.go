package tallystick

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The numbers of the protocol (docs/reference/files.md).
const (
	// maxNumber is the largest number of a version: 15 digits, exact in every language.
	maxNumber = 1e15 - 1
	// keptNames is how many newer versions there may be of a version whose name is kept.
	keptNames = 64
	// minTries is how often a change is tried at least, however long its process was stopped.
	minTries  = 16
	maxWrites = 1000
	// maxListings is after how many listings a reader gives up because writers were always faster.
	maxListings = 100
	// abandonedAfter is how old the temporary file of a writer that counts as dead is.
	abandonedAfter = time.Hour
)

// sharedFile is a text in numbered versions, NAME.1, NAME.2, …, mode 0600 in a folder of 0700,
// that processes of several languages change without a lock. It holds no state. Safe for
// concurrent use, by any number of processes.
type sharedFile struct {
	path string // ends with NAME; a file of exactly that name is version 0
	what string // names it in errors, such as "key ring"
}

func (f *sharedFile) place() string { return shown(f.path) }

func (f *sharedFile) restore() string {
	return "restore it from a copy, or move " + shown(filepath.Base(f.path)) + "* away to begin anew"
}

func (f *sharedFile) wrong(problem, fix string) *Error {
	return wrongFile(f.path, f.what, problem, fix)
}

func (f *sharedFile) name(number int64) string {
	if number == 0 {
		return f.path
	}
	return f.path + "." + strconv.FormatInt(number, 10)
}

// numberOf reads the number of a version from the name of its file.
func (f *sharedFile) numberOf(name string) (int64, bool) {
	digits, ok := strings.CutPrefix(name, filepath.Base(f.path)+".")
	if !ok || digits == "" || len(digits) > 15 || digits[0] == '0' ||
		strings.ContainsFunc(digits, func(c rune) bool { return c < '0' || c > '9' }) {
		return 0, false
	}
	number, err := strconv.ParseInt(digits, 10, 64)
	return number, err == nil
}

func (f *sharedFile) names() ([]string, error) {
	folder, err := os.Open(filepath.Dir(f.path))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) || isNoFolder(err) {
			return nil, nil
		}
		return nil, err
	}
	defer folder.Close()
	return folder.Readdirnames(-1)
}

// numbers returns those of the versions, ascending.
func (f *sharedFile) numbers() ([]int64, error) {
	names, err := f.names()
	if err != nil {
		return nil, err
	}
	var found []int64
	for _, name := range names {
		if number, ok := f.numberOf(name); ok {
			found = append(found, number)
		}
	}
	slices.Sort(found)
	return found, nil
}

func (f *sharedFile) newestNumber() (int64, error) {
	numbers, err := f.numbers()
	if err != nil || len(numbers) == 0 {
		return 0, err
	}
	return numbers[len(numbers)-1], nil
}

// foundVersion is a version whose file is held open, so that no other file gets its inode.
type foundVersion struct {
	sharedVersion
	file *os.File // nil: there is none
}

func (v *foundVersion) close() {
	if v.file != nil {
		v.file.Close()
	}
}

// isAt tells whether the version's file is still there; true if it has none.
func (v *foundVersion) isAt(path string) bool {
	if v.file == nil {
		return true
	}
	now, err := os.Stat(path)
	if err != nil {
		return false
	}
	held, err := v.file.Stat()
	return err == nil && os.SameFile(now, held)
}

func (f *sharedFile) read() (sharedVersion, error) {
	found, err := f.newest(context.Background())
	if err != nil {
		return sharedVersion{}, err
	}
	defer found.close()
	return found.sharedVersion, nil
}

func (f *sharedFile) newest(ctx context.Context) (*foundVersion, error) {
	number := int64(0)
	for range maxListings {
		var err error
		if number, err = f.newestNumber(); err != nil {
			return nil, failedFile(f.path, f.what, "listed", err, "let this user list its folder")
		}
		found, err := f.open(number)
		if err != nil {
			return nil, err
		}
		// A listing may miss what is committed during it; a look at one name does not.
		_, newer := os.Stat(f.name(number + 1))
		if newer != nil && (found != nil || number == 0) {
			if found == nil {
				found = &foundVersion{}
			}
			return found, nil
		}
		if found != nil {
			found.close()
		}
		if err := againShared(ctx); err != nil {
			return nil, err
		}
	}
	return nil, wrongFile(f.name(number), f.what, "is empty, and nothing newer is there", restoreCopy)
}

// open returns a version; nil if it is superseded or not there.
func (f *sharedFile) open(number int64) (*foundVersion, error) {
	file, text, err := openPrivate(f.name(number), f.what)
	if file == nil || err != nil {
		return nil, err
	}
	if text == "" && number > 0 {
		file.Close()
		return nil, nil
	}
	return &foundVersion{sharedVersion{number, text, true}, file}, nil
}

func (f *sharedFile) update(ctx context.Context, change sharedChange) (sharedVersion, error) {
	end := time.Now().Add(sharedPatience)
	for tried := range maxWrites {
		if tried >= minTries && time.Now().After(end) {
			break
		}
		version, done, err := f.try(ctx, change)
		if done || err != nil {
			return version, err
		}
		if err := againShared(ctx); err != nil {
			return sharedVersion{}, err
		}
	}
	return sharedVersion{}, f.wrong("is changed by others again and again", "try it later; nothing was changed")
}

// try is one try of a change; false: another process was faster.
func (f *sharedFile) try(ctx context.Context, change sharedChange) (sharedVersion, bool, error) {
	found, err := f.newest(ctx)
	if err != nil {
		return sharedVersion{}, false, err
	}
	defer found.close()
	text, changed, err := change(found.text, found.there)
	if err != nil || !changed {
		return found.sharedVersion, !changed, err
	}
	if found.number == 0 && found.there {
		return sharedVersion{}, false, f.adopt()
	}
	committed, err := f.commit(found, text)
	return sharedVersion{found.number + 1, text, true}, committed, err
}

// adopt links the file NAME as version 1: one file, so that both are emptied together.
func (f *sharedFile) adopt() error {
	if err := f.makeFolder(); err != nil {
		return err
	}
	if info, err := os.Lstat(f.path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return f.wrong("is a symbolic link", "put the file itself there")
	}
	_, err := f.link(f.path, f.name(1))
	return err
}

// commit makes the text the next version; false, and nothing done, if there is one already.
func (f *sharedFile) commit(found *foundVersion, text string) (bool, error) {
	if len(text) < 1 || len(text) > maxShared {
		return false, f.wrong(fmt.Sprintf("would not have 1 to %d bytes", maxShared), "remove some of it first")
	}
	if err := f.makeFolder(); err != nil {
		return false, err
	}
	number := found.number + 1
	if number > maxNumber {
		return false, f.wrong(fmt.Sprintf("has no number after %d", found.number), "rename that version to one")
	}
	if _, err := os.Stat(f.name(number)); err == nil {
		return false, nil
	}
	if linked, err := f.put(f.name(number), text); !linked || err != nil {
		return false, err
	}
	if err := f.keep(); err != nil {
		return false, err
	}
	if err := f.certify(found); err != nil {
		return false, err
	}
	f.tidy()
	return true, nil
}

// put writes the text to a temporary file and links that to its place; false: the place is taken.
func (f *sharedFile) put(place, text string) (bool, error) {
	var random [8]byte
	rand.Read(random[:])
	temporary := filepath.Join(filepath.Dir(f.path), "."+filepath.Base(f.path)+"."+hex.EncodeToString(random[:])+".tmp")
	defer os.Remove(temporary)
	if err := writePrivate(temporary, text); err != nil {
		if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		return false, failedFile(f.path, f.what, "written", err,
			"free space there and let this user write to its folder; nothing was changed")
	}
	return f.link(temporary, place)
}

// link reports false where the target is there, or the source has gone.
func (f *sharedFile) link(source, target string) (bool, error) {
	err := os.Link(source, target)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	fix := "free space there and let this user write to its folder; nothing was changed"
	if hasNoHardLinks(err) {
		fix = "keep it on a file system with hard links, as a file of this user; nothing was changed"
	}
	return false, failedFile(f.path, f.what, "committed", err, fix)
}

// keep writes the new name to the disk, so that it survives a loss of power.
func (f *sharedFile) keep() error {
	if err := syncFolder(filepath.Dir(f.path)); err != nil {
		return failedFile(f.path, f.what, "kept", err,
			"it may be lost with the power: see to that disk, then look whether it is there")
	}
	return nil
}

// certify finds out whether the new version may have got a name that was given up. Names are
// given up in ascending order: while the version that was read still has its name, the next one
// never was.
func (f *sharedFile) certify(found *foundVersion) error {
	newest, err := f.newestNumber()
	if err == nil && found.isAt(f.name(found.number)) && newest < found.number+1+keptNames {
		return nil
	}
	f.tidy()
	return f.wrong(fmt.Sprintf("was changed by others over %d times while this process was stopped", keptNames),
		"the outcome is unknown, so look whether your change is there")
}

func (f *sharedFile) makeFolder() error {
	folder := filepath.Dir(f.path)
	err := os.MkdirAll(folder, 0o700)
	var info os.FileInfo
	if err == nil {
		info, err = os.Stat(folder)
	}
	if err != nil {
		return failedFile(f.path, f.what, "written", err, "make its folder, mode 0700")
	}
	if mode, open := openToOthers(info); open {
		return invalidConfig("the folder %s of the %s is open to other users (mode %04o): run chmod 700 on it, "+
			"or choose another", shown(folder), f.what, mode)
	}
	return nil
}
