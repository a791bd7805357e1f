package tallystick_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/core/jose"
)

const benchBody = 1024

func benchKeys(b *testing.B) (*rsa.PrivateKey, *tallystick.Signer, tallystick.VerifierOptions) {
	b.Helper()
	key := otherKey()
	signer, err := tallystick.NewSigner("orchestrator", key, tallystick.SignerOptions{})
	if err != nil {
		b.Fatal(err)
	}
	return key, signer, tallystick.VerifierOptions{
		Keys: map[string]string{"orchestrator": signer.PublicKey()}, Store: &timed{},
		DevMode: tallystick.Production, Logger: slog.New(slog.DiscardHandler),
	}
}

// timed is a store in memory that never waits.
type timed struct{ ids }

func (*timed) Timeout() time.Duration { return time.Second }

func benchTokens(b *testing.B, signer *tallystick.Signer, url, body string) []string {
	b.Helper()
	tokens := make([]string, b.N)
	for i := range tokens {
		headers, err := signer.Sign(context.Background(), "POST", url, []byte(body))
		if err != nil {
			b.Fatal(err)
		}
		tokens[i] = headers.Get("Authorization")
	}
	return tokens
}

// BenchmarkParse is golang-jwt's own: signature and times, none of the other checks.
func BenchmarkParse(b *testing.B) {
	key, signer, _ := benchKeys(b)
	tokens := benchTokens(b, signer, "https://a.example.com/agent", "")
	b.ResetTimer()
	for _, token := range tokens {
		_, err := jwt.Parse(strings.TrimPrefix(token, "Bearer "), func(*jwt.Token) (any, error) { return key.Public(), nil },
			jwt.WithValidMethods([]string{"RS256"}))
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSignature is the arithmetic of the signature alone, which no verifier can leave out.
func BenchmarkSignature(b *testing.B) {
	_, signer, _ := benchKeys(b)
	key, err := jose.OnePublic([]byte(signer.PublicKey()))
	if err != nil {
		b.Fatal(err)
	}
	headers, err := signer.Sign(context.Background(), "POST", "https://a.example.com/agent", nil)
	if err != nil {
		b.Fatal(err)
	}
	token, p := jose.Parse(strings.TrimPrefix(headers.Get("Authorization"), "Bearer "))
	if p != nil {
		b.Fatal(p)
	}
	for b.Loop() {
		if !key.Public.Verify(token.SigningInput, token.Signature) {
			b.Fatal("refused")
		}
	}
}

// BenchmarkVerify is all checks, body and claim in a store included.
func BenchmarkVerify(b *testing.B) {
	_, signer, options := benchKeys(b)
	verifier, err := tallystick.NewVerifier(options)
	if err != nil {
		b.Fatal(err)
	}
	body := strings.Repeat("x", benchBody)
	tokens := benchTokens(b, signer, "https://a.example.com/agent", body)
	b.ReportAllocs()
	b.ResetTimer()
	for _, token := range tokens {
		r := tallystick.Request{Authorization: []string{token}, Method: "POST", Path: "/agent", Body: []byte(body)}
		if _, err := verifier.Verify(context.Background(), r); err != nil {
			b.Fatal(err)
		}
	}
}

type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n nowhere) WriteHeader(int)             {}

// BenchmarkProtect is what a handler takes longer, with its body read and put back.
func BenchmarkProtect(b *testing.B) {
	_, signer, options := benchKeys(b)
	verifier, err := tallystick.NewVerifier(options)
	if err != nil {
		b.Fatal(err)
	}
	passed := 0
	handler := verifier.Protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { passed++ }))
	body := strings.Repeat("x", benchBody)
	tokens := benchTokens(b, signer, "https://a.example.com/agent", body)
	requests := make([]*http.Request, b.N)
	for i := range requests {
		requests[i] = httptest.NewRequest("POST", "/agent", strings.NewReader(body))
		requests[i].Header.Set("Authorization", tokens[i])
	}
	b.ReportAllocs()
	b.ResetTimer()
	for _, r := range requests {
		handler.ServeHTTP(nowhere{http.Header{}}, r)
	}
	if passed != b.N {
		b.Fatal(passed)
	}
}

// BenchmarkSign is a token for a request.
func BenchmarkSign(b *testing.B) {
	_, signer, _ := benchKeys(b)
	body := []byte(strings.Repeat("x", benchBody))
	for b.Loop() {
		if _, err := signer.Sign(context.Background(), "POST", "https://a.example.com/agent", body); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSignRSA is crypto/rsa's signature alone.
func BenchmarkSignRSA(b *testing.B) {
	key, _, _ := benchKeys(b)
	sum := sha256.Sum256([]byte(strings.Repeat("x", benchBody)))
	for b.Loop() {
		if _, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:]); err != nil {
			b.Fatal(err)
		}
	}
}
