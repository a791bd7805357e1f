package storetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"time"
)

// expect returns what is wrong with an answer. found: whether there must be a value.
func expect(got attempt, found bool, value []byte, why string) error {
	switch {
	case got.Error != "":
		return fmt.Errorf("a call returned the error: %s", got.Error)
	case got.True != found:
		return fmt.Errorf("%s reported %t, not %t: %s", got.Method, got.True, found, why)
	case found && !bytes.Equal(got.Value, value):
		return fmt.Errorf("%s returned %d bytes that are not the %d that were put: %s",
			got.Method, len(got.Value), len(value), why)
	}
	return nil
}

// firstOf returns the first error.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *run) values() error {
	id := newID()
	for _, method := range []string{"get", "take"} {
		got := r.them.first(call{Method: method, ID: newID()})
		if err := expect(got, false, nil, "there is no value"); err != nil {
			return err
		}
	}
	large := make([]byte, 64<<10)
	for at := range large {
		large[at] = byte(rand.Uint32())
	}
	for _, value := range [][]byte{{}, []byte("\x00\xff\n\x00\xff\n"), large} {
		put := r.them.first(call{Method: "put", ID: id, Value: value, Seconds: kept})
		got := r.them.last(call{Method: "get", ID: id})
		err := firstOf(failure(put), expect(got, true, value, "another process put this value"))
		if err != nil {
			return err
		}
	}
	if _, err := r.mustClaim(id, kept); err != nil {
		return fmt.Errorf("%w: a value and a claim of one id must be apart", err)
	}
	take, get := call{Method: "take", ID: id}, call{Method: "get", ID: id}
	return firstOf(
		expect(r.them.first(take), true, large, "it was put"),
		expect(r.them.last(get), false, nil, "the value was taken"),
	)
}

func failure(got attempt) error {
	if got.Error != "" {
		return fmt.Errorf("a call returned the error: %s", got.Error)
	}
	return nil
}

func (r *run) oneTakes() error {
	for range max(1, r.options.IDs/10) {
		id := newID()
		put := r.them.first(call{Method: "put", ID: id, Value: []byte(id), Seconds: kept})
		if err := failure(put); err != nil {
			return err
		}
		attempts, err := r.them.race(call{Method: "take", ID: id})
		if err != nil {
			return err
		}
		taken, err := countTrue(attempts)
		if err != nil {
			return err
		}
		if taken != 1 {
			return fmt.Errorf("%d of %d took one value: Take must be one atomic step", taken, len(attempts))
		}
	}
	return nil
}

func (r *run) valuesGo() error {
	id, value := newID(), []byte("value")
	put := r.them.first(call{Method: "put", ID: id, Value: value, Seconds: 2})
	if err := failure(put); err != nil {
		return err
	}
	time.Sleep(time.Until(put.Began.Add(time.Second)))
	got := r.them.last(call{Method: "get", ID: id})
	if got.ended().Before(put.Began.Add(2 * time.Second)) {
		if err := expect(got, true, value, "it was put for 2 s, 1 s ago"); err != nil {
			return err
		}
	}
	time.Sleep(2500 * time.Millisecond)
	why := "it was put for 2 s, over 3 s ago"
	return firstOf(
		expect(r.them.first(call{Method: "get", ID: id}), false, nil, why),
		expect(r.them.last(call{Method: "take", ID: id}), false, nil, why),
	)
}
