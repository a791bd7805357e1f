package tallystick_test

import (
	"net/http"
	"strings"
	"testing"

	tallystick "github.com/tallystick/tallystick/bindings/go"
)

// What the log says names the options as Go writes them, and what to do.
func TestTheLogNamesWhatToChange(t *testing.T) {
	body := strings.Repeat("x", 100)
	outside := func(limit int64) func(http.Handler) http.Handler {
		return func(h http.Handler) http.Handler { return http.MaxBytesHandler(h, limit) }
	}
	for name, c := range map[string]struct {
		options func(*verifierOptions)
		outside func(http.Handler) http.Handler
		status  int
		says    string
	}{
		"a body over the agent's limit":   {func(o *verifierOptions) { o.MaxBody = 99 }, nil, 413, "over MaxBody (99 bytes)"},
		"one as long as it":               {func(o *verifierOptions) { o.MaxBody = 100 }, nil, 200, ""},
		"a body over a limit outside":     {nil, outside(99), 413, "over the 99 bytes of a MaxBytesHandler"},
		"one as long as that":             {nil, outside(100), 200, ""},
		"no room":                         {func(o *verifierOptions) { o.MaxBody, o.MaxBuffered = 50, 50 }, nil, 413, "MaxBody"},
		"a token that lives for too long": {func(o *verifierOptions) { o.MaxLifetime = 1e9 }, nil, 401, "MaxLifetime is 1 s"},
	} {
		said := &journal{}
		verifier := newVerifier(t, func(o *verifierOptions) {
			if o.Logger = said.logger(); c.options != nil {
				c.options(o)
			}
		})
		handler := verifier.Protect(http.HandlerFunc(echo))
		if c.outside != nil {
			handler = c.outside(handler)
		}
		url := serve(t, handler)
		if status, _ := ask(t, nil, "POST", url, body, signed(t, "POST", url, body)); status != c.status {
			t.Errorf("%s: %d, want %d: %s", name, status, c.status, said)
		}
		if !strings.Contains(said.String(), c.says) || c.says == "" && said.String() != "" {
			t.Errorf("%s: %s", name, said)
		}
	}
}

// A token is used once: the second of two guards finds it used, and says why.
func TestProtectInsideProtectIsSaid(t *testing.T) {
	said := &journal{}
	verifier := newVerifier(t, func(o *verifierOptions) { o.Logger = said.logger() })
	url := serve(t, verifier.Protect(verifier.Protect(http.HandlerFunc(echo))))
	if status, _ := ask(t, nil, "GET", url, "", signed(t, "GET", url, "")); status != http.StatusTooManyRequests {
		t.Error(status)
	}
	if !strings.Contains(said.String(), "Protect stands inside another Protect") {
		t.Error(said)
	}
	once := serve(t, verifier.Protect(http.HandlerFunc(echo)))
	headers := signed(t, "GET", once, "")
	ask(t, nil, "GET", once, "", headers)
	before := len(said.String())
	if status, _ := ask(t, nil, "GET", once, "", headers); status != http.StatusTooManyRequests {
		t.Error(status)
	}
	if strings.Contains(said.String()[before:], "inside another") {
		t.Error(said)
	}
}

// A policy that says who the agent is names the member that did.
func TestReloadNamesTheMemberThatChanged(t *testing.T) {
	for member, configs := range map[string][2]string{
		"base_url, agent_id, client_id: changes": {`{"agent_id":"alice"}`, `{"agent_id":"bob"}`},
		": base_url: changes":                    {`{"base_url":"https://a.example/x"}`, `{"base_url":"https://b.example/x"}`},
	} {
		s, err := tallystick.NewSkill(tallystick.SkillOptions{
			Config: configs[0], KeysDir: t.TempDir() + "/keys", Store: &ids{}, Logger: (&journal{}).logger(),
		})
		if err != nil {
			t.Fatal(err)
		}
		mustBe(t, s.Reload(configs[1]), tallystick.ErrInvalidConfig, member)
		if err := s.Reload(configs[0]); err != nil {
			t.Error(err)
		}
		s.Close()
	}
}
