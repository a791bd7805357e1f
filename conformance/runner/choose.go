package runner

import (
	"errors"
	"fmt"
	"strings"
)

// driverLeg is the name of the leg of --driver.
const driverLeg = "driver"

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
	plan.Heavy = plan.Heavy || plan.Reference.Slow // else heavy vectors would be compared with nothing
	switch {
	case s.all && len(s.legs) > 0:
		return errors.New("--all and --leg exclude each other")
	case s.all:
		plan.Legs = sources
	case len(s.legs) > 0:
		names := s.legs
		if s.driver != "" {
			names = append(names, driverLeg) // it was given to be run
		}
		plan.Legs, err = Named(sources, names)
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
	return append(sources, DriverSource(driverLeg, Command{Args: command})), nil
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
		if !there && name == driverLeg {
			return nil, errors.New("the leg driver needs a command: --driver \"my-driver --flag\"")
		}
		if !there {
			return nil, fmt.Errorf("there is no leg %q: the legs are %s", name, namesOf(sources))
		}
		if _, twice := find(chosen, name); !twice {
			chosen = append(chosen, source)
		}
	}
	return chosen, nil
}

func namesOf(sources []Source) string {
	var names []string
	for _, source := range sources {
		names = append(names, source.Name)
	}
	return strings.Join(names, ", ")
}

func find(sources []Source, name string) (Source, bool) {
	for _, source := range sources {
		if source.Name == name {
			return source, true
		}
	}
	return Source{}, false
}
