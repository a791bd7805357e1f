//go:build unix && !linux

package tallystick

import (
	"os"
	"time"
)

func changedAt(info os.FileInfo) time.Time { return info.ModTime() }
