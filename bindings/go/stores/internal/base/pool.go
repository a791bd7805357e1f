package base

import (
	"context"
	"sync"
)

// A Line is a connection that answers one question at a time.
type Line interface {
	// Usable tells whether the next question may go over it. It does not wait.
	Usable() bool
	Close()
}

// Pool has the connections of one process to a server, which are opened when they are needed. Safe
// for concurrent use.
type Pool[L Line] struct {
	open   func(context.Context) (L, error)
	places chan struct{}

	mutex sync.Mutex
	idle  []L
	age   int // how often the pool was closed
}

// NewPool returns a pool of at most so many connections.
func NewPool[L Line](most int, open func(context.Context) (L, error)) *Pool[L] {
	return &Pool[L]{open: open, places: make(chan struct{}, most)}
}

// Ask asks something over a connection. keep tells whether the connection is good for another
// question after an error. ask is given a context that ends with the deadline of ctx alone.
func Ask[L Line, Found any](
	ctx context.Context, pool *Pool[L], keep func(error) bool, ask func(context.Context, L) (Found, error),
) (Found, error) {
	var none Found
	free, err := Wait(ctx, pool.places)
	if err != nil {
		return none, err
	}
	return Within(ctx, func(ctx context.Context) (Found, error) {
		defer free()
		line, age, err := pool.next(ctx)
		if err != nil {
			return none, err
		}
		found, err := ask(ctx, line)
		if err == nil || keep(err) {
			pool.keep(line, age)
		} else {
			line.Close()
		}
		return found, err
	})
}

// Close closes what is idle; what is busy is closed after its answer. The pool may be used on.
func (p *Pool[L]) Close() {
	p.mutex.Lock()
	idle := p.idle
	p.idle = nil
	p.age++
	p.mutex.Unlock()
	for _, line := range idle {
		line.Close()
	}
}

func (p *Pool[L]) next(ctx context.Context) (L, int, error) {
	for {
		line, age, there := p.pop()
		if !there {
			opened, err := p.open(ctx)
			return opened, age, err
		}
		if line.Usable() {
			return line, age, nil
		}
		line.Close()
	}
}

func (p *Pool[L]) pop() (line L, age int, there bool) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return line, p.age, false
	}
	line = p.idle[last]
	p.idle = p.idle[:last]
	return line, p.age, true
}

func (p *Pool[L]) keep(line L, age int) {
	p.mutex.Lock()
	kept := age == p.age
	if kept {
		p.idle = append(p.idle, line)
	}
	p.mutex.Unlock()
	if !kept {
		line.Close()
	}
}
