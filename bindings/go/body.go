package tallystick

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tallystick/tallystick/core/need"
)

// budget is a number of bytes that many bodies share. Safe for concurrent use.
type budget struct{ left atomic.Int64 }

func newBudget(size int64) *budget {
	b := &budget{}
	b.left.Store(size)
	return b
}

func (b *budget) take(size int64) bool {
	if b.left.Add(-size) >= 0 {
		return true
	}
	b.left.Add(size)
	return false
}

func (b *budget) give(size int64) { b.left.Add(size) }

// How long a body may come, and a form of a token endpoint, which has at most 64 KiB: those that
// stay share the room of all others (MaxBuffered).
const (
	bodyTimeout = 60 * time.Second
	formTimeout = 10 * time.Second
)

// heldBody is the body of one request, which counts as held until it is released. For one
// goroutine.
type heldBody struct {
	request *http.Request
	writer  http.ResponseWriter // nil: nothing limits how long the body may come
	limit   time.Duration
	budget  *budget
	taken   int64
	content []byte
	read    bool
}

// answer reads the body when the core asks for it.
func (h *heldBody) answer(limit int) need.ReceivedBody {
	if h.request.Body == nil || h.request.Body == http.NoBody {
		return need.ReceivedBody{}
	}
	if h.request.PostForm != nil || h.request.MultipartForm != nil {
		// Its values would reach the handler, whatever the body has that is left.
		return need.ReceivedBody{Unavailable: true}
	}
	if h.request.ContentLength > int64(limit) {
		return need.ReceivedBody{TooLarge: true}
	}
	stop := h.limitReading()
	received := h.fill(limit)
	if received.Members() == 0 {
		stop()
		h.read, received.Bytes = true, h.content
	}
	return received
}

// limitReading ends a body that comes too slowly, where the server has no limit of its own. stop
// ends the limit, once the body is read; what is left of a refused one stays limited.
func (h *heldBody) limitReading() (stop func()) {
	server, ok := h.request.Context().Value(http.ServerContextKey).(*http.Server)
	if h.writer == nil || ok && server.ReadTimeout > 0 {
		return func() {}
	}
	controller := http.NewResponseController(h.writer)
	if controller.SetReadDeadline(time.Now().Add(h.limit)) != nil {
		return func() {} // not every ResponseWriter has a connection
	}
	return func() { _ = controller.SetReadDeadline(time.Time{}) }
}

// pieceSize is how much room a body without a length is given at a time, in bytes.
const pieceSize = 32 << 10

// fill reads up to the limit, and takes room for what comes and no more: a client that
// announces much and sends nothing takes nothing from others.
func (h *heldBody) fill(limit int) need.ReceivedBody {
	buffer := make([]byte, 0, h.room(limit))
	for {
		if len(buffer) > limit {
			return need.ReceivedBody{TooLarge: true}
		}
		if len(buffer) == cap(buffer) {
			buffer = append(buffer, 0)[:len(buffer)]
		}
		n, err := h.request.Body.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		if !h.cover(int64(len(buffer))) {
			return need.ReceivedBody{Overloaded: true}
		}
		if err == nil {
			continue
		}
		h.content = buffer
		return h.ended(err, limit)
	}
}

func (h *heldBody) ended(err error, limit int) need.ReceivedBody {
	var tooLarge *http.MaxBytesError
	switch {
	case len(h.content) > limit:
		return need.ReceivedBody{TooLarge: true}
	case errors.As(err, &tooLarge):
		return need.ReceivedBody{TooLarge: true, Reason: fmt.Sprintf(
			"the body is over the %d bytes of a MaxBytesHandler or MaxBytesReader outside", tooLarge.Limit)}
	case errors.Is(err, http.ErrBodyReadAfterClose):
		return need.ReceivedBody{Unavailable: true}
	case !errors.Is(err, io.EOF):
		return need.ReceivedBody{Malformed: true}
	case h.request.ContentLength > 0 && len(h.content) == 0:
		// The server ends a body of that length with an error: somebody has read it.
		return need.ReceivedBody{Unavailable: true}
	}
	return need.ReceivedBody{}
}

// room fits a small body of a known length and the end after it.
func (h *heldBody) room(limit int) int64 {
	if length := h.request.ContentLength; length >= 0 {
		return min(length, pieceSize) + 1
	}
	return min(int64(limit), pieceSize) + 1
}

func (h *heldBody) cover(size int64) bool {
	if size <= h.taken {
		return true
	}
	if !h.budget.take(size - h.taken) {
		return false
	}
	h.taken = size
	return true
}

// release gives back what is held.
func (h *heldBody) release() {
	h.budget.give(h.taken)
	h.taken = 0
}

// again is a body that was read, for the handler to read it once more.
type again struct {
	*bytes.Reader
	io.Closer
}

// restored is the body as the handler gets it.
func (h *heldBody) restored() io.ReadCloser {
	if !h.read {
		return h.request.Body
	}
	return again{bytes.NewReader(h.content), h.request.Body}
}
