package conformancetest_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/tallystick/tallystick/conformance/conformancetest"
	"github.com/tallystick/tallystick/conformance/runner"
	"github.com/tallystick/tallystick/core/abi"
)

func TestCore(t *testing.T) { conformancetest.Run(t, runner.CoreSource(), "abi/*", "scope/*") }

// wrongAs names the environment variable that has TestWrong run, as another
// process: a test that fails on purpose.
const wrongAs = "CONFORMANCETEST_WRONG"

func TestWrong(t *testing.T) {
	switch os.Getenv(wrongAs) {
	case "":
		t.Skipf("it fails on purpose, when TestFailuresAreTests starts it with %s", wrongAs)
	case "answer":
		conformancetest.Run(t, leg(bytes.ReplaceAll), "body/changed", "body/signed")
	case "missing":
		conformancetest.Run(t, runner.DriverSource("missing", runner.Command{Args: []string{"./no-such-driver"}}), "abi/call")
	case "pattern":
		conformancetest.Run(t, runner.CoreSource(), "nonsense/*")
	}
}

func leg(change func(text, old, changed []byte) []byte) runner.Source {
	return runner.Source{Name: "wrong", Open: func(context.Context) (runner.Leg, error) {
		core := abi.New()
		return runner.InProcess(func(op string, request, body []byte) []byte {
			return change(core.Call(op, request, body), []byte(`"body_tampered"`), []byte(`"invalid_claims"`))
		}), nil
	}}
}

func TestFailuresAreTests(t *testing.T) {
	for mode, want := range map[string]string{
		"answer":  "--- FAIL: TestWrong/body/changed",
		"missing": "leg missing could not run",
		"pattern": "no vector is named like \"nonsense/*\"",
	} {
		process := exec.Command(os.Args[0], "-test.run=^TestWrong$")
		process.Env = append(os.Environ(), wrongAs+"="+mode)
		output, err := process.CombinedOutput()
		if err == nil || !strings.Contains(string(output), want) {
			t.Errorf("%s: %v\n%s", mode, err, output)
		}
		if strings.Contains(string(output), "FAIL: TestWrong/body/signed") {
			t.Errorf("%s: the twin must pass\n%s", mode, output)
		}
	}
}
