// Command cshared is the core as a C library: memory in, memory out
// (tallystick.h). It is thread-safe; it is not usable in a child process that
// forked after the first call.
package main

/*
#include <stddef.h>
#include <stdint.h>
*/
import "C"

import (
	"sync"
	"unsafe"

	"github.com/tallystick/tallystick/core/abi"
)

var core = abi.New()

// maxName is longer than the name of any operation, in bytes.
const maxName = 256

func main() {}

//export tally_abi_version
func tally_abi_version() C.uint32_t { return abi.Version }

//export tally_call
func tally_call(op *C.char, opLen C.size_t, request *C.char, requestLen C.size_t, body unsafe.Pointer, bodyLen C.size_t, answerLen *C.size_t) *C.char {
	keepPlace()
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	answer := core.CallInto(
		*buffer,
		string(view(unsafe.Pointer(op), min(opLen, maxName))),
		view(unsafe.Pointer(request), requestLen),
		view(body, bodyLen))
	*answerLen = C.size_t(len(answer))
	return (*C.char)(C.CBytes(answer))
}

// buffers are where answers are written before C gets its copy.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// most is more than the core takes, of whatever kind, in bytes: what is longer is refused
// by its length, and nobody looks at it. A program's mistake, such as a length of -1, must
// not end the process.
const most = 1 << 30

// view borrows the caller's bytes for the length of the call.
func view(pointer unsafe.Pointer, length C.size_t) []byte {
	if pointer == nil || length == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(pointer), min(length, most))
}
