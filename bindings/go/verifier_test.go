package tallystick_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	tallystick "github.com/tallystick/tallystick/bindings/go"
)

func TestASignedRequestPassesOnce(t *testing.T) {
	url := serve(t, newVerifier(t, nil).Protect(http.HandlerFunc(echo))) + "/agent"
	headers := signed(t, "POST", url, "hello")
	if status, text := ask(t, nil, "POST", url, "hello", headers); status != 200 || text != "orchestrator: hello" {
		t.Fatal(status, text)
	}
	status, text := ask(t, nil, "POST", url, "hello", headers)
	if status != 429 || !strings.Contains(text, `"error":"Replay Detected","code":"replay_detected"`) {
		t.Fatal(status, text)
	}
}

// Each differs in one thing from a request that passes.
func TestWhatIsRefused(t *testing.T) {
	with := func(change func(before string) string) func(http.Header) {
		return func(h http.Header) { h.Set("Authorization", change(h.Get("Authorization"))) }
	}
	without := func(h http.Header) { h.Del("Authorization") }
	twice := func(h http.Header) { h.Add("Authorization", h.Get("Authorization")) }
	basic := with(func(string) string { return "Basic eDp5" })
	longer := with(func(before string) string { return before + " x" })
	for name, c := range map[string]struct {
		method, path, body string // of the request; it was signed for POST /agent?a=1 with hello
		change             func(http.Header)
		status             int
		code               string
	}{
		"nothing differs":      {"POST", "/agent?a=1", "hello", nil, 200, ""},
		"another method":       {"PUT", "/agent?a=1", "hello", nil, 401, "wrong_target"},
		"another path":         {"POST", "/other?a=1", "hello", nil, 401, "wrong_target"},
		"another spelling":     {"POST", "/%61gent?a=1", "hello", nil, 200, ""},
		"an encoded slash":     {"POST", "/agent%2F?a=1", "hello", nil, 401, "wrong_target"},
		"another query":        {"POST", "/agent?a=2", "hello", nil, 401, "wrong_target"},
		"no query":             {"POST", "/agent", "hello", nil, 401, "wrong_target"},
		"another body":         {"POST", "/agent?a=1", "hellO", nil, 401, "body_tampered"},
		"no body":              {"POST", "/agent?a=1", "", nil, 401, "body_tampered"},
		"a larger body":        {"POST", "/agent?a=1", strings.Repeat("x", 2000), nil, 413, "body_too_large"},
		"no header":            {"POST", "/agent?a=1", "hello", without, 401, "missing_authorization"},
		"two headers":          {"POST", "/agent?a=1", "hello", twice, 400, "ambiguous_authorization"},
		"another scheme":       {"POST", "/agent?a=1", "hello", basic, 401, "missing_authorization"},
		"a changed signature":  {"POST", "/agent?a=1", "hello", with(changed), 401, "invalid_signature"},
		"white space after it": {"POST", "/agent?a=1", "hello", longer, 400, "ambiguous_authorization"},
	} {
		t.Run(name, func(t *testing.T) {
			limit := func(o *verifierOptions) { o.MaxBody = 1000 }
			root := serve(t, newVerifier(t, limit).Protect(http.HandlerFunc(echo)))
			headers := signed(t, "POST", root+"/agent?a=1", "hello")
			if c.change != nil {
				c.change(headers)
			}
			status, text := ask(t, nil, c.method, root+c.path, c.body, headers)
			if status != c.status || !strings.Contains(text, c.code) {
				t.Fatal(status, text)
			}
		})
	}
}

// changed turns one bit of the signature.
func changed(authorization string) string {
	at := strings.LastIndexByte(authorization, '.') + 10
	letter := byte('A')
	if authorization[at] == letter {
		letter = 'B'
	}
	return authorization[:at] + string(letter) + authorization[at+1:]
}

func TestTheAnswerIsTheCores(t *testing.T) {
	url := serve(t, newVerifier(t, func(o *verifierOptions) { o.Realm = "agents" }).Protect(http.HandlerFunc(echo)))
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if got := response.Header.Get("WWW-Authenticate"); got != `Bearer realm="agents"` {
		t.Error(got)
	}
	if response.Header.Get("Cache-Control") != "no-store" || response.Header.Get("Content-Type") != "application/json" {
		t.Error(response.Header)
	}
}

func TestARefusedRequestBurnsNothing(t *testing.T) {
	url := serve(t, newVerifier(t, nil).Protect(http.HandlerFunc(echo)))
	headers := signed(t, "POST", url, "hello")
	if status, text := ask(t, nil, "POST", url, "other", headers); status != 401 {
		t.Fatal(status, text)
	}
	if status, text := ask(t, nil, "POST", url, "hello", headers); status != 200 {
		t.Fatal(status, text)
	}
}

func TestOneOfManyPasses(t *testing.T) {
	url := serve(t, newVerifier(t, nil).Protect(http.HandlerFunc(echo)))
	for range 10 {
		headers := signed(t, "POST", url, "hello")
		var passed, replayed atomic.Int64
		var all sync.WaitGroup
		for range 32 {
			all.Go(func() {
				switch status, _ := ask(t, nil, "POST", url, "hello", headers); status {
				case 200:
					passed.Add(1)
				case 429:
					replayed.Add(1)
				}
			})
		}
		all.Wait()
		if passed.Load() != 1 || replayed.Load() != 31 {
			t.Fatal(passed.Load(), replayed.Load())
		}
	}
}

func TestTheHandlerIsToldWhoCalls(t *testing.T) {
	verifier := newVerifier(t, nil)
	headers := signed(t, "GET", "http://agent.example.com/a", "")
	caller, err := verifier.Verify(context.Background(), tallystick.Request{
		Authorization: headers["Authorization"], Method: "GET", Path: "/a",
	})
	if err != nil {
		t.Fatal(err)
	}
	if caller.Issuer != "orchestrator" || caller.KeyID != newSigner(t).KeyID() {
		t.Errorf("%+v", caller)
	}
	if len(caller.JTI) != 32 || caller.Development {
		t.Errorf("%+v", caller)
	}
	if life := caller.ExpiresAt.Sub(caller.IssuedAt); life != time.Minute {
		t.Error(life)
	}
	if claims := caller.Claims(); claims["htm"] != "GET" || claims["htu"] != "http://agent.example.com/a" {
		t.Error(claims)
	}
	var some struct{ Iss string }
	if err := caller.UnmarshalClaims(&some); err != nil || some.Iss != "orchestrator" {
		t.Error(some, err)
	}
}

func TestErrorsAreCompared(t *testing.T) {
	verifier := newVerifier(t, nil)
	_, err := verifier.Verify(context.Background(), tallystick.Request{Method: "GET", Path: "/"})
	if !errors.Is(err, tallystick.ErrMissingAuthorization) || errors.Is(err, tallystick.ErrTokenExpired) {
		t.Fatal(err)
	}
	var e *tallystick.Error
	if !errors.As(err, &e) || e.Code != "missing_authorization" || e.Response.Status != 401 || e.Log == "" {
		t.Fatalf("%+v", e)
	}
	if errors.Is(err, io.EOF) || (*tallystick.Error)(nil) == e {
		t.Error("an error is what it is not")
	}
}

func TestWrongOptionsAreErrorsAtTheStart(t *testing.T) {
	_, public := keyPair()
	argument := tallystick.ErrInvalidArgument
	good := func() tallystick.VerifierOptions {
		return tallystick.VerifierOptions{
			Keys: map[string]string{"a": public}, Store: &ids{}, DevMode: tallystick.Production, Logger: (&journal{}).logger(),
		}
	}
	if _, err := tallystick.NewVerifier(good()); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*verifierOptions)
		is     error
		says   string
	}{
		"no store":           {func(o *verifierOptions) { o.Store = nil }, argument, "stores/sqlite"},
		"no keys":            {func(o *verifierOptions) { o.Keys = nil }, argument, "KeysDir"},
		"two sources":        {func(o *verifierOptions) { o.KeysDir = "x" }, argument, "not both"},
		"a wrong key":        {func(o *verifierOptions) { o.Keys["a"] = "x" }, tallystick.ErrInvalidKey, `"a"`},
		"a private key":      {func(o *verifierOptions) { o.Keys["a"], _ = keyPair() }, tallystick.ErrInvalidKey, "private key"},
		"a wrong URL":        {func(o *verifierOptions) { o.BaseURL = "agent" }, argument, "BaseURL: "},
		"too much leeway":    {func(o *verifierOptions) { o.Leeway = 301 * time.Second }, argument, "Leeway must"},
		"negative leeway":    {func(o *verifierOptions) { o.Leeway = -1 }, argument, "Leeway must"},
		"too much skew":      {func(o *verifierOptions) { o.ClockSkew = time.Hour }, argument, "ClockSkew must"},
		"a long life":        {func(o *verifierOptions) { o.MaxLifetime = 25 * time.Hour }, argument, "MaxLifetime must"},
		"a negative life":    {func(o *verifierOptions) { o.MaxLifetime = -1 }, argument, "MaxLifetime must"},
		"a large body":       {func(o *verifierOptions) { o.MaxBody = 1 << 40 }, argument, "MaxBody must"},
		"little room":        {func(o *verifierOptions) { o.MaxBuffered = 1 }, argument, "MaxBuffered must"},
		"negative room":      {func(o *verifierOptions) { o.MaxBuffered = -1 }, argument, "MaxBuffered"},
		"a quote":            {func(o *verifierOptions) { o.Realm = `"` }, argument, "Realm must"},
		"no mode":            {func(o *verifierOptions) { o.DevMode = 7 }, argument, "DevMode"},
		"a store that fails": {func(o *verifierOptions) { o.Store = downStore{} }, tallystick.ErrReplayStoreUnavailable, "store down: no"},
	} {
		t.Run(name, func(t *testing.T) {
			options := good()
			c.change(&options)
			verifier, err := tallystick.NewVerifier(options)
			if verifier != nil || !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Fatal(verifier, err)
			}
		})
	}
}

// downStore can be neither used nor reached.
type downStore struct{}

func (downStore) Check(context.Context) error { return errors.New("store down: no") }

func (downStore) Claim(context.Context, string, int64) (bool, error) { return false, errors.New("no") }

func TestWhatWasNotMadeRefuses(t *testing.T) {
	closed := newVerifier(t, nil)
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for name, handler := range map[string]http.Handler{
		"a zero verifier": new(tallystick.Verifier).Protect(http.HandlerFunc(echo)),
		"none":            (*tallystick.Verifier)(nil).Protect(http.HandlerFunc(echo)),
		"a closed one":    closed.Protect(http.HandlerFunc(echo)),
		"no handler":      newVerifier(t, nil).Protect(nil),
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, handler)
			if status, text := ask(t, nil, "GET", url, "", signed(t, "GET", url, "")); status != 500 {
				t.Fatal(status, text)
			}
		})
	}
	_ = fmt.Sprint(new(tallystick.Verifier), (*tallystick.Verifier)(nil))
	_ = fmt.Sprint(new(tallystick.Signer), (*tallystick.Signer)(nil))
	if _, err := new(tallystick.Signer).Sign(context.Background(), "GET", "http://a.example.com/", nil); err == nil {
		t.Error("a zero signer signed")
	}
	if _, _, err := newVerifier(t, nil).VerifyHTTP(nil); err == nil {
		t.Error("no request passed")
	}
}

// hanging answers when the test says so.
type hanging struct {
	ids
	until chan struct{}
}

func (h *hanging) Claim(ctx context.Context, id string, seconds int64) (bool, error) {
	<-h.until
	return h.ids.Claim(ctx, id, seconds)
}

// raising is a program's mistake.
type raising struct{}

func (raising) Claim(context.Context, string, int64) (bool, error) { panic("oh") }

func TestAStoreThatDoesNotAnswerIs503(t *testing.T) {
	until := make(chan struct{})
	t.Cleanup(func() { close(until) })
	for name, c := range map[string]struct {
		store tallystick.Store
		says  string
	}{
		"hangs":          {&hanging{until: until}, "did not answer within 2s"},
		"panics":         {raising{}, "panicked: oh"},
		"panics in time": {timedPanic{}, "panicked: oh"},
		"fails":          {struct{ tallystick.Store }{failing{}}, "the disk"},
	} {
		t.Run(name, func(t *testing.T) {
			said := &journal{}
			verifier := newVerifier(t, func(o *verifierOptions) { o.Store, o.Logger = c.store, said.logger() })
			url := serve(t, verifier.Protect(http.HandlerFunc(echo)))
			if status, text := ask(t, nil, "GET", url, "", signed(t, "GET", url, "")); status != 503 {
				t.Fatal(status, text)
			}
			if !strings.Contains(said.String(), c.says) {
				t.Error(said)
			}
		})
	}
}

type failing struct{}

type timedPanic struct{ raising }

func (timedPanic) Timeout() time.Duration { return time.Second }

func (failing) Claim(context.Context, string, int64) (bool, error) {
	return false, errors.New("the disk")
}

// losing says of itself that it forgot.
type losing struct {
	ids
	at atomic.Pointer[time.Time]
}

func (l *losing) LostAt() time.Time {
	if at := l.at.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

func TestAfterALossOldTokensAreRefused(t *testing.T) {
	store := &losing{}
	verifier := newVerifier(t, func(o *verifierOptions) { o.Store, o.ClockSkew = store, -1 })
	url := serve(t, verifier.Protect(http.HandlerFunc(echo)))
	if status, text := ask(t, nil, "GET", url, "", signed(t, "GET", url, "")); status != 200 {
		t.Fatal(status, text)
	}
	now := time.Now()
	store.at.Store(&now)
	for range 2 {
		status, text := ask(t, nil, "GET", url, "", signed(t, "GET", url, ""))
		if status != 503 || !strings.Contains(text, "replay_store_unavailable") {
			t.Fatal(status, text)
		}
	}
	long := now.Add(-time.Hour)
	store.at.Store(&long)
	fresh := newVerifier(t, func(o *verifierOptions) { o.Store, o.ClockSkew = store, -1 })
	url = serve(t, fresh.Protect(http.HandlerFunc(echo)))
	if status, text := ask(t, nil, "GET", url, "", signed(t, "GET", url, "")); status != 200 {
		t.Fatal(status, text)
	}
}

func TestDevelopment(t *testing.T) {
	t.Setenv("APP_ENV", "development")
	said := &journal{}
	verifier := newVerifier(t, func(o *verifierOptions) {
		o.DevMode, o.Store, o.Logger = tallystick.DevModeByEnvironment, nil, said.logger()
	})
	if !verifier.DevMode() || strings.Count(said.String(), "development mode") != 1 {
		t.Error(said)
	}
	url := serve(t, verifier.Protect(http.HandlerFunc(echo)))
	if status, text := ask(t, nil, "DELETE", url+"/agents/a%20b?secret=1", "", nil); status != 401 {
		t.Error(status, text)
	}
	if log := said.String(); !strings.Contains(log, "method=DELETE path=/agents/a%20b\n") || strings.Contains(log, "secret") {
		t.Error(log)
	}
	headers := signed(t, "POST", url, "hello")
	for _, body := range []string{"hello", "hello", "other"} {
		if status, text := ask(t, nil, "POST", url, body, headers); status != 200 || text != "orchestrator: "+body {
			t.Fatal(status, text)
		}
	}
	headers.Set("Authorization", changed(headers.Get("Authorization")))
	if status, _ := ask(t, nil, "POST", url, "hello", headers); status != 401 {
		t.Fatal(status)
	}
	if production := newVerifier(t, nil); production.DevMode() {
		t.Error("Production did not hold")
	}
}

func TestOnErrorAnswers(t *testing.T) {
	verifier := newVerifier(t, func(o *verifierOptions) {
		o.OnError = func(w http.ResponseWriter, _ *http.Request, e *tallystick.Error) {
			http.Error(w, "no: "+string(e.Code), e.Response.Status)
		}
	})
	url := serve(t, verifier.Protect(http.HandlerFunc(echo)))
	if status, text := ask(t, nil, "GET", url, "", nil); status != 401 || text != "no: missing_authorization\n" {
		t.Fatal(status, text)
	}
}

func TestBodiesShareTheirRoom(t *testing.T) {
	held, release := make(chan struct{}), make(chan struct{})
	verifier := newVerifier(t, func(o *verifierOptions) { o.MaxBody, o.MaxBuffered = 1000, 1500 })
	url := serve(t, verifier.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/held" {
			close(held)
			<-release
		}
		echo(w, r)
	})))
	body := strings.Repeat("x", 1000)
	var first sync.WaitGroup
	first.Go(func() {
		if status, _ := ask(t, nil, "POST", url+"/held", body, signed(t, "POST", url+"/held", body)); status != 200 {
			t.Error(status)
		}
	})
	<-held
	status, text := ask(t, nil, "POST", url+"/", body, signed(t, "POST", url+"/", body))
	if status != 503 || !strings.Contains(text, "overloaded") {
		t.Error(status, text)
	}
	if status, text := ask(t, nil, "POST", url+"/", "small", signed(t, "POST", url+"/", "small")); status != 200 {
		t.Error(status, text)
	}
	close(release)
	first.Wait()
	if status, text := ask(t, nil, "POST", url+"/", body, signed(t, "POST", url+"/", body)); status != 200 {
		t.Error(status, text)
	}
}

func TestABodyThatSomebodyReadIsSaid(t *testing.T) {
	said := &journal{}
	verifier := newVerifier(t, func(o *verifierOptions) { o.Logger = said.logger() })
	protected := verifier.Protect(http.HandlerFunc(echo))
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		protected.ServeHTTP(w, r)
	}))
	if status, _ := ask(t, nil, "POST", url, "hello", signed(t, "POST", url, "hello")); status != 500 {
		t.Error(status)
	}
	if !strings.Contains(said.String(), "verify first") {
		t.Error(said)
	}
}

// The bytes are those of the request line, whatever a router made of them.
func TestThePathIsTheRequestLines(t *testing.T) {
	verifier := newVerifier(t, nil)
	mux := http.NewServeMux()
	mux.Handle("/api/", http.StripPrefix("/api", verifier.Protect(http.HandlerFunc(echo))))
	url := serve(t, mux) + "/api/a%2Fb/ü;x=1"
	encoded := strings.ReplaceAll(url, "ü", "%C3%BC")
	if status, text := ask(t, nil, "GET", encoded, "", signed(t, "GET", encoded, "")); status != 200 {
		t.Fatal(status, text)
	}
}

func TestBaseURL(t *testing.T) {
	verifier := newVerifier(t, func(o *verifierOptions) { o.BaseURL = "https://agents.example.com/one" })
	url := serve(t, verifier.Protect(http.HandlerFunc(echo)))
	for target, want := range map[string]int{
		"https://agents.example.com/one/task":  200,
		"https://agents.example.com/two/task":  401,
		"https://other.example.com/one/task":   401,
		"http://agents.example.com/one/task":   401,
		"https://agents.example.com/one/task/": 401,
	} {
		if status, text := ask(t, nil, "GET", url+"/task", "", signed(t, "GET", target, "")); status != want {
			t.Error(target, status, text)
		}
	}
}

type zeroStore struct{ used *ids }

func (z *zeroStore) Check(context.Context) error { z.used.lock.Lock(); return nil }

func (z *zeroStore) Claim(ctx context.Context, id string, seconds int64) (bool, error) {
	return z.used.Claim(ctx, id, seconds)
}

func TestAStoreThatWasNotMadeIsAnErrorAtTheStart(t *testing.T) {
	_, public := keyPair()
	for name, store := range map[string]tallystick.Store{"nil": (*ids)(nil), "zero": &zeroStore{}} {
		verifier, err := tallystick.NewVerifier(tallystick.VerifierOptions{
			Keys: map[string]string{"a": public}, Store: store, DevMode: tallystick.Production, Logger: (&journal{}).logger(),
		})
		if verifier != nil || err == nil {
			t.Error(name, verifier, err)
		}
	}
}

// What is refused gives its room back, whoever forgets to.
func TestARefusedBodyHoldsNoRoom(t *testing.T) {
	verifier := newVerifier(t, func(o *verifierOptions) { o.MaxBody, o.MaxBuffered = 1000, 2000 })
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, held, err := verifier.VerifyHTTP(r); err == nil {
			held.Release()
			return
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	body := strings.Repeat("x", 1000)
	for range 10 {
		other := strings.Repeat("y", 1000)
		if status, _ := ask(t, nil, "POST", url, other, signed(t, "POST", url, body)); status != http.StatusTeapot {
			t.Fatal(status)
		}
	}
	if status, _ := ask(t, nil, "POST", url, body, signed(t, "POST", url, body)); status != 200 {
		t.Fatal(status)
	}
}

func TestAFormThatWasReadBeforeIsUnavailable(t *testing.T) {
	protected := newVerifier(t, nil).Protect(http.HandlerFunc(echo))
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.FormValue("amount")
		protected.ServeHTTP(w, r)
	}))
	headers := signed(t, "POST", url, "")
	headers.Set("Content-Type", "application/x-www-form-urlencoded")
	r, err := http.NewRequest("POST", url, stream{strings.NewReader("amount=1000")})
	if err != nil {
		t.Fatal(err)
	}
	r.Header = headers
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != 500 {
		t.Error(response.StatusCode)
	}
}

// A body that comes too slowly ends by the server's own limit, which ours does not put off.
func TestTheServersOwnLimitHolds(t *testing.T) {
	server := httptest.NewUnstartedServer(newVerifier(t, nil).Protect(http.HandlerFunc(echo)))
	server.Config.ReadTimeout = 300 * time.Millisecond
	server.Start()
	t.Cleanup(server.Close)
	connection, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	fmt.Fprintf(connection, "POST /agent HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nAuthorization: %s\r\n\r\nhel",
		signed(t, "POST", server.URL+"/agent", "hello").Get("Authorization"))
	answer, err := io.ReadAll(connection)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400") {
		t.Error(string(answer), err)
	}
}
