package parity

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/tallystick/tallystick/core/abi"
)

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// behaviour names the environment variable that turns this test binary into a
// driver process: a real one, behind real pipes.
const behaviour = "PARITY_TEST_DRIVER"

func TestMain(m *testing.M) {
	if mode := os.Getenv(behaviour); mode != "" {
		os.Exit(drive(mode))
	}
	os.Exit(m.Run())
}

// drive speaks the exchange. What it does with the pattern of a scope depends on
// the mode: "good" is right about all, "wrong" takes * for a plain letter.
func drive(mode string) int {
	core := abi.New()
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return 0
		}
		var asked struct {
			ID            int
			Op            string
			Request, Body []byte
		}
		if err := json.Unmarshal(line, &asked); err != nil {
			return 3
		}
		answer := core.Call(asked.Op, asked.Request, asked.Body)
		if asked.Op == "scope.match" {
			switch mode {
			case "dies":
				fmt.Fprintln(os.Stderr, "something broke in the driver")
				return 5
			case "hangs":
				time.Sleep(time.Hour) // it is killed by its process id
			case "wrong":
				answer = core.Call(asked.Op, bytes.ReplaceAll(asked.Request, []byte("*"), []byte("x")), asked.Body)
			case "other-version":
			}
		}
		if asked.Op == "version" && mode == "other-version" {
			answer = []byte(`{"ok":{"version":"0.0.1"}}`)
		}
		fmt.Printf("{\"id\":%d,\"answer\":\"%s\"}\n", asked.ID, base64.StdEncoding.EncodeToString(answer))
	}
}
