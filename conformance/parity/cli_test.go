package parity

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tallystick/tallystick/conformance"
)

// command runs the whole command with this test binary as its other leg.
func command(t *testing.T, mode string, arguments ...string) (code int, stdout, stderr string) {
	t.Helper()
	t.Setenv(behaviour, mode)
	var out, errors bytes.Buffer
	code = Main(context.Background(), append([]string{"--leg", "go", "--driver", os.Args[0]}, arguments...), &out, &errors)
	return code, out.String(), errors.String()
}

func TestNoDifferenceIsExitZero(t *testing.T) {
	code, stdout, stderr := command(t, "good", "--cases", "130")
	if code != ExitSame || !strings.HasSuffix(stdout, "\n130 cases, 2 legs, 0 differences (0 random)\n") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

func TestDifferenceIsExitOne(t *testing.T) {
	out := t.TempDir()
	code, stdout, stderr := command(t, "wrong", "--cases", "20000", "--seed", "5", "--out", out)
	if code != ExitDifferent || !strings.Contains(stdout, "DIFFERENCE: leg driver, seed 5, case ") || !strings.Contains(stdout, "2 legs, 1 differences") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	files, err := filepath.Glob(filepath.Join(out, "seed-5-case-*.json"))
	if err != nil || len(files) != 1 || !strings.Contains(stdout, files[0]) {
		t.Fatalf("%v %v\n%s", files, err, stdout)
	}
	loaded, err := conformance.LoadFrom(os.DirFS(out))
	if err != nil {
		t.Fatal(err)
	}
	if found := loaded.Vectors()[0]; len(found.Steps) != 1 || found.Steps[0].Op != "scope.match" || len(found.Steps[0].Request) > 80 {
		t.Errorf("it is not small: %s", text(t, found))
	}
}

func TestBrokenLegIsExitTwo(t *testing.T) {
	for mode, want := range map[string]string{
		"dies":          "something broke in the driver",
		"hangs":         "no answer within the time limit",
		"other-version": "another version",
	} {
		t.Run(mode, func(t *testing.T) {
			code, stdout, stderr := command(t, mode, "--cases", "2000", "--step-timeout", "2s")
			if code != ExitBroken || !strings.Contains(stderr, "leg driver: ") || !strings.Contains(stderr, want) {
				t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
			}
			if mode != "other-version" && !strings.Contains(stderr, "again: --seed 1 --case ") {
				t.Errorf("the case is not named: %s", stderr)
			}
		})
	}
}

func TestWrongArgumentsAreExitTwo(t *testing.T) {
	for want, arguments := range map[string][]string{
		"no leg \"nonsense\"":   {"--leg", "nonsense"},
		"nothing to compare":    {"--leg", "go"},
		"at least 1":            {"--cases", "0"},
		`"nonsense" is not a`:   {"nonsense"},
		"not be negative":       {"--minutes", "-1"},
		"not defined: -nonsens": {"--nonsense"},
		"invalid value":         {"--seed", "x"},
		"make wasm":             {"--leg", "wazero", "--wasm", "nothing.wasm"},
	} {
		var stdout, stderr bytes.Buffer
		if code := Main(context.Background(), arguments, &stdout, &stderr); code != ExitBroken || !strings.Contains(stderr.String(), want) {
			t.Errorf("%v: exit code %d, %s", arguments, code, stderr.String())
		}
	}
	var stdout, stderr bytes.Buffer
	if code := Main(context.Background(), []string{"--help"}, &stdout, &stderr); code != ExitSame || !strings.Contains(stderr.String(), "-seed") {
		t.Errorf("--help: exit code %d, %s", code, stderr.String())
	}
}

func TestOneCase(t *testing.T) {
	code, stdout, stderr := command(t, "good", "--case", "17")
	if code != ExitSame || !strings.Contains(stdout, "1 cases, 2 legs") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

func TestRandomSeedIsSaid(t *testing.T) {
	var s seed
	if err := s.Set("random"); err != nil {
		t.Fatal(err)
	}
	again := seed(0)
	if err := again.Set(s.String()); err != nil || again != s {
		t.Errorf("%v %v", err, again)
	}
}
