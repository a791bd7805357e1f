package tallystick_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	tallystick "github.com/tallystick/tallystick/bindings/go"
)

// Two agents on one machine: alice calls bob, who takes callers that may read.
func ExampleSkill_Protect() {
	folder, err := os.MkdirTemp("", "agents")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()

	// In production an agent has a Store instead of DevMode, and an https URL.
	agent := func(name string) *tallystick.Skill {
		skill, err := tallystick.NewSkill(tallystick.SkillOptions{
			BaseURL: server.URL + "/" + name, KeysDir: filepath.Join(folder, "keys"), DevMode: true,
			Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			panic(err)
		}
		// The discovery document, the keys and the token endpoint.
		mux.Handle("/"+name+"/", skill.Endpoints())
		return skill
	}
	alice, bob := agent("alice"), agent("bob")

	mux.Handle("/bob/chat", bob.Protect("read")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		auth, _ := tallystick.AuthFrom(r.Context())
		fmt.Fprintf(w, "hello %s, you may %v", auth.AgentID, auth.Scopes)
	})))

	client := &http.Client{Transport: alice.Transport(bob.BaseURL(), "read")}
	for _, one := range []*http.Client{client, http.DefaultClient} {
		response, err := one.Get(server.URL + "/bob/chat")
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			body = nil // it says what is missing
		}
		fmt.Println(response.StatusCode, string(body))
	}
	// Output:
	// 200 hello alice, you may [read]
	// 401
}
