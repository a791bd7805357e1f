package conformance

import (
	"encoding/json"
	"testing"
)

func TestParseAnswerRefusesOtherForms(t *testing.T) {
	good := []string{
		`{"ok":{}}`,
		`{"need":{"kind":"keys","issuer":"a"},"ticket":1}`,
		`{"need":{"kind":"claim","claimed":{"ok":{}}}}`,
		`{"error":{"code":"internal","message":"x","log":"y","response":{"status":500,"headers":{},"body":"{}"}}}`,
	}
	for _, text := range good {
		if _, err := ParseAnswer([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	bad := []string{
		``, `null`, `[]`, `{}`, `{"ok":{}`, `{"ok":{},"error":{"code":"internal","message":"x"}}`, `{"ok":{},"x":1}`,
		`{"need":{"kind":"keys"}}`, `{"need":{"kind":"claim","claimed":{"ok":{}}},"ticket":1}`, `{"need":{"kind":"claim","claimed":{}}}`, `{"need":{"kind":"keys","claimed":{"ok":{}}}}`, `{"ok":{},"ticket":1}`, `{"error":{"code":"internal","message":"x","key":"y"}}`, `{"ok":{}}x`,
		`{"error":{"code":"internal","message":"two\nlines"}}`, `{"error":{"code":"internal","message":"x","log":"\u0000"}}`,
	}
	for _, text := range bad {
		if _, err := ParseAnswer([]byte(text)); err == nil {
			t.Errorf("%s was taken for an answer", text)
		}
	}
}

const refusal = `{"error":{"code":"token_expired","message":"m","response":{"status":401,` +
	`"headers":{"content-type":"application/json","www-authenticate":"Bearer realm=\"r\", error=\"invalid_token\""},` +
	`"body":"{\"error\":\"Token Expired\",\"code\":\"token_expired\",\"error_description\":\"m\"}"}}}`

const scoped = `{"error":{"code":"insufficient_scope","message":"m","response":{"status":403,` +
	`"headers":{"content-type":"application/json","www-authenticate":"Bearer realm=\"r\", error=\"insufficient_scope\", scope=\"a b\""},` +
	`"body":"{\"error\":\"Insufficient Scope\",\"code\":\"insufficient_scope\",\"error_description\":\"m\",\"scope\":\"a b\"}"}}}`

func TestMet(t *testing.T) {
	for _, c := range []struct {
		name, expect, answer string
		met                  bool
	}{
		{"exact object", `{"ok":{"a":{"b":[1,"x"]}}}`, `{"ok":{"a":{"b":[1,"x"]}}}`, true},
		{"exact object, other value", `{"ok":{"a":{"b":[1,"x"]}}}`, `{"ok":{"a":{"b":[1,"y"]}}}`, false},
		{"exact object, member more", `{"ok":{"a":1}}`, `{"ok":{"a":1,"b":2}}`, false},
		{"exact object, inner member more", `{"ok":{"a":{}}}`, `{"ok":{"a":{"b":1}}}`, false},
		{"exact object, member less", `{"ok":{"a":1,"b":2}}`, `{"ok":{"a":1}}`, false},
		{"exact object, number spelled differently", `{"ok":{"a":1}}`, `{"ok":{"a":1.0}}`, false},
		{"exact object, element more", `{"ok":{"a":[1]}}`, `{"ok":{"a":[1,2]}}`, false},
		{"null is a value", `{"ok":{"a":null}}`, `{"ok":{}}`, false},
		{"some members", `{"ok_includes":{"a":{"b":1}}}`, `{"ok":{"a":{"b":1,"c":2},"d":3}}`, true},
		{"some members, other value", `{"ok_includes":{"a":{"b":1}}}`, `{"ok":{"a":{"b":2}}}`, false},
		{"some members, of elements", `{"ok_includes":{"a":[{"b":1}]}}`, `{"ok":{"a":[{"b":1,"c":2}]}}`, true},
		{"some members, elements missing", `{"ok_includes":{"a":[]}}`, `{"ok":{"a":[1]}}`, false},
		{"some members, other type", `{"ok_includes":{"a":{}}}`, `{"ok":{"a":1}}`, false},
		{"ok expected, error got", `{"ok_includes":{}}`, refusal, false},
		{"ok expected, need got", `{"ok_includes":{}}`, `{"need":{"kind":"keys"},"ticket":1}`, false},
		{"need", `{"need":{"kind":"keys"}}`, `{"need":{"kind":"keys","issuer":"a"},"ticket":1}`, true},
		{"other need", `{"need":{"kind":"claim"}}`, `{"need":{"kind":"keys","issuer":"a"},"ticket":1}`, false},
		{"code", `{"error":"token_expired"}`, refusal, true},
		{"other code", `{"error":"internal"}`, refusal, false},
		{"error expected, ok got", `{"error":"internal"}`, `{"ok":{}}`, false},
		{"response", `{"error":"token_expired","response":{"status":401,"words":"Token Expired","oauth":"invalid_token","realm":"r"}}`, refusal, true},
		{"response, other status", `{"error":"token_expired","response":{"status":403,"words":"Token Expired","oauth":"invalid_token"}}`, refusal, false},
		{"response, other words", `{"error":"token_expired","response":{"status":401,"words":"Expired","oauth":"invalid_token"}}`, refusal, false},
		{"response, other OAuth error", `{"error":"token_expired","response":{"status":401,"words":"Token Expired","oauth":"invalid_request"}}`, refusal, false},
		{"response, bare challenge expected", `{"error":"token_expired","response":{"status":401,"words":"Token Expired"}}`, refusal, false},
		{"response, other realm", `{"error":"token_expired","response":{"status":401,"words":"Token Expired","oauth":"invalid_token","realm":"s"}}`, refusal, false},
		{"response expected, none got", `{"error":"internal","response":{"status":401,"words":"x"}}`, `{"error":{"code":"internal","message":"m"}}`, false},
		{"scope", `{"error":"insufficient_scope","response":{"status":403,"words":"Insufficient Scope","oauth":"insufficient_scope","scope":"a b"}}`, scoped, true},
		{"other scope", `{"error":"insufficient_scope","response":{"status":403,"words":"Insufficient Scope","oauth":"insufficient_scope","scope":"a"}}`, scoped, false},
		{"no scope expected", `{"error":"insufficient_scope","response":{"status":403,"words":"Insufficient Scope","oauth":"insufficient_scope"}}`, scoped, false},
		{"body of JSON", `{"ok_includes":{},"body_json":{"a":1}}`, `{"ok":{"response":{"status":200,"headers":{},"body":"{\"a\":1,\"b\":2}"}}}`, true},
		{"body of JSON, other value", `{"ok_includes":{},"body_json":{"a":1}}`, `{"ok":{"response":{"status":200,"headers":{},"body":"{\"a\":2}"}}}`, false},
		{"body of JSON expected, none got", `{"ok_includes":{},"body_json":{"a":1}}`, `{"ok":{"response":{"status":200,"headers":{},"body":""}}}`, false},
		{"body of JSON expected, no response got", `{"ok_includes":{},"body_json":{"a":1}}`, `{"ok":{}}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var expect Expect
			if err := json.Unmarshal([]byte(c.expect), &expect); err != nil {
				t.Fatal(err)
			}
			answer, err := ParseAnswer([]byte(c.answer))
			if err != nil {
				t.Fatal(err)
			}
			if err := expect.Met(answer); (err == nil) != c.met {
				t.Errorf("met: %v (%v)", err == nil, err)
			}
		})
	}
}
