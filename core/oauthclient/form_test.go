package oauthclient

import (
	"fmt"
	"maps"
	"net/url"
	"strings"
	"testing"
)

const formType = "application/x-www-form-urlencoded"

func parameters(n int) string {
	pairs := []string{}
	for i := range n {
		pairs = append(pairs, fmt.Sprintf("p%d=1", i))
	}
	return strings.Join(pairs, "&")
}

// Each refused request stands beside an accepted one that differs in one thing.
func TestParseFormRefuses(t *testing.T) {
	for _, c := range []struct{ name, typeOK, accepted, typeBad, refused string }{
		{"content type", formType, "a=b", "text/plain", "a=b"},
		{"content type, parameters", "Application/X-WWW-Form-URLEncoded; charset=UTF-8", "a=b", "", "a=b"},
		{"twice", formType, "a=b&c=d", formType, "a=b&a=b"},
		{"twice in another spelling", formType, "a=b&%62=c", formType, "a=b&%61=c"},
		{"twice, once empty", formType, "a=b&c=", formType, "a=b&a="},
		{"twice, first empty", formType, "a=&c=b", formType, "a=&a=b"},
		{"percent", formType, "a=%25", formType, "a=%2"},
		{"percent of nothing", formType, "a=%25", formType, "a=%zz"},
		{"UTF-8", formType, "a=%C3%A9", formType, "a=%E9"},
		{"raw bytes", formType, "a=\u00e9", formType, "a=\xe9"},
		{"too many", formType, parameters(64), formType, parameters(65)},
		{"too long", formType, "a=" + strings.Repeat("b", MaxForm-2), formType, "a=" + strings.Repeat("b", MaxForm-1)},
		{"JSON text", "application/json", `{"a":"b"}`, "application/json", `{"a":1}`},
		{"JSON object", "application/json", `{"a":"b"}`, "application/json", `["a"]`},
		{"JSON twice", "application/json", `{"a":"b","c":"d"}`, "application/json", `{"a":"b","\u0061":"d"}`},
		{"JSON nested", "application/json", `{"a":"b"}`, "application/json", `{"a":{"b":"c"}}`},
		{"JSON as a form", "application/json", `{}`, "application/json", ``},
	} {
		if _, e := ParseForm(c.typeOK, []byte(c.accepted)); e != nil {
			t.Errorf("%s: the accepted twin: %v", c.name, e)
		}
		form, e := ParseForm(c.typeBad, []byte(c.refused))
		if e == nil || e.Code != InvalidRequest || e.Status != 400 || form != nil {
			t.Errorf("%s: %v, %v", c.name, form, e)
		}
	}
}

func TestParseForm(t *testing.T) {
	want := map[string]string{"grant_type": "client_credentials", "scope": "read write", "target": "@a&b="}
	for contentType, body := range map[string]string{
		formType:                          "grant_type=client_credentials&scope=read+write&&target=%40a%26b%3d&client_secret=&flag",
		formType + ";charset=utf-8":       "scope=read%20write&target=@a%26b=&grant_type=client_credentials",
		"application/json; charset=utf-8": `{"grant_type":"client_credentials","scope":"read write","target":"@a&b=","client_secret":null,"x":""}`,
		"application/json":                `{"target":"\u0040a&b=","scope":"read write","grant_type":"client_credentials"}`,
	} {
		got, e := ParseForm(contentType, []byte(body))
		if e != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %v %v", body, got, e)
		}
	}
	if got, e := ParseForm(formType, nil); e != nil || len(got) != 0 {
		t.Errorf("nothing: %v %v", got, e)
	}
}

// FuzzParseForm: what is read must be what net/url reads.
func FuzzParseForm(f *testing.F) {
	f.Add("grant_type=client_credentials&scope=read+write&target=%40a")
	f.Add("a=%C3%A9&b=%2B&&c")
	f.Add("a=1;b=2&c=%00")
	f.Fuzz(func(t *testing.T, body string) {
		got, e := ParseForm(formType, []byte(body))
		if e != nil {
			return
		}
		if strings.Contains(body, ";") { // net/url refuses it, WHATWG's parser does not
			return
		}
		want, err := url.ParseQuery(body)
		if err != nil {
			t.Fatalf("%q was read, net/url says %v", body, err)
		}
		for name, values := range want {
			if len(values) != 1 || got[name] != values[0] {
				t.Fatalf("%q: %q is %q, net/url reads %q", body, name, got[name], values)
			}
		}
		for name := range got {
			if _, there := want[name]; !there {
				t.Fatalf("%q: net/url does not see %q", body, name)
			}
		}
	})
}

// FuzzBasic: whatever the header, nobody is let in who has not the secret.
func FuzzBasic(f *testing.F) {
	f.Add(basic("bot", "wrong"))
	f.Add("Basic Og==")
	f.Add("Basic Ym90")
	f.Add("Digest username=bot")
	r := &Registry{}
	f.Fuzz(func(t *testing.T, header string) {
		a := attempt(nil, header)
		if got := authenticate(t, r, a); got.err == nil || got.err.Code != InvalidClient && got.err.Code != InvalidRequest {
			t.Fatalf("%q: %+v", header, got)
		}
	})
}

func FuzzParseHash(f *testing.F) {
	f.Add(hashed())
	f.Add("pbkdf2-sha256$10000$AAAAAAAAAAA$" + strings.Repeat("A", 43))
	f.Add("pbkdf2-sha256$1e4$AAAAAAAAAAA$" + strings.Repeat("A", 43))
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHash(text)
		if err == nil && (h.iterations < defaultIterations || h.iterations > maxIterations || len(h.hash) != hashBytes || len(h.salt) < 8) {
			t.Fatalf("%q was taken: %+v", text, h)
		}
	})
}
