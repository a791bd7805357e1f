//go:build unix

package tallystick

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const openNoFollow = syscall.O_NOFOLLOW

// checkPrivate refuses a file that others may read, or that somebody else put there.
func checkPrivate(path, what string, info os.FileInfo) error {
	if mode, open := openToOthers(info); open {
		return wrongFile(path, what, fmt.Sprintf("is open to other users (mode %04o)", mode),
			"run chmod 600 on it, and rotate its keys if others may have read them")
	}
	status, ok := info.Sys().(*syscall.Stat_t)
	if !ok || status.Uid == 0 || int(status.Uid) == os.Geteuid() {
		return nil
	}
	// The folder's owner decides anyway; nobody else may put a file there.
	folder, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return failedFile(path, what, "read", err, "let this user read it")
	}
	if owner, ok := folder.Sys().(*syscall.Stat_t); ok && owner.Uid == status.Uid {
		return nil
	}
	return wrongFile(path, what, fmt.Sprintf("belongs to another user (%d)", status.Uid),
		"see who put it there; chown it to this user if it is the right one")
}

func openToOthers(info os.FileInfo) (mode os.FileMode, open bool) {
	return info.Mode().Perm(), info.Mode().Perm()&0o077 != 0
}

func isNoFolder(err error) bool { return errors.Is(err, syscall.ENOTDIR) }

func hasNoHardLinks(err error) bool {
	for _, number := range []syscall.Errno{
		syscall.EPERM, syscall.EOPNOTSUPP, syscall.ENOTSUP, syscall.ENOSYS, syscall.EINVAL, syscall.EXDEV,
	} {
		if errors.Is(err, number) {
			return true
		}
	}
	return false
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
