// Package abi is the border of the core: operations by name, JSON in, JSON out
// (abi.md). Panics stop here. Nothing behind it knows which language called.
package abi

import (
	"fmt"
	"sync"

	"github.com/tallystick/tallystick/core/engine"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
)

const (
	// Version is the ABI's: it changes when an old host could not go on.
	Version = 1
	// Release is the project's version.
	Release = "0.1.0"

	maxRequest = 16 << 20
	maxBody    = 64 << 20
	maxEngines = 4096
)

// Verdict is what a host says of a signature while it is being called.
type Verdict = pipeline.Verdict

// The verdicts: only Valid lets a token pass.
const (
	Unanswered = pipeline.Unanswered
	Valid      = pipeline.Valid
	Invalid    = pipeline.Invalid
)

// Core is one instance of the core with its engines. Safe for concurrent use.
type Core struct {
	mu      sync.RWMutex
	engines map[uint64]*engine.Engine
	last    uint64

	checkNow      pipeline.CheckNow
	verifications sync.Pool // of *verification
}

// New returns a core without engines.
func New() *Core { return NewImporting(nil) }

// NewImporting returns a core whose engines with rsa "import" ask check first.
func NewImporting(check pipeline.CheckNow) *Core {
	return &Core{engines: map[uint64]*engine.Engine{}, checkNow: check}
}

// handler answers one operation. It passes the request through the strict JSON
// gate first; request and body are borrowed for the length of the call. What is
// called once per request appends its answer to the empty slice to, which others
// leave as it is.
type handler func(c *Core, request, body, to []byte) []byte

// Call answers an operation. It never panics and keeps nothing of its arguments.
func (c *Core) Call(operation string, request, body []byte) []byte {
	return c.CallInto(nil, operation, request, body)
}

// CallInto is Call for a host that brings the memory: the answer lies in to where
// it fits and is worth it, overwriting what was there, else elsewhere.
func (c *Core) CallInto(to []byte, operation string, request, body []byte) (answer []byte) {
	defer func() {
		if cause := recover(); cause != nil {
			answer = refuse(problem.New(problem.Internal, "").WithLog("panic in %s: %s", problem.Quote(operation), problem.Quote(fmt.Sprint(cause))))
		}
	}()
	handle, known := byName[operation]
	if !known {
		return refuse(problem.Newf(problem.UnknownOperation, "unknown operation %s", problem.Quote(operation)))
	}
	if len(request) > maxRequest || len(body) > maxBody {
		return refuse(problem.Newf(problem.InvalidArgument, "%s: the request may have %d bytes, the body %d", operation, maxRequest, maxBody))
	}
	return handle(c, request, body, to[:0])
}

func notStrict(operation string, err error) *problem.Problem {
	return problem.Newf(problem.InvalidArgument, "%s: the request is refused: %s", operation, err)
}

func (c *Core) engine(number uint64) (*engine.Engine, *problem.Problem) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if e, there := c.engines[number]; there {
		return e, nil
	}
	return nil, problem.New(problem.UnknownEngine, "")
}

func (c *Core) addEngine(e *engine.Engine) (uint64, *problem.Problem) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.engines) >= maxEngines {
		return 0, problem.Newf(problem.Overloaded, "%d engines are open: close those that are no longer used", maxEngines)
	}
	c.last++
	c.engines[c.last] = e
	return c.last, nil
}

func (c *Core) closeEngine(number uint64) *problem.Problem {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.engines[number]; !there {
		return problem.New(problem.UnknownEngine, "")
	}
	delete(c.engines, number)
	return nil
}

// settle turns a step into an answer: a need gets a ticket, an end is finished.
func settle(e *engine.Engine, now float64, step need.Step, finish engine.Finish, to []byte) []byte {
	if step.Need == nil {
		return finish(e, step, to)
	}
	if step.Need.Claimed != nil {
		to = append(appendQuestion(to, step.Need), `,"claimed":`...)
		return append(finish(e, need.Done(step.Need.Claimed), to), "}}"...)
	}
	number, p := e.Suspend(now, step, finish)
	if p != nil {
		return finish(e, need.Refuse(p), to)
	}
	return appendNeed(to, step.Need, number)
}
