// Command goorchestrator is the demo's Go orchestrator: it makes each call and writes one JSON
// line about it.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	tallystick "github.com/tallystick/tallystick/bindings/go"
)

var body = []byte(`{"query": "What movies are playing?"}`)

func main() {
	if err := calls(os.Args[1], os.Args[2]); err != nil {
		log.Fatal(err)
	}
}

// sender signs for one issuer, without a client that would sign anew.
type sender struct{ *tallystick.Signer }

func newSender(issuer, private string, now func() time.Time) sender {
	signer, err := tallystick.NewSigner(issuer, private, tallystick.SignerOptions{Now: now})
	if err != nil {
		log.Fatal(err)
	}
	return sender{signer}
}

func (s sender) headers(url string) http.Header {
	headers, err := s.Sign(context.Background(), http.MethodPost, url, body)
	if err != nil {
		log.Fatal(err)
	}
	return headers
}

// post returns what the agent says: 200 and whom it saw, or the code of the refusal.
func post(url string, headers http.Header, content []byte) string {
	r, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(content))
	if err != nil {
		log.Fatal(err)
	}
	r.Header = headers.Clone()
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header.Set("Content-Type", "application/json")
	r.GetBody = nil // a token is sent once
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	var answer struct{ Code, Caller string }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Sprintf("%d %v", response.StatusCode, err)
	}
	return fmt.Sprintf("%d %s%s", response.StatusCode, answer.Code, answer.Caller)
}

func report(sent, expected, got string) {
	line, err := json.Marshal(map[string]string{"sent": sent, "expected": expected, "got": got})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(line))
}

func calls(agent, folder string) error {
	private, public, err := tallystick.GenerateKey(2048)
	if err != nil {
		return err
	}
	strange, strangePublic, err := tallystick.GenerateKey(2048)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "orchestrator.pem"), []byte(public), 0o600); err != nil {
		return err
	}
	signer, newcomer := newSender("orchestrator", private, nil), newSender("newcomer", strange, nil)
	impostor := newSender("orchestrator", strange, nil)
	late := newSender("orchestrator", private, func() time.Time { return time.Now().Add(-61 * time.Second) })
	url := agent + "/agent"

	welcome, err := signer.Send(context.Background(), nil, agent, map[string]string{"query": "What movies are playing?"})
	if err != nil {
		return err
	}
	report("signed request", "200 orchestrator", fmt.Sprintf("200 %v", welcome["caller"]))
	client := http.Client{Transport: signer.Transport(nil)}
	response, err := client.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	response.Body.Close()
	report("request of an http.Client that signs", "200 OK", response.Status)
	tampered := bytes.Replace(body, []byte("movies"), []byte("bombs"), 1)
	report("body changed on the way", "401 body_tampered", post(url, signer.headers(url), tampered))
	headers := signer.headers(url)
	report("another signed request", "200 orchestrator", post(url, headers, body))
	report("the same token again, ten times", "429 replay_detected", tenTimes(url, headers))
	report("token of 61 seconds ago", "401 token_expired", post(url, late.headers(url), body))
	report("unknown issuer", "401 unknown_issuer", post(url, newcomer.headers(url), body))
	if err := os.WriteFile(filepath.Join(folder, "newcomer.pem"), []byte(strangePublic), 0o600); err != nil {
		return err
	}
	time.Sleep(1100 * time.Millisecond) // the folder is read again at most once a second
	report("the same issuer, its key dropped into the folder", "200 newcomer", post(url, newcomer.headers(url), body))
	report("signature by another key", "401 invalid_signature", post(url, impostor.headers(url), body))
	other := agent + "/other/agent" // an agent that knows no base URL compares the path
	report("signed for another agent's URL, "+other, "401 wrong_target", post(url, signer.headers(other), body))
	report("query changed on the way", "401 wrong_target", post(url+"?limit=1000", signer.headers(url+"?limit=1"), body))
	report("no Authorization header", "401 missing_authorization", post(url, nil, body))
	return nil
}

func tenTimes(url string, headers http.Header) string {
	said := make([]string, 10)
	var all sync.WaitGroup
	for i := range said {
		all.Go(func() { said[i] = post(url, headers, body) })
	}
	all.Wait()
	slices.Sort(said)
	return strings.Join(slices.Compact(said), ", ")
}
