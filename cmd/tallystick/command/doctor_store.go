package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/bindings/go/stores/postgresql"
	"github.com/tallystick/tallystick/bindings/go/stores/redis"
	"github.com/tallystick/tallystick/bindings/go/stores/sqlite"
)

// checkable is a store that tells whether it can be used, and what its operator should read.
type checkable interface {
	tallystick.Store
	Check(context.Context) error
	Close() error
}

const (
	storeTimeout = 10 * time.Second
	storeURLs    = "sqlite: (the default file), sqlite:///absolute/path, " +
		"redis://, rediss://, valkey://, valkeys:// or postgresql://"
	maxStoreURL = 8 << 10 // bytes
)

// storeURL reads --store. A password in an argument would be seen by other users, and in a file
// whoever can open that sees it.
func (a *app) storeURL(value string) (string, error) {
	var in input
	file, isFile := strings.CutPrefix(value, "@")
	if value == standardInput {
		file, isFile = standardInput, true
	}
	if isFile {
		var err error
		if in, err = a.read("--store", file, maxStoreURL); err != nil {
			return "", err
		}
		value = strings.TrimSpace(string(in.content))
	}
	switch secret := hasPassword(value); {
	case secret && !isFile:
		return "", wrongUsage("--store: the URL has a password, or may have one, and other users see the " +
			"arguments of a command: give it as @FILE, or - for standard input")
	case secret:
		a.warnOfMode("--store", file, in)
	}
	return value, nil
}

// hasPassword is also true of what may be one: a text with @ that is no URL, and what stands in the
// place of a port and is none, where @HOST was forgotten.
func hasPassword(address string) bool {
	_, rest, _ := strings.Cut(address, "://")
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	for server := range strings.SplitSeq(rest, ",") {
		if !hasPort(server) {
			return true
		}
	}
	u, err := url.Parse(address)
	if err != nil {
		return strings.Contains(address, "@")
	}
	_, secret := u.User.Password()
	return secret || u.Query().Has("password")
}

// hasPort: what stands behind a server's name can be a port, if something does.
func hasPort(server string) bool {
	server = server[strings.LastIndex(server, "@")+1:]
	address := strings.LastIndex(server, "]") + 1 // of IPv6
	name, port, _ := strings.Cut(server[address:], ":")
	_, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && address+len(name) > 0
}

func openStore(address string) (checkable, error) {
	scheme, rest, _ := strings.Cut(address, ":")
	switch scheme {
	case "sqlite":
		path, absolute := strings.CutPrefix(rest, "//")
		if decoded, err := url.PathUnescape(path); err == nil {
			path = decoded
		}
		if rest != "" && (!absolute || !filepath.IsAbs(path)) {
			return nil, errors.New("it is no absolute path: write sqlite:///absolute/path")
		}
		return sqlite.New(path, sqlite.Options{})
	case "redis", "rediss", "valkey", "valkeys":
		return redis.New(address, redis.Options{})
	case "postgresql", "postgres":
		return postgresql.New(address, postgresql.Options{})
	}
	return nil, errors.New("it is no store of several processes: write " + storeURLs)
}

// checkStore asks a store what a verifier asks it at its start.
func (a *app) checkStore(ctx context.Context, d *diagnoses, address string) {
	if path, missing := missingFile(address); missing {
		folder := ancestor(path)
		if info, err := os.Stat(folder); err != nil || !info.IsDir() {
			d.problem("store", "%s cannot be made: %s is no folder", path, folder)
			return
		}
		d.ok("store", "%s is not there yet: the first agent that starts makes it, if it may write to %s", path, folder)
		return
	}
	if address == "memory:" {
		d.ok("store", "memory: needs nothing, and is for one process alone: a restart forgets which tokens were used")
		return
	}
	store, err := openStore(address)
	if err != nil {
		d.problem("store", "%s", strings.TrimPrefix(wordsOf(err), "store "))
		return
	}
	defer store.Close()
	ctx, stop := context.WithTimeout(ctx, storeTimeout)
	defer stop()
	if err := store.Check(ctx); err != nil {
		d.problem("store", "%s", strings.TrimPrefix(wordsOf(err), "store "))
		return
	}
	noticed := false
	if n, ok := store.(interface{ Notices() []string }); ok {
		for _, notice := range n.Notices() {
			noticed = true
			d.problem("store", "%s", strings.TrimPrefix(notice, "store "))
		}
	}
	if !noticed {
		d.ok("store", "%s answers", strings.TrimPrefix(fmt.Sprint(store), "store "))
	}
}

// missingFile is the file of a store that nobody has made. Who made it here would own it, and the
// agent might not open it.
func missingFile(address string) (path string, missing bool) {
	path, isFile := strings.CutPrefix(address, "sqlite://")
	path, err := url.PathUnescape(path)
	if address == "sqlite:" {
		isFile = true
		path, err = sqlite.DefaultPath()
	}
	if err != nil || !isFile || !filepath.IsAbs(path) || strings.ContainsAny(address, "?#") {
		return "", false
	}
	_, err = os.Lstat(path)
	return path, errors.Is(err, fs.ErrNotExist)
}

// ancestor is the innermost of a file's folders that is there.
func ancestor(path string) string {
	for {
		path = filepath.Dir(path)
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) || path == filepath.Dir(path) {
			return path
		}
	}
}

// wordsOf is an error's message without its code.
func wordsOf(err error) string {
	var e *tallystick.Error
	if errors.As(err, &e) && e.Message != "" {
		return e.Message
	}
	return err.Error()
}
