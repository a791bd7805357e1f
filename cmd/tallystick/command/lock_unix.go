//go:build unix

package command

import (
	"context"
	"os"
	"syscall"
)

// lockFolder has other runs of this tool wait that change the folder, until it is unlocked: each
// reads a file and writes it anew. The lock is the folder's own, so no file is left.
func lockFolder(ctx context.Context, dir string) (unlock func(), err error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, cannotRead("the folder", dir, err)
	}
	number := int(folder.Fd())
	_, err = interruptible(ctx, func() (any, error) { return nil, syscall.Flock(number, syscall.LOCK_EX) })
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err() // the folder stays open: the number must not become another file's
	case err != nil:
		folder.Close()
		return nil, unusable("%s cannot be locked (%s): use a local file system", dir, reasonOf(err))
	}
	return func() { folder.Close() }, nil
}
