package mcpauth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/bindings/go/mcpauth"
	"github.com/tallystick/tallystick/bindings/go/stores/memory"
)

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

func store(t *testing.T) tallystick.Store {
	t.Helper()
	made, err := memory.New(memory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// later is a handler that is known after its server's URL.
type later struct{ atomic.Pointer[http.Handler] }

func (l *later) ServeHTTP(w http.ResponseWriter, r *http.Request) { (*l.Load()).ServeHTTP(w, r) }

func (l *later) is(handler http.Handler) { l.Store(&handler) }

// issuer is an authority with the client "caller"; it can be taken away.
func issuer(t *testing.T) (server *httptest.Server, secret string) {
	t.Helper()
	handler := &later{}
	server = httptest.NewServer(handler)
	t.Cleanup(server.Close)
	authority, err := tallystick.NewAuthority(server.URL, tallystick.AuthorityOptions{
		KeysDir: filepath.Join(t.TempDir(), "keys"), Store: store(t), Logger: quiet(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { authority.Close() })
	handler.is(authority.Endpoints())
	client := tallystick.Client{ClientID: "caller", Scopes: []string{"read", "write", "tools:*"}}
	made, err := authority.RegisterClient(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	return server, made.ClientSecret
}

func newSkill(t *testing.T, o tallystick.SkillOptions) *tallystick.Skill {
	t.Helper()
	o.Store, o.DevMode = store(t), true
	if o.Logger == nil {
		o.Logger = quiet()
	}
	skill, err := tallystick.NewSkill(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { skill.Close() })
	return skill
}

type guard = func(*tallystick.Skill) func(http.Handler) http.Handler

// guards are both ways to protect a server.
var guards = map[string]guard{
	"Protect": func(s *tallystick.Skill) func(http.Handler) http.Handler { return mcpauth.Protect(s, "read") },
	"Verifier": func(s *tallystick.Skill) func(http.Handler) http.Handler {
		return auth.RequireBearerToken(mcpauth.Verifier(s), mcpauth.Options(s, "read"))
	},
}

// serve protects an MCP server with the tool whoami; its log is returned, too.
func serve(t *testing.T, authority string, by guard) (url string, said *journal) {
	t.Helper()
	handler := &later{}
	site := httptest.NewServer(handler)
	t.Cleanup(site.Close)
	url, said = site.URL+"/mcp", &journal{}
	skill := newSkill(t, tallystick.SkillOptions{
		BaseURL: url, Authority: authority, Allow: []string{authority}, AllowedScopes: []string{"*"},
		Logger: slog.New(slog.NewTextHandler(said, nil)),
	})
	server := mcp.NewServer(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "whoami", Description: "tells who calls"}, whoami)
	mux := http.NewServeMux()
	streamable := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
	mux.Handle("/mcp", by(skill)(streamable))
	mux.Handle("/", skill.Endpoints())
	handler.is(mux)
	return url, said
}

func whoami(_ context.Context, r *mcp.CallToolRequest, _ any) (*mcp.CallToolResult, any, error) {
	known := r.Extra.TokenInfo
	context, _ := known.Extra[mcpauth.Context].(*tallystick.AuthContext)
	text, err := json.Marshal([]any{
		known.Scopes, known.UserID, known.Extra[mcpauth.ClientID], known.Extra[mcpauth.Subject],
		known.Extra[mcpauth.Issuer], known.Extra[mcpauth.Resource], context.HasScope("read"),
	})
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: string(text)}}}, nil, err
}

func callerSkill(t *testing.T, authority, secret string) *tallystick.Skill {
	t.Helper()
	return newSkill(t, tallystick.SkillOptions{AgentID: "caller", Authority: authority, ClientSecret: secret})
}

// caller is an HTTP client with tokens for a target that are sent to the server.
func caller(t *testing.T, authority, secret, target, url, scope string) *http.Client {
	t.Helper()
	return &http.Client{Transport: callerSkill(t, authority, secret).TransportWith(target, tallystick.TransportOptions{
		Scopes: []string{scope}, SendTo: url,
	})}
}

func connect(t *testing.T, client *http.Client, url string) (*mcp.ClientSession, error) {
	t.Helper()
	c := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	return c.Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: url, HTTPClient: client, MaxRetries: -1}, nil)
}

func TestAClientOfTheSDKCallsAProtectedServer(t *testing.T) {
	authority, secret := issuer(t)
	for name, by := range guards {
		url, _ := serve(t, authority.URL, by)
		session, err := connect(t, caller(t, authority.URL, secret, url, url, "read"), url)
		if err != nil {
			t.Fatalf("%s: %s", name, err)
		}
		told, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "whoami"})
		if err != nil {
			t.Fatalf("%s: %s", name, err)
		}
		want, _ := json.Marshal([]any{
			[]string{"read"}, authority.URL + "|caller", "caller", "caller", authority.URL, url, true,
		})
		if got := told.Content[0].(*mcp.TextContent).Text; got != string(want) {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		session.Close()
	}
}

// ask sends an initialization and returns the answer.
func ask(t *testing.T, client *http.Client, url string) *http.Response {
	t.Helper()
	body := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18",` +
		`"capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	return response
}

func TestWhatAServerRefuses(t *testing.T) {
	authority, secret := issuer(t)
	other, theirs := issuer(t)
	for name, by := range guards {
		url, said := serve(t, authority.URL, by)
		for what, c := range map[string]struct {
			client *http.Client
			status int
			logged string
		}{
			"accepted":             {caller(t, authority.URL, secret, url, url, "read"), 200, ""},
			"no token":             {http.DefaultClient, 401, ""},
			"for another server":   {caller(t, authority.URL, secret, "http://127.0.0.1:9/mcp", url, "read"), 401, "invalid_audience"},
			"without the scope":    {caller(t, authority.URL, secret, url, url, "write"), 403, ""},
			"of another issuer":    {caller(t, other.URL, theirs, url, url, "read"), 401, "unknown_issuer"},
			"a token that is none": {&http.Client{Transport: bearer("x.y.z")}, 401, "malformed_token"},
		} {
			before := len(said.String())
			response := ask(t, c.client, url)
			if response.StatusCode != c.status {
				t.Errorf("%s, %s: %d, want %d", name, what, response.StatusCode, c.status)
			}
			if logged := said.String()[before:]; !strings.Contains(logged, c.logged) {
				t.Errorf("%s, %s: logged %q", name, what, logged)
			}
			if c.status == 200 {
				continue
			}
			challenge := strings.Join(response.Header.Values("Www-Authenticate"), ", ")
			document := strings.Replace(url, "/mcp", "/.well-known/oauth-protected-resource/mcp", 1)
			if !strings.Contains(challenge, `resource_metadata="`+document+`"`) {
				t.Errorf("%s, %s: %s", name, what, challenge)
			}
			if c.status == 403 && !strings.Contains(challenge, `scope="read"`) {
				t.Errorf("%s, %s: %s", name, what, challenge)
			}
		}
	}
}

// bearer sends a token that nobody made.
type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

// lines sends each of them as an Authorization header.
type lines []string

func (l lines) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header["Authorization"] = l
	return http.DefaultTransport.RoundTrip(r)
}

// Whoever stands before the server may have looked at the other one.
func TestTwoTokensAreRefused(t *testing.T) {
	authority, secret := issuer(t)
	for name, by := range guards {
		url, said := serve(t, authority.URL, by)
		token, err := callerSkill(t, authority.URL, secret).Token(t.Context(), url, "read")
		if err != nil {
			t.Fatal(err)
		}
		good := "Bearer " + token
		for _, c := range []struct {
			sent   lines
			status int
		}{{lines{good}, 200}, {lines{good, good}, 400}, {lines{good, "Bearer x.y.z"}, 400}} {
			if response := ask(t, &http.Client{Transport: c.sent}, url); response.StatusCode != c.status {
				t.Errorf("%s, %d headers: %d", name, len(c.sent), response.StatusCode)
			}
		}
		if text := said.String(); strings.Count(text, "ambiguous_authorization") != 2 || strings.Contains(text, token) {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// Nobody's keys can be fetched: that is no verdict on the token, and nobody comes in.
func TestAnIssuerThatDoesNotAnswerIsNoRefusal(t *testing.T) {
	for name, by := range guards {
		authority, secret := issuer(t)
		url, said := serve(t, authority.URL, by)
		token, err := callerSkill(t, authority.URL, secret).Token(t.Context(), url, "read")
		if err != nil {
			t.Fatal(err)
		}
		authority.Close()
		response := ask(t, &http.Client{Transport: bearer(token)}, url)
		if want := map[string]int{"Protect": 503, "Verifier": 500}[name]; response.StatusCode != want {
			t.Errorf("%s: %d, want %d", name, response.StatusCode, want)
		}
		if !strings.Contains(said.String(), "keys_unavailable") || strings.Contains(said.String(), token) {
			t.Errorf("%s: %s", name, said)
		}
	}
}
