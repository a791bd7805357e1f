package tallystick_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A program with the signed profile links no driver of a store, no JSON ABI and no WebAssembly.
func TestWhatAProgramLinks(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	var foreign []string
	for _, path := range strings.Fields(string(out)) {
		domain, _, _ := strings.Cut(path, "/")
		switch {
		case strings.HasSuffix(path, "core/abi"):
			t.Error("the package stands on core's packages, not on their ABI")
		case strings.HasPrefix(path, "vendor/"), !strings.Contains(domain, "."):
		case strings.HasPrefix(path, "github.com/tallystick/"), strings.HasPrefix(path, "filippo.io/bigmod/"):
		default:
			foreign = append(foreign, path)
		}
	}
	slices.Sort(foreign)
	want := []string{
		"filippo.io/bigmod", "github.com/golang-jwt/jwt/v5", "github.com/tidwall/gjson", "github.com/tidwall/match",
		"github.com/tidwall/pretty", "golang.org/x/sys/cpu", // bigmod asks which instructions there are
	}
	if !slices.Equal(foreign, want) {
		t.Errorf("the package links %v, want %v", foreign, want)
	}
}
