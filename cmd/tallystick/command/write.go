package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

const (
	privateFile, privateFolder = 0o600, 0o700
	publicFile, publicFolder   = 0o644, 0o755
)

// writeNew makes a file with its whole content at once, and never replaces one: the content lies
// under another name until it is on the disk.
func writeNew(path string, content []byte, mode fs.FileMode) error {
	temporary, err := writeBeside(path, content, mode, nil)
	if err != nil {
		return err
	}
	defer os.Remove(temporary)
	// Unlike a rename, a link fails where the name exists.
	err = os.Link(temporary, path)
	switch {
	case errors.Is(err, fs.ErrExist):
		return unusable("%s is there already and is not overwritten: choose another name or move it away", path)
	case err != nil:
		return unusable("%s cannot be made (%s): use a file system with hard links", path, reasonOf(err))
	}
	return nil
}

// replace gives a file another content, at once.
func replace(path string, content []byte) error {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return cannotRead("the file", path, err)
	case info.Mode()&fs.ModeSymlink != 0:
		// A new file in the link's place would leave the other, which others may share, as it was.
		return unusable("%s is a symbolic link and is not replaced: change the file that it leads to, or put a copy "+
			"of that in its place", path)
	}
	temporary, err := writeBeside(path, content, info.Mode().Perm(), info)
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		os.Remove(temporary)
		return unusable("%s cannot be replaced (%s): run this as the owner of the file", path, reasonOf(err))
	}
	return nil
}

// writeBeside writes a temporary file in the same folder. Its name begins with a dot, which keeps
// it out of a keys folder. It gets the owner of another, where one is given: else an agent of
// another user could not read what root wrote.
func writeBeside(path string, content []byte, mode fs.FileMode, owned os.FileInfo) (temporary string, err error) {
	file, err := os.CreateTemp(filepath.Dir(path), ".tallystick.*.tmp")
	if err != nil {
		return "", unusable("%s cannot be written (%s): let this user write to its folder", path, reasonOf(err))
	}
	defer func() {
		if err != nil {
			os.Remove(file.Name())
			err = unusable("%s cannot be written: %s", path, reasonOf(err))
		}
	}()
	_, err = file.Write(content)
	if owned != nil {
		err = errors.Join(err, keepOwner(file, owned))
	}
	err = errors.Join(err, file.Chmod(mode), file.Sync(), file.Close())
	return file.Name(), err
}

// makeFolder makes a folder where it is missing, with that mode, and reports whether it did.
func makeFolder(path string, mode fs.FileMode) (made bool, err error) {
	info, err := os.Stat(path)
	switch {
	case err == nil && !info.IsDir():
		return false, unusable("%s is a file: name a folder", path)
	case err == nil:
		return false, nil
	case !errors.Is(err, fs.ErrNotExist):
		return false, unusable("%s cannot be used: %s", path, reasonOf(err))
	}
	if err := os.MkdirAll(path, mode); err != nil {
		return false, unusable("%s cannot be made: %s", path, reasonOf(err))
	}
	return true, nil
}

// checkPrivate refuses a folder for private keys that is another's, or that others can open.
func checkPrivate(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return unusable("%s cannot be used: %s", path, reasonOf(err))
	}
	if ofAnother(info) {
		return unusable("the folder %s belongs to another user, who can take and replace what is in it: run this as "+
			"that user, or name another with --out", path)
	}
	if openToOthers(info) {
		return unusable("the folder %s is open to other users (mode %04o): run `chmod 700 %s`, or name another with --out",
			path, info.Mode().Perm(), quoteForShell(path))
	}
	return nil
}

// openToOthers: Windows has no such modes.
func openToOthers(info fs.FileInfo) bool {
	return runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0
}

// undo removes what a command made before it failed.
type undo []string

func (u *undo) made(path string) { *u = append(*u, path) }

func (u *undo) back() error {
	var all []error
	for i := len(*u) - 1; i >= 0; i-- {
		if err := os.Remove((*u)[i]); err != nil {
			all = append(all, fmt.Errorf("%s is left behind: %s", (*u)[i], reasonOf(err)))
		}
	}
	return errors.Join(all...)
}
