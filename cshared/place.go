package main

/*
#include <stdint.h>

// thread returns what tells the calling thread from every other that lives.
static inline uintptr_t thread(void) {
	static _Thread_local char here;
	return (uintptr_t)&here;
}
*/
import "C"

import (
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// keepEvery is how often a thread that calls alone says that it is still at work: more
	// often than Go's monitor takes back the place of a thread that did not for 10 ms.
	keepEvery = 8 * time.Millisecond
	// aloneFor is how long no other thread may have called.
	aloneFor = 50 * time.Millisecond
)

var (
	begun      = time.Now()
	lastThread atomic.Uintptr
	nextKeep   atomic.Int64
)

// keepPlace keeps the calling thread's place in Go's scheduler from one call to the next.
//
// A goroutine that came from C never changes, so after 10 ms the runtime's monitor holds it
// for one that hangs, and takes the place of its thread away after every call: the monitor
// wakes on each call, on another CPU, and costs as much as the verification. To be scheduled
// anew once in a while is the sign of life that it looks for.
//
// Several threads have more of taken places than of kept ones, since the places are as many
// as the CPUs: a thread that does not call alone keeps nothing.
func keepPlace() {
	thread, now := uintptr(C.thread()), int64(time.Since(begun))
	if lastThread.Load() != thread {
		lastThread.Store(thread)
		nextKeep.Store(now + int64(aloneFor))
		return
	}
	if next := nextKeep.Load(); now >= next && nextKeep.CompareAndSwap(next, now+int64(keepEvery)) {
		runtime.Gosched()
	}
}
