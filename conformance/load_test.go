package conformance

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"
)

func TestEmbeddedSuiteIsGood(t *testing.T) {
	suite, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(suite.Vectors()); n < 300 {
		t.Errorf("%d vectors: at least 300 are expected", n)
	}
}

// twoVectors is a good file: an accept and a reject whose twin it is.
const twoVectors = `{"area": "a", "about": "x", "vectors": [
	{"name": "a/good", "kind": "accept", "says": "x", "source": "x", "steps": [
		{"op": "engine.open", "request": {}, "save": {"engine": "ok.engine"}, "expect": {"ok_includes": {}}},
		{"op": "engine.stats", "request": {"engine": "$engine"}, "body": "x", "expect": {"ok": {}}}]},
	{"name": "a/bad", "kind": "reject", "says": "x", "source": "x", "twin": "a/good",
		"steps": [{"op": "version", "request_text": "x", "expect": {"error": "invalid_argument"}}]}]}`

func loadText(text string) error {
	_, err := LoadFrom(fstest.MapFS{"a.json": {Data: []byte(text)}})
	return err
}

func TestGoodFileLoads(t *testing.T) {
	if err := loadText(twoVectors); err != nil {
		t.Fatal(err)
	}
}

// TestBadFileFails changes the good file in one place.
func TestBadFileFails(t *testing.T) {
	for name, change := range map[string][2]string{
		"unknown member of a file":    {`"about"`, `"abuot"`},
		"unknown member of a vector":  {`"says"`, `"sais"`},
		"unknown member of a step":    {`"save"`, `"saves"`},
		"unknown expectation":         {`"ok_includes"`, `"ok_contains"`},
		"unknown error code":          {`"invalid_argument"`, `"invalid_arguments"`},
		"unknown kind of need":        {`{"ok_includes": {}}`, `{"need": {"kind": "fetsch"}}`},
		"no expectation":              {`{"ok_includes": {}}`, `{}`},
		"two expectations":            {`{"ok_includes": {}}`, `{"ok_includes": {}, "error": "internal"}`},
		"body_json without ok":        {`{"error": "invalid_argument"}`, `{"error": "invalid_argument", "body_json": {}}`},
		"body_json alone":             {`{"ok_includes": {}}`, `{"body_json": {}}`},
		"response without error":      {`{"ok_includes": {}}`, `{"ok_includes": {}, "response": {"status": 401, "words": "x"}}`},
		"unknown kind":                {`"accept"`, `"acept"`},
		"accept that expects error":   {`{"ok_includes": {}}`, `{"error": "internal"}`},
		"reject without twin":         {`"twin": "a/good",`, ``},
		"reject with unknown twin":    {`"twin": "a/good"`, `"twin": "a/none"`},
		"reject that is its own twin": {`"twin": "a/good"`, `"twin": "a/bad"`},
		"accept with twin":            {`"kind": "accept",`, `"kind": "accept", "twin": "a/good",`},
		"name used twice":             {`"name": "a/bad"`, `"name": "a/good"`},
		"name of another area":        {`"name": "a/bad"`, `"name": "b/bad"`},
		"no source":                   {`"source": "x"`, `"source": ""`},
		"no steps":                    {`[{"op": "version", "request_text": "x", "expect": {"error": "invalid_argument"}}]`, `[]`},
		"reference to nothing":        {`"$engine"`, `"$engin"`},
		"save under a bad name":       {`{"engine": "ok.engine"}`, `{"Engine!": "ok.engine"}`},
		"op that needs unescaping":    {`"op": "version"`, `"op": "ver\"sion"`},
		"request and request_text":    {`"request_text": "x"`, `"request_text": "x", "request": {}`},
		"no request":                  {`"request_text": "x", `, ``},
		"request that is no object":   {`"request": {},`, `"request": [],`},
		"two bodies":                  {`"body": "x"`, `"body": "x", "body_fill": 1`},
		"body that nothing saved":     {`"body": "x"`, `"body_saved": "nothing"`},
		"body that is no base64":      {`"body": "x"`, `"body_base64": "!"`},
		"body without end":            {`"body": "x"`, `"body_fill": 999999999`},
		"repeat without end":          {`"body": "x"`, `"repeat": 99999`},
		"file of another area":        {`"area": "a"`, `"area": "b"`},
		"text after the object":       {`}]}]}`, `}]}]}{}`},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(twoVectors, change[0], change[1], 1)
			if text == twoVectors {
				t.Fatalf("%q is not in the good file", change[0])
			}
			if err := loadText(text); err == nil {
				t.Error("the file was loaded")
			}
		})
	}
}

func TestNoVectorsFail(t *testing.T) {
	for name, files := range map[string]fstest.MapFS{
		"no file":       {},
		"no vector":     {"a.json": {Data: []byte(`{"area": "a", "about": "x", "vectors": []}`)}},
		"only a folder": {"keys/a.json": {Data: []byte(twoVectors)}},
	} {
		if _, err := LoadFrom(files); err == nil {
			t.Errorf("%s: loaded", name)
		}
	}
}

func TestSelect(t *testing.T) {
	suite, err := LoadFrom(fstest.MapFS{"a.json": {Data: []byte(twoVectors)}})
	if err != nil {
		t.Fatal(err)
	}
	for pattern, want := range map[string]int{"a/good": 1, "a/*": 2, "*": 2, "*oo*": 1, "a/b*d": 1, "good": 0, "a/bad*bad": 0, "b*": 0} {
		if got := len(suite.Select([]string{pattern})); got != want {
			t.Errorf("%s: %d vectors, expected %d", pattern, got, want)
		}
	}
	if len(suite.Select(nil)) != 2 {
		t.Error("without a pattern all are expected")
	}
}

func TestSubstitute(t *testing.T) {
	lookup := func(name string) (json.RawMessage, bool) {
		return json.RawMessage(`{"saved":1}`), name == "known"
	}
	got, err := Substitute(json.RawMessage(`{"a": ["$known", "$$known", 1.50, "<b>"]}`), lookup)
	if want := `{"a":[{"saved":1},"$known",1.50,"<b>"]}`; err != nil || string(got) != want {
		t.Errorf("%s %v, expected %s", got, err, want)
	}
	if _, err := Substitute(json.RawMessage(`{"a": "$unknown"}`), lookup); err == nil {
		t.Error("an unknown name was substituted")
	}
}

func TestSubstituteText(t *testing.T) {
	saved := map[string]json.RawMessage{"engine": json.RawMessage("7")}
	if got := SubstituteText(`{"engine":"$engine","engine":"$engine","x":"$other"`, saved); got != `{"engine":7,"engine":7,"x":"$other"` {
		t.Error(got)
	}
}

// TestNamesAreExact: encoding/json takes the last of two equal members, and "OK" for "ok".
func TestNamesAreExact(t *testing.T) {
	const good = `{"area":"a","about":"x","vectors":[{"name":"a/b","kind":"accept","says":"x","source":"y","steps":[{"op":"version","request":{},"expect":{"ok_includes":{"abi":1}}}]}]}`
	load := func(text string) error {
		_, err := LoadFrom(fstest.MapFS{"a.json": &fstest.MapFile{Data: []byte(text)}})
		return err
	}
	if err := load(good); err != nil {
		t.Fatal(err)
	}
	for old, changed := range map[string]string{
		`"says":"x"`:       `"says":"x","says":"z"`,
		`"ok_includes"`:    `"OK_INCLUDES"`,
		`"op":`:            `"Op":`,
		`"request":{},"ex`: `"request":{},"varies":["ok"],"ex`,
	} {
		if err := load(strings.Replace(good, old, changed, 1)); err == nil {
			t.Errorf("%s is accepted", changed)
		}
	}
}
