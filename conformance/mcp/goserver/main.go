// Command goserver is an MCP server of the Go SDK that is protected by Tallystick.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/bindings/go/mcpauth"
	"github.com/tallystick/tallystick/bindings/go/stores/memory"
)

// whoami tells who calls, as the SDK knows it.
func whoami(_ context.Context, r *mcp.CallToolRequest, _ any) (*mcp.CallToolResult, any, error) {
	caller := r.Extra.TokenInfo
	text, err := json.Marshal(map[string]any{
		"client": caller.Extra[mcpauth.ClientID], "scopes": caller.Scopes, "subject": caller.Extra[mcpauth.Subject],
	})
	if err != nil {
		return nil, nil, err
	}
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: string(text)}}}, nil, nil
}

func main() {
	authority := flag.String("authority", "", "its issuer `URL`")
	port := flag.Int("port", 0, "0 for a free one")
	scope := flag.String("required-scope", "", "a scope that every request needs")
	by := flag.String("by", "protect", "what is shown: protect, or verifier, by the SDK's own guard")
	flag.Parse()
	if err := serve(*authority, *port, *scope, *by); err != nil {
		log.Fatal(err)
	}
}

func serve(authority string, port int, scope, by string) error {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return err
	}
	url := fmt.Sprintf("http://%s/mcp", listener.Addr())
	store, err := memory.New(memory.Options{})
	if err != nil {
		return err
	}
	skill, err := tallystick.NewSkill(tallystick.SkillOptions{
		BaseURL: url, Authority: authority, AllowedScopes: []string{"read", "write"}, Store: store, DevMode: true,
	})
	if err != nil {
		return err
	}
	defer skill.Close()
	server := mcp.NewServer(&mcp.Implementation{Name: "go", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "whoami", Description: "tells who calls"}, whoami)
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
	var scopes []string
	if scope != "" {
		scopes = []string{scope}
	}
	guard := mcpauth.Protect(skill, scopes...)
	if by == "verifier" {
		guard = auth.RequireBearerToken(mcpauth.Verifier(skill), mcpauth.Options(skill, scopes...))
	}
	mux := http.NewServeMux()
	mux.Handle("/mcp", guard(handler))
	mux.Handle("/", skill.Endpoints())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = listener.Close()
	}()
	fmt.Println("READY " + url)
	_ = http.Serve(listener, mux) // until standard input closes
	return nil
}
