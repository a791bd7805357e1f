package yamlconfig_test

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/tallystick/tallystick/bindings/go/yamlconfig"
)

type cases struct {
	Read []struct {
		Text  string
		Value any
	}
	Refused []struct {
		Text    string
		Line    int
		Because string
	}
}

func allCases(t testing.TB) (found cases) {
	t.Helper()
	text, err := os.ReadFile("../../../conformance/yaml.json")
	if err == nil {
		err = json.Unmarshal(text, &found)
	}
	if err != nil || len(found.Read) == 0 || len(found.Refused) == 0 {
		t.Fatal(err, found)
	}
	return found
}

// What the languages read alike, and refuse alike.
func TestYAMLIsReadAsInOtherLanguages(t *testing.T) {
	for _, one := range allCases(t).Read {
		text, err := yamlconfig.ToJSON([]byte(one.Text))
		var found map[string]any
		if err == nil {
			err = json.Unmarshal(text, &found)
		}
		if err != nil || !reflect.DeepEqual(found["a"], one.Value) {
			t.Errorf("%q: %s, %v", one.Text, text, err)
		}
	}
	for _, one := range allCases(t).Refused {
		if one.Because == "no mapping" {
			continue // a text of JSON, which SkillFromFile refuses
		}
		text, err := yamlconfig.ToJSON([]byte(one.Text))
		if err == nil || one.Line > 0 && !strings.HasPrefix(err.Error(), fmt.Sprintf("line %d: ", one.Line)) {
			t.Errorf("%q (%s): %s, %v", one.Text, one.Because, text, err)
		}
	}
}

func TestNoErrorQuotesTheText(t *testing.T) {
	const secret = "s3cret-s3cret"
	for _, text := range []string{
		"client_secret: '" + secret + "\nbase_url: [\n", "client_secret: " + secret + ": x\n",
		"client_secret: [" + secret + "\n", "client_secret: *" + secret + "\n", "client_secret: !" + secret + " x\n",
		"client_secret: \"\\q" + secret + "\"\n", "client_secret: 1\n---\n" + secret + "\n", "? [" + secret + "]\n: 1\n",
		secret + ": 1\n" + secret + ": 1\n", "a: {" + secret + ": 1,\n  " + secret + ": 2}\n",
	} {
		if _, err := yamlconfig.ToJSON([]byte(text)); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestAKeyThatIsThereTwiceIsNamedWhereItIsAName(t *testing.T) {
	long := strings.Repeat("k", 40)
	for key, want := range map[string]string{
		"base_url": `line 2: the key "base_url" is there twice`,
		long:       `line 2: the key "` + long + `" is there twice`,
		long + "k": "line 2: a key is there twice", "a b": "line 2: a key is there twice",
		"'5'": "line 2: a key is there twice",
	} {
		if _, err := yamlconfig.ToJSON([]byte(key + ": 1\n" + key + ": 2\n")); err == nil || err.Error() != want {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestWhatIsNoYAMLHasItsLine(t *testing.T) {
	for text, want := range map[string]string{
		"a: b: c\n": "line 1: ", "a: 1\nx: b: c\n": "line 2: ", "a: [b, c]]\n": "line 1: ",
		"a: 1\nb: [b, c]]\n": "line 2: ",
		"- a\nb: 1\n":        "line 2: ", "a: 1\nb: \x01\n": "line 2: ", "a: \x01\n": "line 1: ",
		"a: 1\n\nb: [1\nc: 2\n": "line 3: ",
		"a: !x!y 1\n":           "line 1: ", "skills:\n\tauth: {}\n": "line 2: ",
	} {
		if _, err := yamlconfig.ToJSON([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzToJSON(f *testing.F) {
	found := allCases(f)
	for _, one := range found.Read {
		f.Add([]byte(one.Text))
	}
	for _, one := range found.Refused {
		f.Add([]byte(one.Text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		made, err := yamlconfig.ToJSON(text)
		if err == nil && !json.Valid(made) {
			t.Errorf("%q: %q is no JSON", text, made)
		}
	})
}
