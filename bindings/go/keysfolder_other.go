//go:build !unix

package tallystick

import (
	"os"
	"time"
)

const openNonblock = 0

func sameChange(os.FileInfo, os.FileInfo) bool { return true }

func later(t time.Time, info os.FileInfo) time.Time {
	if info.ModTime().After(t) {
		return info.ModTime()
	}
	return t
}
