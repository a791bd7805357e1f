//go:build unix

package command

import (
	"os"
	"syscall"
)

// keepOwner gives an open file the owner and group of another. By its descriptor: the owner of the
// folder may have put something else under its name.
func keepOwner(file *os.File, other os.FileInfo) error {
	wanted, ok := other.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if has, ok := info.Sys().(*syscall.Stat_t); ok && has.Uid == wanted.Uid && has.Gid == wanted.Gid {
		return nil
	}
	return file.Chown(int(wanted.Uid), int(wanted.Gid))
}

// ofAnother: root can read everything anyway.
func ofAnother(info os.FileInfo) bool {
	has, ok := info.Sys().(*syscall.Stat_t)
	return ok && has.Uid != 0 && int(has.Uid) != os.Geteuid()
}
