package core_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const house = "github.com/tallystick/tallystick/core/"

// The floors of the house: a package imports what stands in floors below its own.
var floors = [][]string{
	{"abi"},
	{"engine", "settings"},
	{"access", "request"},
	{"authorization"},
	{"keyset", "oauthclient"},
	{"pipeline"},
	{"need"},
	{"authorizedkeys", "keyring", "replay", "trust"},
	{"agent", "jose", "limits", "scope", "digest", "proxy"},
	{"address", "exclude", "glob", "problem", "provider", "sealed", "strictjson", "weburl"},
}

// The rest of the world that the core may import. What keeps time, opens files, talks
// to networks or starts goroutines is not among it.
var allowed = strings.Fields(`
	github.com/golang-jwt/jwt/v5 github.com/tidwall/gjson filippo.io/bigmod
	bytes container/heap container/list errors fmt maps math math/big math/bits net/netip reflect slices
	strconv strings sync sync/atomic unicode/utf8 unsafe
	crypto crypto/aes crypto/cipher crypto/ecdsa crypto/ed25519 crypto/elliptic crypto/pbkdf2 crypto/rand crypto/rsa crypto/sha256 crypto/subtle
	encoding/asn1 encoding/base64 encoding/hex encoding/json encoding/pem
`)

type imports struct {
	ImportPath string
	Imports    []string
}

// list asks the go command what packages import, for this machine or for WebAssembly.
func list(t *testing.T, environment []string, patterns ...string) []imports {
	t.Helper()
	command := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports"}, patterns...)...)
	command.Dir, command.Env = "..", append(os.Environ(), environment...)
	var said bytes.Buffer
	command.Stderr = &said
	out, err := command.Output()
	if err != nil {
		t.Fatal(err, said.String())
	}
	var found []imports
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var one imports
		if err := decoder.Decode(&one); err != nil {
			t.Fatal(err)
		}
		found = append(found, one)
	}
	if len(found) == 0 {
		t.Fatal("no packages")
	}
	return found
}

var webAssembly = []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"}

func floorOf(name string) int {
	return slices.IndexFunc(floors, func(floor []string) bool { return slices.Contains(floor, name) })
}

func TestTheCoreImportsWhatIsBelowIt(t *testing.T) {
	for _, environment := range [][]string{nil, webAssembly} {
		for _, p := range list(t, environment, "./core/...") {
			name, inside := strings.CutPrefix(p.ImportPath, house)
			if !inside {
				continue // the package of the documentation, and this test's
			}
			if floorOf(name) < 0 {
				t.Errorf("core/%s has no floor: add it to this test", name)
			}
			for _, imported := range p.Imports {
				other, inside := strings.CutPrefix(imported, house)
				switch {
				case !inside && !slices.Contains(allowed, imported):
					t.Errorf("core/%s must not import %s", name, imported)
				case inside && floorOf(other) <= floorOf(name):
					t.Errorf("core/%s must not import core/%s, which is not below it", name, other)
				}
			}
		}
	}
}

func TestTheBordersImportTheABIAlone(t *testing.T) {
	borders := append(list(t, webAssembly, "./wasm"), list(t, nil, "./cshared")...)
	for _, p := range borders {
		found := false
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, strings.TrimSuffix(house, "core/")) {
				found = true
				if imported != house+"abi" {
					t.Errorf("%s must not import %s", p.ImportPath, imported)
				}
			}
		}
		if !found {
			t.Errorf("%s does not import core/abi", p.ImportPath)
		}
	}
}
