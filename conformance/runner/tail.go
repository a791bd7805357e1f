package runner

import (
	"strings"
	"sync"
)

// maxTail is how much of a driver's standard error is kept, in bytes.
const maxTail = 8 << 10

// tail keeps the end of what is written to it. Safe for concurrent use.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

func (t *tail) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, text...)
	if over := len(t.kept) - maxTail; over > 0 {
		t.kept = append([]byte(nil), t.kept[over:]...)
	}
	return len(text), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.kept))
}
