package runner

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/tallystick/tallystick/core/abi"
)

// behaviour names the environment variable that turns this test binary into a
// driver process: a real one, behind real pipes.
const behaviour = "CONFORMANCE_TEST_DRIVER"

func TestMain(m *testing.M) {
	if mode := os.Getenv(behaviour); mode != "" {
		os.Exit(drive(mode))
	}
	os.Exit(m.Run())
}

// testDriver starts this binary as a driver that behaves in some way.
func testDriver(mode string) Source {
	return DriverSource("driver", Command{Args: []string{os.Args[0]}, Env: []string{behaviour + "=" + mode}})
}

// drive speaks the exchange; every mode but "good" misbehaves after the
// greeting, when the operation is scope.match.
func drive(mode string) int {
	core := abi.New()
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return atEnd(mode)
		}
		var asked question
		if err := json.Unmarshal(line, &asked); err != nil {
			return 3
		}
		if asked.Op == "scope.match" && mode != "good" {
			if code, ends := misbehave(mode, asked); ends {
				return code
			}
			continue
		}
		say(asked.ID, core.Call(asked.Op, fromBase64(asked.Request), fromBase64(asked.Body)))
	}
}

func atEnd(mode string) int {
	switch mode {
	case "bad-exit":
		fmt.Fprintln(os.Stderr, "leaving badly")
		return 7
	case "stays":
		time.Sleep(time.Hour) // it is killed by its process id
	}
	return 0
}

func misbehave(mode string, asked question) (code int, ends bool) {
	switch mode {
	case "dies":
		fmt.Fprintln(os.Stderr, "something broke in the driver")
		return 5, true
	case "hangs":
		return 0, false
	case "garbage":
		fmt.Println("hello")
	case "wrong-id":
		say(asked.ID+1, []byte(`{"ok":{"match":true}}`))
	case "failed":
		fmt.Printf("{\"id\":%d,\"failed\":\"no library\"}\n", asked.ID)
	case "unsupported":
		fmt.Printf("{\"id\":%d,\"unsupported\":\"no scopes\"}\n", asked.ID)
	case "failed-too":
		fmt.Printf("{\"id\":%d,\"answer\":\"e30=\",\"failed\":\"and broken\"}\n", asked.ID)
	case "no-base64":
		fmt.Printf("{\"id\":%d,\"answer\":\"{}\"}\n", asked.ID)
	case "wrong":
		say(asked.ID, []byte(`{"ok":{"match":false}}`))
	case "spaced":
		say(asked.ID, []byte(`{"ok": {"match":true}}`))
	case "bad-exit", "stays":
		say(asked.ID, []byte(`{"ok":{"match":true}}`))
	}
	return 0, false
}

func say(id int, answer []byte) {
	fmt.Printf("{\"id\":%d,\"answer\":\"%s\"}\n", id, base64.StdEncoding.EncodeToString(answer))
}

func fromBase64(text string) []byte {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		panic(err)
	}
	return raw
}
