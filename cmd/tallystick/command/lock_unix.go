//go:build unix

package command

import (
	"os"
	"syscall"
)

// lockFolder has other runs of this tool wait that change the folder, until it is unlocked: each
// reads a file and writes it anew. The lock is the folder's own, so no file is left.
func lockFolder(dir string) (unlock func(), err error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, cannotRead("the folder", dir, err)
	}
	if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX); err != nil {
		folder.Close()
		return nil, unusable("%s cannot be locked (%s): use a local file system", dir, reasonOf(err))
	}
	return func() { folder.Close() }, nil
}
