package peers

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/tallystick/tallystick/conformance"
	"github.com/tallystick/tallystick/conformance/runner"
)

// Exit codes of the command.
const (
	ExitExplained = 0 // every difference has its class
	ExitFailed    = 1 // an unexplained difference, a stale class, or --check found another file
	ExitBroken    = 2 // a peer could not run
)

// maxShown bounds the list of unexplained differences on the terminal.
const maxShown = 40

type settings struct {
	root, out, json, python, node string
	check                         bool
}

// Main is the command: it returns the exit code.
func Main(ctx context.Context, arguments []string, stdout, stderr io.Writer) int {
	chosen, err := parse(arguments, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return ExitExplained
	}
	var failed bool
	if err == nil {
		failed, err = chosen.execute(ctx, stdout, stderr)
	}
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "peers:", err)
		return ExitBroken
	case failed:
		return ExitFailed
	}
	return ExitExplained
}

func parse(arguments []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, "peers asks other JWT libraries what the vectors ask the core, and writes conformance/PEERS.md.\n"+
			"Exit codes: 0 every difference is explained, 1 one is not or a class is stale or --check failed, 2 a peer could not run.\n\n")
		flags.PrintDefaults()
	}
	flags.StringVar(&s.root, "root", ".", "the checkout")
	flags.StringVar(&s.out, "out", "", "file to write (default ROOT/conformance/PEERS.md)")
	flags.BoolVar(&s.check, "check", false, "write nothing; exit 1 when the file would differ")
	flags.StringVar(&s.json, "json", "", "also write every finding to this file")
	flags.StringVar(&s.python, "python", "", "Python with the peers installed (default ROOT/build/peers/venv/bin/python)")
	flags.StringVar(&s.node, "node", "node", "Node")
	if err := flags.Parse(arguments); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("%q is not a flag", flags.Arg(0))
	}
	if s.out == "" {
		s.out = filepath.Join(s.root, "conformance/PEERS.md")
	}
	if s.python == "" {
		s.python = filepath.Join(s.root, "build/peers/venv/bin/python")
	}
	return s, nil
}

func (s settings) execute(ctx context.Context, stdout, stderr io.Writer) (failed bool, err error) {
	peers, stop, err := s.start(ctx)
	defer func() { err = errors.Join(err, stop()) }()
	if err != nil {
		return false, err
	}
	suite, err := conformance.Load()
	if err != nil {
		return false, err
	}
	cases, err := Collect(suite)
	if err != nil {
		return false, err
	}
	progress := func(peer string, cases int) { fmt.Fprintf(stderr, "peers: %s: %d cases\n", peer, cases) }
	report, err := Run(ctx, Plan{Cases: cases, Peers: peers, Classes: Classes(), Started: progress})
	if err != nil {
		return false, err
	}
	return s.conclude(report, stdout, stderr)
}

// start opens the drivers; stop ends those that were opened, whatever happened.
func (s settings) start(ctx context.Context) (peers []Peer, stop func() error, err error) {
	var open []runner.Leg
	stop = func() error {
		var errs []error
		for _, leg := range open {
			errs = append(errs, leg.Close())
		}
		return errors.Join(errs...)
	}
	peers = []Peer{GolangJWT()}
	for _, language := range languages(s.root, s.python, s.node) {
		leg, more, err := language.start(ctx)
		if err != nil {
			return nil, stop, err
		}
		open, peers = append(open, leg), append(peers, more...)
	}
	return peers, stop, nil
}

func (s settings) conclude(report Report, stdout, stderr io.Writer) (bool, error) {
	if err := s.writeJSON(report); err != nil {
		return false, err
	}
	complain(stderr, report)
	differs, err := s.write(report, stderr)
	summarize(stdout, report)
	return report.Failed() || differs, err
}

func (s settings) writeJSON(report Report) error {
	if s.json == "" {
		return nil
	}
	text, err := json.MarshalIndent(report, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(s.json, append(text, '\n'), 0o644)
}

// write replaces the file, or only compares with it. A failed run writes nothing.
func (s settings) write(report Report, stderr io.Writer) (differs bool, err error) {
	text := report.Markdown()
	if s.check {
		there, err := os.ReadFile(s.out)
		if err != nil {
			return false, err
		}
		if string(there) != text {
			fmt.Fprintf(stderr, "peers: %s is not what this run gives: run make peers and commit it\n", s.out)
		}
		return string(there) != text, nil
	}
	if report.Failed() {
		return true, nil
	}
	return false, os.WriteFile(s.out, []byte(text), 0o644)
}

func complain(stderr io.Writer, report Report) {
	for at, found := range report.Unexplained {
		if at == maxShown {
			fmt.Fprintf(stderr, "peers: and %d more (--json FILE has all)\n", len(report.Unexplained)-at)
			break
		}
		fmt.Fprintf(stderr, "peers: unexplained: %s: %s: %s: %s\n  ours: %s\n  %s: %s\n",
			found.Case.Vector, found.Case.Task, found.Peer, found.Outcome, found.Case.Ours, found.Peer, found.theirs())
	}
	for _, class := range report.Stale {
		fmt.Fprintf(stderr, "peers: stale: no difference is of class %s any more: take it out of classes.go\n", class)
	}
}

// String says the core's answer in a few words.
func (o Ours) String() string {
	switch {
	case o.Later:
		return "accepted as a JWT, refused later: " + o.Code
	case o.Accepted != nil:
		return "accepted"
	}
	return "refused: " + o.Code
}

func (f Finding) theirs() string {
	if f.Reply.Accepted == nil {
		return "refused: " + f.Reply.Refused
	}
	if f.Detail == "" {
		return "accepted"
	}
	return fmt.Sprintf("accepted: %.600s", f.Detail)
}

func summarize(stdout io.Writer, report Report) {
	for _, peer := range report.Peers {
		count := report.tally(peer.Name, "")
		fmt.Fprintf(stdout, "%-13s %-30s %5d cases, %5d agree, %d differ\n", peer.Name, peer.Version, count.cases, count.by[Agree], count.cases-count.by[Agree])
	}
	fmt.Fprintf(stdout, "%d differences without a class, %d stale classes\n", len(report.Unexplained), len(report.Stale))
}
