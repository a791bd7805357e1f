package sealed

import (
	"bytes"
	"strings"
	"testing"
)

func TestOnlyWhatWasSealedOpens(t *testing.T) {
	key, other := bytes.Repeat([]byte{1}, KeySize), bytes.Repeat([]byte{2}, KeySize)
	document := []byte(`{"version": 1}`)
	value, err := Seal(key, "alice.ring", 7, document)
	if err != nil || bytes.Contains(value, document) {
		t.Fatal(err)
	}
	if again, _ := Seal(key, "alice.ring", 7, document); bytes.Equal(again, value) {
		t.Error("the nonce is not random")
	}
	if found, err := Open(key, "alice.ring", 7, value); err != nil || !bytes.Equal(found, document) {
		t.Fatalf("%s %v", found, err)
	}
	changed := func(at int) []byte {
		c := bytes.Clone(value)
		c[at] ^= 1
		return c
	}
	for name, c := range map[string]struct {
		key     []byte
		name    string
		version int64
		value   []byte
	}{
		"another key":     {other, "alice.ring", 7, value},
		"another name":    {key, "bob.ring", 7, value},
		"another version": {key, "alice.ring", 6, value},
		"another form":    {key, "alice.ring", 7, changed(0)},
		"another nonce":   {key, "alice.ring", 7, changed(1)},
		"changed":         {key, "alice.ring", 7, changed(20)},
		"another tag":     {key, "alice.ring", 7, changed(len(value) - 1)},
		"cut off":         {key, "alice.ring", 7, value[:12]},
		"nothing":         {key, "alice.ring", 7, nil},
	} {
		if _, err := Open(c.key, c.name, c.version, c.value); err != errSealed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBounds(t *testing.T) {
	key := make([]byte, KeySize)
	for _, c := range []struct {
		key, document []byte
		says          string
	}{
		{key, make([]byte, MaxDocument), ""},
		{key, make([]byte, MaxDocument+1), "8388608"},
		{make([]byte, KeySize-1), nil, "32 bytes"},
		{nil, nil, "32 bytes"},
	} {
		_, err := Seal(c.key, "n", 1, c.document)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%d %d: %v", len(c.key), len(c.document), err)
		}
	}
	if _, err := Open(key[1:], "n", 1, nil); err != errKey {
		t.Error(err)
	}
}

func TestKeys(t *testing.T) {
	key := bytes.Repeat([]byte{0xFB, 0xEF}, KeySize/2)
	for _, text := range []string{
		strings.Repeat("fbef", 16), strings.Repeat("FBEF", 16), strings.Repeat("--_v", 10) + "--8",
		strings.Repeat("++/v", 10) + "++8=",
	} {
		if found, err := ParseKey(text); err != nil || len(found) != KeySize {
			t.Errorf("%s: %v", text, err)
		}
	}
	if found, _ := ParseKey(strings.Repeat("fbef", 16)); !bytes.Equal(found, key) {
		t.Errorf("%x", found)
	}
	for _, text := range []string{"", "secret", strings.Repeat("fbef", 15), strings.Repeat("fbef", 16) + "==",
		strings.Repeat("++/v", 10) + "++9=", strings.Repeat("a", 44)} {
		if _, err := ParseKey(text); err == nil || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
