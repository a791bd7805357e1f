package tallystick_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	tallystick "github.com/tallystick/tallystick/bindings/go"
)

// ids is a store of one's own: all that a program has to write.
type ids struct {
	lock sync.Mutex
	used map[string]bool
}

func (s *ids) Claim(_ context.Context, id string, _ int64) (bool, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.used[id] {
		return false, nil
	}
	if s.used == nil {
		s.used = map[string]bool{}
	}
	s.used[id] = true
	return true, nil
}

// keyPair is made once: a key takes a while.
var keyPair = sync.OnceValues(func() (string, string) {
	private, public, err := tallystick.GenerateKey(2048)
	if err != nil {
		panic(err)
	}
	return private, public
})

var otherKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// journal is a log to look at.
type journal struct {
	lock sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.lock.Lock()
	defer j.lock.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.lock.Lock()
	defer j.lock.Unlock()
	return j.text.String()
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

// verifierOptions is short, for tables.
type verifierOptions = tallystick.VerifierOptions

func newVerifier(t *testing.T, change func(*verifierOptions)) *tallystick.Verifier {
	t.Helper()
	_, public := keyPair()
	options := tallystick.VerifierOptions{
		Keys: map[string]string{"orchestrator": public}, Store: &ids{}, Logger: (&journal{}).logger(),
		DevMode: tallystick.Production,
	}
	if change != nil {
		change(&options)
	}
	verifier, err := tallystick.NewVerifier(options)
	if err != nil {
		t.Fatal(err)
	}
	return verifier
}

func newSigner(t *testing.T) *tallystick.Signer {
	t.Helper()
	private, _ := keyPair()
	signer, err := tallystick.NewSigner("orchestrator", private, tallystick.SignerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// echo answers with the caller and the body.
func echo(w http.ResponseWriter, r *http.Request) {
	caller, ok := tallystick.CallerFrom(r.Context())
	if !ok {
		http.Error(w, "no caller", http.StatusInternalServerError)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = io.WriteString(w, caller.Issuer+": "+string(body))
}

func serve(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// ask sends a request and returns status and body. A nil client is the default one.
func ask(t *testing.T, client *http.Client, method, url, body string, headers http.Header) (int, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range headers {
		r.Header[name] = values
	}
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func signed(t *testing.T, method, url, body string) http.Header {
	t.Helper()
	headers, err := newSigner(t).Sign(context.Background(), method, url, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return headers
}

func writeFile(t *testing.T, folder, name, text string) {
	t.Helper()
	// As the page says: write beside it and rename, so that no half of it is ever read.
	temporary := filepath.Join(folder, ".new")
	if err := os.WriteFile(temporary, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temporary, filepath.Join(folder, name)); err != nil {
		t.Fatal(err)
	}
}
