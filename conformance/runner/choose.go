package runner

import (
	"errors"
	"fmt"
	"strings"
)

// chooseLegs sets the plan's legs and its reference.
func (s settings) chooseLegs(plan *Plan) error {
	sources, err := s.sources()
	if err != nil {
		return err
	}
	var there bool
	if plan.Reference, there = find(sources, s.reference); !there {
		return fmt.Errorf("there is no leg %q to compare with (--list shows the names)", s.reference)
	}
	switch {
	case s.all && len(s.legs) > 0:
		return errors.New("--all and --leg exclude each other")
	case s.all:
		plan.Legs = sources
	case len(s.legs) > 0:
		plan.Legs, err = Named(sources, s.legs)
	default:
		plan.Legs = ByDefault(sources)
	}
	return err
}

func (s settings) sources() ([]Source, error) {
	sources := s.places.AllSources()
	if s.driver == "" {
		return sources, nil
	}
	command := strings.Fields(s.driver)
	if len(command) == 0 {
		return nil, errors.New("--driver names no command")
	}
	return append(sources, DriverSource("driver", Command{Args: command})), nil
}

// ByDefault returns the sources that a run has which names none: without those that
// are absent.
func ByDefault(sources []Source) []Source {
	var chosen []Source
	for _, source := range sources {
		if source.Absent == nil || source.Absent() == "" {
			chosen = append(chosen, source)
		}
	}
	return chosen
}

// Named returns the sources of these names, each once, in the order of the names.
func Named(sources []Source, names []string) ([]Source, error) {
	var chosen []Source
	for _, name := range names {
		source, there := find(sources, name)
		if !there {
			return nil, fmt.Errorf("there is no leg %q (--list shows the names)", name)
		}
		if _, twice := find(chosen, name); !twice {
			chosen = append(chosen, source)
		}
	}
	return chosen, nil
}

func find(sources []Source, name string) (Source, bool) {
	for _, source := range sources {
		if source.Name == name {
			return source, true
		}
	}
	return Source{}, false
}
