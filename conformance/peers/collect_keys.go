package peers

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"strings"

	"github.com/tidwall/gjson"
)

// keys takes the texts that a vector has inspected, and the thumbprint of every
// key that the core read.
func (c *collector) keys(made []exchange) {
	for _, e := range made {
		switch e.op {
		case "key.inspect":
			c.importKey(e)
			c.thumbprints(e.answer.Get("ok.keys"))
		case "keys.load":
			e.answer.Get("ok.issuers").ForEach(func(_, keys gjson.Result) bool {
				c.thumbprints(keys)
				return true
			})
		}
	}
}

// importKey asks about one key: sets and files of several keys are read by the
// libraries' own rules, one by one.
func (c *collector) importKey(e exchange) {
	text := e.request.Get("text").String()
	if e.request.Get("encoding").String() == "base64" {
		decoded, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return
		}
		text = string(decoded)
	}
	if gjson.Get(text, "keys").Exists() || strings.Count(text, "-----BEGIN ") > 1 {
		return
	}
	ours := refusal(e.answer)
	if e.answer.Get("ok").Exists() {
		ours.Accepted = &Result{}
	}
	if ours.accepts() || ours.Code == "invalid_key" {
		c.add(ImportKey, Question{Key: text, Alg: algorithmOf(text), Want: e.request.Get("want").String()}, ours)
	}
}

func (c *collector) thumbprints(keys gjson.Result) {
	for _, key := range keys.Array() {
		ours := Ours{Accepted: &Result{Thumbprint: key.Get("kid").String()}}
		c.add(Thumbprint, Question{Key: key.Get("public_jwk").Raw, Alg: key.Get("alg").String()}, ours)
	}
}

// Identifiers in DER: id-ecPublicKey (RFC 5480), and the four of RFC 8410, which differ in
// their last byte.
const (
	ecKey = "\x2a\x86\x48\xce\x3d\x02\x01"
	okp   = "\x06\x03\x2b\x65"
)

// algorithmOf is what a library has to be told of a key, good or not: libraries have a reader for
// each kind.
func algorithmOf(text string) string {
	if isJSON(text) {
		switch gjson.Get(text, "kty").String() {
		case "EC":
			return "ES256"
		case "OKP":
			return "EdDSA"
		}
		if gjson.Get(text, "alg").String() == "PS256" {
			return "PS256"
		}
		return "RS256"
	}
	block, _ := pem.Decode([]byte(text))
	switch {
	case block == nil:
		return "RS256"
	case block.Type == "EC PRIVATE KEY", block.Type == "EC PARAMETERS", bytes.Contains(block.Bytes, []byte(ecKey)):
		return "ES256"
	case bytes.Contains(block.Bytes[:min(len(block.Bytes), 20)], []byte(okp)):
		return "EdDSA"
	}
	return "RS256"
}
