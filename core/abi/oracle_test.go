package abi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

// decode is another reader of requests, by encoding/json, to compare with: it fills a
// struct from a strict JSON object. encoding/json takes "ISSUER" for "issuer" and null for
// nothing, so the members are compared exactly first.
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

// compareReaders: both refuse or both read the same. The reader knows bounds that
// types do not say, so it may refuse more: numbers below 1 for what the core
// numbered, integers beyond 2^53, digests and statuses, characters over a byte.
func compareReaders(t *testing.T, text []byte, request reflect.Type) {
	t.Helper()
	byTags, byJSON := reflect.New(request), reflect.New(request)
	m := members{operation: "test", keep: keeping}
	m.object(&m.outermost, string(text), shapeOf(request), byTags.UnsafePointer())
	err := decode(text, byJSON.Interface())
	if m.problem == nil && err != nil {
		t.Fatalf("%s: read as %+v, decode says %v", text, byTags.Elem(), err)
	}
	if m.problem == nil && isASCII(text) && !reflect.DeepEqual(byTags.Interface(), byJSON.Interface()) {
		t.Fatalf("%s: %+v by tags, %+v by encoding/json", text, byTags.Elem(), byJSON.Elem())
	}
}

// isASCII leaves out what latin-1 turns into other bytes.
func isASCII(text []byte) bool {
	for _, c := range text {
		if c >= 0x80 || c == '\\' {
			return false
		}
	}
	return true
}

func FuzzReadersAgree(f *testing.F) {
	for _, seed := range []string{
		`{"engine":1,"now":1.5,"authorization":["a"],"method":"GET","path":"/","query":"q","path_decoded":true}`,
		`{"engine":1,"now":1,"method":"GET","url":"u","ttl":60,"unbound":true,"jti":"x"}`,
		`{"engine":1,"ticket":2,"now":1,"files":[{"name":"a.pem","text":"t"}],"failed":"x","valid":false,"status":200,"headers":{"a":"b"}}`,
		`{"verifier":{"keys":{"a":"b"},"max_body":1,"leeway":0.5,"realm":"r"},"signer":{"issuer":"a","ttl":5}}`,
		`{"access":{"allowed_scopes":["read"],"trusted_issuers":[{"issuer":"a"}],"accept_from":["family"],"clients":[{"client_id":"c","scopes":[]}],"google":{}}}`,
		`{"engine":2,"now":1,"target":"a","scopes":[],"bind":{"method":"POST","url":"u"},"extra_claims":{"a":null}}`,
		`{"claims":{"iss":"a","sub":"b","aoauth":{"agent_url":"u"}},"trusted_issuers":[]}`,
		`{"secret":null}`, `{"bits":2048}`, `{"bits":1e3}`, `{"text":"a","TEXT":"b"}`, `{"ring":[1],"now":1e300,"lifetime":1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 4096 || strictjson.CheckObject(text) != nil {
			return
		}
		for _, operation := range table {
			compareReaders(t, text, operation.Request)
		}
	})
}
