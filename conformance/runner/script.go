package runner

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/tallystick/tallystick/conformance/drivers"
)

// script is a leg whose driver is one of the embedded sources. In a checkout the
// file itself is run; elsewhere a copy in a folder that goes with the leg.
func (p Places) script(leg, file string, command func(driver string) []string) Source {
	return Source{Name: leg, Open: func(context.Context) (Leg, error) {
		if p.Root != "" {
			return startDriver(Command{Args: command(filepath.Join(p.Root, "conformance/drivers", file))})
		}
		folder, err := os.MkdirTemp("", "tallystick-conformance-")
		if err != nil {
			return nil, err
		}
		started, err := startCopy(folder, file, command)
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(folder))
		}
		return unpacked{started, folder}, nil
	}}
}

func startCopy(folder, file string, command func(driver string) []string) (Leg, error) {
	source, err := drivers.Files.ReadFile(file)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(folder, filepath.Base(file))
	if err := os.WriteFile(path, source, 0o600); err != nil {
		return nil, err
	}
	return startDriver(Command{Args: command(path)})
}

// unpacked removes the driver's copy when the leg is closed.
type unpacked struct {
	Leg
	folder string
}

func (u unpacked) Close() error { return errors.Join(u.Leg.Close(), os.RemoveAll(u.folder)) }
