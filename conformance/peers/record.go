package peers

import (
	"encoding/json"
	"fmt"

	"github.com/tidwall/gjson"

	"github.com/tallystick/tallystick/conformance"
	"github.com/tallystick/tallystick/core/abi"
)

// core is the implementation that is compared: a call of the ABI, in this process.
type core func(operation string, request, body []byte) []byte

func newCore() core { return abi.New().Call }

// ask calls an operation with a request of this program's own making.
func (c core) ask(operation string, request any, body []byte) gjson.Result {
	text, err := json.Marshal(request)
	if err != nil {
		panic(err) // maps of strings
	}
	return gjson.ParseBytes(c(operation, text, body))
}

// exchange is one call of a vector, with saved values put in.
type exchange struct {
	op      string
	request gjson.Result
	body    []byte
	answer  gjson.Result
}

// record makes the calls of a vector on a core of its own. A step that repeats
// is made as often, and recorded each time.
func record(vector conformance.Vector) ([]exchange, error) {
	call, saved := newCore(), map[string]json.RawMessage{}
	var made []exchange
	for at, step := range vector.Steps {
		request, body, err := build(step, saved)
		if err != nil {
			return nil, fmt.Errorf("%s: step %d: %w", vector.Name, at+1, err)
		}
		var answer gjson.Result
		for range max(step.Repeat, 1) {
			answer = gjson.ParseBytes(call(step.Op, request, body))
			made = append(made, exchange{step.Op, gjson.ParseBytes(request), body, answer})
		}
		for name, path := range step.Save {
			saved[name] = json.RawMessage(answer.Get(path).Raw)
		}
	}
	return made, nil
}

func build(step conformance.Step, saved map[string]json.RawMessage) (request, body []byte, err error) {
	if body, err = step.BodyBytes(); err != nil {
		return nil, nil, err
	}
	if step.BodySaved != "" {
		var text string
		if err := json.Unmarshal(saved[step.BodySaved], &text); err != nil {
			return nil, nil, fmt.Errorf("what was saved as %s is no text: %w", step.BodySaved, err)
		}
		body = []byte(text)
	}
	if step.RequestText != nil {
		return []byte(conformance.SubstituteText(*step.RequestText, saved)), body, nil
	}
	request, err = conformance.Substitute(step.Request, func(name string) (json.RawMessage, bool) {
		value, there := saved[name]
		return value, there
	})
	return request, body, err
}
