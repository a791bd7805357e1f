//go:build !wasip1

package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/tallystick/tallystick/core/jose"
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

// callCore is what a host does; it is small because the module speaks JSON.
func callCore(t *testing.T, instance api.Module, operation, request string) string {
	t.Helper()
	write := func(text string) (uint64, uint64) {
		place, err := instance.ExportedFunction("tally_alloc").Call(t.Context(), uint64(len(text)))
		if err != nil || !instance.Memory().WriteString(uint32(place[0]), text) {
			t.Fatal("no room for", len(text), "bytes:", err)
		}
		return place[0], uint64(len(text))
	}
	op, opLen := write(operation)
	text, textLen := write(request)
	packed, err := instance.ExportedFunction("tally_call").Call(t.Context(), op, opLen, text, textLen, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	answer, ok := instance.Memory().Read(uint32(packed[0]>>32), uint32(packed[0]))
	if !ok {
		t.Fatal("the answer lies outside of the memory")
	}
	return string(answer)
}

// A host may check a signature while it is called. Nothing that another host might do
// with such a call lets a token pass: it does nothing, counts bytes, or fails.
func TestCheckWithinTheCall(t *testing.T) {
	const descriptor, valid, invalid, badDescriptor = 0x74616c79, 0x74616c01, 0x74616c02, 8
	type question struct{ key, input, signature string }
	var asked []question
	read := func(m api.Module, vectors uint32) (q question, total uint32) {
		for i, into := range []*string{&q.key, &q.input, &q.signature} {
			at, _ := m.Memory().ReadUint32Le(vectors + uint32(8*i))
			length, _ := m.Memory().ReadUint32Le(vectors + uint32(8*i) + 4)
			text, ok := m.Memory().Read(at, length)
			if !ok {
				t.Errorf("vector %d lies outside of the memory", i)
			}
			*into = string(text)
			total += length
		}
		return q, total
	}
	says := func(answer, errno uint32) func(m api.Module, total, written uint32) uint32 {
		return func(m api.Module, _, written uint32) uint32 {
			m.Memory().WriteUint32Le(written, answer)
			return errno
		}
	}
	for _, c := range []struct {
		name string
		host func(m api.Module, total, written uint32) uint32
		want string
	}{
		{"valid", says(valid, 0), `{"ok":{`},
		{"invalid", says(invalid, 0), `{"error":{"code":"invalid_signature"`},
		{"valid, but failed", says(valid, badDescriptor), `{"need":{"kind":"check"`},
		{"does nothing", func(api.Module, uint32, uint32) uint32 { return 0 }, `{"need":{"kind":"check"`},
		{"says 1", says(1, 0), `{"need":{"kind":"check"`},
		{"counts bytes", func(m api.Module, total, written uint32) uint32 { return says(total, 0)(m, total, written) }, `{"need":{"kind":"check"`},
		{"knows no such descriptor", func(api.Module, uint32, uint32) uint32 { return badDescriptor }, `{"need":{"kind":"check"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked = nil
			runtime := wazero.NewRuntimeWithConfig(t.Context(), wazero.NewRuntimeConfigInterpreter())
			t.Cleanup(func() { runtime.Close(context.Background()) })
			builder := runtime.NewHostModuleBuilder(wasi_snapshot_preview1.ModuleName)
			wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(builder)
			builder.NewFunctionBuilder().WithFunc(func(_ context.Context, m api.Module, fd, vectors, count, written uint32) uint32 {
				if fd != descriptor {
					return badDescriptor
				}
				q, total := read(m, vectors)
				if count != 3 {
					t.Errorf("%d vectors", count)
				}
				asked = append(asked, q)
				return c.host(m, total, written)
			}).Export("fd_write")
			if _, err := builder.Instantiate(t.Context()); err != nil {
				t.Fatal(err)
			}
			code, err := module()
			if err != nil {
				t.Fatal(err)
			}
			config := wazero.NewModuleConfig().WithStartFunctions("_initialize").WithSysWalltime().WithSysNanotime().WithRandSource(rand.Reader)
			instance, err := runtime.InstantiateWithConfig(t.Context(), code, config)
			if err != nil {
				t.Fatal(err)
			}
			const now = 1_700_000_000
			key, err := jose.Generate(2048)
			if err != nil {
				t.Fatal(err)
			}
			open := fmt.Sprintf(`{"verifier":{"rsa":"import","keys":{"a":%q}}}`, key.Public().PEM())
			if answer := callCore(t, instance, "engine.open", open); !strings.HasPrefix(answer, `{"ok":`) {
				t.Fatal(answer)
			}
			claims := fmt.Sprintf(`{"iss":"a","iat":%d,"exp":%d,"jti":"1","content_sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}`, now, now+60)
			input := jose.SigningInput([]byte(`{"alg":"RS256"}`), []byte(claims))
			signature := strings.Repeat("s", 256)
			request := fmt.Sprintf(`{"engine":1,"now":%d,"authorization":["Bearer %s.%s"],"method":"GET","path":"/"}`, now, input, jose.Encode64([]byte(signature)))
			if answer := callCore(t, instance, "request.verify", request); !strings.HasPrefix(answer, c.want) {
				t.Errorf("%.200s, want %s", answer, c.want)
			}
			if want := []question{{key.Public().Thumbprint(), input, signature}}; !slices.Equal(asked, want) {
				t.Errorf("asked %q, want %q", asked, want)
			}
		})
	}
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
	runtime, compiled := compile(t)
	if _, err := runtime.InstantiateModule(t.Context(), compiled, wazero.NewModuleConfig().WithStartFunctions("_initialize")); err == nil {
		t.Error("started on wazero's own random source, which is the same in each process")
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
	imports := map[string]bool{}
	for _, function := range compiled.ImportedFunctions() {
		from, name, _ := function.Import()
		if from != "wasi_snapshot_preview1" {
			t.Errorf("import %s.%s", from, name)
		}
		imports[name] = true // fd_write twice: the runtime's, and ours for the check
	}
	const most = 18 // what the Go toolchain asks for
	if len(imports) > most {
		t.Errorf("%d imports, at most %d", len(imports), most)
	}
}
