//go:build !wasip1

package main

import (
	"context"
	"crypto/rand"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// module is built as the Makefile builds it, but for the symbols.
var module = sync.OnceValues(func() ([]byte, error) {
	folder, err := os.MkdirTemp("", "tallystick-wasm-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "tallystick.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-o", path, ".")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

type zeroes struct{}

func (zeroes) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func compile(t *testing.T) (wazero.Runtime, wazero.CompiledModule) {
	t.Helper()
	code, err := module()
	if err != nil {
		t.Fatal(err)
	}
	runtime := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
	t.Cleanup(func() { runtime.Close(context.Background()) })
	wasi_snapshot_preview1.MustInstantiate(t.Context(), runtime)
	compiled, err := runtime.CompileModule(t.Context(), code)
	if err != nil {
		t.Fatal(err)
	}
	return runtime, compiled
}

func start(t *testing.T, entropy io.Reader) (api.Module, error) {
	runtime, compiled := compile(t)
	config := wazero.NewModuleConfig().WithStartFunctions("_initialize").WithSysWalltime().WithSysNanotime().WithRandSource(entropy)
	return runtime.InstantiateModule(t.Context(), compiled, config)
}

func TestRefusesToStartWithoutEntropy(t *testing.T) {
	if _, err := start(t, zeroes{}); err == nil {
		t.Error("started on a random source of zeroes")
	}
	instance, err := start(t, rand.Reader)
	if err != nil {
		t.Fatal("the twin with real entropy:", err)
	}
	version, err := instance.ExportedFunction("tally_abi_version").Call(t.Context())
	if err != nil || version[0] != 1 {
		t.Error(version, err)
	}
}

func TestBorder(t *testing.T) {
	_, compiled := compile(t)
	var exports []string
	for name := range compiled.ExportedFunctions() {
		exports = append(exports, name)
	}
	slices.Sort(exports)
	if want := []string{"_initialize", "tally_abi_version", "tally_alloc", "tally_call", "tally_free"}; !slices.Equal(exports, want) {
		t.Errorf("exports %v, want %v", exports, want)
	}
	imports := compiled.ImportedFunctions()
	for _, function := range imports {
		if from, name, _ := function.Import(); from != "wasi_snapshot_preview1" {
			t.Errorf("import %s.%s", from, name)
		}
	}
	const most = 18 // what the Go toolchain asks for
	if len(imports) > most {
		t.Errorf("%d imports, at most %d", len(imports), most)
	}
}
