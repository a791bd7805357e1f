//go:build unix

package tallystick

import (
	"os"
	"syscall"
	"time"
)

// openNonblock keeps a pipe without a writer from holding up whoever opens it.
const openNonblock = syscall.O_NONBLOCK

// sameChange also compares when the system last changed the file, which nobody can set.
func sameChange(a, b os.FileInfo) bool { return changedAt(a).Equal(changedAt(b)) }

// later returns the later of a time and those of a file.
func later(t time.Time, info os.FileInfo) time.Time {
	for _, at := range []time.Time{info.ModTime(), changedAt(info)} {
		if at.After(t) {
			t = at
		}
	}
	return t
}
