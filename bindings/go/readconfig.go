package tallystick

import (
	"path/filepath"

	"github.com/tallystick/tallystick/core/settings"
)

// ReadConfig returns the configuration of a file as [SkillFromFile] reads it, for tools that look at
// whom an agent trusts. yaml is the option YAML. It makes nothing, and it may have secrets.
// Errors: as of [SkillFromFile].
func ReadConfig(path string, yaml func(text []byte) (json []byte, err error)) (*settings.Access, error) {
	absolute, err := filepath.Abs(path)
	if err != nil || path == "" {
		return nil, wrongArgument("path must be the path of a file")
	}
	file := &configFile{absolute, yaml}
	options := SkillOptions{}
	if options.Config, err = file.read(); err != nil {
		return nil, err
	}
	return options.settings(file.source())
}
