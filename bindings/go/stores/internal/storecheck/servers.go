package storecheck

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tallystick/tallystick/bindings/go/internal/peers"
)

// Server is a real server on a free port, which ends with the test. cmd/servers/servers.py runs it.
type Server struct {
	URL    string
	Port   int
	Folder string

	t       testing.TB
	input   io.WriteCloser
	answers *bufio.Reader
}

// StartServer starts "redis" or "postgresql" with options of servers.py. It skips the test where
// that is not installed.
func StartServer(t testing.TB, kind string, options ...string) *Server {
	t.Helper()
	program, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("the store is tried on a real server, which cmd/servers starts, and there is no python3 to run it")
	}
	script := filepath.Join(peers.Root(t), "cmd", "servers", "servers.py")
	installed := exec.Command(program, "-B", script, "--installed")
	if output, err := installed.Output(); err != nil {
		t.Skipf("the store is tried on a real server, which `make setup-servers` installs: %s", output)
	}
	command := exec.Command(program, append([]string{"-B", script, kind}, options...)...)
	command.Stderr = os.Stderr
	server := &Server{t: t}
	if server.input, err = command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	server.answers = bufio.NewReader(output)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.input.Close()
		_ = command.Wait()
	})
	var said struct {
		Port     int
		URL, Dir string
	}
	line, err := server.answers.ReadString('\n')
	if err != nil || json.Unmarshal([]byte(line), &said) != nil {
		t.Fatalf("%s did not start: %s", kind, line)
	}
	server.URL, server.Port, server.Folder = said.URL, said.Port, said.Dir
	return server
}

// Do has the server start, stop, be killed, pause or resume ("start", "stop", "kill", "pause",
// "resume"); of PostgreSQL also "sql STATEMENT", as the superuser.
func (s *Server) Do(command string) error {
	if _, err := io.WriteString(s.input, command+"\n"); err != nil {
		return err
	}
	line, err := s.answers.ReadString('\n')
	if err == nil && !strings.Contains(line, `"done"`) {
		s.t.Errorf("%s: %s", command, line)
	}
	return err
}

// Must does what Do does, and fails the test where that fails.
func (s *Server) Must(commands ...string) {
	s.t.Helper()
	for _, command := range commands {
		if err := s.Do(command); err != nil {
			s.t.Fatalf("%s: %v", command, err)
		}
	}
}

// Relay is an address that leads to a server, and can lead to another one later.
type Relay struct {
	Address string

	mutex sync.Mutex
	to    string
	all   []net.Conn
}

// StartRelay returns a relay to an address, which ends with the test.
func StartRelay(t testing.TB, to string) *Relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	relay := &Relay{Address: listener.Addr().String(), to: to}
	t.Cleanup(func() {
		_ = listener.Close()
		relay.Cut()
	})
	go func() {
		for {
			incoming, err := listener.Accept()
			if err != nil {
				return
			}
			go relay.join(incoming)
		}
	}()
	return relay
}

// Lead has new connections lead to another address.
func (r *Relay) Lead(to string) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.to = to
}

// Cut ends all connections.
func (r *Relay) Cut() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	for _, each := range r.all {
		_ = each.Close()
	}
	r.all = nil
}

func (r *Relay) join(incoming net.Conn) {
	r.mutex.Lock()
	outgoing, err := net.Dial("tcp", r.to)
	if err != nil {
		_ = incoming.Close()
		r.mutex.Unlock()
		return
	}
	r.all = append(r.all, incoming, outgoing)
	r.mutex.Unlock()
	for _, pair := range [][2]net.Conn{{incoming, outgoing}, {outgoing, incoming}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1])
			_, _ = pair[0].Close(), pair[1].Close()
		}()
	}
}

// FreePort returns a port that is free now.
func FreePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().(*net.TCPAddr).Port
}

// ClusterPort returns a free port for a server in cluster mode, which takes the one 10,000 above
// too.
func ClusterPort(t testing.TB) int {
	t.Helper()
	for {
		port := 20_000 + rand.IntN(10_000)
		one, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		other, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+10_000))
		_ = one.Close()
		if err == nil {
			_ = other.Close()
			return port
		}
	}
}
