package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func command(arguments ...string) (code int, stdout, stderr string) {
	var out, errors bytes.Buffer
	code = Main(context.Background(), arguments, &out, &errors)
	return code, out.String(), errors.String()
}

func TestWrongArgumentsAreExitTwo(t *testing.T) {
	for want, arguments := range map[string][]string{
		`no leg "nonsense"`:    {"--leg", "nonsense"},
		"no vector is named":   {"--vector", "nonsense/*"},
		"not defined: -nonsen": {"--nonsense"},
		`"nonsense" is not a`:  {"nonsense"},
		"exclude each other":   {"--all", "--leg", "go"},
		"names no command":     {"--driver", "  "},
		"at least one leg":     {"--parallel", "0"},
		"none.txt":             {"--known-failing", "none.txt"},
		"to compare with":      {"--reference", "nonsense"},
		`named like "raplay/`:  {"--vector", "scope/*", "--vector", "raplay/*"},
		"needs a command":      {"--leg", "driver"},
	} {
		if code, _, stderr := command(arguments...); code != ExitBroken || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit code %d, %s", arguments, code, stderr)
		}
	}
}

func TestListRunsNothing(t *testing.T) {
	code, stdout, _ := command("--list", "--vector", "abi/call,abi/version")
	if code != ExitPassed || !strings.Contains(stdout, "node-wasm-core") || !strings.Contains(stdout, "accept  abi/call: ") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
	if strings.Contains(stdout, "abi/operation-unknown") {
		t.Error("a vector is listed that was not chosen")
	}
}

// asDriver is this binary as a driver of the command line, behaving in some way.
func asDriver(t *testing.T, mode string) []string {
	t.Setenv(behaviour, mode)
	return []string{"--leg", "driver", "--driver", os.Args[0], "--reference", "go", "--out", t.TempDir(), "--vector", "scope/*"}
}

// TestDriverOfTheCommandLine: the whole command with a right and a deliberately
// wrong driver, and with one that is not there.
func TestDriverOfTheCommandLine(t *testing.T) {
	if code, stdout, stderr := command(asDriver(t, "good")...); code != ExitPassed || !strings.HasSuffix(stdout, " passed, 0 failed\n") {
		t.Errorf("good: exit code %d\n%s%s", code, stdout, stderr)
	}
	code, stdout, _ := command(asDriver(t, "wrong")...)
	if code != ExitFailed || !strings.Contains(stdout, "FAILED scope/") || strings.Contains(stdout, " 0 failed") {
		t.Errorf("wrong: exit code %d\n%s", code, stdout)
	}
	missing := []string{"--leg", "driver", "--driver", filepath.Join(t.TempDir(), "no-such-driver"), "--reference", "go", "--out", t.TempDir()}
	if code, stdout, _ := command(missing...); code != ExitBroken || !strings.Contains(stdout, "LEG driver COULD NOT RUN") || !strings.Contains(stdout, "no-such-driver") {
		t.Errorf("missing: exit code %d\n%s", code, stdout)
	}
}

func TestKnownFailingOfTheCommandLine(t *testing.T) {
	wrong := asDriver(t, "wrong")
	arguments := append(wrong, "--vector", "abi/call", "--known-failing", knownFile(t, "driver * it answers false to every scope.match\n"))
	if code, stdout, _ := command(arguments...); code != ExitFailed || !strings.Contains(stdout, "remove the entry") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
	arguments = []string{"--leg", "driver", "--driver", os.Args[0], "--reference", "go", "--out", t.TempDir(), "--vector", "abi/call",
		"--known-failing", knownFile(t, "driver abi/call it answers false to every scope.match\n")}
	if code, stdout, _ := command(arguments...); code != ExitPassed || !strings.HasSuffix(stdout, "\n0 passed, 0 failed, 1 known to fail\n") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
}

// TestOutsideACheckout: what needs nothing but this program runs, a leg that is
// named and has nothing to run with is broken.
func TestOutsideACheckout(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("go.mod", []byte("module example.com/mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stdout, stderr := command("--vector", "abi/call"); code != ExitPassed || !strings.HasSuffix(stdout, "\n1 passed, 0 failed\n") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if _, err := os.Stat("conformance-report/junit.xml"); err != nil {
		t.Error(err)
	}
	for leg, want := range map[string]string{"wazero": "--wasm", "c": "--library"} {
		if code, stdout, _ := command("--vector", "abi/call", "--leg", leg); code != ExitBroken || !strings.Contains(stdout, want) {
			t.Errorf("%s: exit code %d\n%s", leg, code, stdout)
		}
	}
}

func TestAllDemandsEveryLeg(t *testing.T) {
	code, stdout, _ := command("--all", "--vector", "abi/call", "--list")
	if code != ExitPassed || !strings.Contains(stdout, "wazero-interpreter") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
	if _, stdout, _ := command("--vector", "abi/call", "--list"); strings.Contains(stdout, "wazero-interpreter") {
		t.Errorf("a leg that is absent is chosen:\n%s", stdout)
	}
}

// TestDriverRunsBesideALegThatIsNamed: it was given to be run.
func TestDriverRunsBesideALegThatIsNamed(t *testing.T) {
	missing := []string{"--leg", "go", "--driver", filepath.Join(t.TempDir(), "no-such-driver"), "--reference", "go", "--out", t.TempDir(), "--vector", "scope/*"}
	if code, stdout, _ := command(missing...); code != ExitBroken || !strings.Contains(stdout, "no-such-driver") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
}

func TestKnownFailingOfNoLeg(t *testing.T) {
	list := knownFile(t, "drivr scope/equal it was misspelt\n")
	if code, _, stderr := command("--leg", "go", "--reference", "go", "--vector", "scope/*", "--known-failing", list, "--out", t.TempDir()); code != ExitBroken || !strings.Contains(stderr, `known.txt:1: there is no leg "drivr"`) {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// TestOldReportsAreRemoved, so that none passes for that of a run which could not
// write its own.
func TestOldReportsAreRemoved(t *testing.T) {
	out := t.TempDir()
	run := func(ctx context.Context) int {
		var stdout, stderr bytes.Buffer
		return Main(ctx, []string{"--leg", "go", "--reference", "go", "--vector", "scope/*", "--out", out}, &stdout, &stderr)
	}
	if code := run(t.Context()); code != ExitPassed {
		t.Fatalf("exit code %d", code)
	}
	interrupted, stop := context.WithCancel(t.Context())
	stop()
	if code := run(interrupted); code != ExitBroken {
		t.Errorf("interrupted: exit code %d", code)
	}
	if _, err := os.Stat(filepath.Join(out, "report.json")); err == nil {
		t.Error("the report of the run before is still there")
	}
}

func TestDigests(t *testing.T) {
	if code, stdout, _ := command("--digests"); code != ExitPassed || !strings.Contains(stdout, "  abi/call\n") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
}

// TestMissingModule: the whole command without anything built.
func TestMissingModule(t *testing.T) {
	out := t.TempDir()
	code, stdout, _ := command("--reference", "wazero", "--leg", "go", "--vector", "abi/call", "--wasm", filepath.Join(out, "none.wasm"), "--out", out)
	if code != ExitBroken || !strings.HasSuffix(stdout, "\n1 passed, 0 failed\n") {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
}

func TestReports(t *testing.T) {
	out := t.TempDir()
	report := Run(context.Background(), Plan{
		Vectors: vectors(t, "body/changed", "body/signed"), Reference: CoreSource(), StepLimit: time.Minute,
		Legs: []Source{CoreSource(), changedCore(`"body_tampered"`, `"invalid_claims"`), testDriver("bad-exit")},
	})
	var stdout bytes.Buffer
	code, err := settings{out: out}.conclude(report, &stdout)
	if err != nil || code != ExitBroken {
		t.Fatalf("exit code %d, %v", code, err)
	}
	if !strings.HasSuffix(stdout.String(), "\n5 passed, 1 failed\n") {
		t.Errorf("last line: %s", stdout.String())
	}
	checkJSON(t, filepath.Join(out, "report.json"))
	checkJUnit(t, filepath.Join(out, "junit.xml"))
}

func checkJSON(t *testing.T, path string) {
	t.Helper()
	var read jsonReport
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &read)
	}
	if err != nil {
		t.Fatal(err)
	}
	if read.Passed != 5 || read.Failed != 1 || len(read.Legs) != 3 || read.Legs[2].Broken == "" {
		t.Errorf("%s", text)
	}
}

func checkJUnit(t *testing.T, path string) {
	t.Helper()
	var read junitSuites
	text, err := os.ReadFile(path)
	if err == nil {
		err = xml.Unmarshal(text, &read)
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(read.Suites) != 3 || read.Suites[1].Failures != 1 || read.Suites[2].Errors != 1 || read.Suites[2].Tests != 3 {
		t.Errorf("%s", text)
	}
}

func TestCompilerErrorIsShown(t *testing.T) {
	root := t.TempDir()
	library := filepath.Join(root, "libtallystick.so")
	if err := os.WriteFile(library, []byte("no library"), 0o644); err != nil {
		t.Fatal(err)
	}
	places := Places{Root: root, Library: library}.withDefaults()
	_, err := places.c().Open(context.Background())
	if err == nil || !strings.Contains(err.Error(), "driver.c") {
		t.Errorf("opened with %v", err)
	}
	places.Library = filepath.Join(root, "none.so")
	if _, err := places.c().Open(context.Background()); err == nil || !strings.Contains(err.Error(), "make cshared") {
		t.Errorf("opened with %v", err)
	}
}
