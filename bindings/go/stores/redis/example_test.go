package redis_test

import (
	"fmt"

	"github.com/tallystick/tallystick/bindings/go/stores/redis"
)

// Nothing is opened before the first claim, or Check. No text holds the password.
func Example() {
	store, err := redis.New("rediss://agent:a%20password@redis.example:6379/0", redis.Options{})
	if err != nil {
		panic(err)
	}
	fmt.Println(store)
	// Output: store rediss://redis.example:6379/0
}
