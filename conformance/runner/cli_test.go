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

// TestMissingModule: the whole command without anything built.
func TestMissingModule(t *testing.T) {
	out := t.TempDir()
	code, stdout, _ := command("--leg", "go", "--vector", "abi/call", "--wasm", filepath.Join(out, "none.wasm"), "--out", out)
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
