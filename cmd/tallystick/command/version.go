package command

import (
	"runtime"

	"github.com/spf13/cobra"

	"github.com/tallystick/tallystick/core/abi"
)

type versionInfo struct {
	Version string `json:"version"`
	ABI     int    `json:"abi"`
	Go      string `json:"go"`
	System  string `json:"system"`
}

func (v versionInfo) words(p *printer) {
	p.line("tallystick %s (ABI %d, %s, %s)", v.Version, v.ABI, v.Go, v.System)
}

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version of the tool, of the core's ABI and of Go",
		Args:  takes(0, 0),
		RunE: func(*cobra.Command, []string) error {
			return a.show(thisVersion())
		},
	}
}

func thisVersion() versionInfo {
	return versionInfo{abi.Release, abi.Version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
}
