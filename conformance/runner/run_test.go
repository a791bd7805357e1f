package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tallystick/tallystick/conformance"
	"github.com/tallystick/tallystick/core/abi"
)

// testLimit is how long a call may take; it ends tests that hang.
const testLimit = 30 * time.Second

func vectors(t *testing.T, patterns ...string) []conformance.Vector {
	t.Helper()
	suite, err := conformance.Load()
	if err != nil {
		t.Fatal(err)
	}
	chosen := suite.Select(patterns)
	if len(chosen) == 0 {
		t.Fatalf("no vector is named like %v", patterns)
	}
	return chosen
}

// run compares legs with the core itself as the reference.
func run(t *testing.T, chosen []conformance.Vector, legs ...Source) Report {
	t.Helper()
	return Run(context.Background(), Plan{Vectors: chosen, Reference: CoreSource(), Legs: legs, StepLimit: testLimit})
}

// changedCore is the core with one thing changed in its answers.
func changedCore(old, changed string) Source {
	return Source{Name: "changed", Open: func(context.Context) (Leg, error) {
		core := abi.New()
		return InProcess(func(op string, request, body []byte) []byte {
			return bytes.ReplaceAll(core.Call(op, request, body), []byte(old), []byte(changed))
		}), nil
	}}
}

func demandExit(t *testing.T, report Report, code int) string {
	t.Helper()
	var table strings.Builder
	report.WriteTable(&table)
	if got := report.ExitCode(); got != code {
		t.Fatalf("exit code %d, expected %d\n%s", got, code, table.String())
	}
	return table.String()
}

func TestEveryVectorPassesOnTheCore(t *testing.T) {
	report := run(t, vectors(t), CoreSource())
	demandExit(t, report, ExitPassed)
	if passed, failed, _ := report.Counts(); passed != len(vectors(t)) || failed != 0 {
		t.Errorf("%d passed, %d failed", passed, failed)
	}
}

func TestWrongLegFailsAndTheVectorIsNamed(t *testing.T) {
	chosen := vectors(t, "body/changed", "body/signed")
	table := demandExit(t, run(t, chosen, changedCore(`"body_tampered"`, `"invalid_claims"`)), ExitFailed)
	if !strings.Contains(table, "FAILED body/changed on changed") {
		t.Errorf("the vector is not named:\n%s", table)
	}
	if strings.Contains(table, "FAILED body/signed") {
		t.Errorf("its twin must pass:\n%s", table)
	}
}

// TestOneByteIsADifference changes a text that no vector expects.
func TestOneByteIsADifference(t *testing.T) {
	chosen := vectors(t, "body/changed")
	table := demandExit(t, run(t, chosen, changedCore("the body's SHA-256 is", "the body's SHA-256 was")), ExitFailed)
	if !strings.Contains(table, "differs from the reference") {
		t.Errorf("the difference is not shown:\n%s", table)
	}
	demandExit(t, run(t, chosen, changedCore("no such text", "x")), ExitPassed)
}

// TestWrongReferenceIsNoticed: where the reference is wrong and a leg is right,
// they differ, and the leg alone is reported.
func TestWrongReferenceIsNoticed(t *testing.T) {
	report := Run(context.Background(), Plan{
		Vectors: vectors(t, "body/changed"), Reference: changedCore(`"body_tampered"`, `"invalid_claims"`),
		Legs: []Source{CoreSource()}, StepLimit: testLimit,
	})
	demandExit(t, report, ExitFailed)
}

func TestLeakedPrivateKeyFails(t *testing.T) {
	chosen := vectors(t, "keys/spki")
	leak := changedCore(`"key_id":""`, `"key_id":"-----BEGIN PRIVATE KEY-----"`)
	table := demandExit(t, run(t, chosen, leak), ExitFailed)
	if !strings.Contains(table, "holds a private key") {
		t.Errorf("the leak is not named:\n%s", table)
	}
}

func TestDriverPasses(t *testing.T) {
	report := run(t, vectors(t, "abi/*", "replay/*", "keys/generated"), testDriver("good"))
	demandExit(t, report, ExitPassed)
}

func TestWrongDriverFails(t *testing.T) {
	for mode, want := range map[string]string{"wrong": "ok.match: expected true, got false", "spaced": "differs from the reference"} {
		table := demandExit(t, run(t, vectors(t, "abi/call"), testDriver(mode)), ExitFailed)
		if !strings.Contains(table, "FAILED abi/call on driver") || !strings.Contains(table, want) {
			t.Errorf("%s: expected %q\n%s", mode, want, table)
		}
	}
}

func TestBrokenDriverCouldNotRun(t *testing.T) {
	for mode, want := range map[string]string{
		"dies":     "something broke in the driver",
		"garbage":  "not JSON",
		"wrong-id": "instead of",
		"failed":   "no library",
		"bad-exit": "exit status 7",

		"failed-too": "and broken",
		"no-base64":  "not base64",
	} {
		table := demandExit(t, run(t, vectors(t, "abi/call"), testDriver(mode)), ExitBroken)
		if !strings.Contains(table, "LEG driver COULD NOT RUN") || !strings.Contains(table, want) {
			t.Errorf("%s: expected %q\n%s", mode, want, table)
		}
	}
}

func TestSilentDriverCouldNotRun(t *testing.T) {
	report := Run(context.Background(), Plan{
		Vectors: vectors(t, "abi/call"), Reference: CoreSource(), Legs: []Source{testDriver("hangs")}, StepLimit: 2 * time.Second,
	})
	if table := demandExit(t, report, ExitBroken); !strings.Contains(table, ErrTimeout.Error()) {
		t.Errorf("the time limit is not named:\n%s", table)
	}
}

func TestDriverThatStaysIsKilled(t *testing.T) {
	leg, err := testDriver("stays").Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := leg.Close(); err == nil || !strings.Contains(err.Error(), "did not end") {
		t.Errorf("closed with %v", err)
	}
	if state := leg.(*driver).process.ProcessState; state == nil {
		t.Error("the process is still there")
	}
}

func TestMissingDriverCouldNotRun(t *testing.T) {
	missing := DriverSource("missing", Command{Args: []string{filepath.Join(t.TempDir(), "no-such-driver")}})
	table := demandExit(t, run(t, vectors(t, "abi/call"), missing, CoreSource()), ExitBroken)
	if !strings.Contains(table, "LEG missing COULD NOT RUN") || !strings.Contains(table, "1/1") {
		t.Errorf("the other leg must run:\n%s", table)
	}
}

func TestBrokenWinsOverFailed(t *testing.T) {
	missing := DriverSource("missing", Command{Args: []string{filepath.Join(t.TempDir(), "no-such-driver")}})
	demandExit(t, run(t, vectors(t, "body/changed"), changedCore(`"body_tampered"`, `"invalid_claims"`), missing), ExitBroken)
}

func TestOtherVersionCouldNotRun(t *testing.T) {
	table := demandExit(t, run(t, vectors(t, "abi/call"), changedCore(`"version":"`+abi.Release+`"`, `"version":"0.0.0"`)), ExitBroken)
	if !strings.Contains(table, "another build") || !strings.Contains(table, "0.0.0") {
		t.Errorf("the cause is not named:\n%s", table)
	}
}

// TestBrokenReferenceIsReported even where it was not chosen: without it nothing
// was compared.
func TestBrokenReferenceIsReported(t *testing.T) {
	report := Run(context.Background(), Plan{
		Vectors: vectors(t, "abi/call"), Reference: WazeroSource(filepath.Join(t.TempDir(), "none.wasm"), t.TempDir()),
		Legs: []Source{CoreSource()}, StepLimit: time.Second,
	})
	if table := demandExit(t, report, ExitBroken); !strings.Contains(table, "make wasm") {
		t.Errorf("what to do is not said:\n%s", table)
	}
}

func TestEnginesAreClosed(t *testing.T) {
	core := abi.New()
	source := Source{Name: "kept", Open: func(context.Context) (Leg, error) { return InProcess(core.Call), nil }}
	demandExit(t, run(t, vectors(t, "replay/*"), source), ExitPassed)
	for _, engine := range []string{"1", "2", "3"} {
		if answer := core.Call("engine.stats", []byte(`{"engine":`+engine+`}`), nil); !bytes.Contains(answer, []byte("unknown_engine")) {
			t.Errorf("engine %s is still open: %s", engine, answer)
		}
	}
}

func TestNormalise(t *testing.T) {
	for _, c := range []struct {
		op, answer, want string
		varies           []string
	}{
		{"engine.open", `{"ok":{"engine":17,"max_body":1}}`, `{"ok":{"engine":"$engine","max_body":1}}`, nil},
		{"version", `{"ok":{"engine":17}}`, `{"ok":{"engine":17}}`, nil},
		{"request.verify", `{"need":{"kind":"keys"},"ticket":12}`, `{"need":{"kind":"keys"},"ticket":"$ticket"}`, nil},
		{"request.verify", `{"ok":{"ticket":12}}`, `{"ok":{"ticket":12}}`, nil},
		{"key.generate", `{"ok":{"a":"x","b":{"c":1}}}`, `{"ok":{"a":"$varies","b":"$varies"}}`, []string{"ok.a", "ok.b", "ok.none"}},
		{"version", `not JSON`, `not JSON`, nil},
	} {
		if got := string(normalise(c.op, []byte(c.answer), c.varies)); got != c.want {
			t.Errorf("%s %s: %s, expected %s", c.op, c.answer, got, c.want)
		}
	}
}

// watched keeps what a run told it.
type watched struct {
	mutex  sync.Mutex
	events []string
}

func (w *watched) add(event string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.events = append(w.events, event)
}

func (w *watched) LegStarted(leg string)           { w.add("start " + leg) }
func (w *watched) VectorDone(leg string, r Result) { w.add(r.Vector.Name + " on " + leg) }
func (w *watched) LegEnded(leg, _ string)          { w.add("end " + leg) }

// TestLegsAtTheSameTime: the report keeps the order of the legs, and each leg is
// compared with the reference.
func TestLegsAtTheSameTime(t *testing.T) {
	legs := []Source{changedCore(`"body_tampered"`, `"invalid_claims"`), CoreSource(), testDriver("good"), changedCore("no such text", "x")}
	var started watched
	report := Run(context.Background(), Plan{
		Vectors: vectors(t, "body/changed", "body/signed"), Reference: CoreSource(), Legs: legs, StepLimit: testLimit, Parallel: 3,
		Watch: &started,
	})
	for at, want := range []string{"changed", "go", "driver", "changed"} {
		if report.Legs[at].Name != want || len(report.Legs[at].Results) != 2 {
			t.Errorf("leg %d is %s with %d results", at, report.Legs[at].Name, len(report.Legs[at].Results))
		}
	}
	if passed, failed, _ := report.Counts(); passed != 7 || failed != 1 || len(started.events) != 16 {
		t.Errorf("%d passed, %d failed, watched %v", passed, failed, started.events)
	}
}

// TestSavedTextsAreBodies: what one step saved, another sends as its body.
func TestSavedTextsAreBodies(t *testing.T) {
	hash := func(path, digest string) []conformance.Vector {
		return []conformance.Vector{{Name: "a/saved", Kind: conformance.Accept, Steps: []conformance.Step{
			{Op: "request.endpoint", Request: json.RawMessage(`{"url":"https://x"}`), Save: map[string]string{"text": path}, Expect: conformance.Expect{OKIncludes: json.RawMessage(`{}`)}},
			{Op: "digest.body", Request: json.RawMessage(`{}`), BodySaved: "text", Expect: conformance.Expect{OKIncludes: json.RawMessage(`{"content_sha256":"` + digest + `"}`)}},
		}}}
	}
	const ofEndpoint = "52b2c2bb920fe04c48a9275d5f7f1d599c5f86bb08dc359e54ae81707cb4e7a6" // https://x/agent
	demandExit(t, run(t, hash("ok.url", ofEndpoint), CoreSource()), ExitPassed)
	demandExit(t, run(t, hash("ok.url", strings.Repeat("0", 64)), CoreSource()), ExitFailed)
	if table := demandExit(t, run(t, hash("ok", ofEndpoint), CoreSource()), ExitFailed); !strings.Contains(table, "is no text") {
		t.Error(table)
	}
}

// TestPlayerJudgesNothing: it gives the answers of every step, whatever was
// expected, ends where a value is missing, and leaves no engine open.
func TestPlayerJudgesNothing(t *testing.T) {
	core := abi.New()
	player := Player{Leg: InProcess(core.Call), StepLimit: time.Minute}
	steps := func(saves string) conformance.Vector {
		return conformance.Vector{Steps: []conformance.Step{
			{Op: "engine.open", Request: json.RawMessage(`{"verifier":{}}`), Save: map[string]string{"engine": saves}},
			{Op: "engine.stats", Request: json.RawMessage(`{"engine":"$engine"}`)},
			{Op: "nonsense", Request: json.RawMessage(`{}`), Repeat: 2},
		}}
	}
	for saves, want := range map[string]int{"ok.engine": 4, "ok.none": 1} {
		answers, err := player.Play(context.Background(), steps(saves))
		if err != nil || len(answers) != want || !bytes.Contains(answers[0], []byte(`"engine":"$engine"`)) {
			t.Errorf("%s: %d answers, %v: %s", saves, len(answers), err, answers)
		}
	}
	for _, engine := range []string{"1", "2"} {
		if answer := core.Call("engine.stats", []byte(`{"engine":`+engine+`}`), nil); !bytes.Contains(answer, []byte("unknown_engine")) {
			t.Errorf("engine %s is still open: %s", engine, answer)
		}
	}
	if _, err := (Player{Leg: brokenLeg{}, StepLimit: time.Minute}).Play(context.Background(), steps("ok.engine")); err == nil {
		t.Error("a broken leg was not reported")
	}
}

type brokenLeg struct{}

func (brokenLeg) Call(context.Context, Call) ([]byte, error) { return nil, ErrTimeout }
func (brokenLeg) Close() error                               { return nil }

// TestCopiesShareTheVectors: every vector runs once, the results keep their
// order, and where one copy breaks the leg is broken.
func TestCopiesShareTheVectors(t *testing.T) {
	chosen := vectors(t, "scope/*", "digest/*", "abi/*")
	source := CoreSource()
	source.Name, source.Copies = "copies", 3
	report := run(t, chosen, source)
	demandExit(t, report, ExitPassed)
	for at, result := range report.Legs[0].Results {
		if result.Vector.Name != chosen[at].Name {
			t.Fatalf("result %d is %s, expected %s", at, result.Vector.Name, chosen[at].Name)
		}
	}
	if len(report.Legs[0].Results) != len(chosen) {
		t.Errorf("%d results of %d vectors", len(report.Legs[0].Results), len(chosen))
	}
	dying := testDriver("dies")
	dying.Copies = 3
	if table := demandExit(t, run(t, vectors(t, "scope/*"), dying), ExitBroken); !strings.Contains(table, "something broke in the driver") {
		t.Errorf("the cause is not said:\n%s", table)
	}
}

// TestSlowLegsLeaveHeavyVectorsOut unless the plan asks for them.
func TestSlowLegsLeaveHeavyVectorsOut(t *testing.T) {
	chosen := vectors(t, "keys/generated", "keys/spki")
	slow := CoreSource()
	slow.Name, slow.Slow = "slow", true
	for heavy, want := range map[bool]int{false: 1, true: 2} {
		report := Run(t.Context(), Plan{Vectors: chosen, Reference: CoreSource(), Legs: []Source{slow}, StepLimit: testLimit, Heavy: heavy})
		table := demandExit(t, report, ExitPassed)
		left := report.Legs[0].Left
		if len(report.Legs[0].Results) != want || left != 2-want || strings.Contains(table, "left out 1 heavy") != (left == 1) {
			t.Errorf("heavy %v: %d results, %d left out\n%s", heavy, len(report.Legs[0].Results), left, table)
		}
	}
}

// TestALegThatPlaysSome: the report says how many it left out, and none of them counts.
func TestALegThatPlaysSome(t *testing.T) {
	chosen := vectors(t, "body/changed", "body/signed", "scope/*")
	report := run(t, chosen, GoHostSource())
	table := demandExit(t, report, ExitPassed)
	left := fmt.Sprintf("go-host left out %d vectors", len(chosen)-2)
	if len(report.Legs[0].Results) != 2 || !strings.Contains(table, left) {
		t.Errorf("%d results\n%s", len(report.Legs[0].Results), table)
	}
}

// TestTheGoHostPlaysWhatItCan: fewer would be a filter that leaves out too much.
func TestTheGoHostPlaysWhatItCan(t *testing.T) {
	var played []conformance.Vector
	for _, vector := range vectors(t) {
		if GoHostSource().Plays(vector) {
			played = append(played, vector)
		}
	}
	demandExit(t, run(t, played, GoHostSource()), ExitPassed)
	if len(played) < 384 {
		t.Errorf("the leg plays %d vectors", len(played))
	}
}

// TestUnsupportedFailsTheVectorAlone: a driver may say that it has no such
// operation, and the leg goes on.
func TestUnsupportedFailsTheVectorAlone(t *testing.T) {
	report := run(t, vectors(t, "scope/*", "abi/version"), testDriver("unsupported"))
	table := demandExit(t, report, ExitFailed)
	if !strings.Contains(table, "does not support this: no scopes") || strings.Contains(table, "FAILED abi/version") {
		t.Errorf("what is not supported must fail, and nothing else:\n%s", table)
	}
}

// TestExpectationsOnly: another implementation has its own texts and version.
func TestExpectationsOnly(t *testing.T) {
	for only, code := range map[bool]int{true: ExitPassed, false: ExitBroken} {
		other := changedCore(abi.Release, "9.9.9")
		report := Run(t.Context(), Plan{Vectors: vectors(t, "body/changed"), Reference: CoreSource(), Legs: []Source{other}, StepLimit: testLimit, ExpectationsOnly: only})
		demandExit(t, report, code)
	}
	wrong := changedCore(`"body_tampered"`, `"invalid_claims"`)
	report := Run(t.Context(), Plan{Vectors: vectors(t, "body/changed"), Reference: CoreSource(), Legs: []Source{wrong}, StepLimit: testLimit, ExpectationsOnly: true})
	demandExit(t, report, ExitFailed)
}
