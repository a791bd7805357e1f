package storetest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"

	tallystick "github.com/tallystick/tallystick/bindings/go"
)

const (
	load     = 3 * time.Second  // of claims around a restart
	recovery = 20 * time.Second // that a store may take to answer after an outage
	patience = 2 * time.Minute  // after which a process counts as hanging
	ahead    = 2 * time.Millisecond
)

// What a process of the test is told by its environment.
const (
	environmentTest      = "TALLYSTICK_STORETEST"
	environmentAddress   = "TALLYSTICK_STORETEST_ADDRESS"
	environmentClaimants = "TALLYSTICK_STORETEST_CLAIMANTS"
)

// What a store keeps.
const (
	keepsClaims = iota
	keepsValues
	keepsDocuments
)

// call is one call of a store.
type call struct {
	Method  string
	ID      string // or the name of a document
	Seconds int64  `json:",omitempty"`
	Value   []byte `json:",omitempty"`
	Version int64  `json:",omitempty"`
	Ended   bool   `json:",omitempty"` // with a context that has ended
}

// attempt is what a call came to.
type attempt struct {
	Method  string
	ID      string
	True    bool // it was free, written, or there was a value
	Value   []byte
	Version int64
	Error   string
	Began   time.Time
	Took    time.Duration
	LostAt  time.Time
}

func (a attempt) ended() time.Time { return a.Began.Add(a.Took) }

const (
	taskCall    = "call"
	taskRace    = "race"
	taskSpread  = "spread"
	taskLoad    = "load"
	taskRecover = "recover"
)

// task is what a process is told to do.
type task struct {
	Kind string
	Call call
	At   time.Time // when a race begins
	IDs  []string  `json:",omitempty"`
}

type result struct {
	Kind     int // of the store, in the first answer of a process
	Attempts []attempt
	Error    string
}

// asker does tasks: in this process, or in another.
type asker interface {
	ask(task) ([]attempt, error)
	end()
}

// workers are all processes.
type workers struct {
	kind int
	each []asker
}

func startAll(
	test, address string, open func(string) (tallystick.Store, error), options Options,
) (*workers, error) {
	claimants := (options.Claimants + options.Processes - 1) / options.Processes
	if options.Processes == 1 {
		here, err := newWorker(open, address, claimants)
		if err != nil {
			return nil, err
		}
		return &workers{here.kind(), []asker{here}}, nil
	}
	them := &workers{}
	for range options.Processes {
		one, kind, err := startProcess(test, address, claimants)
		if err != nil {
			them.end()
			return nil, err
		}
		them.kind, them.each = kind, append(them.each, one)
	}
	return them, nil
}

func (w *workers) end() {
	for _, each := range w.each {
		each.end()
	}
}

func (w *workers) first(one call) attempt { return callOf(w.each[0], one) }
func (w *workers) last(one call) attempt  { return callOf(w.each[len(w.each)-1], one) }

func callOf(one asker, what call) attempt {
	attempts, err := one.ask(task{Kind: taskCall, Call: what})
	if err != nil {
		return attempt{Method: what.Method, ID: what.ID, Error: err.Error()}
	}
	return attempts[0]
}

// race has all goroutines of all processes make one call at the same moment.
func (w *workers) race(what call) ([]attempt, error) {
	return w.all(task{Kind: taskRace, Call: what, At: time.Now().Add(ahead)})
}

// all has all processes do a task at the same time.
func (w *workers) all(what task) ([]attempt, error) {
	return w.during(what, func() {})
}

// during does something while all processes do a task.
func (w *workers) during(what task, meanwhile func()) ([]attempt, error) {
	found, failed := make([][]attempt, len(w.each)), make([]error, len(w.each))
	var busy sync.WaitGroup
	for at, each := range w.each {
		busy.Go(func() { found[at], failed[at] = each.ask(what) })
	}
	meanwhile()
	busy.Wait()
	var attempts []attempt
	for _, each := range found {
		attempts = append(attempts, each...)
	}
	return attempts, errors.Join(failed...)
}

// process is another process, told over its standard input.
type process struct {
	command *exec.Cmd
	input   io.WriteCloser
	results chan result // closed when it has ended
	said    *strings.Builder
}

func startProcess(test, address string, claimants int) (*process, int, error) {
	command := exec.Command(os.Args[0], "-test.run="+patternOf(test), "-test.count=1", "-test.timeout=0")
	command.Env = append(os.Environ(), environmentTest+"="+test, environmentAddress+"="+address,
		fmt.Sprintf("%s=%d", environmentClaimants, claimants))
	said := &strings.Builder{}
	command.Stderr = said
	input, err := command.StdinPipe()
	if err != nil {
		return nil, 0, err
	}
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, 0, err
	}
	if err := command.Start(); err != nil {
		return nil, 0, err
	}
	one := &process{command, input, make(chan result), said}
	go one.read(output)
	first, err := one.result()
	if err != nil {
		one.end()
	}
	return one, first.Kind, err
}

// patternOf returns the pattern of -test.run for one test and the tests that it is in.
func patternOf(test string) string {
	names := strings.Split(test, "/")
	for at, name := range names {
		names[at] = "^" + regexp.QuoteMeta(name) + "$"
	}
	return strings.Join(names, "/")
}

const prefix = "storetest "

func (p *process) read(output io.Reader) {
	defer close(p.results)
	lines := bufio.NewReader(output)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		// Whatever else it writes is of the program that is tested.
		text, ours := strings.CutPrefix(line, prefix)
		var got result
		if ours && json.Unmarshal([]byte(text), &got) == nil {
			p.results <- got
		}
	}
}

func (p *process) result() (result, error) {
	select {
	case got, alive := <-p.results:
		if !alive {
			_ = p.command.Wait()
			return got, fmt.Errorf("a process that used the store has died: %s", p.said)
		}
		if got.Error != "" {
			return got, errors.New(got.Error)
		}
		return got, nil
	case <-time.After(patience):
		return result{}, errors.New("a process hangs in a call of the store")
	}
}

func (p *process) ask(what task) ([]attempt, error) {
	line, err := json.Marshal(what)
	if err != nil {
		return nil, err
	}
	if _, err := p.input.Write(append(line, '\n')); err != nil {
		return nil, fmt.Errorf("a process that used the store has died: %w", err)
	}
	got, err := p.result()
	return got.Attempts, err
}

// end ends the process. One that hangs is killed.
func (p *process) end() {
	_ = p.input.Close()
	kill := time.AfterFunc(5*time.Second, func() { _ = p.command.Process.Kill() })
	defer kill.Stop()
	for range p.results {
	}
	_ = p.command.Wait()
}

// serve does the tasks of one process, which it ends.
func serve(open func(string) (tallystick.Store, error)) {
	output := os.Stdout
	os.Stdout = os.Stderr
	say := func(what result) {
		line, err := json.Marshal(what)
		if err == nil {
			_, err = fmt.Fprintf(output, "%s%s\n", prefix, line)
		}
		if err != nil {
			os.Exit(1)
		}
	}
	claimants := 0
	_, _ = fmt.Sscan(os.Getenv(environmentClaimants), &claimants)
	worker, err := newWorker(open, os.Getenv(environmentAddress), claimants)
	if err != nil {
		say(result{Error: err.Error()})
		os.Exit(1)
	}
	say(result{Kind: worker.kind()})
	tasks := json.NewDecoder(bufio.NewReader(os.Stdin))
	for {
		var next task
		if tasks.Decode(&next) != nil {
			worker.end()
			os.Exit(0)
		}
		attempts, err := worker.ask(next)
		got := result{Attempts: attempts}
		if err != nil {
			got.Error = err.Error()
		}
		say(got)
	}
}

// worker does tasks in its process.
type worker struct {
	store     tallystick.Store
	claimants int
}

func newWorker(open func(string) (tallystick.Store, error), address string, claimants int) (*worker, error) {
	store, err := open(address)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	if store == nil {
		return nil, errors.New("open returned no store")
	}
	return &worker{store, claimants}, nil
}

func (w *worker) kind() int {
	switch w.store.(type) {
	case tallystick.DocumentStore:
		return keepsDocuments
	case tallystick.ValueStore:
		return keepsValues
	}
	return keepsClaims
}

func (w *worker) end() {
	if closer, ok := w.store.(io.Closer); ok {
		_ = closer.Close()
	} else if closer, ok := w.store.(interface{ Close() }); ok {
		closer.Close()
	}
}

func (w *worker) ask(what task) ([]attempt, error) {
	switch what.Kind {
	case taskCall:
		return []attempt{w.call(what.Call)}, nil
	case taskRace:
		return w.race(what), nil
	case taskSpread:
		return w.spread(func() []attempt { return []attempt{w.call(claimOf(newID()))} }), nil
	case taskLoad:
		end := time.Now().Add(load)
		return w.spread(func() []attempt { return w.load(what.IDs, end) }), nil
	case taskRecover:
		return nil, w.recover()
	}
	return nil, fmt.Errorf("there is no task %q", what.Kind)
}

func claimOf(id string) call { return call{Method: "claim", ID: id, Seconds: kept} }

// spread has each claimant do something.
func (w *worker) spread(work func() []attempt) []attempt {
	found := make([][]attempt, w.claimants)
	var busy sync.WaitGroup
	for at := range found {
		busy.Go(func() { found[at] = work() })
	}
	busy.Wait()
	var attempts []attempt
	for _, each := range found {
		attempts = append(attempts, each...)
	}
	return attempts
}

func (w *worker) race(what task) []attempt {
	gate := make(chan struct{})
	time.AfterFunc(time.Until(what.At), func() { close(gate) })
	return w.spread(func() []attempt {
		<-gate
		return []attempt{w.call(what.Call)}
	})
}

// load claims some of these ids again and again, and returns all but refusals.
func (w *worker) load(ids []string, end time.Time) (attempts []attempt) {
	for time.Now().Before(end) {
		got := w.call(claimOf(ids[rand.IntN(len(ids))]))
		if got.True || got.Error != "" {
			attempts = append(attempts, got)
		}
		if got.Error != "" {
			time.Sleep(10 * time.Millisecond)
		}
	}
	return attempts
}

// recover claims until it is answered.
func (w *worker) recover() error {
	end := time.Now().Add(recovery)
	for {
		got := w.call(claimOf(newID()))
		if got.True {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("it does not answer after an outage: %s", got.Error)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func (w *worker) call(what call) attempt {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if what.Ended {
		cancel()
	}
	got := attempt{Method: what.Method, ID: what.ID, Began: time.Now()}
	err := w.answer(ctx, what, &got)
	got.Took = time.Since(got.Began)
	if err != nil {
		got.Error = err.Error()
	}
	if teller, ok := w.store.(interface{ LostAt() time.Time }); ok {
		got.LostAt = teller.LostAt()
	}
	return got
}

func (w *worker) answer(ctx context.Context, what call, got *attempt) (err error) {
	values, _ := w.store.(tallystick.ValueStore)
	documents, _ := w.store.(tallystick.DocumentStore)
	switch what.Method {
	case "claim":
		got.True, err = w.store.Claim(ctx, what.ID, what.Seconds)
	case "put":
		err = values.Put(ctx, what.ID, what.Value, what.Seconds)
	case "get":
		got.Value, got.True, err = values.Get(ctx, what.ID)
	case "take":
		got.Value, got.True, err = values.Take(ctx, what.ID)
	case "read":
		got.Version, got.Value, err = documents.Read(ctx, what.ID)
	case "write":
		got.True, err = documents.Write(ctx, what.ID, what.Version, what.Value)
	default:
		err = fmt.Errorf("there is no method %q", what.Method)
	}
	return err
}
