package conformance

import (
	"testing"

	"github.com/tallystick/tallystick/core/abi"
	"github.com/tallystick/tallystick/core/problem"
)

// unreachable are the codes that no vector expects, each with its cause. A code
// that is here and reached is an error too.
var unreachable = map[problem.Code]string{
	problem.Internal: "says that the core has a defect: a test of core/abi makes it panic",
}

func TestEveryCodeIsExpected(t *testing.T) {
	expected, withResponse := map[problem.Code]bool{}, map[problem.Code]bool{}
	for _, step := range allSteps(t) {
		code := problem.Code(step.Expect.Error)
		expected[code] = true
		withResponse[code] = withResponse[code] || step.Expect.Response != nil
	}
	for _, row := range problem.Table() {
		if cause, listed := unreachable[row.Code]; expected[row.Code] == listed {
			t.Errorf("%s: expected by a vector is %v, listed as unreachable is %v (%s)", row.Code, expected[row.Code], listed, cause)
		}
		inTable := row.Status < 500 || row.Status == 503 && row.Code != problem.Overloaded && row.Code != problem.TokenUnavailable
		if expected[row.Code] && inTable && !withResponse[row.Code] {
			t.Errorf("%s: no vector checks its row of protocol.md section 3", row.Code)
		}
	}
}

// refuses is the operation that answers with an error when all is well.
const refuses = "claim.refuse"

func TestEveryOperationIsCalled(t *testing.T) {
	called := map[string]bool{}
	for _, step := range allSteps(t) {
		if step.Expect.Error == "" || step.Op == refuses && step.Expect.Response != nil {
			called[step.Op] = true
		}
	}
	for _, name := range abi.Operations() {
		if !called[name] {
			t.Errorf("%s: no vector shows an answer that is no error", name)
		}
	}
}

func TestEveryNeedIsExpected(t *testing.T) {
	answered := map[string]bool{}
	for _, step := range allSteps(t) {
		if step.Expect.Need != nil {
			answered[kindOf(t, step.Expect.Need)] = true
		}
	}
	for _, kind := range []string{"keys", "claim", "sign", "check", "fetch", "body"} {
		if !answered[kind] {
			t.Errorf("%s: no vector expects this need", kind)
		}
	}
}

func allSteps(t *testing.T) []Step {
	t.Helper()
	suite, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	var steps []Step
	for _, vector := range suite.Vectors() {
		steps = append(steps, vector.Steps...)
	}
	return steps
}

func kindOf(t *testing.T, need []byte) string {
	t.Helper()
	value, err := decode(need)
	if err != nil {
		t.Fatal(err)
	}
	return value.(map[string]any)["kind"].(string)
}
