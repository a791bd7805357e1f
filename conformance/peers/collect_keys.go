package peers

import (
	"encoding/base64"
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
		c.add(ImportKey, Question{Key: text, Want: e.request.Get("want").String()}, ours)
	}
}

func (c *collector) thumbprints(keys gjson.Result) {
	for _, key := range keys.Array() {
		ours := Ours{Accepted: &Result{Thumbprint: key.Get("kid").String()}}
		c.add(Thumbprint, Question{Key: key.Get("public_jwk").Raw}, ours)
	}
}
