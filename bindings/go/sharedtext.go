package tallystick

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/tallystick/tallystick/core/problem"
)

const (
	// sharedPatience is how long a change is tried while other processes are faster.
	sharedPatience = 30 * time.Second
	// sharedPause bounds the pause before another try. It is drawn at random, so that writers do
	// not stay in step.
	sharedPause = 4 * time.Millisecond
	// maxShared bounds a document, in bytes.
	maxShared = 8 << 20
)

// sharedVersion is the newest version of a document; number 0 and not there: there is none.
type sharedVersion struct {
	number int64
	text   string
	there  bool
}

// sharedText is a text in numbered versions that several processes share, wherever it lies: a key
// ring, or the clients of an authority. Errors are invalid_config and name the place and the fix.
// Safe for concurrent use.
type sharedText interface {
	// place says in errors and logs where it lies.
	place() string
	read() (sharedVersion, error)
	// update commits what change makes of the newest version, and returns the result. A change
	// returns ok false to leave it as it is; it is called again if another process was faster.
	update(ctx context.Context, change sharedChange) (sharedVersion, error)
	// restore says what to do if the text is damaged.
	restore() string
	wrong(problem, fix string) *Error
}

type sharedChange func(text string, there bool) (changed string, ok bool, err error)

// sharedHead is what the documents of all kinds have.
type sharedHead struct {
	Version json.RawMessage `json:"version"`
	MovedTo *string         `json:"moved_to"`
}

// checkShared refuses a text that is no document of this format; kind says what it should be.
func checkShared(t sharedText, text, kind string) error {
	var head sharedHead
	if json.Unmarshal([]byte(text), &head) != nil || !strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") {
		// The reason may quote the text, which holds private keys.
		return t.wrong("is "+kind, t.restore())
	}
	var version int64
	switch err := json.Unmarshal(head.Version, &version); {
	case err != nil || version < 1:
		return t.wrong("is "+kind, t.restore())
	case version > 1:
		return t.wrong("is of version "+string(head.Version)+", which this release does not know",
			"update tallystick here; it was left as it is")
	case head.MovedTo != nil:
		return t.wrong("was moved to "+shown(*head.MovedTo),
			"give the options Store and StoreKey; where it is lost there, "+t.restore())
	}
	return nil
}

// leaveShared replaces the text by a note of where it lies from now on: nobody goes on with it.
func leaveShared(ctx context.Context, t sharedText, place string) error {
	note, err := json.MarshalIndent(map[string]any{"version": 1, "moved_to": place}, "", " ")
	if err != nil {
		return err
	}
	_, err = t.update(ctx, func(string, bool) (string, bool, error) { return string(note) + "\n", true, nil })
	return err
}

// again waits before another try.
func againShared(ctx context.Context) error {
	pause := time.NewTimer(rand.N(sharedPause))
	defer pause.Stop()
	select {
	case <-pause.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func invalidConfig(format string, args ...any) *Error {
	return misuse(problem.Newf(problem.InvalidConfig, format, args...))
}
