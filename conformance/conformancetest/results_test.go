package conformancetest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/tallystick/tallystick/conformance/conformancetest"
	"github.com/tallystick/tallystick/conformance/runner"
	"github.com/tallystick/tallystick/core/abi"
)

// What the bindings and the reference page know of an answer is made from the result
// types of the table: each answer of each vector has to be one.
func TestAnswersAreOfTheirResultType(t *testing.T) {
	types := map[string]reflect.Type{}
	for _, operation := range abi.Table() {
		types[operation.Name] = operation.Result
	}
	seen := &results{types: types, suspended: map[string]string{}, checked: map[string]int{}}
	core := abi.New()
	leg := runner.Source{Name: "results", Open: func(context.Context) (runner.Leg, error) {
		return runner.InProcess(func(op string, request, body []byte) []byte {
			answer := core.Call(op, request, body)
			if err := seen.check(op, request, answer); err != nil {
				t.Errorf("%s %s: %v", op, request, err)
			}
			return answer
		}), nil
	}}
	conformancetest.Run(t, leg)
	for name, result := range types {
		if result.NumField() > 0 && seen.checked[name] == 0 {
			t.Errorf("%s: no vector has an answer of its result type", name)
		}
	}
}

func TestAnswersOfAnotherTypeAreFound(t *testing.T) {
	result := reflect.TypeFor[abi.RequestSignResult]()
	if err := decodeAll(`{"authorization":"Bearer a"}`, result); err != nil {
		t.Error(err)
	}
	for _, wrong := range []string{`{}`, `{"authorization":1}`, `{"authorization":"Bearer a","token":"a"}`, `{"Authorization":"Bearer a"}`} {
		if decodeAll(wrong, result) == nil {
			t.Errorf("%s passes", wrong)
		}
	}
}

// results follows operations to their end: what engine.resume answers is of the type
// of the operation that waited.
type results struct {
	types map[string]reflect.Type

	mu        sync.Mutex
	suspended map[string]string // operation by engine and ticket
	checked   map[string]int
}

func (r *results) check(op string, request, answer []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	said := gjson.ParseBytes(answer)
	engine := gjson.GetBytes(request, "engine").Raw
	if op == "engine.resume" {
		op = r.suspended[engine+" "+gjson.GetBytes(request, "ticket").Raw]
	}
	if ticket := said.Get("ticket"); ticket.Exists() {
		r.suspended[engine+" "+ticket.Raw] = op
	}
	result := said.Get("ok")
	if claimed := said.Get("need.claimed.ok"); claimed.Exists() {
		result = claimed
	}
	if !result.Exists() {
		return nil
	}
	t, known := r.types[op]
	if !known {
		return fmt.Errorf("a result of the unknown operation %q: %s", op, result.Raw)
	}
	r.checked[op]++
	return decodeAll(result.Raw, t)
}

// decodeAll reads a result into its type: no member is unknown and none is missing.
func decodeAll(text string, t reflect.Type) error {
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(reflect.New(t).Interface()); err != nil {
		return fmt.Errorf("%w: %s", err, text)
	}
	members := gjson.Parse(text).Map()
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if _, there := members[name]; options == "" && !there {
			return fmt.Errorf("member %s is missing: %s", name, text)
		}
	}
	return nil
}
