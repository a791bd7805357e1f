package parity

import (
	"testing"

	"github.com/tallystick/tallystick/conformance"
)

func tree(t *testing.T, text string) *node {
	t.Helper()
	root, err := parse(text, true)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return root
}

func TestNodesKeepWhatATextSays(t *testing.T) {
	for _, text := range []string{
		`{"a":1,"a":2}`, `{"b":1.0,"a":[-0,1e400,null,true,false]}`, `{"a":"$engine","b":"$$x","c":"<é\u2028>"}`, `[]`, `{}`, `""`,
	} {
		if got := tree(t, text).write(request); got != text {
			t.Errorf("%s became %s", text, got)
		}
	}
	for _, text := range []string{``, `{`, `{}x`, `{"a"}`, `nul`} {
		if _, err := parse(text, true); err == nil {
			t.Errorf("%s was read", text)
		}
	}
}

// TestNoReferenceByChance: a raw text has no escapes for what is no reference.
func TestNoReferenceByChance(t *testing.T) {
	root := tree(t, `{"a":"$engine","b":"$$engine"}`)
	if got := root.write(requestText); got != `{"a":"$engine","b":"\u0024engine"}` {
		t.Error(got)
	}
}

func TestPlainIsWhatEncodingJSONCanWrite(t *testing.T) {
	for text, want := range map[string]bool{
		`{"a":{"x":1,"y":2},"b":[1.0]}`: true, `{}`: true, `{"b":1,"a":2}`: false, `{"a":1,"a":1}`: false, `{"a":[{"c":1,"b":2}]}`: false,
	} {
		if got := tree(t, text).isPlain(); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	spelled := tree(t, `{"a":"b"}`)
	spelled.kids[0].spelled = `"\u0062"`
	if spelled.isPlain() || spelled.write(request) != `{"a":"\u0062"}` {
		t.Error("a spelling is lost")
	}
}

func TestClonesShareNothing(t *testing.T) {
	root := tree(t, `{"a":["x"],"b":1}`)
	copied := root.clone()
	copied.kids[0].kids[0].text = "y"
	copied.remove(1)
	copied.spellName(0, `"\u0061"`)
	if got := root.write(request); got != `{"a":["x"],"b":1}` {
		t.Error(got)
	}
	if got := copied.clone().write(request); got != `{"\u0061":["y"]}` {
		t.Error(got)
	}
}

// TestSurvivesHost: what a host that does RSA would rewrite or rely on.
func TestSurvivesHost(t *testing.T) {
	vector := conformance.Vector{Steps: []conformance.Step{{Request: []byte(`{"private_key":"known"}`)}}}
	for op, texts := range map[string]map[string]bool{
		"engine.open": {
			`{"verifier":{"keys":{"a":"b"}}}`: true, `{"verifier":null}`: false, `{"verifier":"x"}`: false, `{"x":1,"verifier":{}}`: false,
			`{"signer":{"private_key":"known"}}`: true, `{"signer":{"private_key":"unknown"}}`: false, `{"signer":{"private_key":1}}`: false,
			`{"access":{"ring":{"keys":[{"kid":"x"}]}}}`: true, `{"access":{"ring":{"keys":[null]}}}`: false, `{"access":{"ring":{}}}`: false, `{"access":{"ring":1}}`: false,
		},
		"engine.feed":    {`{"engine":1,"ring":{"keys":[]}}`: true, `{"engine":1,"ring":null}`: false},
		"access.issue":   {`{"bind":{"method":"POST"}}`: true, `{"bind":"x"}`: false},
		"request.verify": {`{"now":1}`: true, `{"now":1.5}`: true, `{"now":1.0}`: false, `{"now":-0}`: false, `{"now":1e3}`: false, `{"now":9007199254740993}`: false, `{"now":1e400}`: false, `{"0":1}`: false, `{"__proto__":1}`: false},
		"scope.match":    {`{"pattern":1.0}`: true},
	} {
		for text, want := range texts {
			if got := survivesHost(op, tree(t, text), vector); got != want {
				t.Errorf("%s %s: %v", op, text, got)
			}
		}
	}
}

func TestEscapedStringsMeanTheSame(t *testing.T) {
	for number := range 200 {
		r := newRand(uint64(number))
		for _, want := range []string{`a"b\c/d`, "é\n\U0001F600", "$x"} {
			if got := mustParse(escaped(r, want)).text; got != want {
				t.Errorf("%q became %q", want, got)
			}
		}
	}
}
