package generate

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"strings"

	"github.com/tallystick/tallystick/conformance"
)

// sealedDocuments are what several replicas keep in one store that others may read.
func sealedDocuments() *area {
	a := newArea("document", "Documents in a shared store: sealed, and bound to their name and version.")
	source := "NIST SP 800-38D; protocol.md section 9"
	key := strings.Repeat("0f", 32)
	text := `{"version": 1, "keys": []}`
	request := object{"key": key, "name": "alice.ring", "version": 3}
	seal := func(changes object, expect conformance.Expect) step {
		return call("document.seal", request.with(changes), text, expect)
	}
	open := func(changes object, value string, expect conformance.Expect) step {
		return call("document.open", request.with(changes), value, expect)
	}
	sealed := sealedBy(strings.Repeat("\x0f", 32), "tallystick document\nalice.ring\n3", text)
	plain := ok(object{"value": base64.RawURLEncoding.EncodeToString([]byte(text))})
	a.accept("seal", "a document is sealed with a random nonce", source,
		seal(nil, okIncludes(object{})).varies("ok.value"))
	a.accept("open", "what another implementation sealed", source, open(nil, sealed, plain))
	for _, form := range []struct{ name, key string }{
		{"base64", base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x0f", 32)))},
		{"base64url", base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("\x0f", 32)))},
	} {
		a.accept("key-"+form.name, "the key as "+form.name, source, open(object{"key": form.key}, sealed, plain))
	}
	a.accept("key-line", "a key with the line break of its file", source, open(object{"key": key + "\n"}, sealed, plain))
	no := func(name, says string, changes object, value, code string) {
		a.reject(name, "open", says, source, open(changes, value, errorCode(code)))
	}
	no("other-key", "another key", object{"key": strings.Repeat("0e", 32)}, sealed, "invalid_config")
	no("other-name", "a document of another agent", object{"name": "bob.ring"}, sealed, "invalid_config")
	no("other-version", "an older document in the place of a newer one", object{"version": 4}, sealed,
		"invalid_config")
	no("changed", "a byte that was changed", nil, sealed[:30]+"x"+sealed[31:], "invalid_config")
	no("other-form", "a form that is not known", nil, "\x02"+sealed[1:], "invalid_config")
	no("cut-off", "half of it", nil, sealed[:12], "invalid_config")
	no("plain", "a document that is not sealed", nil, text, "invalid_config")
	no("key-short", "a key of 31 bytes", object{"key": key[2:]}, sealed, "invalid_argument")
	no("key-empty", "no key", object{"key": " \n"}, sealed, "invalid_argument")
	no("key-password", "a password is no key", object{"key": "correct horse battery staple"}, sealed,
		"invalid_argument")
	no("name-path", "a name that climbs", object{"name": "../alice"}, sealed, "invalid_argument")
	no("name-empty", "no name", object{"name": ""}, sealed, "invalid_argument")
	no("version-zero", "version 0 is that of no document", object{"version": 0}, sealed, "invalid_argument")
	a.reject("seal-key", "seal", "a key of 31 bytes", source,
		seal(object{"key": key[2:]}, errorCode("invalid_argument")))
	a.reject("seal-name", "seal", "a name with a line break", source,
		seal(object{"name": "a\nb"}, errorCode("invalid_argument")))
	return a
}

// sealedBy is AES-256-GCM by the standard library, with a fixed nonce.
func sealedBy(key, about, document string) string {
	block, err := aes.NewCipher([]byte(key))
	if err != nil {
		panic(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	nonce := []byte(strings.Repeat("n", gcm.NonceSize()))
	return "\x01" + string(gcm.Seal(nonce, nonce, []byte(document), []byte(about)))
}
