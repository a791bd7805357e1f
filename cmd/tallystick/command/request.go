package command

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/core/limits"
)

const requestTimeout = 30 * time.Second

// answer is what an agent answered.
type answer struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Base64  string            `json:"body_base64,omitempty"` // instead of body, where that is no text
	Refusal *refusal          `json:"refusal,omitempty"`

	content  []byte
	terminal bool
}

// ofInterest are the headers that are shown.
var ofInterest = []string{"Content-Type", "Location", "Retry-After", "Www-Authenticate"}

func (w *answer) words(p *printer) {
	if !w.terminal {
		p.Write(w.content)
		return
	}
	// What a stranger sends must not drive the terminal.
	shown := strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, string(w.content))
	p.WriteString(shown)
	if shown != "" && !strings.HasSuffix(shown, "\n") {
		p.WriteString("\n")
	}
}

func (a *app) request() *cobra.Command {
	o := outgoing{}
	var headers []string
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "request METHOD URL --key FILE --issuer ID",
		Short: "Sign a request, send it, and show the answer",
		Long: "Sign a request, send it, and show the answer: its body on standard output, status and headers " +
			"on standard error. Where the agent refuses it, what to do is said, and the exit code is 6. " +
			"Redirects are not followed.",
		Example: "tallystick request POST https://agent.example.com/agent \\\n" +
			"  --key keys/orchestrator.pem --issuer orchestrator --body '{\"query\": \"hello\"}'",
		Args: takes(2, 2),
		RunE: func(c *cobra.Command, args []string) error { return a.runRequest(c, &o, args, headers, timeout) },
	}
	o.flags(c)
	c.Flags().StringArrayVar(&headers, "header", nil, "a further header, as `NAME:VALUE`; may be given more than once")
	c.Flags().DurationVar(&timeout, "timeout", requestTimeout, "wait this `DURATION` for the answer")
	return c
}

func (a *app) runRequest(c *cobra.Command, o *outgoing, args, headers []string, timeout time.Duration) error {
	further, err := headersOf(headers)
	if err != nil {
		return err
	}
	if timeout <= 0 {
		return wrongUsage("--timeout must be over 0, such as 30s")
	}
	signer, content, err := a.prepare(c, o, args)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(c.Context(), timeout)
	defer stop()
	w, err := a.exchange(ctx, signer, o, content, further)
	if err != nil {
		return err
	}
	a.say("HTTP %d %s", w.Status, http.StatusText(w.Status))
	for _, name := range ofInterest {
		if value, there := w.Headers[strings.ToLower(name)]; there {
			a.say("%s: %s", strings.ToLower(name), value)
		}
	}
	if w.Refusal != nil {
		a.say("%s", w.Refusal.line())
	}
	if err := a.show(w); err != nil {
		return err
	}
	if w.Refusal != nil {
		return &failure{code: exitRefused}
	}
	return nil
}

func (r *refusal) line() string {
	switch {
	case r.Code != "":
		return "refused: " + string(r.Code) + ": " + r.Advice
	case r.Error != "":
		return "refused: " + r.Error + ": " + r.Advice
	}
	return "refused: " + r.Advice
}

func (a *app) exchange(
	ctx context.Context, signer *tallystick.Signer, o *outgoing, content body, further http.Header,
) (*answer, error) {
	r, err := http.NewRequestWithContext(ctx, o.method, o.url, bytes.NewReader(content.content))
	if err != nil {
		return nil, wrongUsage("URL: it cannot be sent: %s", err)
	}
	if !content.given {
		r.Body, r.ContentLength = http.NoBody, 0
	} else {
		r.Header.Set("Content-Type", contentType(content.content))
	}
	for name, values := range further {
		r.Header[name] = values
	}
	client := http.Client{
		Transport:     signer.Transport(a.Transport),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer a.wait(o.url)()
	response, err := client.Do(r)
	if err != nil {
		var e *tallystick.Error
		if errors.As(err, &e) {
			return nil, explained("--key: "+o.key, requestFlags, e)
		}
		return nil, unreachable(o.url, err)
	}
	defer response.Body.Close()
	return a.answerOf(o.url, response)
}

func (a *app) answerOf(url string, response *http.Response) (*answer, error) {
	const most = limits.DefaultMaxBody
	content, err := io.ReadAll(io.LimitReader(response.Body, most+1))
	switch {
	case err != nil:
		return nil, unreachable(url, err)
	case len(content) > most:
		return nil, failed(exitNetwork, "the answer is over %d bytes: have the agent answer with less", most)
	}
	w := &answer{Status: response.StatusCode, Headers: map[string]string{}}
	w.content, w.terminal = content, isTerminal(a.Stdout)
	for name, values := range response.Header {
		w.Headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	if utf8.Valid(content) {
		w.Body = string(content)
	} else {
		w.Base64 = base64.StdEncoding.EncodeToString(content)
	}
	if w.Status < 200 || w.Status > 299 {
		w.Refusal = refusalOf(w.Status, content)
	}
	return w, nil
}

// notInNames separate tokens (RFC 9110 section 5.6.2).
const notInNames = " \t\"(),/;<=>?@[\\]{}"

// headersOf reads --header.
func headersOf(lines []string) (http.Header, error) {
	headers := http.Header{}
	for _, line := range lines {
		name, value, found := strings.Cut(line, ":")
		name, value = http.CanonicalHeaderKey(strings.TrimSpace(name)), strings.TrimSpace(value)
		if !found || name == "" || strings.ContainsFunc(line, unicode.IsControl) || strings.ContainsAny(name, notInNames) {
			return nil, wrongUsage("--header: write NAME:VALUE, such as --header 'Accept: application/json'")
		}
		if slices.Contains([]string{"Authorization", "Host", "Content-Length"}, name) {
			return nil, wrongUsage("--header: %s is set by the tool: leave it out", name)
		}
		headers.Add(name, value)
	}
	return headers, nil
}
