package stores_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const house = "github.com/tallystick/tallystick/bindings/go"

// drivers are what the packages of each driver begin with.
var drivers = map[string]string{
	"sqlite":     "modernc.org/",
	"redis":      "github.com/redis/",
	"postgresql": "github.com/jackc/",
}

// dependencies returns all packages that one links, itself included.
func dependencies(t *testing.T, path string) []string {
	t.Helper()
	command := exec.Command("go", "list", "-deps", path)
	var said strings.Builder
	command.Stderr = &said
	output, err := command.Output()
	if err != nil {
		t.Fatal(err, said.String())
	}
	return strings.Fields(string(output))
}

func begins(packages []string, prefix string) bool {
	return slices.ContainsFunc(packages, func(path string) bool { return strings.HasPrefix(path, prefix) })
}

// A program links the driver of the store that it names, and no other.
func TestEachStoreLinksItsOwnDriverAlone(t *testing.T) {
	for _, store := range []string{"memory", "sqlite", "redis", "postgresql"} {
		found := dependencies(t, house+"/stores/"+store)
		for driver, prefix := range drivers {
			if got := begins(found, prefix); got != (driver == store) {
				t.Errorf("stores/%s links %s: %t", store, prefix, got)
			}
		}
		// What only tests need.
		for _, other := range []string{"testing", house + "/storetest", house + "/stores/internal/storecheck"} {
			if slices.Contains(found, other) {
				t.Errorf("stores/%s links %s", store, other)
			}
		}
	}
}

func TestThePackageItselfLinksNoStore(t *testing.T) {
	for _, path := range []string{house, house + "/storetest"} {
		found := dependencies(t, path)
		for _, prefix := range drivers {
			if begins(found, prefix) {
				t.Errorf("%s links %s", path, prefix)
			}
		}
		if begins(found, house+"/stores/") {
			t.Errorf("%s links a store", path)
		}
	}
}
