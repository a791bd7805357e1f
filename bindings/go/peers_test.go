package tallystick_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/bindings/go/internal/peers"
)

func TestRotagentCallsAGoAgent(t *testing.T) {
	private, _ := keyPair()
	key := filepath.Join(t.TempDir(), "orchestrator.pem")
	if err := os.WriteFile(key, []byte(private), 0o600); err != nil {
		t.Fatal(err)
	}
	verifier := newVerifier(t, nil)
	url := serve(t, verifier.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"got":`+string(body)+`}`)
	})))
	for issuer, want := range map[string]string{
		"orchestrator": `{"agent_url":"` + url + `","got":{"query":"What movies are playing?","ä":1}}`,
		"stranger":     `{"agent_url":"` + url + `","error":"Auth Failed"}`,
	} {
		out, err := peers.Python(t, "rotagent_peer.py", "call", url, issuer, key).Output()
		if err != nil {
			t.Fatal(err)
		}
		if got := sorted(t, out); got != want {
			t.Error(got)
		}
	}
}

// sorted is a JSON text with its members in order.
func sorted(t *testing.T, text []byte) string {
	t.Helper()
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err, string(text))
	}
	again, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(again)
}

func TestGoCallsARotagentAgent(t *testing.T) {
	folder := t.TempDir()
	writeFile(t, folder, "orchestrator.pem", newSigner(t).PublicKey())
	peer := peers.Python(t, "rotagent_peer.py", "serve", folder)
	input, err := peer.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := peer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := peer.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		input.Close()
		_ = peer.Wait()
	})
	url := ""
	for lines := bufio.NewScanner(output); !strings.HasPrefix(url, "http") && lines.Scan(); {
		url = lines.Text() // rotagent says something first
	}
	answer, err := newSigner(t).Send(context.Background(), nil, url, map[string]string{"query": "hello"})
	if err != nil || answer["served_by"] != "rotagent" || answer["agent_url"] != url {
		t.Fatal(answer, err)
	}
	// It refuses what was sent before, and what was signed by somebody else.
	client := &http.Client{Transport: newSigner(t).Transport(nil)}
	json := http.Header{"Content-Type": {"application/json"}}
	if status, text := ask(t, client, "POST", url+"/agent", `{"a":1}`, json); status != 200 {
		t.Error(status, text)
	}
	headers := signed(t, "POST", url+"/agent", `{"a":1}`)
	headers.Set("Content-Type", "application/json")
	for _, want := range []int{200, 429} {
		if status, text := ask(t, nil, "POST", url+"/agent", `{"a":1}`, headers); status != want {
			t.Error(status, text)
		}
	}
	stranger, err := tallystick.NewSigner("orchestrator", otherKey(), tallystick.SignerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := stranger.Send(context.Background(), nil, url, 1); err != nil || answer["error"] != "Auth Failed" {
		t.Error(answer, err)
	}
}
