package runner

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

const (
	// maxAnswerLine bounds one line from a driver, in bytes.
	maxAnswerLine = 64 << 20
	// stopWithin is how long a driver may take to end after its standard input
	// was closed; then it is killed by its process id.
	stopWithin = 5 * time.Second
)

// Command says how a driver is started.
type Command struct {
	Args []string // program and arguments
	Env  []string // added to this process's environment
	Dir  string
}

// DriverSource is a leg behind a process that speaks the exchange of README.md.
func DriverSource(name string, command Command) Source {
	return Source{Name: name, Open: func(context.Context) (Leg, error) {
		return startDriver(command)
	}}
}

type driver struct {
	process *exec.Cmd
	stdin   io.WriteCloser
	lines   chan []byte // closed at the end of the driver's output
	stderr  *tail
	ended   chan struct{} // closed when the process is gone; exit is set then
	exit    error
	lastID  int
}

func startDriver(command Command) (Leg, error) {
	process := exec.Command(command.Args[0], command.Args[1:]...)
	process.Dir = command.Dir
	process.Env = append(os.Environ(), command.Env...)
	stdin, err := process.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, stdoutWriter, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	d := &driver{process: process, stdin: stdin, stderr: &tail{}, lines: make(chan []byte), ended: make(chan struct{})}
	process.Stdout, process.Stderr = stdoutWriter, d.stderr
	process.WaitDelay = stopWithin
	err = process.Start()
	stdoutWriter.Close()
	if err != nil {
		stdout.Close()
		return nil, err
	}
	go d.read(stdout)
	go d.wait()
	return d, nil
}

func (d *driver) wait() {
	d.exit = d.process.Wait()
	close(d.ended)
}

func (d *driver) read(stdout *os.File) {
	defer close(d.lines)
	defer stdout.Close()
	scanner := bufio.NewScanner(stdout)
	scanner.Buffer(make([]byte, 64<<10), maxAnswerLine)
	for scanner.Scan() {
		d.lines <- bytes.Clone(scanner.Bytes())
	}
	if scanner.Err() != nil {
		fmt.Fprintf(d.stderr, "runner: %v\n", scanner.Err())
	}
}

// question and reply are the two lines of the exchange. The order of the
// members and the absence of spaces are part of it: a driver without a JSON
// library can read a question from left to right.
type question struct {
	ID      int    `json:"id"`
	Op      string `json:"op"`
	Request string `json:"request"`
	Body    string `json:"body"`
	Crypto  string `json:"crypto,omitempty"`
}

type reply struct {
	ID     int     `json:"id"`
	Answer *string `json:"answer"`
	Failed string  `json:"failed"`
	// Unsupported says that the implementation has no such operation: the vector
	// fails, and the leg goes on.
	Unsupported string `json:"unsupported"`
}

func (d *driver) Call(ctx context.Context, call Call) ([]byte, error) {
	d.lastID++
	asked := question{
		ID: d.lastID, Op: call.Op,
		Request: base64.StdEncoding.EncodeToString(call.Request),
		Body:    base64.StdEncoding.EncodeToString(call.Body),
	}
	if call.HostCrypto {
		asked.Crypto = "host"
	}
	line, err := json.Marshal(asked)
	if err != nil {
		return nil, err
	}
	go d.stdin.Write(append(line, '\n')) // a driver that does not read must not stop the time limit
	select {
	case line, open := <-d.lines:
		if !open {
			return nil, d.explain(d.afterEnd())
		}
		return d.readReply(line)
	case <-ctx.Done():
		return nil, d.explain(fmt.Errorf("%w: %s", ErrTimeout, call.Op))
	}
}

func (d *driver) readReply(line []byte) ([]byte, error) {
	var got reply
	if err := json.Unmarshal(line, &got); err != nil {
		return nil, d.explain(fmt.Errorf("the driver wrote a line that is not JSON: %.200q", line))
	}
	if got.ID != d.lastID {
		return nil, d.explain(fmt.Errorf("the driver answered call %d instead of %d", got.ID, d.lastID))
	}
	if got.Unsupported != "" && got.Answer == nil {
		return nil, failed("the driver does not support this: %s", got.Unsupported)
	}
	if got.Answer == nil || got.Failed != "" {
		return nil, d.explain(fmt.Errorf("the driver failed: %s", got.Failed))
	}
	answer, err := base64.StdEncoding.DecodeString(*got.Answer)
	if err != nil {
		return nil, d.explain(fmt.Errorf("the driver's answer is not base64: %w", err))
	}
	return answer, nil
}

// afterEnd says how a driver ended that closed its output too early.
func (d *driver) afterEnd() error {
	select {
	case <-d.ended:
		return fmt.Errorf("the driver ended: %v", d.process.ProcessState)
	case <-time.After(stopWithin):
		return errors.New("the driver closed its output but goes on")
	}
}

// explain adds what the driver wrote to its standard error.
func (d *driver) explain(err error) error {
	if text := d.stderr.String(); text != "" {
		return fmt.Errorf("%w\n%s", err, text)
	}
	return err
}

// Close ends the driver: its input is closed, and if that does not help it is
// killed, by the process that was started and never by a name.
func (d *driver) Close() error {
	d.stdin.Close()
	go func() {
		for range d.lines { // lets read end
		}
	}()
	select {
	case <-d.ended:
		return d.exit
	case <-time.After(stopWithin):
	}
	err := d.process.Process.Kill()
	<-d.ended
	return errors.Join(errors.New("the driver did not end when its input was closed"), err)
}
