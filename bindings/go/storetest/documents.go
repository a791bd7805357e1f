package storetest

import (
	"bytes"
	"fmt"
)

func (r *run) documents() error {
	name := "storetest." + newID()
	got := r.them.first(call{Method: "read", ID: name})
	if got.Version != 0 || got.Error != "" {
		return fmt.Errorf("a document that is not there has version %d %s: it must be 0", got.Version, got.Error)
	}
	large := bytes.Repeat([]byte{0, 255, 13, 10}, 2<<20)
	for version, document := range [][]byte{{}, large, []byte("{}")} {
		early := call{Method: "write", ID: name, Value: document, Version: int64(version) + 1}
		now := call{Method: "write", ID: name, Value: document, Version: int64(version)}
		err := firstOf(
			expect(r.them.first(early), false, nil, "the document has an older version"),
			expect(r.them.first(now), true, nil, "the document has this version"),
			expect(r.them.last(now), false, nil, "the document has a newer version"),
		)
		if err != nil {
			return err
		}
		read := r.them.last(call{Method: "read", ID: name})
		if read.Version != int64(version)+1 || !bytes.Equal(read.Value, document) {
			return fmt.Errorf("read returned version %d and %d bytes %s, not version %d and the %d that were written",
				read.Version, len(read.Value), read.Error, version+1, len(document))
		}
	}
	return nil
}

func (r *run) oneWrites() error {
	name := "storetest." + newID()
	for version := range int64(5) {
		attempts, err := r.them.race(call{Method: "write", ID: name, Version: version, Value: []byte(name)})
		if err != nil {
			return err
		}
		wrote, err := countTrue(attempts)
		if err != nil {
			return err
		}
		if wrote != 1 {
			return fmt.Errorf("%d of %d wrote version %d: Write must be one atomic step",
				wrote, len(attempts), version+1)
		}
	}
	return nil
}
