package tallystick_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"

	tallystick "github.com/tallystick/tallystick/bindings/go"
)

// An agent and whoever calls it.
func Example() {
	private, public, err := tallystick.GenerateKey(2048)
	if err != nil {
		panic(err)
	}
	verifier, err := tallystick.NewVerifier(tallystick.VerifierOptions{
		Keys:  map[string]string{"orchestrator": public},
		Store: &ids{}, // a real agent uses stores/sqlite, stores/redis or stores/postgresql
	})
	if err != nil {
		panic(err)
	}
	agent := httptest.NewServer(verifier.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := tallystick.CallerFrom(r.Context())
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s asks: %s", caller.Issuer, body)
	})))
	defer agent.Close()

	signer, err := tallystick.NewSigner("orchestrator", private, tallystick.SignerOptions{})
	if err != nil {
		panic(err)
	}
	client := &http.Client{Transport: signer.Transport(nil)}
	response, err := client.Post(agent.URL+"/agent", "text/plain", strings.NewReader("what time is it?"))
	if err != nil {
		panic(err)
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(response.Body)
	fmt.Println(response.StatusCode, string(text))
	// Output: 200 orchestrator asks: what time is it?
}

// A host other than net/http gives the parts of a request.
func ExampleVerifier_Verify() {
	_, public, _ := tallystick.GenerateKey(2048)
	verifier, err := tallystick.NewVerifier(tallystick.VerifierOptions{
		Keys: map[string]string{"orchestrator": public}, Store: &ids{}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	_, err = verifier.Verify(context.Background(), tallystick.Request{Method: "POST", Path: "/agent", Body: []byte("{}")})
	var refused *tallystick.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Code, refused.Response.Status)
	}
	fmt.Println(errors.Is(err, tallystick.ErrMissingAuthorization))
	// Output:
	// missing_authorization 401
	// true
}

// The headers of one request, for a client other than net/http.
func ExampleSigner_Sign() {
	private, _, _ := tallystick.GenerateKey(2048)
	signer, err := tallystick.NewSigner("orchestrator", private, tallystick.SignerOptions{})
	if err != nil {
		panic(err)
	}
	headers, err := signer.Sign(context.Background(), "POST", "https://agent.example.com/agent", []byte(`{"task":"x"}`))
	if err != nil {
		panic(err)
	}
	fmt.Println(strings.Count(headers.Get("Authorization"), "."))
	// Output: 2
}
