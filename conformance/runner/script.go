package runner

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
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

// startCopy starts a copy of a driver, which finds the files beside it as in a checkout.
func startCopy(folder, file string, command func(driver string) []string) (Leg, error) {
	beside, err := fs.Sub(drivers.Files, path.Dir(file))
	if err != nil {
		return nil, err
	}
	if err := os.CopyFS(folder, beside); err != nil {
		return nil, err
	}
	return startDriver(Command{Args: command(filepath.Join(folder, path.Base(file)))})
}

// unpacked removes the driver's copy when the leg is closed.
type unpacked struct {
	Leg
	folder string
}

func (u unpacked) Close() error { return errors.Join(u.Leg.Close(), os.RemoveAll(u.folder)) }
