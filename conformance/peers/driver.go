package peers

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tallystick/tallystick/conformance/runner"
)

// askWithin bounds one question to a driver.
const askWithin = time.Minute

// language is a driver: one process for all peers of a language.
type language struct {
	command runner.Command
	needs   string // a file that is there once its libraries are installed
	install string // how to install them
	peers   []Peer
}

// languages returns the drivers of a checkout.
func languages(root, python, node string) []language {
	verify := []Task{VerifyJWS, VerifyJWT, SignJWS}
	folder := filepath.Join(root, "conformance/peers")
	return []language{{
		command: runner.Command{Args: []string{python, filepath.Join(folder, "python/driver.py")}},
		needs:   python, install: "make peers, or --python for another one that has conformance/peers/python/requirements.txt",
		peers: []Peer{
			{Name: "PyJWT", Tasks: append(verify[:3:3], ImportKey)},
			{Name: "joserfc", Tasks: append(verify[:3:3], ImportKey, Thumbprint)},
			{Name: "fnmatch", Tasks: []Task{MatchGlob}},
		},
	}, {
		command: runner.Command{Args: []string{node, filepath.Join(folder, "node/driver.mjs")}},
		needs:   filepath.Join(folder, "node/node_modules"), install: "npm ci in conformance/peers/node",
		peers: []Peer{
			{Name: "jose", Tasks: append(verify[:3:3], ImportKey, Thumbprint), TakesWant: true},
			{Name: "jsonwebtoken", Tasks: verify},
		},
	}}
}

// start opens the driver and asks for the versions. The caller closes the leg.
func (l language) start(ctx context.Context) (runner.Leg, []Peer, error) {
	if _, err := os.Stat(l.needs); err != nil {
		return nil, nil, fmt.Errorf("%w: install it first: %s", err, l.install)
	}
	leg, err := runner.DriverSource(l.command.Args[1], l.command).Open(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", l.command.Args[0], err)
	}
	versions := map[string]string{}
	if err := ask(ctx, leg, "versions", struct{}{}, &versions); err != nil {
		leg.Close()
		return nil, nil, fmt.Errorf("%s cannot run: %w (%s)", l.command.Args[1], err, l.install)
	}
	var peers []Peer
	for _, peer := range l.peers {
		peer.Version, peer.Asker = versions[peer.Name], driver{peer.Name, leg}
		peers = append(peers, peer)
	}
	return leg, peers, nil
}

// driver is one peer behind a process.
type driver struct {
	name string
	leg  runner.Leg
}

func (d driver) Ask(ctx context.Context, task Task, question Question) (Reply, error) {
	var reply Reply
	err := ask(ctx, d.leg, d.name+"."+string(task), question, &reply)
	return reply, err
}

func ask(ctx context.Context, leg runner.Leg, operation string, question, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	request, err := json.Marshal(question)
	if err != nil {
		return err
	}
	text, err := leg.Call(ctx, runner.Call{Op: operation, Request: request})
	if err != nil {
		return err
	}
	return json.Unmarshal(text, answer)
}
