package tallystick

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tallystick/tallystick/core/authorizedkeys"
)

const (
	// maxFolder bounds the texts of a folder together, in bytes.
	maxFolder = 12 << 20
	// certainAfter is how old the times of a file must be to tell two writes apart for certain.
	certainAfter = 2 * time.Second
)

// keysFolder is a folder of callers' keys, read again when it has changed. It need not exist.
// Log lines name it and the fix, once for each change. Safe for concurrent use.
type keysFolder struct {
	path   string
	logger *slog.Logger

	lock      sync.Mutex
	began     time.Time // of the latest look
	delivered *listing  // nil: nothing was, or it may be incomplete
	unread    []authorizedkeys.File
	said      string
	warned    []authorizedkeys.Warning
}

// listing has the versions of a folder's files, to see whether it has changed.
type listing struct {
	exists   bool
	versions []version
	certain  bool
}

type version struct {
	name string
	info os.FileInfo // nil: it cannot be looked at
}

func (v version) same(other version) bool {
	return v.name == other.name && sameFile(v.info, other.info)
}

func (l *listing) provesSame(earlier *listing) bool {
	return earlier != nil && earlier.certain && l.exists == earlier.exists &&
		slices.EqualFunc(l.versions, earlier.versions, version.same)
}

// load returns the keys for a new verifier; none when the folder cannot be read.
func (f *keysFolder) load() *authorizedkeys.Set {
	f.lock.Lock()
	defer f.lock.Unlock()
	found, files, err := f.read()
	if err != nil {
		f.say(slog.LevelError, err.Error())
		return f.setOf(nil)
	}
	set := f.setOf(files)
	f.note(found, files)
	return set
}

// refresh hands over the whole new content when the folder has changed. Whoever asked before
// another's look began shares what that one found.
func (f *keysFolder) refresh(deliver func(*authorizedkeys.Set)) error {
	asked := time.Now()
	f.lock.Lock()
	defer f.lock.Unlock()
	if f.began.After(asked) && f.delivered != nil {
		return nil
	}
	f.began = time.Now()
	if err := f.update(deliver); err != nil {
		f.delivered = nil
		f.say(slog.LevelError, err.Error())
		return err
	}
	return nil
}

func (f *keysFolder) update(deliver func(*authorizedkeys.Set)) error {
	now, err := f.list()
	if err != nil {
		return err
	}
	if now.provesSame(f.delivered) && f.stillUnread() {
		return nil
	}
	found, files, err := f.read()
	if err != nil {
		return err
	}
	deliver(f.setOf(files))
	f.note(found, files)
	return nil
}

// setOf logs each warning once, until it is over.
func (f *keysFolder) setOf(files []authorizedkeys.File) *authorizedkeys.Set {
	set, warnings := authorizedkeys.FromFiles(files)
	for _, w := range warnings {
		if !slices.Contains(f.warned, w) {
			f.logger.Warn(fmt.Sprintf("%s: %s", shown(f.path), w.Message))
		}
	}
	f.warned = warnings
	return set
}

func (f *keysFolder) note(found *listing, files []authorizedkeys.File) {
	f.delivered, f.unread = found, nil
	for _, file := range files {
		if file.Failed != "" {
			f.unread = append(f.unread, file)
		}
	}
}

// stillUnread tells whether unreadable files still fail in the same way, which no listing shows.
func (f *keysFolder) stillUnread() bool {
	return !slices.ContainsFunc(f.unread, func(file authorizedkeys.File) bool {
		now, there := readKeyFile(f.path, file.Name)
		return !there || now != file
	})
}

func (f *keysFolder) read() (*listing, []authorizedkeys.File, error) {
	// Listed before it is read: the next listing shows a change in between.
	found, err := f.list()
	if err != nil {
		return nil, nil, err
	}
	files, total := []authorizedkeys.File{}, 0
	for _, v := range found.versions {
		file, there := readKeyFile(f.path, v.name)
		if !there {
			continue
		}
		if total += len(file.Text); total > maxFolder {
			return nil, nil, f.overfull("%d bytes", maxFolder)
		}
		files = append(files, file)
	}
	switch {
	case !found.exists:
		f.say(slog.LevelWarn, fmt.Sprintf("the keys folder %s does not exist, every caller is unknown: "+
			"create it and put ISSUER.pem with each caller's public key into it", shown(f.path)))
	case len(found.versions) == 0:
		f.say(slog.LevelWarn, fmt.Sprintf("the keys folder %s is empty, every caller is unknown: "+
			"put ISSUER.pem with each caller's public key into it", shown(f.path)))
	default:
		f.said = ""
	}
	return found, files, nil
}

func (f *keysFolder) say(level slog.Level, message string) {
	if message != f.said {
		f.logger.Log(context.Background(), level, message)
	}
	f.said = message
}

func (f *keysFolder) list() (*listing, error) {
	folder, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return &listing{certain: true}, nil
	}
	if err != nil {
		return nil, f.unreadable(err)
	}
	defer folder.Close()
	if info, err := folder.Stat(); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("the keys folder %s is not a folder", shown(f.path))
	}
	names, err := folder.Readdirnames(authorizedkeys.MaxFiles + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, f.unreadable(err)
	}
	if len(names) > authorizedkeys.MaxFiles {
		return nil, f.overfull("%d files", authorizedkeys.MaxFiles)
	}
	slices.Sort(names)
	found, newest := &listing{exists: true}, time.Time{}
	for _, name := range names {
		if !printable(name) {
			continue // it is no issuer
		}
		info := statOf(filepath.Join(f.path, name))
		if info != nil {
			newest = later(newest, info)
		}
		found.versions = append(found.versions, version{name, info})
	}
	found.certain = newest.Before(time.Now().Add(-certainAfter))
	return found, nil
}

func (f *keysFolder) unreadable(err error) error {
	return fmt.Errorf("the keys folder %s cannot be read (%s): let this user list and read it",
		shown(f.path), reasonOf(err))
}

func (f *keysFolder) overfull(most string, number int) error {
	return fmt.Errorf("the keys folder %s holds over "+most+": keep nothing but public keys in it", shown(f.path), number)
}

func printable(name string) bool {
	return utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

// readKeyFile returns a file, or why it has no text; false where it has gone.
func readKeyFile(folder, name string) (authorizedkeys.File, bool) {
	file, path := authorizedkeys.File{Name: name}, filepath.Join(folder, name)
	text, err := regularFile(path, authorizedkeys.MaxText)
	switch {
	case errors.Is(err, fs.ErrNotExist) && leadsNowhere(path):
		file.Unusable = "a link to a file that is not there"
	case errors.Is(err, fs.ErrNotExist):
		return file, false
	case errors.Is(err, errNotRegular):
		file.Unusable = "not a regular file"
	case err != nil:
		file.Failed = reasonOf(err)
	case len(text) > authorizedkeys.MaxText:
		file.Unusable = fmt.Sprintf("larger than %d bytes", authorizedkeys.MaxText)
	case !utf8.Valid(text):
		file.Unusable = "not UTF-8 text"
	default:
		file.Text = string(text)
	}
	return file, true
}

// leadsNowhere: a link whose target is missing, also after it was opened in vain. It may have been
// exchanged meanwhile, which the next look shows.
func leadsNowhere(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return false
	}
	_, err = os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

var errNotRegular = errors.New("not a regular file")

// regularFile returns the content of a regular file, up to one byte over the limit. A pipe or
// device of that name must neither block nor be read.
func regularFile(path string, limit int) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|openNonblock, 0)
	if err != nil {
		// Nobody can open a socket, and waiting does not change that.
		if info, failed := os.Stat(path); failed == nil && !info.Mode().IsRegular() {
			return nil, errNotRegular
		}
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	return io.ReadAll(io.LimitReader(file, int64(limit)+1))
}

// reasonOf is what the system said, without the path, which stands elsewhere in the line.
func reasonOf(err error) string {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err.Error()
	}
	return err.Error()
}

// shown makes a path safe for one line of a log.
func shown(path string) string {
	if printable(path) {
		return path
	}
	return fmt.Sprintf("%+q", path)
}
