//go:build unix

package tallystick

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func sharedFixture(t *testing.T) *sharedFile {
	t.Helper()
	return &sharedFile{filepath.Join(t.TempDir(), "folder", "doc"), "document"}
}

func put(text string) sharedChange {
	return func(string, bool) (string, bool, error) { return text, true, nil }
}

func mustPut(t *testing.T, f *sharedFile, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if _, err := f.update(t.Context(), put(text)); err != nil {
			t.Fatal(err)
		}
	}
}

func mustHave(t *testing.T, f *sharedFile, number int64, text string) {
	t.Helper()
	version, err := f.read()
	if err != nil || version.number != number || version.text != text || version.there != (text != "") {
		t.Fatalf("%+v %v", version, err)
	}
}

func mustFail(t *testing.T, err error, words string) {
	t.Helper()
	e, ok := err.(*Error)
	if !ok || e.Code != "invalid_config" || !strings.Contains(e.Message, words) || !strings.Contains(e.Message, "doc") {
		t.Fatalf("%v, want %s", err, words)
	}
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func TestASharedFileHasVersions(t *testing.T) {
	f := sharedFixture(t)
	mustHave(t, f, 0, "")
	mustPut(t, f, "one", "two")
	mustHave(t, f, 2, "two")
	if size(t, f.name(1)) != 0 {
		t.Error("a superseded version has its text")
	}
	version, err := f.update(t.Context(), func(text string, there bool) (string, bool, error) { return "", false, nil })
	if err != nil || version.number != 2 {
		t.Error(version, err)
	}
	for range 70 {
		mustPut(t, f, "more")
	}
	mustHave(t, f, 72, "more")
	for number, want := range map[int64]bool{1: true, 2: false, 8: false, 9: true, 71: true, 72: true, 73: false} {
		if _, err := os.Stat(f.name(number)); (err == nil) != want {
			t.Errorf("version %d: %v", number, err)
		}
	}
	if names, err := f.names(); err != nil || len(names) != 65 {
		t.Error(len(names), err)
	}
}

func TestWritersLoseNothing(t *testing.T) {
	f := sharedFixture(t)
	const writers, each = 8, 20
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				_, err := f.update(t.Context(), func(text string, there bool) (string, bool, error) {
					count, _ := strconv.Atoi(text)
					return strconv.Itoa(count + 1), true, nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	mustHave(t, f, writers*each, strconv.Itoa(writers*each))
}

func TestAStaleWriterIsToldSo(t *testing.T) {
	f := sharedFixture(t)
	mustPut(t, f, "one", "two")
	stale := func() *foundVersion {
		found, err := f.newest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(found.close)
		return found
	}
	if committed, err := f.commit(stale(), "three"); !committed || err != nil {
		t.Fatal(committed, err)
	}
	found := stale()
	mustPut(t, f, "four")
	if committed, err := f.commit(found, "other"); committed || err != nil {
		t.Error(committed, err)
	}
	mustHave(t, f, 4, "four")
	found = stale()
	for range 70 {
		mustPut(t, f, "more")
	}
	// Its name was given up meanwhile: the link succeeds, and is none.
	_, err := f.commit(found, "other")
	mustFail(t, err, "the outcome is unknown")
	mustHave(t, f, 74, "more")
	if _, err := os.Stat(f.name(5)); err == nil {
		t.Error("what was linked in vain is still there")
	}
}

func TestAFileOfAnOlderReleaseIsTakenOver(t *testing.T) {
	f := sharedFixture(t)
	if err := os.Mkdir(filepath.Dir(f.path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	mustHave(t, f, 0, "old")
	mustPut(t, f, "new")
	mustHave(t, f, 2, "new")
	if size(t, f.path) != 0 || size(t, f.name(1)) != 0 || f.stray() != "" {
		t.Error("both are emptied together", f.stray())
	}
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.path, []byte("stray"), 0o600); err != nil {
		t.Fatal(err)
	}
	if said := f.stray(); !strings.Contains(said, "is not used") || !strings.Contains(said, `"ln doc doc.3"`) {
		t.Error(said)
	}
	mustHave(t, f, 2, "new")
	linked := sharedFixture(t)
	if err := os.Mkdir(filepath.Dir(linked.path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(f.path, linked.path); err != nil {
		t.Fatal(err)
	}
	_, err := linked.update(t.Context(), put("x"))
	mustFail(t, err, "is a symbolic link")
	if size(t, f.path) != 5 {
		t.Error("the target was changed")
	}
}

func TestWrongFilesAreRefused(t *testing.T) {
	f := sharedFixture(t)
	mustPut(t, f, "one")
	place := f.name(2)
	for name, one := range map[string]struct {
		make func() error
		says string
	}{
		"pipe":      {func() error { return syscall.Mkfifo(place, 0o600) }, "is not a regular file"},
		"folder":    {func() error { return os.Mkdir(place, 0o700) }, "is not a regular file"},
		"open":      {func() error { return writeMode(place, "two", 0o640) }, "mode 0640"},
		"not UTF-8": {func() error { return writeMode(place, "\xff", 0o600) }, "not UTF-8"},
		"large":     {func() error { return writeMode(place, strings.Repeat("x", maxShared+1), 0o600) }, "is over 8388608 bytes"},
		"empty":     {func() error { return writeMode(place, "", 0o600) }, "is empty, and nothing newer"},
	} {
		if err := one.make(); err != nil {
			t.Fatal(name, err)
		}
		_, err := f.read()
		mustFail(t, err, one.says)
		_, err = f.update(t.Context(), put("three"))
		mustFail(t, err, one.says)
		if err := os.Remove(place); err != nil {
			t.Fatal(err)
		}
	}
	mustHave(t, f, 1, "one")
	for _, text := range []string{"", strings.Repeat("x", maxShared+1)} {
		_, err := f.update(t.Context(), put(text))
		mustFail(t, err, "would not have 1 to")
	}
	mustPut(t, f, strings.Repeat("x", maxShared))
	if err := os.Chmod(filepath.Dir(f.path), 0o711); err != nil {
		t.Fatal(err)
	}
	_, err := f.update(t.Context(), put("two"))
	mustFail(t, err, "run chmod 700")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := os.Chmod(filepath.Dir(f.path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := againShared(ctx); err == nil {
		t.Error("a call that has ended tries again")
	}
}

func writeMode(path, text string, mode os.FileMode) error {
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

func TestFilesOfDeadWritersGo(t *testing.T) {
	f := sharedFixture(t)
	mustPut(t, f, "one")
	folder := filepath.Dir(f.path)
	age := map[string]time.Duration{
		".doc.0123456789abcdef.tmp": 2 * time.Hour, ".doc.fedcba9876543210.tmp": time.Minute,
		".doc.0123456789ABCDEF.tmp": 2 * time.Hour, ".other.0123456789abcdef.tmp": 2 * time.Hour,
	}
	for name, old := range age {
		path, at := filepath.Join(folder, name), time.Now().Add(-old)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	mustPut(t, f, "two")
	for name := range age {
		if _, err := os.Stat(filepath.Join(folder, name)); (err != nil) != (name == ".doc.0123456789abcdef.tmp") {
			t.Error(name, err)
		}
	}
}

func TestALookSeesEachChange(t *testing.T) {
	f := sharedFixture(t)
	before := f.look(nil)
	if !f.look(before).same(before) {
		t.Error("nothing has changed")
	}
	for name, change := range map[string]func() error{
		"version": func() error { _, err := f.update(t.Context(), put("new")); return err },
		"edited":  func() error { return os.WriteFile(f.name(f.look(nil).number), []byte("edited"), 0o600) },
		"plain":   func() error { return os.WriteFile(f.path, []byte("plain"), 0o600) },
	} {
		mustPut(t, f, "one")
		before := f.look(nil)
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if f.look(before).same(before) {
			t.Error(name)
		}
	}
}

func TestAWatchedFileKeepsWhatWasGood(t *testing.T) {
	f := sharedFixture(t)
	mustPut(t, f, "one")
	var logged strings.Builder
	w := newWatchedFile(f, slog.New(slog.NewTextHandler(&logged, nil)))
	if version, err := w.read(); err != nil || version.text != "one" {
		t.Fatal(version, err)
	}
	var got []string
	look := func() {
		w.looked.Store(0)
		w.refresh(t.Context(), func(v sharedVersion) error {
			if v.text == "bad" {
				return f.wrong("is bad", "make it good")
			}
			got = append(got, v.text)
			return nil
		})
	}
	look()
	mustPut(t, f, "two")
	look()
	look()
	mustPut(t, f, "bad")
	look()
	look()
	mustPut(t, f, "three")
	look()
	if fmt.Sprint(got) != "[two three]" || strings.Count(logged.String(), "is bad") != 1 {
		t.Error(got, logged.String())
	}
	if err := os.RemoveAll(filepath.Dir(f.path)); err != nil {
		t.Fatal(err)
	}
	look()
	if fmt.Sprint(got) != "[two three]" || !strings.Contains(logged.String(), "is gone") {
		t.Error(got, logged.String())
	}
}

// documentStore keeps documents in memory, as PostgreSQL does for replicas.
type documentStore struct {
	lock      sync.Mutex
	documents map[string][]byte
	versions  map[string]int64
	down      error
}

func newDocumentStore() *documentStore {
	return &documentStore{documents: map[string][]byte{}, versions: map[string]int64{}}
}

func (s *documentStore) Claim(context.Context, string, int64) (bool, error) { return true, nil }
func (s *documentStore) Put(context.Context, string, []byte, int64) error   { return nil }
func (s *documentStore) Get(context.Context, string) ([]byte, bool, error)  { return nil, false, nil }
func (s *documentStore) Take(context.Context, string) ([]byte, bool, error) { return nil, false, nil }
func (s *documentStore) String() string                                     { return "store memory" }
func (s *documentStore) Read(_ context.Context, name string) (int64, []byte, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	return s.versions[name], s.documents[name], s.down
}

func (s *documentStore) Write(_ context.Context, name string, expected int64, document []byte) (bool, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.down != nil || s.versions[name] != expected {
		return false, s.down
	}
	s.versions[name]++
	s.documents[name] = document
	return true, nil
}

const storeKey = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

func TestReplicasShareOneRing(t *testing.T) {
	store := newDocumentStore()
	make := func(folder, key string) (*Skill, error) {
		return NewSkill(SkillOptions{BaseURL: "https://alice.example", KeysDir: folder, Store: store, StoreKey: key,
			Logger: slog.New(slog.DiscardHandler)})
	}
	began := filepath.Join(t.TempDir(), "keys")
	plain, err := make(began, "")
	if err != nil {
		t.Fatal(err)
	}
	own := plain.agent().KeyID()
	first, err := make(began, storeKey)
	if err != nil {
		t.Fatal(err)
	}
	if first.agent().KeyID() != own {
		t.Error("the ring does not begin with that of the folder")
	}
	second, err := make(filepath.Join(t.TempDir(), "keys"), storeKey)
	if err != nil {
		t.Fatal(err)
	}
	if second.agent().KeyID() != own {
		t.Error("replicas have two rings")
	}
	rotated, err := first.RotateKeys(t.Context(), RotateOptions{Force: true})
	if err != nil {
		t.Fatal(err)
	}
	second.ring.watched.(*watchedStore).ended = time.Time{}
	second.refresh(t.Context())
	if second.agent().KeyID() != rotated.Active {
		t.Error("another replica's rotation was not seen")
	}
	for name, document := range store.documents {
		if strings.Contains(string(document), "PRIVATE KEY") || !strings.HasPrefix(name, "ring-") {
			t.Error(name, "is not encrypted")
		}
	}
	for _, wrong := range []struct{ folder, key, says string }{
		{began, "", "StoreKey"}, {began, strings.Repeat("1", 64), "StoreKey"}, {began, "short", "StoreKey"},
	} {
		if _, err := make(wrong.folder, wrong.key); err == nil || !strings.Contains(err.Error(), wrong.says) {
			t.Error(err)
		}
	}
	_, err = NewSkill(SkillOptions{BaseURL: "https://alice.example", KeysDir: began, DevMode: true, Logger: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "was moved to ring-") {
		t.Error(err)
	}
	// A store that is down, and one that went back: what was read goes on.
	store.down = fmt.Errorf("no route")
	second.ring.watched.(*watchedStore).ended = time.Time{}
	second.refresh(t.Context())
	if _, err := second.RotateKeys(t.Context(), RotateOptions{Force: true}); err == nil || !strings.Contains(err.Error(), "no route") {
		t.Error(err)
	}
	store.down = nil
	for name := range store.versions {
		store.versions[name] = 1
	}
	if _, err := second.RotateKeys(t.Context(), RotateOptions{Force: true}); err == nil || !strings.Contains(err.Error(), "went back") {
		t.Error(err)
	}
	if _, err := second.Token(t.Context(), "https://bob.example"); err != nil {
		t.Error(err)
	}
}
