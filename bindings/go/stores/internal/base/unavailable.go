package base

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Unavailable is the error of a store that cannot answer. Its text names the setting, what happened
// and what to do, and holds no secret.
type Unavailable struct {
	text  string
	cause error
}

// Error returns the text for the operator.
func (u *Unavailable) Error() string { return u.text }

// Unwrap returns the cause, or nil.
func (u *Unavailable) Unwrap() error { return u.cause }

// Unusable returns the error of a store that cannot be used.
func Unusable(setting, what, fix string, cause error) *Unavailable {
	return Said(fmt.Sprintf("%s cannot be used (%s): %s", setting, what, fix), cause)
}

// Said returns an error of a store with a text of its own.
func Said(text string, cause error) *Unavailable {
	return &Unavailable{text, cause}
}

// Refused tells why claims must not be made on a server, and what to do about it.
type Refused struct{ What, Fix string }

// Error returns why.
func (r *Refused) Error() string { return r.What }

// Failed returns the error of a call of a server's store. explain returns what happened and what to
// do, without a secret.
func Failed(setting string, timeout time.Duration, cause error, explain func(error) (what, fix string)) error {
	var refused *Refused
	switch {
	case errors.As(cause, &refused):
		return Unusable(setting, refused.What, refused.Fix, nil)
	case errors.Is(cause, ErrEnded):
		return Said(setting+": its caller ended the call before the server had answered", cause)
	case errors.Is(cause, context.DeadlineExceeded) || isTimeout(cause):
		return Unusable(setting, fmt.Sprintf("no answer within %v", timeout),
			"see whether the server runs, can be reached and is not overloaded", context.DeadlineExceeded)
	}
	what, fix := explain(cause)
	return Unusable(setting, what, fix, cause)
}

func isTimeout(cause error) bool {
	var kind interface{ Timeout() bool }
	return errors.As(cause, &kind) && kind.Timeout()
}

// Plain returns an error's text in one line, and each of its lines once: a library may try one
// address in several ways.
func Plain(cause error) string {
	var lines []string
	for line := range strings.Lines(cause.Error()) {
		if line = strings.Join(strings.Fields(line), " "); line != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

// A Fix is what to do about errors whose text, or code, has these words.
type Fix struct{ Words, Do string }

// FixOf returns the first fix whose words the text has, else another.
func FixOf(text string, fixes []Fix, other string) string {
	for _, fix := range fixes {
		if strings.Contains(text, fix.Words) {
			return fix.Do
		}
	}
	return other
}

// MostClockDifference is how far the clocks of a server and of this host may be apart.
const MostClockDifference = time.Minute

// RefuseClock refuses a server by its time, where this host has another one.
func RefuseClock(server, here time.Time) error {
	ahead := server.Sub(here)
	if ahead.Abs() <= MostClockDifference {
		return nil
	}
	how := "ahead of"
	if ahead < 0 {
		how = "behind"
	}
	what := fmt.Sprintf("the server's clock is %.0f s %s this host's", ahead.Abs().Seconds(), how)
	return &Refused{what, "set both clocks, for example with NTP"}
}

// Notices are texts for the operator, each of which is handed over once. Safe for concurrent use.
type Notices struct {
	mutex sync.Mutex
	said  map[string]bool
	fresh []string
}

// Add adds a text, unless it was added before.
func (n *Notices) Add(text string) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if n.said[text] {
		return
	}
	if n.said == nil {
		n.said = map[string]bool{}
	}
	n.said[text] = true
	n.fresh = append(n.fresh, text)
}

// Take returns the texts that were added since the last call.
func (n *Notices) Take() []string {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	fresh := n.fresh
	n.fresh = nil
	return fresh
}

var endOfAddress = regexp.MustCompile("[?#]")

// WithoutSecret returns a URL without user, password, query and fragment, which may hold a secret.
func WithoutSecret(url string) string {
	scheme, rest, _ := strings.Cut(url, "://")
	address := endOfAddress.Split(rest, 2)[0]
	if strings.Count(rest, "@") != strings.Count(address, "@") {
		// A password that is not percent-encoded, or a query with an @: either may be secret.
		return scheme + "://..."
	}
	return scheme + "://" + address[strings.LastIndex(address, "@")+1:]
}

// OneAddress refuses a URL in which a part of the password would be read as the address, which the
// texts of errors name.
func OneAddress(url string) error {
	_, rest, _ := strings.Cut(url, "://")
	user, address, found := strings.Cut(rest, "@")
	if strings.Contains(address, "@") || (found && strings.ContainsAny(user, "/?#")) {
		return errors.New("a special character in the URL's user, password or options must be " +
			"percent-encoded (@ is %40, / is %2F, ? is %3F, # is %23)")
	}
	return nil
}
