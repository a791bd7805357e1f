package tallystick_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	tallystick "github.com/tallystick/tallystick/bindings/go"
)

// Strangers at the same time see nothing of each other, nor of callers.
func TestRefusalsHoldNothingOfOthers(t *testing.T) {
	private, _ := keyPair()
	handler := newVerifier(t, nil).Protect(http.HandlerFunc(echo))
	var all sync.WaitGroup
	for n := range 8 {
		issuer := strings.Repeat(string(rune('a'+n)), 400)
		signer, err := tallystick.NewSigner(issuer, private, tallystick.SignerOptions{})
		if err != nil {
			t.Fatal(err)
		}
		headers, err := signer.Sign(t.Context(), "GET", "https://agent.example.com/x", nil)
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			for range 2000 {
				w := httptest.NewRecorder()
				r := httptest.NewRequest("GET", "/x", nil)
				r.Header = headers
				handler.ServeHTTP(w, r)
				if want := `{"error":"Unknown Issuer: ` + issuer + `"`; !strings.HasPrefix(w.Body.String(), want) {
					t.Errorf("%.600s", w.Body)
					return
				}
			}
		})
	}
	all.Wait()
}

// A request line that no router reads as the signed path must not pass for it.
func TestOnlyTheAbsoluteFormIsCut(t *testing.T) {
	private, _ := keyPair()
	for target, want := range map[string]int{
		"/read":                                 http.StatusOK,
		"http://agents.example.com/read":        http.StatusOK,
		"HTTPS://agents.example.com/read":       http.StatusOK,
		"http:/admin/delete/://x/read":          http.StatusUnauthorized,
		"x:y://z/read":                          http.StatusUnauthorized,
		"ftp://agents.example.com/read":         http.StatusUnauthorized,
		"://x/read":                             http.StatusUnauthorized,
		"http:/read":                            http.StatusUnauthorized,
		"*":                                     http.StatusUnauthorized,
		"/admin/http://agents.example.com/read": http.StatusUnauthorized,
	} {
		verifier := newVerifier(t, func(o *verifierOptions) { o.RequireTarget = true })
		signer, err := tallystick.NewSigner("orchestrator", private, tallystick.SignerOptions{})
		if err != nil {
			t.Fatal(err)
		}
		headers, err := signer.Sign(t.Context(), "GET", "https://agents.example.com/read", nil)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.RequestURI, r.Header = target, headers
		w := httptest.NewRecorder()
		verifier.Protect(http.HandlerFunc(echo)).ServeHTTP(w, r)
		if w.Code != want {
			t.Error(target, w.Code, w.Body)
		}
	}
}

// hiding is a transport of which a redirect's answer does not say whose it is.
type hiding struct{ http.RoundTripper }

func (h hiding) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := h.RoundTripper.RoundTrip(r)
	if response != nil {
		response.Request = nil
	}
	return response, err
}

func TestARedirectFromAnUnknownPlaceIsNotBelieved(t *testing.T) {
	alice, _ := newAgent(t, tallystick.SkillOptions{})
	_, b := newAgent(t, tallystick.SkillOptions{}, "read")
	stranger := serve(t, http.RedirectHandler(b.URL+"/chat", http.StatusTemporaryRedirect))
	client := &http.Client{Transport: alice.TransportWith(b.URL, tallystick.TransportOptions{
		Scopes: []string{"read"}, Base: hiding{http.DefaultTransport},
	})}
	if status, text := ask(t, client, "GET", stranger, "", nil); status != http.StatusUnauthorized {
		t.Error(status, text)
	}
	if status, text := ask(t, client, "GET", b.URL+"/chat", "", nil); status != http.StatusOK {
		t.Error(status, text)
	}
	signing := &http.Client{Transport: newSigner(t).Transport(hiding{http.DefaultTransport})}
	response, err := signing.Get(stranger)
	if response != nil {
		response.Body.Close()
	}
	if !errors.Is(err, tallystick.ErrInvalidURL) {
		t.Error(err)
	}
}

type panicking struct{}

func (panicking) Read([]byte) (int, error) { panic(http.ErrAbortHandler) }
func (panicking) Close() error             { return nil }

func TestABodyThatPanicsHoldsNoRoom(t *testing.T) {
	verifier := newVerifier(t, func(o *verifierOptions) { o.MaxBody, o.MaxBuffered = 1<<20, 1<<20 })
	body := strings.Repeat("x", 1<<20)
	send := func(with io.Reader) (status int) {
		defer func() { _ = recover() }()
		r := httptest.NewRequest("POST", "/x", with)
		r.Header, r.ContentLength = signed(t, "POST", "https://a.example.com/x", body), int64(len(body))
		w := httptest.NewRecorder()
		verifier.Protect(http.HandlerFunc(echo)).ServeHTTP(w, r)
		return w.Code
	}
	for range 3 {
		if status := send(panicking{}); status != 0 {
			t.Error(status)
		}
	}
	if status := send(strings.NewReader(body)); status != http.StatusOK {
		t.Error(status)
	}
}

func TestAConfigurationInALogHoldsNoSecret(t *testing.T) {
	key := otherKey()
	text, err := json.Marshal(struct{ Agent tallystick.SkillOptions }{tallystick.SkillOptions{
		Signer: key, Google: &tallystick.GoogleOptions{ClientSecret: "s3cret"},
		Robutler: &tallystick.RobutlerOptions{ClientSecret: "s3cret"},
		Clients:  []tallystick.ClientConfig{{ClientID: "a", SecretHash: "s3cret"}},
	}})
	if err != nil || strings.Contains(string(text), "s3cret") || strings.Contains(string(text), key.D.String()) {
		t.Error(string(text), err)
	}
}

func TestAKeysDirThatIsAFileIsAnErrorAtTheStart(t *testing.T) {
	folder := t.TempDir()
	writeFile(t, folder, "x.pem", newSigner(t).PublicKey())
	for path, want := range map[string]error{folder: nil, folder + "/x.pem": tallystick.ErrInvalidArgument} {
		_, err := tallystick.NewVerifier(verifierOptions{KeysDir: path, Store: &ids{}, Logger: (&journal{}).logger()})
		if !errors.Is(err, want) {
			t.Error(path, err)
		}
	}
}

func TestNothingIsNoPanic(t *testing.T) {
	var caller *tallystick.Caller
	var auth *tallystick.AuthContext
	var into map[string]any
	if caller.ClaimsText() != "{}" || caller.UnmarshalClaims(&into) != nil || auth.UnmarshalClaims(&into) != nil {
		t.Error(caller, auth)
	}
	verifier := newVerifier(t, nil)
	headers := signed(t, "GET", "https://a.example.com/x", "")
	for name, handler := range map[string]http.Handler{
		"nil": nil, "a nil func": http.HandlerFunc(nil), "a nil mux": (*http.ServeMux)(nil),
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/x", nil)
		r.Header = headers
		if verifier.Protect(handler).ServeHTTP(w, r); w.Code != http.StatusInternalServerError {
			t.Error(name, w.Code)
		}
	}
	long := httptest.NewRequest("GET", "/x", nil)
	long.Method = strings.Repeat("M", 1<<16)
	said := &journal{}
	logging := newVerifier(t, func(o *verifierOptions) { o.Logger = said.logger() })
	logging.Protect(http.HandlerFunc(echo)).ServeHTTP(httptest.NewRecorder(), long)
	if len(said.String()) > 2000 {
		t.Error(fmt.Sprint(len(said.String())), "bytes in the log")
	}
	request := tallystick.Request{Authorization: headers["Authorization"], Method: "GET", Path: "/x"}
	var none context.Context // what a program might do
	if _, err := verifier.Verify(none, request); err != nil {
		t.Error(err)
	}
}
