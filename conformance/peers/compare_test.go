package peers

import "testing"

func TestCompare(t *testing.T) {
	yes, no := true, false
	one, two := []byte(`{"a":1}`), []byte(`{"a": 1}`)
	accepted := func(r Result) Ours { return Ours{Accepted: &r} }
	reply := func(r Result) Reply { return Reply{Accepted: &r} }
	for _, test := range []struct {
		name  string
		ours  Ours
		reply Reply
		want  Outcome
	}{
		{"both accept", accepted(Result{}), reply(Result{}), Agree},
		{"both refuse", Ours{Code: "token_expired"}, Reply{Refused: "expired"}, Agree},
		{"the peer alone accepts", Ours{Code: "token_expired"}, reply(Result{}), WeRefuse},
		{"the peer alone refuses", accepted(Result{}), Reply{Refused: "no"}, PeerRefuses},
		{"refused later", Ours{Code: "wrong_target", Later: true}, reply(Result{Claims: "{}"}), Agree},
		{"refused later, the peer refuses", Ours{Code: "wrong_target", Later: true}, Reply{Refused: "no"}, PeerRefuses},
		{"same bytes", accepted(Result{Payload: &one}), reply(Result{Payload: &one}), Agree},
		{"other bytes", accepted(Result{Payload: &one}), reply(Result{Payload: &two}), ReadsOther},
		{"bytes and the same claims", accepted(Result{Payload: &one}), reply(Result{Claims: `{"a":1.0}`}), Agree},
		{"bytes and other claims", accepted(Result{Payload: &one}), reply(Result{Claims: `{"a":2}`}), ReadsOther},
		{"no claims at all", accepted(Result{Claims: `{"a":1}`}), reply(Result{}), ReadsOther},
		{"same header", accepted(Result{Header: `{"a":1,"b":2}`}), reply(Result{Header: `{"b":2,"a":1}`}), Agree},
		{"other header", accepted(Result{Header: `{"a":1}`}), reply(Result{Header: `{}`}), ReadsOther},
		{"same thumbprint", accepted(Result{Thumbprint: "x"}), reply(Result{Thumbprint: "x"}), Agree},
		{"other thumbprint", accepted(Result{Thumbprint: "x"}), reply(Result{Thumbprint: "y"}), ReadsOther},
		{"same match", accepted(Result{Match: &no}), reply(Result{Match: &no}), Agree},
		{"other match", accepted(Result{Match: &no}), reply(Result{Match: &yes}), ReadsOther},
	} {
		if got, detail := compare(test.ours, test.reply); got != test.want {
			t.Errorf("%s: %s (%s)", test.name, got, detail)
		}
	}
}

func TestSameURL(t *testing.T) {
	ours := []string{"https://agents.example.com/bob"}
	for text, same := range map[string]bool{
		"https://agents.example.com/bob/":    true,
		"https://Agents.Example.com:443/bob": true,
		"https://agents.example.com/Bob":     false,
		"https://agents.example.com:444/bob": false,
		"http://agents.example.com/bob":      false,
		"https://agents.example.com/bob":     false, // no other spelling
		"bob":                                false,
	} {
		if sameURL(text, ours) != same {
			t.Errorf("%s: %v", text, !same)
		}
	}
}
