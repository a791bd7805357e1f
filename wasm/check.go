//go:build wasip1

package main

import (
	"unsafe"

	"github.com/tallystick/tallystick/core/abi"
)

// The import by which a host may check a signature while it is being called
// (abi.md): fd_write of WASI, which every host has, on a descriptor that
// none has. What it reports as written is the answer, out of reach of a host that
// counts bytes or does nothing.
const (
	checkDescriptor = 0x7461_6c79
	checkValid      = 0x7461_6c01
	checkInvalid    = 0x7461_6c02
)

// vector is a ciovec of WASI: a place in memory and how many bytes are there.
type vector struct{ at, length uint32 }

//go:wasmimport wasi_snapshot_preview1 fd_write
//go:noescape
func fdWrite(descriptor int32, vectors unsafe.Pointer, count uint32, written unsafe.Pointer) uint32

// One call at a time, so one question at a time.
var (
	question [3]vector
	written  uint32
)

// checkNow asks the host. Only the answer that says so is Valid.
func checkNow(key, input string, sig []byte) abi.Verdict {
	question = [...]vector{vectorOf(unsafe.StringData(key), len(key)), vectorOf(unsafe.StringData(input), len(input)), vectorOf(unsafe.SliceData(sig), len(sig))}
	written = 0
	if fdWrite(checkDescriptor, unsafe.Pointer(&question), uint32(len(question)), unsafe.Pointer(&written)) != 0 {
		return abi.Unanswered
	}
	switch written {
	case checkValid:
		return abi.Valid
	case checkInvalid:
		return abi.Invalid
	}
	return abi.Unanswered
}

func vectorOf(at *byte, length int) vector {
	return vector{uint32(uintptr(unsafe.Pointer(at))), uint32(length)}
}
