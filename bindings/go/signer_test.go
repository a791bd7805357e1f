package tallystick_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	tallystick "github.com/tallystick/tallystick/bindings/go"
)

// service is a key that is not in this process, such as a KMS.
type service struct {
	crypto.Signer
	change func(signature []byte) ([]byte, error)
}

func (s service) Sign(random io.Reader, digest []byte, options crypto.SignerOpts) ([]byte, error) {
	signature, err := s.Signer.Sign(random, digest, options)
	if err != nil || s.change == nil {
		return signature, err
	}
	return s.change(signature)
}

func publicPEM(t *testing.T, key *rsa.PrivateKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestEveryFormOfAKeySigns(t *testing.T) {
	private, _ := keyPair()
	key := otherKey()
	for name, c := range map[string]struct {
		key    any
		public string
	}{
		"text":      {private, newSigner(t).PublicKey()},
		"bytes":     {[]byte(private), newSigner(t).PublicKey()},
		"rsa":       {key, publicPEM(t, key)},
		"a service": {service{Signer: key}, publicPEM(t, key)},
	} {
		t.Run(name, func(t *testing.T) {
			signer, err := tallystick.NewSigner("orchestrator", c.key, tallystick.SignerOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if signer.PublicKey() != c.public {
				t.Error(signer.PublicKey())
			}
			keys := map[string]string{"orchestrator": c.public}
			verifier := newVerifier(t, func(o *verifierOptions) { o.Keys = keys })
			headers, err := signer.Sign(context.Background(), "GET", "https://a.example.com/x", nil)
			if err != nil {
				t.Fatal(err)
			}
			r := tallystick.Request{Authorization: headers["Authorization"], Method: "GET", Path: "/x"}
			if _, err := verifier.Verify(context.Background(), r); err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{fmt.Sprint(signer), fmt.Sprintf("%+v", signer), fmt.Sprintf("%#v", signer)} {
				if text != fmt.Sprintf("Signer(issuer %q, key %s)", "orchestrator", signer.KeyID()) {
					t.Error(text)
				}
			}
		})
	}
}

func TestWhatIsNoKey(t *testing.T) {
	_, public := keyPair()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	half := tallystick.SignerOptions{TTL: 500 * time.Millisecond}
	long := tallystick.SignerOptions{SignerTimeout: time.Minute}
	for name, c := range map[string]struct {
		issuer  string
		key     any
		options tallystick.SignerOptions
		is      error
	}{
		"nothing":        {"a", nil, tallystick.SignerOptions{}, tallystick.ErrInvalidArgument},
		"a number":       {"a", 7, tallystick.SignerOptions{}, tallystick.ErrInvalidArgument},
		"a nil key":      {"a", (*rsa.PrivateKey)(nil), tallystick.SignerOptions{}, tallystick.ErrInvalidArgument},
		"no PEM":         {"a", "secret", tallystick.SignerOptions{}, tallystick.ErrInvalidKey},
		"a public key":   {"a", public, tallystick.SignerOptions{}, tallystick.ErrInvalidKey},
		"a small key":    {"a", small, tallystick.SignerOptions{}, tallystick.ErrInvalidKey},
		"another curve":  {"a", curve, tallystick.SignerOptions{}, tallystick.ErrInvalidKey},
		"no issuer":      {"", otherKey(), tallystick.SignerOptions{}, tallystick.ErrInvalidArgument},
		"a long life":    {"a", otherKey(), tallystick.SignerOptions{TTL: 25 * time.Hour}, tallystick.ErrInvalidArgument},
		"half a second":  {"a", otherKey(), half, tallystick.ErrInvalidArgument},
		"a long timeout": {"a", otherKey(), long, tallystick.ErrInvalidArgument},
		"a size below 0": {"a", otherKey(), tallystick.SignerOptions{MaxBody: -1}, tallystick.ErrInvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			signer, err := tallystick.NewSigner(c.issuer, c.key, c.options)
			if signer != nil || !errors.Is(err, c.is) {
				t.Fatal(signer, err)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Error("the text of the key is in the error:", err)
			}
		})
	}
}

func TestAServiceThatFails(t *testing.T) {
	down := errors.New("the service is down")
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	for name, change := range map[string]func([]byte) ([]byte, error){
		"an error":          func([]byte) ([]byte, error) { return nil, down },
		"a wrong signature": func(s []byte) ([]byte, error) { s[3] ^= 1; return s, nil },
		"a short one":       func(s []byte) ([]byte, error) { return s[1:], nil },
		"a panic":           func([]byte) ([]byte, error) { panic("oh") },
		"no answer":         func([]byte) ([]byte, error) { <-hang; return nil, down },
	} {
		t.Run(name, func(t *testing.T) {
			options := tallystick.SignerOptions{SignerTimeout: 100 * time.Millisecond}
			signer, err := tallystick.NewSigner("a", service{otherKey(), change}, options)
			if err != nil {
				t.Fatal(err)
			}
			_, err = signer.Sign(context.Background(), "GET", "https://a.example.com/", nil)
			if !errors.Is(err, tallystick.ErrSignerFailed) {
				t.Fatal(err)
			}
			if name == "an error" && !errors.Is(err, down) {
				t.Error("the cause is not to be found")
			}
		})
	}
}

func TestWhatCannotBeSigned(t *testing.T) {
	private, _ := keyPair()
	signer, err := tallystick.NewSigner("a", private, tallystick.SignerOptions{MaxBody: 10})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		url, body string
		is        error
	}{
		"it can":       {"https://a.example.com/", "0123456789", nil},
		"a large body": {"https://a.example.com/", "01234567890", tallystick.ErrBodyTooLarge},
		"a path":       {"/agent", "", tallystick.ErrInvalidURL},
		"a scheme":     {"ftp://a.example.com/", "", tallystick.ErrInvalidURL},
	} {
		t.Run(name, func(t *testing.T) {
			headers, err := signer.Sign(context.Background(), "POST", c.url, []byte(c.body))
			if !errors.Is(err, c.is) || (headers == nil) != (c.is != nil) {
				t.Fatal(headers, err)
			}
		})
	}
}

// stream is a body that can be read once.
type stream struct{ io.Reader }

func TestTheTransportSignsWhatIsSent(t *testing.T) {
	protected := newVerifier(t, nil).Protect(http.HandlerFunc(echo))
	mux := http.NewServeMux()
	mux.Handle("/agent", protected)
	mux.Handle("/moved", http.RedirectHandler("/agent?a=1", http.StatusTemporaryRedirect))
	url := serve(t, mux)
	client := &http.Client{Transport: newSigner(t).Transport(nil)}
	for name, c := range map[string]struct {
		method, path string
		body         io.Reader
		want         string
	}{
		"a get":      {"GET", "/agent", nil, "orchestrator: "},
		"a query":    {"GET", "/agent?q=1&r=%2F", nil, "orchestrator: "},
		"a post":     {"POST", "/agent", strings.NewReader("hello"), "orchestrator: hello"},
		"no body":    {"POST", "/agent", nil, "orchestrator: "},
		"a stream":   {"POST", "/agent", stream{strings.NewReader("hello")}, "orchestrator: hello"},
		"a redirect": {"POST", "/moved", strings.NewReader("hello"), "orchestrator: hello"},
		"a head":     {"HEAD", "/agent", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := http.NewRequest(c.method, url+c.path, c.body)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second over a connection that was kept
				if r.GetBody != nil {
					if r.Body, err = r.GetBody(); err != nil {
						t.Fatal(err)
					}
				} else if c.body != nil {
					r.Body = io.NopCloser(stream{strings.NewReader("hello")})
				}
				response, err := client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				text, _ := io.ReadAll(response.Body)
				response.Body.Close()
				if response.StatusCode != 200 || string(text) != c.want {
					t.Fatal(response.StatusCode, string(text))
				}
				if r.Header.Get("Authorization") != "" {
					t.Fatal("the request that was given has changed")
				}
			}
		})
	}
}

func TestTheTransportLeavesOtherAuthorizationAlone(t *testing.T) {
	client := &http.Client{Transport: newSigner(t).Transport(nil)}
	r, err := http.NewRequest("GET", "http://127.0.0.1:1/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("a", "b")
	if _, err := client.Do(r); !errors.Is(err, tallystick.ErrInvalidArgument) {
		t.Fatal(err)
	}
}

// A server that closes a kept connection as the next request comes, having read it: net/http
// alone would send the same token again.
func TestEachTryIsSignedAnew(t *testing.T) {
	verifier := newVerifier(t, nil)
	var seen atomic.Int64
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if seen.Add(1) == 2 {
			if _, _, err := verifier.VerifyHTTP(r); err != nil {
				t.Error(err)
			}
			connection, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			connection.Close()
			return
		}
		verifier.Protect(http.HandlerFunc(echo)).ServeHTTP(w, r)
	})}
	go server.Serve(listener) //nolint // it ends with the test
	t.Cleanup(func() { server.Close() })
	url := "http://" + listener.Addr().String() + "/"
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	client := &http.Client{Transport: newSigner(t).Transport(base)}
	for range 2 {
		status, text := ask(t, client, "GET", url, "", nil)
		if status != 200 || text != "orchestrator: " {
			t.Fatal(status, text)
		}
	}
	if seen.Load() != 3 {
		t.Error(seen.Load())
	}
	// What may not be done twice is not sent twice.
	seen.Store(1)
	r, err := http.NewRequest("POST", url, bytes.NewReader([]byte("x")))
	if err != nil {
		t.Fatal(err)
	}
	if response, err := client.Do(r); err == nil {
		response.Body.Close()
		t.Error("a POST was sent again")
	}
	if seen.Load() != 2 {
		t.Error(seen.Load())
	}
}

func TestSend(t *testing.T) {
	verifier := newVerifier(t, nil)
	mux := http.NewServeMux()
	mux.Handle("/agent", verifier.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, `{"got":`+string(body)+`,"agent_url":"elsewhere"}`)
	})))
	mux.HandleFunc("/down/agent", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) })
	mux.Handle("/moved/agent", http.RedirectHandler("/agent", http.StatusTemporaryRedirect))
	mux.HandleFunc("/text/agent", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	url := serve(t, mux)
	for path, want := range map[string]string{
		"":       "map[agent_url:" + url + " got:map[task:x]]",
		"/down":  "map[agent_url:" + url + "/down error:Status 502]",
		"/moved": "map[agent_url:" + url + "/moved error:Status 307]",
		"/text":  "map[agent_url:" + url + "/text error:The agent's answer is not a JSON object]",
	} {
		answer, err := newSigner(t).Send(context.Background(), nil, url+path, map[string]string{"task": "x"})
		if err != nil || fmt.Sprint(answer) != want {
			t.Error(answer, err)
		}
	}
	answer, err := newSigner(t).Send(context.Background(), nil, "http://127.0.0.1:1", 1)
	if err != nil || answer["error"] == "" || answer["agent_url"] != "http://127.0.0.1:1" {
		t.Error(answer, err)
	}
	stranger, err := tallystick.NewSigner("stranger", otherKey(), tallystick.SignerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := stranger.Send(context.Background(), nil, url, 1); err != nil || answer["error"] != "Auth Failed" {
		t.Error(answer, err)
	}
	if _, err := stranger.Send(context.Background(), nil, url+"?a", 1); !errors.Is(err, tallystick.ErrInvalidURL) {
		t.Error(err)
	}
	if _, err := stranger.Send(context.Background(), nil, url, func() {}); !errors.Is(err, tallystick.ErrInvalidArgument) {
		t.Error(err)
	}
}
