package tallystick

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
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

const restoreCopy = "restore it from a copy"

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

func wrongFile(path, what, problem, fix string) *Error {
	return invalidConfig("the %s %s %s: %s", what, shown(path), problem, fix)
}

func failedFile(path, what, done string, err error, fix string) *Error {
	e := wrongFile(path, what, fmt.Sprintf("cannot be %s (%s)", done, causeOf(err)), fix)
	e.cause = err
	return e
}

// causeOf is what the system said, without paths.
func causeOf(err error) string {
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err.Error()
	}
	return reasonOf(err)
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

// openPrivate opens a file that only its owner may read, and reads its text; nil where there is
// none, and no text where it was emptied meanwhile.
func openPrivate(path, what string) (*os.File, string, error) {
	// Without the flag a named pipe in the place of the file would block the reader.
	file, err := os.OpenFile(path, os.O_RDONLY|openNonblock, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", failedFile(path, what, "read", err, "let this user read it")
	}
	text, err := privateText(path, what, file)
	if err != nil {
		file.Close()
		return nil, "", err
	}
	return file, text, nil
}

func privateText(path, what string, file *os.File) (string, error) {
	unread := func(err error) error { return failedFile(path, what, "read", err, "let this user read it") }
	info, err := file.Stat()
	if err != nil {
		return "", unread(err)
	}
	if !info.Mode().IsRegular() {
		return "", wrongFile(path, what, "is not a regular file", restoreCopy)
	}
	if err := checkPrivate(path, what, info); err != nil {
		return "", err
	}
	content, err := io.ReadAll(io.LimitReader(file, maxShared+1))
	if err != nil {
		return "", unread(err)
	}
	if len(content) > maxShared {
		return "", wrongFile(path, what, fmt.Sprintf("is over %d bytes", maxShared), restoreCopy)
	}
	after, err := file.Stat()
	if err != nil {
		return "", unread(err)
	}
	if after.Size() != int64(len(content)) {
		return "", nil // emptied while it was read
	}
	if !utf8.Valid(content) {
		return "", wrongFile(path, what, "is not UTF-8 text", restoreCopy)
	}
	return string(content), nil
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

func writePrivate(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
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
		return invalidConfig("the folder %s of the %s is open to other users (mode %04o): run chmod 700 on it, or choose another",
			shown(folder), f.what, mode)
	}
	return nil
}

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
	return fmt.Sprintf("the %s %s is not used: the document is %s beside it. Move %s away, or, where it is the one to use, run "+
		"\"ln %s %s\", which fails where another process was faster, and remove it; an older release of tallystick "+
		"may have written it", f.what, shown(f.path), name(number), name(0), name(0), name(number+1))
}
