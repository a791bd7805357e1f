//go:build wasip1

// Command wasm is the core as a WebAssembly reactor: memory in, memory out
// (abi.md). One instance serves one call at a time.
package main

import (
	"bytes"
	"crypto/rand"
	"unsafe"

	"github.com/tallystick/tallystick/core/abi"
)

var (
	core = abi.NewImporting(checkNow)
	// buffers keeps what the host has allocated from being collected, and
	// lastAnswer what it may still read: one call at a time, one answer at a time,
	// nearly always in answerRoom.
	buffers    = map[uintptr][]byte{}
	lastAnswer []byte
	answerRoom [4096]byte
)

// A host that forgets to wire real entropy in hands out bytes that repeat, within a
// process or from one process to the next; jtis and keys would repeat with them.
func init() {
	var one, two [32]byte
	rand.Read(one[:])
	rand.Read(two[:])
	if bytes.Equal(one[:], two[:]) || one == [32]byte{} || isSeeded(one[:]) {
		panic("tallystick: the host's random_get is not random: wire it to the system's entropy source")
	}
}

func main() {}

//go:wasmexport tally_abi_version
func abiVersion() int32 { return abi.Version }

//go:wasmexport tally_alloc
func alloc(size int32) unsafe.Pointer {
	if size < 0 {
		return nil
	}
	buffer := make([]byte, max(size, 1))
	pointer := unsafe.Pointer(unsafe.SliceData(buffer))
	buffers[uintptr(pointer)] = buffer
	return pointer
}

//go:wasmexport tally_free
func free(pointer unsafe.Pointer) { delete(buffers, uintptr(pointer)) }

//go:wasmexport tally_call
func call(op unsafe.Pointer, opLen int32, request unsafe.Pointer, requestLen int32, body unsafe.Pointer, bodyLen int32) int64 {
	name := view(op, opLen)
	lastAnswer = core.CallInto(answerRoom[:], unsafe.String(unsafe.SliceData(name), len(name)), view(request, requestLen), view(body, bodyLen))
	pointer := unsafe.Pointer(unsafe.SliceData(lastAnswer))
	return int64(uintptr(pointer))<<32 | int64(len(lastAnswer))
}

// view borrows the host's bytes for the length of the call.
func view(pointer unsafe.Pointer, length int32) []byte {
	if pointer == nil || length <= 0 {
		return nil
	}
	return unsafe.Slice((*byte)(pointer), length)
}
