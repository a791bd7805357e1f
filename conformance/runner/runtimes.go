package runner

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// defaultChromium is where Debian's package puts it.
const defaultChromium = "/usr/bin/chromium"

// AllSources returns the nine legs and those of further engines and runtimes,
// which a run that names no legs has where "make setup-runtimes" installed them.
func (p Places) AllSources() []Source {
	sources := p.Sources()
	p = p.withDefaults()
	bun, deno := p.installed("bin/bun"), p.installed("bin/deno")
	driver := filepath.Join(p.Root, "conformance/drivers/node/driver.mjs")
	dist := filepath.Join(p.Root, "bindings/node/dist")
	options := []string{"--backend", "wasm"}
	return append(sources,
		InterpreterSource(p.Module),
		p.runtime("bun", true, append([]string{bun, driver}, options...), bun),
		p.runtime("deno", true, append([]string{deno, "run", "--no-prompt", "--allow-read=" + filepath.Dir(driver) + "," + dist, driver}, options...), deno),
		p.runtime("workerd", false, p.nodeDriver("workerd"), p.installed("bin/workerd")),
		p.runtime("chromium", false, p.nodeDriver("chromium"), p.installed("node_modules/playwright-core"), chromium()),
	)
}

// installed is where "make setup-runtimes" puts a file.
func (p Places) installed(file string) string {
	return filepath.Join(p.Root, "build/runtimes", file)
}

func (p Places) nodeDriver(name string) []string {
	return []string{p.Node, filepath.Join(p.Root, "conformance/drivers", name, "driver.mjs")}
}

func chromium() string {
	if named := os.Getenv("TALLYSTICK_CHROMIUM"); named != "" {
		return named
	}
	return defaultChromium
}

// runtime is a leg of a checkout that is absent while one of its files is.
func (p Places) runtime(leg string, hostCrypto bool, command []string, files ...string) Source {
	absent := func() string {
		if p.Root == "" {
			return "it needs a checkout"
		}
		for _, file := range files {
			if _, err := os.Stat(file); err != nil {
				return file + " is not there: make setup-runtimes"
			}
		}
		return ""
	}
	open := func(context.Context) (Leg, error) {
		if why := absent(); why != "" {
			return nil, errors.New(why)
		}
		return startDriver(Command{Args: command})
	}
	return Source{Name: leg, HostCrypto: hostCrypto, Absent: absent, Open: open}
}
