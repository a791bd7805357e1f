package runner

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Places says where the legs find what they need. The zero value of a member
// is its default below Root.
type Places struct {
	Root    string // the checkout
	Module  string // build/wasm/tallystick.wasm
	Library string // build/cshared/libtallystick.so
	Python  string // build/venv/bin/python
	Node    string // node
	CC      string // cc
	Cache   string // build/conformance/wazero
}

// Flags adds the flags that set the places.
func (p *Places) Flags(flags *flag.FlagSet) {
	flags.StringVar(&p.Root, "root", "", "the checkout (default: the nearest folder with its go.mod)")
	flags.StringVar(&p.Module, "wasm", "", "WASM module (default ROOT/build/wasm/tallystick.wasm)")
	flags.StringVar(&p.Library, "library", "", "C library (default ROOT/build/cshared/libtallystick.so)")
	flags.StringVar(&p.Python, "python", os.Getenv("TALLYSTICK_PYTHON"), "Python with tallystick installed (default $TALLYSTICK_PYTHON, else ROOT/build/venv/bin/python)")
	flags.StringVar(&p.Node, "node", os.Getenv("TALLYSTICK_NODE"), "Node (default $TALLYSTICK_NODE, else node)")
	flags.StringVar(&p.CC, "cc", os.Getenv("CC"), "C compiler (default $CC, else cc)")
}

func (p Places) withDefaults() Places {
	set := func(member *string, fallback string) {
		if *member == "" {
			*member = fallback
		}
	}
	set(&p.Module, filepath.Join(p.Root, "build/wasm/tallystick.wasm"))
	set(&p.Library, filepath.Join(p.Root, "build/cshared/libtallystick.so"))
	set(&p.Python, filepath.Join(p.Root, "build/venv/bin/python"))
	set(&p.Node, "node")
	set(&p.CC, "cc")
	set(&p.Cache, filepath.Join(p.Root, "build/conformance/wazero"))
	return p
}

// Sources returns the eight legs in the order of the table. The second is the
// reference.
func (p Places) Sources() []Source {
	p = p.withDefaults()
	return []Source{
		CoreSource(),
		WazeroSource(p.Module, p.Cache),
		p.c(),
		p.python("python-native", "native"),
		p.python("python-wasm", "wasm"),
		p.node("node-wasm", "wasm", true),
		p.node("node-wasm-core", "wasm", false),
		p.node("node-native", "native", false),
	}
}

// c compiles the C driver against the header and the library, then starts it.
func (p Places) c() Source {
	return Source{Name: "c", Open: func(ctx context.Context) (Leg, error) {
		program := filepath.Join(p.Root, "build/conformance/driver-c")
		if err := os.MkdirAll(filepath.Dir(program), 0o755); err != nil {
			return nil, err
		}
		if err := p.compile(ctx, program); err != nil {
			return nil, err
		}
		return startDriver(Command{Args: []string{program}})
	}}
}

func (p Places) compile(ctx context.Context, program string) error {
	if _, err := os.Stat(p.Library); err != nil {
		return fmt.Errorf("%w (build it with: make cshared)", err)
	}
	library, err := filepath.Abs(p.Library)
	if err != nil {
		return err
	}
	folder := filepath.Dir(library)
	compiler := exec.CommandContext(ctx, p.CC, "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror",
		"-I", filepath.Join(p.Root, "cshared"), "-o", program,
		filepath.Join(p.Root, "conformance/drivers/c/driver.c"),
		library, "-Wl,-rpath,"+folder)
	if output, err := compiler.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", p.CC, err, bytes.TrimSpace(output))
	}
	return nil
}

func (p Places) python(leg, backend string) Source {
	driver := filepath.Join(p.Root, "conformance/drivers/python/driver.py")
	return DriverSource(leg, Command{Args: []string{p.Python, driver, "--backend", backend}})
}

func (p Places) node(leg, backend string, hostCrypto bool) Source {
	driver := filepath.Join(p.Root, "conformance/drivers/node/driver.mjs")
	source := DriverSource(leg, Command{Args: []string{p.Node, driver, "--backend", backend, "--library", p.Library}})
	source.HostCrypto = hostCrypto
	return source
}
