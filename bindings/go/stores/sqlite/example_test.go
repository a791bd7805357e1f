package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tallystick/tallystick/bindings/go/stores/sqlite"
)

func Example() {
	folder, err := os.MkdirTemp("", "agent-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(folder) }()

	// "" is the file of this user, which agents in Python and Node use, too.
	store, err := sqlite.New(filepath.Join(folder, "store.sqlite3"), sqlite.Options{})
	if err != nil {
		panic(err)
	}
	defer func() { _ = store.Close() }()
	for range 2 {
		free, err := store.Claim(context.Background(), "0123456789abcdef0123456789abcdef", 60)
		fmt.Println(free, err)
	}
	// Output:
	// true <nil>
	// false <nil>
}
