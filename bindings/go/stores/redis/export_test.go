package redis

import "time"

// SetClock has a store believe in another clock of this host.
func (s *Store) SetClock(now func() time.Time) { s.server.now = now }
