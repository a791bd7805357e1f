package tallystick_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	tallystick "github.com/tallystick/tallystick/bindings/go"
)

func BenchmarkSkillProtect(b *testing.B) {
	skill, err := tallystick.NewSkill(tallystick.SkillOptions{BaseURL: "https://alice.example", DevMode: true,
		KeysDir: filepath.Join(b.TempDir(), "keys"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	made, err := skill.Token(b.Context(), skill.BaseURL())
	if err != nil {
		b.Fatal(err)
	}
	handler := skill.Protect("read")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	request := httptest.NewRequestWithContext(b.Context(), "GET", "/chat", nil)
	request.Header.Set("Authorization", "Bearer "+made)
	b.ReportAllocs()
	for b.Loop() {
		recorded := httptest.NewRecorder()
		if handler.ServeHTTP(recorded, request); recorded.Code != http.StatusOK {
			b.Fatal(recorded.Body)
		}
	}
}
