package runner

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"github.com/tallystick/tallystick/conformance"
)

// KnownFailing is a list of vectors that are known to fail on a leg, each with
// its cause. A listed vector that passes is a failure, so that no entry outlives
// its cause.
type KnownFailing struct {
	entries []knownEntry
}

type knownEntry struct {
	leg, vector string // names; "*" takes any run of characters
	cause       string
	place       string // file:line
}

// ReadKnownFailing reads a list: one entry a line, LEG VECTOR CAUSE separated by
// white space, the cause up to the end of the line; empty lines and lines that
// begin with # are passed over. An entry without a cause, and one that names no
// vector of the suite, is an error that names file and line.
func ReadKnownFailing(path string, suite *conformance.Suite) (*KnownFailing, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	known := &KnownFailing{}
	lines := bufio.NewScanner(file)
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		entry, err := parseKnown(line, suite)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, number, err)
		}
		entry.place = fmt.Sprintf("%s:%d", path, number)
		known.entries = append(known.entries, entry)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return known, nil
}

func parseKnown(line string, suite *conformance.Suite) (knownEntry, error) {
	leg, rest, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
	vector, cause, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
	entry := knownEntry{leg: leg, vector: vector, cause: strings.TrimSpace(cause)}
	if entry.cause == "" {
		return entry, fmt.Errorf("%q has no cause: write LEG VECTOR CAUSE", line)
	}
	if len(suite.Select([]string{vector})) == 0 {
		return entry, fmt.Errorf("no vector is named like %q (--list shows the names)", vector)
	}
	return entry, nil
}

// demandLegs refuses an entry whose leg nobody has: it would excuse nothing. Legs
// that were not chosen are as good: one list serves several runs.
func (k *KnownFailing) demandLegs(sources []Source) error {
	for _, entry := range k.entries {
		known := conformance.Matches(entry.leg, driverLeg)
		for _, source := range sources {
			known = known || conformance.Matches(entry.leg, source.Name)
		}
		if !known {
			return fmt.Errorf("%s: there is no leg %q: the legs are %s, %s", entry.place, entry.leg, namesOf(sources), driverLeg)
		}
	}
	return nil
}

// find returns the entry of a vector on a leg, nil when there is none.
func (k *KnownFailing) find(leg, vector string) *knownEntry {
	if k == nil {
		return nil
	}
	for at, entry := range k.entries {
		if conformance.Matches(entry.leg, leg) && conformance.Matches(entry.vector, vector) {
			return &k.entries[at]
		}
	}
	return nil
}

// judge turns the failure of a listed vector into a known one, and its success
// into a failure.
func (k *KnownFailing) judge(leg string, result *Result) {
	entry := k.find(leg, result.Vector.Name)
	switch {
	case entry == nil:
	case result.Failure != "":
		result.Known, result.Failure = fmt.Sprintf("%s (%s)", entry.cause, entry.place), ""
	default:
		result.Failure = fmt.Sprintf("it passes, but %s lists it as failing (%s): remove the entry", entry.place, entry.cause)
	}
}
