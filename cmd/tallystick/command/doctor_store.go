package command

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"
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
	storeURLs    = "sqlite:///absolute/path, redis://, rediss://, valkey://, valkeys:// or postgresql://"
	maxStoreURL  = 8 << 10 // bytes
)

// storeURL reads --store. A password in an argument would be seen by other users.
func (a *app) storeURL(value string) (string, error) {
	file, isFile := strings.CutPrefix(value, "@")
	if value == standardInput {
		file, isFile = standardInput, true
	}
	if isFile {
		text, err := a.read("--store", file, maxStoreURL)
		if err != nil {
			return "", err
		}
		value = strings.TrimSpace(string(text))
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme == "" {
		return "", wrongUsage("--store takes %s", storeURLs)
	}
	if _, secret := u.User.Password(); (secret || u.Query().Has("password")) && !isFile {
		return "", wrongUsage("--store: the URL has a password, and other users see the arguments of a command: " +
			"give it as @FILE, or - for standard input")
	}
	return value, nil
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
			return nil, wrongUsage("--store: a file is written sqlite:///absolute/path")
		}
		return sqlite.New(path, sqlite.Options{})
	case "redis", "rediss", "valkey", "valkeys":
		return redis.New(address, redis.Options{})
	case "postgresql", "postgres":
		return postgresql.New(address, postgresql.Options{})
	}
	return nil, wrongUsage("--store takes %s", storeURLs)
}

// checkStore asks a store what a verifier asks it at its start.
func (a *app) checkStore(ctx context.Context, d *diagnoses, address string) {
	store, err := openStore(address)
	if err != nil {
		d.problem("store", "%s", wordsOf(err))
		return
	}
	defer store.Close()
	ctx, stop := context.WithTimeout(ctx, storeTimeout)
	defer stop()
	if err := store.Check(ctx); err != nil {
		d.problem("store", "%s", wordsOf(err))
		return
	}
	noticed := false
	if n, ok := store.(interface{ Notices() []string }); ok {
		for _, notice := range n.Notices() {
			noticed = true
			d.problem("store", "%s", notice)
		}
	}
	if !noticed {
		d.ok("store", "%s answers", store)
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
