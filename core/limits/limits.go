// Package limits has the sizes and times that both profiles share: what they are where nobody
// says, and how far they may go. Times are in seconds, sizes in bytes.
package limits

import (
	"errors"
	"strings"

	"github.com/tallystick/tallystick/core/problem"
)

// What a number is where nobody says, and how far it may go.
const (
	MaxLeeway    = 300
	MaxClockSkew = 300

	DefaultMaxBody = 10 << 20
	MaxBody        = 64 << 20
	MaxBuffered    = 1 << 40

	DefaultReplayCapacity = 1_000_000 // used tokens in the core's own window
	MaxReplayCapacity     = 10_000_000

	DefaultRealm = "tallystick"
	maxRealm     = 128
)

// Units of numbers, as messages name them.
const (
	Seconds = "seconds"
	Bytes   = "bytes"
	Tokens  = "used tokens"
)

// Bound is a number and the range that it must lie in.
type Bound struct {
	Name            string
	Value, Min, Max float64
	Unit            string
}

// In returns the bound of a number.
func In(name string, value, least, most float64, unit string) Bound {
	return Bound{name, value, least, most, unit}
}

// CheckBounds refuses the first number that lies out of its range, or is none.
func CheckBounds(bounds ...Bound) *problem.Problem {
	for _, b := range bounds {
		if !(b.Value >= b.Min && b.Value <= b.Max) {
			return problem.Newf(problem.InvalidConfig, "%s must be from %.0f to %.0f %s", b.Name, b.Min, b.Max, b.Unit)
		}
	}
	return nil
}

// Room is how many bytes the bodies of requests may hold in one process at one time.
type Room struct {
	AtOnce       int // of one body that is read before its token is judged
	BufferAtOnce int // of all such bodies together
	BufferAsked  int // of all bodies that are read when their token was judged, together
}

const (
	defaultMaxBuffered = 64 << 20
	bodyAtOnce         = 64 << 10
)

// NewRoom divides the room for bodies, by default four times the largest or 64 MiB. Those
// that come before their token was judged have a quarter, less where the largest body would
// not fit beside it: when strangers fill that, bodies wait for the verdict and nobody else does.
func NewRoom(maxBody int, maxBuffered *int) (Room, *problem.Problem) {
	room := max(defaultMaxBuffered, 4*maxBody)
	if maxBuffered != nil {
		room = *maxBuffered
	}
	if p := CheckBounds(In("max_buffered", float64(room), float64(max(maxBody, 1)), MaxBuffered, Bytes)); p != nil {
		return Room{}, p
	}
	early := min(room/4, room-maxBody)
	return Room{AtOnce: min(bodyAtOnce, maxBody), BufferAtOnce: early, BufferAsked: room - early}, nil
}

// CheckRealm keeps the challenge well formed: a quoted string of RFC 9110 section 5.6.4
// without escapes.
func CheckRealm(realm string) error {
	if len(realm) > maxRealm || strings.ContainsFunc(realm, func(r rune) bool { return r < 0x20 || r > 0x7E || r == '"' || r == '\\' }) { //guard:realm-characters drop 4 6; realm-backslash drop 6; realm-size drop 1
		return errors.New("must be at most 128 characters of printable ASCII without \" and \\")
	}
	return nil
}
