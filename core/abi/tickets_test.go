package abi

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/tallystick/tallystick/core/jose"
)

// A thread that resumes tickets which it was not given gets nowhere, and disturbs
// nobody who is just being told of one: with the race detector this shows what a
// need shares with its operation. Three keys, so that a "no" asks again.
func TestGuessedTickets(t *testing.T) {
	c := New()
	pems := pair().Public().PEM()
	for range 2 {
		key, err := jose.Generate(2048)
		if err != nil {
			t.Fatal(err)
		}
		pems += key.Public().PEM()
	}
	files := []map[string]any{{"name": "orchestrator.pem", "text": pems}}
	engine := open(t, c, map[string]any{"rsa": "host", "files": files})
	token := jose.SigningInput([]byte(`{"alg":"RS256"}`), []byte(`{"iss":"orchestrator"}`)) + "." + jose.Encode64(make([]byte, 256))
	request := fmt.Appendf(nil, `{"engine":%d,"now":%d,"authorization":["Bearer %s"],"method":"POST","path":"/"}`, engine, now, token)
	const rounds = 300
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for number := range 6 * rounds {
				c.Call("engine.resume", fmt.Appendf(nil, `{"engine":%d,"ticket":%d,"now":%d,"valid":false}`, engine, number+1, now), nil)
			}
		})
	}
	for range 2 {
		all.Go(func() {
			for range rounds {
				answer := string(c.Call("request.verify", request, nil))
				if !strings.HasPrefix(answer, `{"need":{"kind":"check"`) {
					t.Errorf("%s", answer)
				}
			}
		})
	}
	all.Wait()
}
