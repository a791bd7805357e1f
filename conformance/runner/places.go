package runner

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/tallystick/tallystick/conformance/drivers"
)

// Places says where the legs find what they need. The zero value of a member is
// its default below Root, or, without a checkout, what is installed.
type Places struct {
	Root    string // the checkout; "" is none
	Module  string // build/wasm/tallystick.wasm
	Library string // build/cshared/libtallystick.so
	Python  string // build/venv/bin/python; python3
	Node    string // node
	CC      string // cc
	Cache   string // build/conformance; tallystick/conformance in the user's cache folder
}

// Flags adds the flags that set the places.
func (p *Places) Flags(flags *flag.FlagSet) {
	flags.StringVar(&p.Root, "root", "", "the checkout (default: the nearest folder with its go.mod)")
	flags.StringVar(&p.Module, "wasm", "", "WASM module (default ROOT/build/wasm/tallystick.wasm)")
	flags.StringVar(&p.Library, "library", "", "C library, its header beside it (default ROOT/build/cshared/libtallystick.so)")
	flags.StringVar(&p.Python, "python", os.Getenv("TALLYSTICK_PYTHON"), "Python with tallystick installed (default $TALLYSTICK_PYTHON, else ROOT/build/venv/bin/python, outside a checkout python3)")
	flags.StringVar(&p.Node, "node", os.Getenv("TALLYSTICK_NODE"), "Node (default $TALLYSTICK_NODE, else node)")
	flags.StringVar(&p.CC, "cc", os.Getenv("CC"), "C compiler (default $CC, else cc)")
}

func (p Places) withDefaults() Places {
	set := func(member *string, fallback string) {
		if *member == "" {
			*member = fallback
		}
	}
	set(&p.Node, "node")
	set(&p.CC, "cc")
	if p.Root == "" {
		set(&p.Python, "python3")
		set(&p.Cache, userCache())
		return p
	}
	set(&p.Module, filepath.Join(p.Root, "build/wasm/tallystick.wasm"))
	set(&p.Library, filepath.Join(p.Root, "build/cshared/libtallystick.so"))
	set(&p.Python, filepath.Join(p.Root, "build/venv/bin/python"))
	set(&p.Cache, filepath.Join(p.Root, "build/conformance"))
	return p
}

// userCache is a folder that may stay from run to run.
func userCache() string {
	folder, err := os.UserCacheDir()
	if err != nil {
		folder = os.TempDir()
	}
	return filepath.Join(folder, "tallystick", "conformance")
}

// Sources returns the nine legs in the order of the table.
func (p Places) Sources() []Source {
	p = p.withDefaults()
	return p.onlyPresent([]Source{
		CoreSource(),
		GoHostSource(),
		WazeroSource(p.Module, filepath.Join(p.Cache, "wazero")),
		p.c(),
		p.python("python-native", "native"),
		p.python("python-wasm", "wasm"),
		p.node("node-wasm", "wasm", true),
		p.node("node-wasm-core", "wasm", false),
		p.node("node-native", "native", false),
	})
}

// onlyPresent marks all legs but the first two, which need nothing but this
// program, as absent where there is no checkout: they run when they are named.
func (p Places) onlyPresent(sources []Source) []Source {
	if p.Root != "" {
		return sources
	}
	for at := range sources[2:] {
		sources[at+2].Absent = func() string { return "there is no checkout" }
	}
	return sources
}

// c compiles the C driver against the header and the library, then starts it.
func (p Places) c() Source {
	return Source{Name: "c", Open: func(ctx context.Context) (Leg, error) {
		if p.Library == "" {
			return nil, errors.New("there is no C library: name it with --library, its header tallystick.h beside it")
		}
		program := filepath.Join(p.Cache, "driver-c")
		if err := os.MkdirAll(p.Cache, 0o755); err != nil {
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
	source, err := drivers.Files.ReadFile("c/driver.c")
	if err != nil {
		return err
	}
	folder := filepath.Dir(library)
	compiler := exec.CommandContext(ctx, p.CC, "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-I", folder,
		"-o", program, "-xc", "-", "-xnone", library, "-Wl,-rpath,"+folder)
	compiler.Stdin = bytes.NewReader(source)
	if output, err := compiler.CombinedOutput(); err != nil {
		return fmt.Errorf("%s cannot compile driver.c: %w\n%s", p.CC, err, bytes.TrimSpace(output))
	}
	return nil
}

func (p Places) python(leg, backend string) Source {
	return p.script(leg, "python/driver.py", func(driver string) []string {
		return []string{p.Python, driver, "--backend", backend}
	})
}

func (p Places) node(leg, backend string, hostCrypto bool) Source {
	source := p.script(leg, "node/driver.mjs", func(driver string) []string {
		return append([]string{p.Node, driver}, p.packageOptions(backend)...)
	})
	source.HostCrypto = hostCrypto
	return source
}

// packageOptions tells node/driver.mjs which package to drive: the checkout's,
// or the one that the working folder has installed.
func (p Places) packageOptions(backend string) []string {
	options := []string{"--backend", backend}
	if p.Library != "" {
		options = append(options, "--library", p.Library)
	}
	if p.Root == "" {
		options = append(options, "--installed", ".")
	}
	return options
}
