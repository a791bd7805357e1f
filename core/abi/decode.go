package abi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

// cold makes a handler from a function over Go types, for operations that are not
// called once per request.
func cold[Request any](operation string, run func(c *Core, r *Request, body []byte) (any, *problem.Problem)) handler {
	return func(c *Core, request, body, _ []byte) []byte {
		var r Request
		if p := readCold(operation, request, &r); p != nil {
			return refuse(p)
		}
		result, p := run(c, &r, body)
		if p != nil {
			return refuse(p)
		}
		return ok(result)
	}
}

// readCold passes a request through the gate and fills a struct from it.
func readCold(operation string, request []byte, into any) *problem.Problem {
	if err := strictjson.CheckObject(request); err != nil {
		return notStrict(operation, err)
	}
	if err := decode(request, into); err != nil {
		return problem.Newf(problem.InvalidArgument, "%s: %s", operation, err)
	}
	return nil
}

// decode fills a struct from a strict JSON object. encoding/json takes "ISSUER"
// for "issuer" and null for nothing, so the members are compared exactly first.
func decode(text []byte, into any) error {
	if err := checkMembers(text, reflect.TypeOf(into).Elem()); err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	err := decoder.Decode(into)
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		return fmt.Errorf("member %s has a wrong type (%s)", wrongType.Field, wrongType.Value)
	}
	if err != nil {
		return errors.New("the request cannot be read")
	}
	return nil
}

// checkMembers refuses members that a struct does not have, required ones that
// are missing (those without omitempty), null, and times beyond 2^53, at any depth.
func checkMembers(text []byte, t reflect.Type) error {
	fields := map[string]reflect.StructField{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		fields[name] = t.Field(i)
	}
	seen := map[string]bool{}
	var err error
	strictjson.Members(string(text), func(name string, v strictjson.Value) bool {
		field, known := fields[name]
		seen[name] = true
		switch {
		case !known:
			err = fmt.Errorf("unknown member %s", problem.Quote(name))
		case v.Raw == "null":
			err = fmt.Errorf("member %s is null", name)
		default:
			err = checkNested(name, v, field.Type)
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if options == "" && !seen[name] {
			return fmt.Errorf("member %s is missing", name)
		}
	}
	return nil
}

func checkNested(name string, v strictjson.Value, t reflect.Type) error {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t.Kind() == reflect.Float64 && strictjson.IsNumber(v):
		// Beyond, a conversion to int64 gives one number natively and another in WebAssembly.
		if _, exact := strictjson.Seconds(v); !exact { //guard:cold-number-exact never
			return fmt.Errorf("member %s must be a number within 2^53", name)
		}
	case t.Kind() == reflect.Struct && v.IsObject():
		return inside(name, checkMembers([]byte(v.Raw), t))
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct && v.IsArray():
		for _, entry := range v.Array() {
			if err := checkNested(name, entry, t.Elem()); err != nil {
				return err
			}
		}
	}
	return nil
}

func inside(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}
