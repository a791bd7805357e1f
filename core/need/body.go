package need

import (
	"github.com/tallystick/tallystick/core/digest"
	"github.com/tallystick/tallystick/core/problem"
)

// ReceivedBody is what a host says of a request's body: at most one of its members, and
// none of a request without a body.
type ReceivedBody struct {
	Bytes       []byte // borrowed for the length of a call
	SHA256      string // the host's own hex digest, in place of Bytes
	TooLarge    bool   // the host stopped reading at the limit
	Unavailable bool   // something read it before
	Malformed   bool   // its transfer was broken, or ended too early
	Overloaded  bool   // the host has no room for it now
	Reason      string // of the host, where it is TooLarge or Unavailable, for the log
}

// Members counts how much is said, which may be one thing.
func (b *ReceivedBody) Members() int {
	n := 0
	for _, said := range [...]bool{len(b.Bytes) > 0, b.SHA256 != "", b.TooLarge, b.Unavailable, b.Malformed, b.Overloaded} {
		if said {
			n++
		}
	}
	return n
}

// LetGo keeps the digest alone of bytes up to the limit, and of more that there
// were too many.
func (b *ReceivedBody) LetGo(limit int) {
	b.TooLarge = b.TooLarge || len(b.Bytes) > limit //guard:body-over-limit drop 2
	if b.SHA256 == "" && b.There(limit) == nil {
		b.SHA256 = digest.Hex(b.Bytes)
	}
	b.Bytes = nil
}

// There refuses a body that the host does not have; it may have limit bytes.
func (b *ReceivedBody) There(limit int) *problem.Problem {
	switch {
	case b.TooLarge && b.Reason != "":
		return problem.New(problem.BodyTooLarge, "").WithLog("%s", problem.Quote(b.Reason))
	case b.TooLarge: //guard:body-too-large never
		return problem.New(problem.BodyTooLarge, "").WithLog("the body is over max_body (%d bytes)", limit)
	case b.Malformed: //guard:body-malformed never
		return problem.New(problem.MalformedRequest, "").WithLog("the body's transfer is broken, or ended before the body was complete")
	case b.Overloaded: //guard:body-overloaded never
		return problem.New(problem.Overloaded, "").WithLog("the bodies of other requests take all that max_buffered allows")
	case b.Unavailable && b.Reason != "":
		return problem.New(problem.BodyUnavailable, "").WithLog("the host could not read the body: %s", problem.Quote(b.Reason))
	case b.Unavailable: //guard:body-unavailable never
		return problem.New(problem.BodyUnavailable, "").WithLog("something read the body before it was verified: verify first, or keep the raw bytes")
	}
	return nil
}
