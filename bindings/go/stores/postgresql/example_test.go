package postgresql_test

import (
	"fmt"

	"github.com/tallystick/tallystick/bindings/go/stores/postgresql"
)

// Nothing is opened before the first claim, or Check. No text holds the password.
func Example() {
	url := "postgresql://agent:a%20password@db.example/agents?sslmode=verify-full"
	store, err := postgresql.New(url, postgresql.Options{Table: "agents.tallystick"})
	if err != nil {
		panic(err)
	}
	fmt.Println(store)
	// Output: store postgresql://db.example/agents
}
