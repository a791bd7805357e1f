// Command goclient is an MCP client of the Go SDK that gets its token by Tallystick.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"log"
	"net/http"
	"os"
	"strings"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/bindings/go/stores/memory"
)

type answer struct {
	Tools   []string        `json:"tools,omitempty"`
	WhoAmI  json.RawMessage `json:"whoami,omitempty"`
	Refused int             `json:"refused,omitempty"`
	Says    string          `json:"www_authenticate,omitempty"`
}

// noted keeps the last refusal that a server answered with.
type noted struct {
	base http.RoundTripper
	last atomic.Pointer[answer]
}

func (n *noted) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := n.base.RoundTrip(r)
	if err == nil && (response.StatusCode == http.StatusUnauthorized || response.StatusCode == http.StatusForbidden) {
		says := strings.Join(response.Header.Values("Www-Authenticate"), ", ")
		n.last.Store(&answer{Refused: response.StatusCode, Says: says})
	}
	return response, err
}

func main() {
	url := flag.String("url", "", "the server's `URL`")
	authority := flag.String("authority", "", "its issuer `URL`")
	id := flag.String("client-id", "", "the client")
	scope := flag.String("scope", "", "scopes, with a space between them")
	target := flag.String("target", "", "whom the token is for, if it is not the server")
	flag.Parse()
	if *target == "" {
		*target = *url
	}
	store, err := memory.New(memory.Options{})
	if err != nil {
		log.Fatal(err)
	}
	skill, err := tallystick.NewSkill(tallystick.SkillOptions{
		AgentID: *id, Authority: *authority, ClientSecret: os.Getenv("MCP_CLIENT_SECRET"), Store: store, DevMode: true,
	})
	if err != nil {
		log.Fatal(err)
	}
	transport := &noted{base: skill.TransportWith(*target, tallystick.TransportOptions{
		Scopes: strings.Fields(*scope), SendTo: *url,
	})}
	got, err := call(context.Background(), *url, &http.Client{Transport: transport})
	code := 0
	if err != nil {
		if got = transport.last.Load(); got == nil {
			log.Fatal(err)
		}
		code = 3
	}
	if err := json.NewEncoder(os.Stdout).Encode(got); err != nil {
		log.Fatal(err)
	}
	os.Exit(code)
}

func call(ctx context.Context, url string, client *http.Client) (*answer, error) {
	caller := mcp.NewClient(&mcp.Implementation{Name: "go", Version: "1"}, nil)
	session, err := caller.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: url, HTTPClient: client}, nil)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	listed, err := session.ListTools(ctx, nil)
	if err != nil {
		return nil, err
	}
	told, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "whoami"})
	if err != nil {
		return nil, err
	}
	got := &answer{WhoAmI: json.RawMessage(told.Content[0].(*mcp.TextContent).Text)}
	for _, tool := range listed.Tools {
		got.Tools = append(got.Tools, tool.Name)
	}
	return got, nil
}
