package conformance

import "bytes"

// heavyRepeat, heavyFill (bytes) and heavyStars (wildcards) are what makes a step
// heavy by its size.
const (
	heavyRepeat = 100
	heavyFill   = 64 << 10
	heavyStars  = 100
)

// heavyMarks are texts of a request that has a private key read or a client
// secret hashed: modular powers and many thousand hashes.
var heavyMarks = [][]byte{[]byte("PRIVATE KEY"), []byte(`\"d\":`), []byte(`"d":`), []byte("pbkdf2"), []byte("client_secret")}

// Heavy reports whether a vector takes seconds where WebAssembly is interpreted
// instead of compiled: by what its steps ask for, not by a clock.
func (v Vector) Heavy() bool {
	for _, step := range v.Steps {
		if step.heavy() {
			return true
		}
	}
	return false
}

// heavyOperations make keys and hash secrets whatever their request says.
var heavyOperations = map[string]bool{"key.generate": true, "client.secret": true}

func (s Step) heavy() bool {
	if heavyOperations[s.Op] || s.Repeat > heavyRepeat || s.BodyFill > heavyFill || bytes.Count(s.Request, []byte("*")) > heavyStars {
		return true
	}
	for _, mark := range heavyMarks {
		if bytes.Contains(s.Request, mark) {
			return true
		}
	}
	return false
}
