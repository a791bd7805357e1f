// Package peers runs the packages of other languages, for tests of the Go packages against them.
package peers

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// Root is the folder of the whole checkout. A test runs in the folder of its package.
func Root(t testing.TB) string {
	t.Helper()
	folder, err := filepath.Abs(".")
	for ; err == nil; folder = filepath.Dir(folder) {
		if _, missing := os.Stat(filepath.Join(folder, "go.mod")); missing == nil {
			return folder
		}
		if folder == filepath.Dir(folder) {
			t.Fatal("no folder above this one has a go.mod")
		}
	}
	t.Fatal(err)
	return ""
}

// testdata is where the programs of the peers are.
func testdata(t testing.TB, program string) string {
	return filepath.Join(Root(t), "bindings", "go", "testdata", program)
}

// Python runs a program of testdata in the Python that `make python` has made. It skips the test
// where there is none.
func Python(t testing.TB, program string, arguments ...string) *exec.Cmd {
	t.Helper()
	python := os.Getenv("TALLYSTICK_PYTHON")
	if python == "" {
		python = filepath.Join(Root(t), "build", "venv", "bin", "python")
	}
	if _, err := exec.LookPath(python); err != nil {
		t.Skipf("the peer is a Python package, and there is no %s, which `make python` makes (or "+
			"$TALLYSTICK_PYTHON)", python)
	}
	return exec.Command(python, append([]string{testdata(t, program)}, arguments...)...)
}

// Node runs peer.mjs with the package that `make node` has built. It skips the test where there is
// none.
func Node(t testing.TB) *exec.Cmd {
	t.Helper()
	module := os.Getenv("TALLYSTICK_NODE_MODULE")
	if module == "" {
		module = filepath.Join(Root(t), "bindings", "node", "dist", "index.js")
	}
	if _, err := os.Stat(module); err != nil {
		t.Skipf("the peer is the Node package, and there is no %s, which `make node` builds (or "+
			"$TALLYSTICK_NODE_MODULE)", module)
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("the peer is the Node package, and there is no node in PATH to run it")
	}
	return exec.Command(node, testdata(t, "peer.mjs"), module)
}

// Peer is an agent, an authority or a store of another package, in a process of its own that ends
// with the test. Safe for concurrent use; it does one task after the other.
type Peer struct {
	// T is the test that goes on now.
	T testing.TB
	// URL is for the test to keep.
	URL string

	lock sync.Mutex
	in   io.Writer
	out  *bufio.Reader
}

// Each runs a test against each language: by peer.py and peer.mjs.
func Each(t *testing.T, test func(t *testing.T, p *Peer)) {
	t.Run("Python", func(t *testing.T) { test(t, Start(t, Python(t, "peer.py"))) })
	t.Run("Node", func(t *testing.T) { test(t, Start(t, Node(t))) })
}

// Start starts a peer.
func Start(t testing.TB, command *exec.Cmd) *Peer {
	t.Helper()
	said := &bytes.Buffer{}
	command.Stderr = said
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		err := command.Wait()
		if t.Failed() || err != nil {
			t.Log(err, said)
		}
	})
	return &Peer{T: t, in: in, out: bufio.NewReader(out)}
}

// Try gives a task, its name and its arguments, and returns what it made, or the code of its error.
func (p *Peer) Try(into any, task ...any) (code string) {
	p.T.Helper()
	return p.Ask(into, task)
}

// Must is Try for a task that must not fail.
func (p *Peer) Must(into any, task ...any) {
	p.T.Helper()
	if code := p.Try(into, task...); code != "" {
		p.T.Fatal(task[0], code)
	}
}

// Ask gives a line of JSON, and returns what the answer says is wrong.
func (p *Peer) Ask(into, question any) (wrong string) {
	p.T.Helper()
	p.lock.Lock()
	defer p.lock.Unlock()
	line, err := json.Marshal(question)
	if err == nil {
		_, err = p.in.Write(append(line, '\n'))
	}
	if err != nil {
		p.T.Fatal(err)
	}
	said, err := p.out.ReadBytes('\n')
	if err != nil {
		p.T.Fatal(err)
	}
	var answer struct {
		OK             json.RawMessage
		Error, Message string
	}
	if err := json.Unmarshal(said, &answer); err != nil {
		p.T.Fatal(err, string(said))
	}
	if answer.Error != "" {
		return answer.Error + ": " + answer.Message
	}
	if into == nil {
		return ""
	}
	if err := json.Unmarshal(answer.OK, into); err != nil {
		p.T.Fatal(err)
	}
	return ""
}
