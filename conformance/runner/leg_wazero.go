package runner

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// abiVersion is the version of the ABI that this package drives.
const abiVersion = 1

// WazeroSource is the reference leg "wazero": the WASM module, compiled, in this
// process. cache is the folder of compiled modules; it is made when it is missing.
func WazeroSource(module, cache string) Source {
	return Source{Name: "wazero", Open: func(ctx context.Context) (Leg, error) {
		kept, err := wazero.NewCompilationCacheWithDir(cache)
		if err != nil {
			return nil, err
		}
		return openWazero(ctx, module, wazero.NewRuntimeConfig(), kept)
	}}
}

// InterpreterSource is the leg "wazero-interpreter": the same module, interpreted,
// as wazero does where it has no compiler. It takes some fifty times as long, so
// heavy vectors are left to runs that ask for them, and signatures are checked
// outside the module wherever a vector leaves that open.
func InterpreterSource(module string) Source {
	return Source{Name: "wazero-interpreter", HostCrypto: true, Slow: true, Copies: runtime.NumCPU(),
		Absent: func() string { return "it is slow: --all and --leg run it" },
		Open: func(ctx context.Context) (Leg, error) {
			leg, err := openWazero(ctx, module, wazero.NewRuntimeConfigInterpreter(), wazero.NewCompilationCache())
			if err != nil {
				return nil, err
			}
			return withChecks(leg), nil
		}}
}

type wazeroLeg struct {
	runtime wazero.Runtime
	cache   wazero.CompilationCache
	module  api.Module
	stderr  *tail // what the Go runtime in the module prints when it dies
	stuck   bool  // a call ran out of time, and still runs
}

func openWazero(ctx context.Context, file string, config wazero.RuntimeConfig, cache wazero.CompilationCache) (Leg, error) {
	// Without WithCloseOnContextDone: code that can be interrupted takes four times as long.
	machine := wazero.NewRuntimeWithConfig(ctx, config.WithCompilationCache(cache))
	leg := &wazeroLeg{runtime: machine, cache: cache, stderr: &tail{}}
	code, err := readModule(file)
	if err == nil {
		err = leg.start(ctx, code)
	}
	if err != nil {
		return nil, errors.Join(err, leg.Close())
	}
	return leg, nil
}

func readModule(file string) ([]byte, error) {
	if file == "" {
		return nil, errors.New("there is no WASM module: name it with --wasm")
	}
	code, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w (build it with: make wasm)", err)
	}
	return code, nil
}

func (l *wazeroLeg) start(ctx context.Context, code []byte) error {
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, l.runtime); err != nil {
		return err
	}
	// wazero's own defaults are a clock that stands in 2022 and random bytes
	// that repeat (protocol.md section 8).
	config := wazero.NewModuleConfig().WithStartFunctions("_initialize").
		WithSysWalltime().WithSysNanotime().WithRandSource(rand.Reader).WithStderr(l.stderr)
	module, err := l.runtime.InstantiateWithConfig(ctx, code, config)
	if err != nil {
		return err
	}
	l.module = module
	version, err := l.invoke(ctx, "tally_abi_version")
	if err == nil && version != abiVersion {
		err = fmt.Errorf("the module speaks ABI %d, not %d", version, abiVersion)
	}
	return err
}

func (l *wazeroLeg) invoke(ctx context.Context, name string, arguments ...uint64) (uint64, error) {
	function := l.module.ExportedFunction(name)
	if function == nil {
		return 0, fmt.Errorf("the module exports no %s", name)
	}
	ended := make(chan func() (uint64, error), 1)
	go func() {
		results, err := function.Call(context.Background(), arguments...)
		ended <- func() (uint64, error) { return l.result(name, results, err) }
	}()
	select {
	case result := <-ended:
		return result()
	case <-ctx.Done():
		l.stuck = true
		return 0, fmt.Errorf("%w: %s", ErrTimeout, name)
	}
}

func (l *wazeroLeg) result(name string, results []uint64, err error) (uint64, error) {
	if err != nil {
		return 0, fmt.Errorf("%s: %w\n%s", name, err, l.stderr)
	}
	if len(results) == 0 {
		return 0, nil
	}
	return results[0], nil
}

// Call puts the three inputs into one allocation, as abi.md allows.
func (l *wazeroLeg) Call(ctx context.Context, call Call) ([]byte, error) {
	input := append(append([]byte(call.Op), call.Request...), call.Body...)
	at, err := l.invoke(ctx, "tally_alloc", uint64(len(input)))
	if err != nil {
		return nil, err
	}
	if !l.module.Memory().Write(uint32(at), input) {
		return nil, errors.New("tally_alloc returned memory that is not there")
	}
	op, request, body := uint64(len(call.Op)), uint64(len(call.Request)), uint64(len(call.Body))
	packed, err := l.invoke(ctx, "tally_call", at, op, at+op, request, at+op+request, body)
	if err != nil {
		return nil, err
	}
	answer, err := l.take(ctx, packed)
	if err != nil {
		return nil, err
	}
	_, err = l.invoke(ctx, "tally_free", at)
	return answer, err
}

// take copies an answer (pointer << 32 | length) out of the module and frees it.
func (l *wazeroLeg) take(ctx context.Context, packed uint64) ([]byte, error) {
	at, length := uint32(packed>>32), uint32(packed)
	view, ok := l.module.Memory().Read(at, length)
	if !ok {
		return nil, errors.New("tally_call returned memory that is not there")
	}
	answer := append([]byte(nil), view...)
	_, err := l.invoke(ctx, "tally_free", uint64(at))
	return answer, err
}

// Close releases the module, unless code of it still runs: that ends with the process.
func (l *wazeroLeg) Close() error {
	if l.stuck {
		return nil
	}
	ctx := context.Background()
	return errors.Join(l.runtime.Close(ctx), l.cache.Close(ctx))
}
