package tallystick

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/tallystick/tallystick/core/request"
)

// sendTimeout is how long one call of an agent may take (rotagent).
const sendTimeout = 30 * time.Second

// Send posts payload as JSON to {url}/agent and returns the agent's JSON object, as rotagent's
// orchestrator does. Its member agent_url is set to url. What goes wrong on the way or at the
// agent is returned and is no error: {"error": …, "agent_url": url}, with "Auth Failed",
// "Replay Detected" or "Status N". Redirects are not followed: a signed request is for one receiver.
// client is nil for [http.DefaultClient]; without a deadline of ctx or the client the call ends
// after 30 s. Errors: [ErrInvalidURL], [ErrBodyTooLarge], [ErrSignerFailed] and, for a payload
// that is no JSON, [ErrInvalidArgument].
func (s *Signer) Send(ctx context.Context, client *http.Client, url string, payload any) (map[string]any, error) {
	target, p := request.Endpoint(url)
	if p != nil {
		return nil, misuse(p)
	}
	body, err := json.Marshal(payload)
	if err != nil {
		return nil, wrongArgument("payload is no JSON: %s", err)
	}
	headers, err := s.Sign(ctx, http.MethodPost, target, body)
	if err != nil {
		return nil, err
	}
	ctx, stop := withTimeout(ctx, client)
	defer stop()
	outgoing, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, wrongArgument("url: %s", err)
	}
	outgoing.GetBody = nil // net/http would send the same token again
	outgoing.Header["Authorization"] = headers["Authorization"]
	outgoing.Header.Set("Content-Type", "application/json")
	status, answer, err := s.exchange(client, outgoing)
	if err != nil {
		return map[string]any{"error": err.Error(), "agent_url": url}, nil
	}
	var outcome map[string]any
	if err := json.Unmarshal(request.Outcome(status, answer, url), &outcome); err != nil {
		return map[string]any{"error": err.Error(), "agent_url": url}, nil
	}
	return outcome, nil
}

func withTimeout(ctx context.Context, client *http.Client) (context.Context, context.CancelFunc) {
	if _, bounded := ctx.Deadline(); bounded || client != nil && client.Timeout > 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, sendTimeout)
}

func (s *Signer) exchange(client *http.Client, r *http.Request) (int, []byte, error) {
	one := http.Client{}
	if client != nil {
		one = *client
	}
	one.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := one.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return response.StatusCode, nil, nil
	}
	answer, err := readUpTo(response.Body, s.maxAnswer, func() error {
		return fmt.Errorf("the agent's answer is over %d bytes", s.maxAnswer)
	})
	return response.StatusCode, answer, err
}
