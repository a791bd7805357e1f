package sqlite_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tallystick/tallystick/bindings/go/stores/internal/storecheck"
	"github.com/tallystick/tallystick/bindings/go/stores/sqlite"
)

const pythonSource = "../../../python/src"

// python is a process of the Python binding.
type python struct {
	command *exec.Cmd
	input   io.WriteCloser
	lines   *bufio.Scanner
}

func startPython(t *testing.T, script string, arguments ...string) *python {
	t.Helper()
	program, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("the file is shared with Python's processes, and there is no python3 to run them")
	}
	command := exec.Command(program, append([]string{"-B", "-c", script}, arguments...)...)
	source, err := filepath.Abs(pythonSource)
	if err != nil {
		t.Fatal(err)
	}
	command.Env = append(os.Environ(), "PYTHONPATH="+source)
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return &python{command, input, bufio.NewScanner(output)}
}

// expect reads a line.
func (p *python) expect(t *testing.T, line string) {
	t.Helper()
	if !p.lines.Scan() || p.lines.Text() != line {
		t.Fatalf("python3 said %q, not %q", p.lines.Text(), line)
	}
}

func (p *python) tell(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(p.input, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

func TestTheFileIsThatOfAllLanguages(t *testing.T) {
	path := newPath(t)
	// None has opened the file: they make it at the same moment, too.
	store := storeOf(t, path, sqlite.Options{Timeout: time.Minute})
	others := storecheck.OpenOthers(t, "sqlite", path)
	ids := others.Race(t, store, 2000)
	if number(t, path, "SELECT count(*) FROM tallystick_used") != int64(len(ids)) {
		t.Error("rows are missing")
	}
	others.Agree(t, store)
	check := raw(t, path)
	var intact string
	if err := check.QueryRow("PRAGMA integrity_check").Scan(&intact); err != nil || intact != "ok" {
		t.Error(intact, err)
	}
}

const holdLock = `
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
connection.execute("ROLLBACK")
print("free", flush=True)
sys.stdin.readline()
`

func TestALockOfPythonsHoldsHere(t *testing.T) {
	path := newPath(t)
	store := storeOf(t, path, sqlite.Options{Timeout: time.Second})
	mustClaim(t, store, storecheck.NewID(), true)
	peer := startPython(t, holdLock, path)
	peer.expect(t, "held")
	mustSay(t, refusal(t, store), "did not answer within 1s")
	peer.tell(t, "go on")
	peer.expect(t, "free")
	mustClaim(t, store, storecheck.NewID(), true)
}

const claimOne = `
import sys
from tallystick.errors import StoreUnavailableError
from tallystick.stores.sqlite import SQLiteStore
store = SQLiteStore(sys.argv[1], timeout=float(sys.argv[2]))
print("ready", flush=True)
for line in sys.stdin:
    try:
        print(store.claim(line.strip(), 600), store.lost_at, flush=True)
    except StoreUnavailableError as error:
        print("refused", store.lost_at, flush=True)
`

func TestALockOfThisProcessHoldsForPython(t *testing.T) {
	path := newPath(t)
	mustClaim(t, storeOf(t, path, sqlite.Options{}), storecheck.NewID(), true)
	peer := startPython(t, claimOne, path, "0.1")
	peer.expect(t, "ready")
	id := storecheck.NewID()
	free := hold(t, path)
	peer.tell(t, id)
	peer.expect(t, "refused None")
	free()
	peer.tell(t, id)
	peer.expect(t, "True None")
}

func TestWhatAKilledPythonClaimedStaysAndALossIsToldBothWays(t *testing.T) {
	path := newPath(t)
	peer := startPython(t, claimOne, path, "10")
	peer.expect(t, "ready")
	mine, its := storecheck.NewID(), storecheck.NewID()
	store := storeOf(t, path, sqlite.Options{Timeout: 10 * time.Second})
	mustClaim(t, store, mine, true)
	peer.tell(t, its)
	peer.expect(t, "True None")
	peer.tell(t, mine)
	peer.expect(t, "False None")
	if err := peer.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = peer.command.Wait()
	mustClaim(t, store, its, false)

	// Python, started anew, sees the same file; after a loss that Go noted it refuses once.
	peer = startPython(t, claimOne, path, "10")
	peer.expect(t, "ready")
	peer.tell(t, its)
	peer.expect(t, "False None")
	remove(t, path, path+"-wal", path+"-shm")
	mustSay(t, refusal(t, store), "was deleted or replaced")
	lost := store.LostAt().Unix()
	peer.tell(t, storecheck.NewID())
	if !peer.lines.Scan() || !strings.HasPrefix(peer.lines.Text(), "refused ") {
		t.Fatal(peer.lines.Text())
	}
	var told int64
	if _, err := fmt.Sscanf(peer.lines.Text(), "refused %d", &told); err != nil || told < lost {
		t.Error(peer.lines.Text(), lost)
	}
	peer.tell(t, its)
	if !peer.lines.Scan() || !strings.HasPrefix(peer.lines.Text(), "True ") {
		t.Error(peer.lines.Text())
	}
	// Python noted its loss later; this process is told of it, at the latest now.
	free, err := store.Claim(ctx, its, 60)
	if free || (err != nil && store.LostAt().Unix() < told) {
		t.Error(free, err, store.LostAt())
	}
}
