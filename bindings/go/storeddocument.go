package tallystick

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"github.com/tallystick/tallystick/core/sealed"
)

// documentTimeout bounds one call of a store for a document.
const documentTimeout = 10 * time.Second

// storedLook is what lies in a store: its version and a hash of it. After a fail-over another
// value may have the same number.
type storedLook struct {
	number int64
	sum    [sha256.Size]byte
}

// storedDocument is a text in a store that replicas share, encrypted by the core.
type storedDocument struct {
	store   DocumentStore
	setting string // of the store, without its secret
	key     []byte
	name    string
	what    string // names it in errors, such as "key ring"

	lock  sync.Mutex
	known int64 // the newest version that this process knows of
}

func (d *storedDocument) place() string { return d.name + " in " + d.setting }

func (d *storedDocument) restore() string {
	return "restore it from a copy of the database, or delete its row to begin anew"
}

func (d *storedDocument) wrong(problem, fix string) *Error {
	return invalidConfig("the %s %s %s: %s", d.what, d.place(), problem, fix)
}

func (d *storedDocument) read() (sharedVersion, error) {
	version, _, err := d.look(context.Background())
	return version, err
}

func (d *storedDocument) look(ctx context.Context) (sharedVersion, storedLook, error) {
	ctx, stop := context.WithTimeout(ctx, documentTimeout)
	defer stop()
	number, value, err := d.store.Read(ctx, d.name)
	if err != nil {
		return sharedVersion{}, storedLook{}, unavailableStore(d.setting, err)
	}
	version, err := d.opened(number, value)
	return version, storedLook{number, sha256.Sum256(value)}, err
}

// exists tells whether there is one, without opening it.
func (d *storedDocument) exists() (bool, error) {
	ctx, stop := context.WithTimeout(context.Background(), documentTimeout)
	defer stop()
	number, _, err := d.store.Read(ctx, d.name)
	return number > 0, err
}

func (d *storedDocument) opened(number int64, value []byte) (sharedVersion, error) {
	d.lock.Lock()
	defer d.lock.Unlock()
	switch {
	case number == 0 && d.known > 0:
		return sharedVersion{}, d.wrong("is gone", "restore it; what was read before goes on")
	case number == 0:
		return sharedVersion{}, nil
	case number < d.known:
		return sharedVersion{}, d.wrong(fmt.Sprintf("went back from version %d to %d", d.known, number),
			"what was read before goes on; where that was meant, start this process again")
	}
	text, err := sealed.Open(d.key, d.name, number, value)
	if err != nil {
		return sharedVersion{}, d.unusable(err)
	}
	d.known = number
	return sharedVersion{number, string(text), true}, nil
}

func (d *storedDocument) unusable(err error) error {
	return d.wrong(fmt.Sprintf("cannot be used (%s)", err), "give the StoreKey that it was encrypted with, or "+d.restore())
}

func (d *storedDocument) update(ctx context.Context, change sharedChange) (sharedVersion, error) {
	for end := time.Now().Add(sharedPatience); ; {
		found, _, err := d.look(ctx)
		if err != nil {
			return found, err
		}
		text, changed, err := change(found.text, found.there)
		if err != nil || !changed {
			return found, err
		}
		written, err := d.write(ctx, found.number, text)
		if err != nil || written {
			return sharedVersion{found.number + 1, text, true}, err
		}
		if time.Now().After(end) {
			return found, d.wrong("is changed by others again and again", "try it later; nothing was changed")
		}
		if err := againShared(ctx); err != nil {
			return found, err
		}
	}
}

func (d *storedDocument) write(ctx context.Context, before int64, text string) (bool, error) {
	ctx, stop := context.WithTimeout(ctx, documentTimeout)
	defer stop()
	value, err := sealed.Seal(d.key, d.name, before+1, []byte(text))
	if err != nil {
		return false, d.unusable(err)
	}
	written, err := d.store.Write(ctx, d.name, before, value)
	if err != nil {
		return false, unavailableStore(d.setting, fmt.Errorf("%w; whether the %s was changed is not known", err, d.what))
	}
	if written {
		d.lock.Lock()
		d.known = max(d.known, before+1)
		d.lock.Unlock()
	}
	return written, nil
}
