package runner

import (
	"bytes"

	"github.com/tidwall/gjson"
)

// Numbers of engines and tickets depend on what a core was asked before, and a
// host that does RSA itself uses up tickets of its own. So these two, and the
// values that a step declares as varying, are replaced before answers are
// compared; every other byte counts.
const (
	engineMark = `"$engine"`
	ticketMark = `"$ticket"`
	variesMark = `"$varies"`
)

func normalise(op string, answer []byte, varies []string) []byte {
	if op == "engine.open" {
		answer = splice(answer, "ok.engine", engineMark)
	}
	answer = splice(answer, "ticket", ticketMark)
	for _, path := range varies {
		answer = splice(answer, path, variesMark)
	}
	return answer
}

// splice returns the text with the value at a path replaced; without such a
// value it is the text itself.
func splice(text []byte, path, mark string) []byte {
	value := gjson.GetBytes(text, path)
	if !value.Exists() || value.Index == 0 {
		return text
	}
	return bytes.Join([][]byte{text[:value.Index], text[value.Index+len(value.Raw):]}, []byte(mark))
}
