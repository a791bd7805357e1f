package tallystick

import (
	"os"
	"syscall"
	"time"
)

func changedAt(info os.FileInfo) time.Time {
	if status, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(status.Ctim.Unix())
	}
	return info.ModTime()
}
