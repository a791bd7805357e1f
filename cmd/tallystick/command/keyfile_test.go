package command

import (
	"strings"
	"sync"
	"testing"

	"github.com/tallystick/tallystick/core/jose"
)

var pairs = sync.OnceValue(func() (keys [3]*jose.PrivateKey) {
	for i := range keys {
		key, err := jose.Generate(jose.MinBits)
		if err != nil {
			panic(err)
		}
		keys[i] = key
	}
	return keys
})

// FuzzKeyFile: whatever text of public keys agents read, one more key is read behind the others,
// and when it is taken out the others are as before.
func FuzzKeyFile(f *testing.F) {
	first, second := pairs()[0].Public(), pairs()[1].Public()
	f.Add(first.PEM())
	f.Add("# a comment\n" + first.PEM() + "\n\nbetween\n" + second.PKCS1() + "behind")
	f.Add(strings.TrimSuffix(first.PEM(), "\n"))
	f.Add(first.JWK())
	f.Add(` {"keys":[{"kty":"EC"},` + first.JWK() + `,1,` + second.JWK() + `],"x":{"a":[1e3]}}` + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		before, err := jose.ParseKeys([]byte(text))
		if err != nil || len(before) >= jose.MaxKeys || hasPrivate(before) {
			return
		}
		file, err := splitKeys([]byte(text))
		if err != nil || file.keys() != len(before) {
			t.Fatalf("%q: %v, %d keys of %d", text, err, file.keys(), len(before))
		}
		added := pairs()[2].Public()
		file.add(jose.Key{Public: added})
		more := reread(t, file)
		compare(t, text, more, append(before, jose.Key{Public: added}))
		again, err := splitKeys([]byte(mustText(t, file)))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if dropped := again.drop(func(p piece) bool { return p.has(added.Thumbprint()) }); len(dropped) != 1 {
			t.Fatalf("%q: %d keys were dropped", text, len(dropped))
		}
		compare(t, text, reread(t, again), before)
	})
}

func hasPrivate(keys []jose.Key) bool {
	for _, key := range keys {
		if key.Private != nil {
			return true
		}
	}
	return false
}

func mustText(t *testing.T, file *keyFile) string {
	t.Helper()
	text, err := file.checked()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func reread(t *testing.T, file *keyFile) []jose.Key {
	t.Helper()
	keys, err := jose.ParseKeys([]byte(mustText(t, file)))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func compare(t *testing.T, text string, got, want []jose.Key) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%q: %d keys, want %d", text, len(got), len(want))
	}
	for i := range got {
		if got[i].Public.Thumbprint() != want[i].Public.Thumbprint() || want[i].ID != "" && got[i].ID != want[i].ID {
			t.Fatalf("%q: key %d is another", text, i)
		}
	}
}
