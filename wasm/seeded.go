//go:build wasip1

package main

import (
	"bytes"
	"math/rand"
)

// wazeroSeed is that of wazero's random source where its host configures none:
// math/rand, internal/platform/crypto.go of wazero v1.12.0.
const wazeroSeed = 42

// looked is how far into that stream a draw is looked for, in bytes: Go's runtime draws
// before this module does, how much depends on its version.
const looked = 4096

func isSeeded(draw []byte) bool {
	stream := make([]byte, looked)
	rand.New(rand.NewSource(wazeroSeed)).Read(stream)
	return bytes.Contains(stream, draw)
}
