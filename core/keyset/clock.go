package keyset

// jitter is how far two threads' readings of one clock may lie apart, in seconds.
const jitter = 5

// clock turns the host's time into one that never goes back, so that no set is
// served longer than it may be. A host's clock that is set back goes on from
// where it was; threads that read it a moment before others stand still.
type clock struct {
	last   float64 // the latest reading since the clock was last set back
	offset float64
	began  bool
}

func (c *clock) read(now float64) float64 {
	switch {
	case !c.began || now >= c.last:
		c.began, c.last = true, now
	case c.last-now > jitter:
		c.offset += c.last - now
		c.last = now
	}
	return c.last + c.offset
}
