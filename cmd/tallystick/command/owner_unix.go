//go:build unix

package command

import (
	"os"
	"syscall"
)

// keepOwner gives a file the owner and group of another.
func keepOwner(path string, other os.FileInfo) error {
	wanted, ok := other.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if has, ok := info.Sys().(*syscall.Stat_t); ok && has.Uid == wanted.Uid && has.Gid == wanted.Gid {
		return nil
	}
	return os.Chown(path, int(wanted.Uid), int(wanted.Gid))
}
