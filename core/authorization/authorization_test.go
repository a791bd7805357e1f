package authorization

import (
	"reflect"
	"strings"
	"testing"
)

func TestARecordIsReadAsItWasWritten(t *testing.T) {
	g := Grant{
		Client: "web", User: User{"company", "4711|x", "Ada \"<L>\"\n", "ada@example.com"}, Target: "https://b.example",
		Scopes: []string{"openid", "read"}, Nonce: "n", SignedIn: 1700000000, Family: "f", Until: 1 << 40,
	}
	for _, pair := range [][2]record{
		{&g, &Grant{}}, {&code{g, "https://web.example/?x=y", "c"}, &code{}}, {mark{}, mark{}},
		{&flow{Client: "web", Scopes: []string{"a"}, User: g.User, Begun: 5, Device: "d", Code: "BCDF-GHJK"}, &flow{}},
		{&visit{"f", "company", "n", "v", "s"}, &visit{}},
		{&device{Client: "tv", Target: "https://b.example", Scopes: []string{"read", "write"}, Code: "c", Answer: "a", Begun: 7}, &device{}},
	} {
		if err := readRecord(string(writeRecord(pair[0])), pair[1]); err != nil || !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%v\n%+v\n%+v", err, pair[0], pair[1])
		}
	}
	if err := readRecord(`{"client":`, &g); err == nil {
		t.Error("a record that is cut was read")
	}
}

func TestCodesOfUsersAreOfTheirLetters(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		code := userCode()
		if plain := plainCode(code); len(code) != userLength+1 || len(plain) != userLength || seen[plain] {
			t.Fatal(code)
		} else {
			seen[plain] = true
		}
	}
	if plainCode(" bcdf–ghjk aeiou 1") != "BCDFGHJK" {
		t.Error(plainCode(" bcdf–ghjk aeiou 1"))
	}
}

// FuzzEscape: nothing that a stranger wrote is a tag, or ends an attribute.
func FuzzEscape(f *testing.F) {
	f.Add(`<b>"&'`)
	f.Add("\xff<")
	f.Fuzz(func(t *testing.T, text string) {
		escaped := escape(text)
		if strings.ContainsAny(escaped, `<>"'`) {
			t.Fatalf("%q", escaped)
		}
		for _, part := range strings.Split(escaped, "&")[1:] {
			if name, _, ended := strings.Cut(part, ";"); !ended || !strings.Contains(" amp lt gt #34 #39 ", " "+name+" ") {
				t.Fatalf("%q", escaped)
			}
		}
	})
}
