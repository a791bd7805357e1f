package runner

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// keptCache is the command's own: compiling the module takes seconds, under the
// race detector most of a minute.
const keptCache = "../../build/conformance/wazero"

func buildModule(t *testing.T) string {
	t.Helper()
	module := filepath.Join(t.TempDir(), "tallystick.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", module, "../../wasm")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=-buildvcs=false")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return module
}

func TestWazeroAnswersLikeTheCore(t *testing.T) {
	module, cache := buildModule(t), keptCache
	chosen := vectors(t, "abi/*", "needs/check-then-claim", "replay/same-token", "body/at-default-limit", "keys/generated")
	demandExit(t, run(t, chosen, WazeroSource(module, cache)), ExitPassed)

	entries, err := os.ReadDir(cache)
	if err != nil || len(entries) == 0 {
		t.Errorf("the compiled module was not kept: %v", err)
	}
	t.Run("time limit", func(t *testing.T) { wazeroTimeLimit(t, module, cache) })
}

func wazeroTimeLimit(t *testing.T, module, cache string) {
	leg, err := WazeroSource(module, cache).Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer leg.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if answer, err := leg.Call(ctx, Call{Op: "key.generate", Request: []byte(`{"bits":4096}`)}); err == nil {
		t.Errorf("answered in spite of the limit: %s", answer)
	}
}

func TestWazeroRefusesAnotherModule(t *testing.T) {
	file := filepath.Join(t.TempDir(), "empty.wasm")
	if err := os.WriteFile(file, []byte("\x00asm\x01\x00\x00\x00"), 0o644); err != nil {
		t.Fatal(err)
	}
	if leg, err := WazeroSource(file, t.TempDir()).Open(context.Background()); err == nil {
		leg.Close()
		t.Error("an empty module was opened")
	}
}
