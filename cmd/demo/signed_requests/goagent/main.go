// Command goagent is the demo's Go agent, on net/http. It ends with its standard input.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/bindings/go/stores/sqlite"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	origin := "http://" + listener.Addr().String()
	store, err := sqlite.New("", sqlite.Options{})
	if err != nil {
		log.Fatal(err)
	}
	verifier, err := tallystick.NewVerifier(tallystick.VerifierOptions{KeysDir: os.Args[1], Store: store, BaseURL: origin})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(origin)
	go func() { log.Fatal(http.Serve(listener, named(verifier.Protect(http.HandlerFunc(agent))))) }()
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func agent(w http.ResponseWriter, r *http.Request) {
	var asked struct{ Query string }
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	caller, _ := tallystick.CallerFrom(r.Context())
	w.Header().Set("Content-Type", "application/json")
	answer := fmt.Sprintf("you asked '%s'", asked.Query)
	_ = json.NewEncoder(w).Encode(map[string]string{"answer": answer, "caller": caller.Issuer})
}

// named says which process answers.
func named(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Worker", strconv.Itoa(os.Getpid()))
		next.ServeHTTP(w, r)
	})
}
