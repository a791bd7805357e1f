package access

import "sync"

// generations is a bounded map that forgets what was not used for a while: when
// the young half is full it becomes the old one, and the old one is dropped. What
// is found in the old half moves to the young. Safe for concurrent use.
type generations[V any] struct {
	mu         sync.Mutex
	young, old map[string]V
	size       int // of the keys in the young half, in bytes
	maxEntries int // of one half
	maxBytes   int // of the keys of one half
}

func newGenerations[V any](maxEntries, maxBytes int) *generations[V] {
	return &generations[V]{young: map[string]V{}, maxEntries: maxEntries, maxBytes: maxBytes}
}

func (g *generations[V]) get(key string) (V, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if value, there := g.young[key]; there {
		return value, true
	}
	value, there := g.old[key]
	if there {
		g.put(key, value)
	}
	return value, there
}

func (g *generations[V]) set(key string, value V) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.put(key, value)
}

func (g *generations[V]) put(key string, value V) {
	if _, there := g.young[key]; !there {
		if len(g.young) >= g.maxEntries || g.size+len(key) > g.maxBytes {
			g.old, g.young, g.size = g.young, map[string]V{}, 0
		}
		g.size += len(key)
	}
	g.young[key] = value
}

func (g *generations[V]) clear() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.young, g.old, g.size = map[string]V{}, nil, 0
}

func (g *generations[V]) len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.young) + len(g.old)
}
