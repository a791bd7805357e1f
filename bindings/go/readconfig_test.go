package tallystick_test

import (
	"os"
	"path/filepath"
	"testing"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/bindings/go/yamlconfig"
)

func TestReadConfigMakesNothing(t *testing.T) {
	folder := t.TempDir()
	file, ring := filepath.Join(folder, "auth.yaml"), filepath.Join(folder, "keys")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("base_url: https://bob.example\nkeys_dir: " + filepath.ToSlash(ring) + "\ntrusted_issuers:\n" +
		"  - preset: {name: okta, domain: example.okta.com}\n")
	config, err := tallystick.ReadConfig(file, yamlconfig.ToJSON)
	if err != nil || config.BaseURL != "https://bob.example" || config.TrustedIssuers[0].Preset.Name != "okta" {
		t.Fatal(config, err)
	}
	if _, err := os.Stat(ring); !os.IsNotExist(err) {
		t.Error("the key ring was made: ", err)
	}
	write("base_url: https://bob.example\ntrusted_issuers:\n  - preset: {name: okta}\n")
	_, err = tallystick.ReadConfig(file, yamlconfig.ToJSON)
	mustBe(t, err, tallystick.ErrInvalidConfig, "auth.yaml: trusted_issuers[0].preset.domain: is missing")
	_, err = tallystick.ReadConfig(file, nil)
	mustBe(t, err, tallystick.ErrInvalidConfig, "needs the option YAML")
	_, err = tallystick.ReadConfig("", nil)
	mustBe(t, err, tallystick.ErrInvalidArgument, "path")
	_, err = tallystick.ReadConfig(filepath.Join(folder, "nowhere.json"), nil)
	mustBe(t, err, tallystick.ErrInvalidConfig, "cannot be read")
}
