package memory

import "time"

// SetClock has a test move the clock that judges tokens.
func (s *Store) SetClock(now func() time.Time) { s.now = now }
