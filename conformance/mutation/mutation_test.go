package mutation

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGuardsAreThereOnce(t *testing.T) {
	names := map[string]bool{}
	for _, g := range Guards() {
		if names[g.Name] {
			t.Errorf("two guards are named %s", g.Name)
		}
		names[g.Name] = true
		text, err := os.ReadFile(filepath.Join("..", "..", g.File))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), g.Find); n != 1 {
			t.Errorf("%s: its text is %d times in %s", g.Name, n, g.File)
		}
		if g.Find == g.Replace {
			t.Errorf("%s changes nothing", g.Name)
		}
	}
}
