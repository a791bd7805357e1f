package memory_test

import (
	"context"
	"fmt"

	"github.com/tallystick/tallystick/bindings/go/stores/memory"
)

func Example() {
	store, err := memory.New(memory.Options{})
	if err != nil {
		panic(err)
	}
	for range 2 {
		free, err := store.Claim(context.Background(), "0123456789abcdef0123456789abcdef", 60)
		fmt.Println(free, err)
	}
	// Output:
	// true <nil>
	// false <nil>
}
