package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/tallystick/tallystick/core/abi"
)

// versions are the places outside of Go that name the project's version, which is
// abi.Release: a file, and a pattern with what stands before and after the version.
// Lock files name the versions of other packages, too, so each pattern is narrow.
var versions = []struct{ path, pattern string }{
	{"bindings/python/pyproject.toml", `(\nname = "tallystick"\nversion = ")[^"]*(")`},
	{"bindings/python/src/tallystick/__init__.py", `(\n__version__ = ")[^"]*(")`},
	{"bindings/node/package.json", `(\n  "name": "tallystick",\n  "version": ")[^"]*(")`},
	{"bindings/node/package-lock.json", `(\n +"name": "tallystick",\n +"version": ")[^"]*(")`},
	{"cshared/tallystick.h", `(\n#define TALLY_VERSION ")[^"]*(")`},
	{"conformance/README.md", `(cmd/conformance@v)\S*( )`},
	{"conformance/README.md", `(\n +TALLYSTICK: ")[^"]*(")`},
}

// addVersions adds the files that name the version, with the version as it is.
func addVersions(files map[string]string, root string) error {
	for _, place := range versions {
		text, there := files[place.path]
		if !there {
			read, err := os.ReadFile(filepath.Join(root, place.path))
			if err != nil {
				return err
			}
			text = string(read)
		}
		pattern := regexp.MustCompile(place.pattern)
		if !pattern.MatchString(text) {
			return fmt.Errorf("%s: no version at %s", place.path, place.pattern)
		}
		files[place.path] = pattern.ReplaceAllString(text, "${1}"+abi.Release+"${2}")
	}
	return nil
}
