package command

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"

	"github.com/tallystick/tallystick/core/jose"
)

// keyFile is the text of a file of public keys in the pieces that hold one key each, so that some
// can be added and taken out while the others stay as they are written.
type keyFile struct {
	pieces []piece
	rest   []byte                     // behind the last PEM block
	json   bool                       // a JWK or a JWKS
	others map[string]json.RawMessage // a JWKS' other members
}

// piece is one key; id is "" for what is no key for an agent.
type piece struct {
	text []byte
	key  jose.Key
}

// kids are the names by which a key is asked for: its own and its thumbprint.
func (p piece) has(kid string) bool {
	return p.key.Public != nil && (p.key.ID == kid || p.key.Public.Thumbprint() == kid)
}

// splitKeys takes a text that agents accept apart.
func splitKeys(text []byte) (*keyFile, error) {
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '{' {
		return splitJSON(trimmed)
	}
	f := &keyFile{rest: text}
	for {
		block, after := pem.Decode(f.rest)
		if block == nil {
			return f, nil
		}
		one := f.rest[:len(f.rest)-len(after)]
		f.rest = after
		if err := f.take(one, pem.EncodeToMemory(block)); err != nil {
			return nil, err
		}
	}
}

func splitJSON(text []byte) (*keyFile, error) {
	f := &keyFile{json: true}
	if err := json.Unmarshal(text, &f.others); err != nil {
		return nil, err
	}
	set, isSet := f.others["keys"]
	if !isSet {
		f.others = nil
		return f, f.take(text, text)
	}
	delete(f.others, "keys")
	var entries []json.RawMessage
	if err := json.Unmarshal(set, &entries); err != nil {
		return nil, err
	}
	for _, entry := range entries {
		key, _ := jose.OnePublic(entry) // agents pass over what is not for them
		f.pieces = append(f.pieces, piece{entry, key})
	}
	return f, nil
}

func (f *keyFile) take(text, key []byte) error {
	one, err := jose.OnePublic(key)
	if err != nil {
		return err
	}
	f.pieces = append(f.pieces, piece{text, one})
	return nil
}

// keys counts those that agents use.
func (f *keyFile) keys() int {
	n := 0
	for _, one := range f.pieces {
		if one.key.Public != nil {
			n++
		}
	}
	return n
}

func (f *keyFile) hasKey(public *jose.PublicKey) bool {
	return slices.ContainsFunc(f.pieces, func(p piece) bool { return p.has(public.Thumbprint()) })
}

// add puts a key behind the others, in their form.
func (f *keyFile) add(key jose.Key) {
	text := []byte(key.Public.PEM())
	if f.json {
		text = jwkOf(key)
	}
	f.pieces = append(f.pieces, piece{text, key})
}

// jwkOf keeps a key's own id: tokens name it.
func jwkOf(key jose.Key) []byte {
	members := map[string]any{}
	_ = json.Unmarshal([]byte(key.Public.JWK()), &members) // the core has written it
	members["kid"] = cmp.Or(key.ID, key.Public.Thumbprint())
	text, _ := json.Marshal(members)
	return text
}

// drop takes keys out and returns them.
func (f *keyFile) drop(which func(piece) bool) (dropped []jose.Key) {
	f.pieces = slices.DeleteFunc(f.pieces, func(p piece) bool {
		if p.key.Public == nil || !which(p) {
			return false
		}
		dropped = append(dropped, p.key)
		return true
	})
	return dropped
}

// text is the file's new content.
func (f *keyFile) text() ([]byte, error) {
	if f.json {
		return f.jsonText()
	}
	var b bytes.Buffer
	for _, one := range f.pieces {
		b.Write(one.text)
		if !bytes.HasSuffix(one.text, []byte("\n")) {
			b.WriteByte('\n')
		}
	}
	if len(bytes.TrimSpace(f.rest)) > 0 {
		b.Write(f.rest)
	}
	return b.Bytes(), nil
}

func (f *keyFile) jsonText() ([]byte, error) {
	set := map[string]json.RawMessage{}
	for name, value := range f.others {
		set[name] = value
	}
	entries := make([]json.RawMessage, len(f.pieces))
	for i, one := range f.pieces {
		entries[i] = one.text
	}
	var err error
	if set["keys"], err = json.Marshal(entries); err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(set, "", "  ")
	return append(text, '\n'), err
}

// checked returns the new content, where agents accept it.
func (f *keyFile) checked() ([]byte, error) {
	text, err := f.text()
	if err != nil {
		return nil, err
	}
	keys, err := jose.ParseKeys(text)
	if err != nil {
		return nil, err
	}
	if len(keys) != f.keys() {
		return nil, fmt.Errorf("%d keys were expected in the new text, there are %d", f.keys(), len(keys))
	}
	return text, nil
}
