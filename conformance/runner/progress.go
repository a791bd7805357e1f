package runner

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// Watcher is told how a run goes on. Its methods may be called by several
// goroutines at the same time.
type Watcher interface {
	LegStarted(leg string)
	VectorDone(leg string, result Result)
	LegEnded(leg string, broken string)
}

// redrawEvery bounds how often the line on a terminal is drawn anew.
const redrawEvery = 100 * time.Millisecond

// Progress writes how a run goes on: to a terminal one line that is drawn anew,
// elsewhere a line as each leg starts and ends.
type Progress struct {
	out      io.Writer
	terminal bool
	total    int // vectors a leg
	mutex    sync.Mutex
	running  []*legProgress
	drawn    time.Time
}

type legProgress struct {
	leg          string
	done, failed int
	started      time.Time
}

// NewProgress writes to out of a run of so many vectors a leg.
func NewProgress(out io.Writer, vectors int) *Progress {
	return &Progress{out: out, terminal: isTerminal(out), total: vectors}
}

// isTerminal reports whether a line may be drawn anew there.
func isTerminal(out io.Writer) bool {
	file, isFile := out.(*os.File)
	if !isFile || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// LegStarted is part of Watcher.
func (p *Progress) LegStarted(leg string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.running = append(p.running, &legProgress{leg: leg, started: time.Now()})
	if !p.terminal {
		fmt.Fprintf(p.out, "conformance: %s: %d vectors\n", leg, p.total)
	}
}

// VectorDone is part of Watcher.
func (p *Progress) VectorDone(leg string, result Result) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for _, running := range p.running {
		if running.leg == leg {
			running.count(result)
		}
	}
	if p.terminal && time.Since(p.drawn) >= redrawEvery {
		p.draw()
	}
}

func (l *legProgress) count(result Result) {
	l.done++
	if result.Failure != "" {
		l.failed++
	}
}

// LegEnded is part of Watcher.
func (p *Progress) LegEnded(leg, broken string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	for at, running := range p.running {
		if running.leg == leg {
			p.running = append(p.running[:at], p.running[at+1:]...)
			p.sayEnd(running, broken)
			return
		}
	}
}

func (p *Progress) sayEnd(l *legProgress, broken string) {
	if p.terminal {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
	end := fmt.Sprintf("%d passed, %d failed", l.done-l.failed, l.failed)
	if broken != "" {
		end = "could not run"
	}
	fmt.Fprintf(p.out, "conformance: %s: %s, %.1f s\n", l.leg, end, time.Since(l.started).Seconds())
	if p.terminal {
		p.draw()
	}
}

func (p *Progress) draw() {
	p.drawn = time.Now()
	var parts []string
	for _, l := range p.running {
		part := fmt.Sprintf("%s %d/%d", l.leg, l.done, p.total)
		if l.failed > 0 {
			part += fmt.Sprintf(" (%d failed)", l.failed)
		}
		parts = append(parts, part)
	}
	fmt.Fprintf(p.out, "\r\x1b[K%s", strings.Join(parts, "  "))
}
