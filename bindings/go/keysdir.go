package tallystick

import (
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/tallystick/tallystick/core/authorizedkeys"
)

// ReadKeysDir returns the files of a folder of callers' keys as a [Verifier] reads them, for
// tools that show or change it; [authorizedkeys.FromFiles] says whose keys they are, and what is
// wrong with them. A file that cannot be read is told in its place. A folder that is not there is
// an [fs.ErrNotExist].
func ReadKeysDir(dir string) ([]authorizedkeys.File, error) {
	folder := &keysFolder{path: dir, logger: slog.New(slog.DiscardHandler)}
	found, files, err := folder.read()
	if err != nil {
		return nil, err
	}
	if !found.exists {
		return nil, fmt.Errorf("the keys folder %s: %w", shown(dir), fs.ErrNotExist)
	}
	return files, nil
}
