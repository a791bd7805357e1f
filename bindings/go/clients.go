package tallystick

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"

	"github.com/tallystick/tallystick/core/access"
	"github.com/tallystick/tallystick/core/oauthclient"
	"github.com/tallystick/tallystick/core/problem"
)

const noClients = "no list of clients"

// Registration is what registering a client gives.
type Registration struct {
	ClientID string
	// ClientSecret is shown this once. "": the client has a public key.
	ClientSecret string
}

// String keeps the secret out of every log.
func (r Registration) String() string { return fmt.Sprintf("Registration(%q)", r.ClientID) }

// GoString is String.
func (r Registration) GoString() string { return r.String() }

// RegisteredClient is a client that an authority knows, without its secret.
type RegisteredClient struct {
	ClientID string
	// Scopes are patterns of what it may ask for.
	Scopes []string
	// Namespaces and Trust are what its tokens get as namespace: scopes and trust: labels.
	Namespaces, Trust []string
	// Targets are patterns of the agents that it may get tokens for; nil is all.
	Targets []string
	// Authentication is how it authenticates: "secret" or "public_key".
	Authentication string
}

// clientsDocument is the text of a list of clients. Members of a client that this release does not
// know stay as they are.
type clientsDocument struct {
	Version int               `json:"version"`
	Clients []json.RawMessage `json:"clients"`
}

// clientsKeeper keeps the clients of an authority, which several processes may change. Safe for
// concurrent use.
type clientsKeeper struct {
	text    sharedText
	file    *sharedFile
	watched watchedText
	logger  *slog.Logger
}

func newClientsKeeper(path string, stored *storedDocument, logger *slog.Logger) *clientsKeeper {
	k := &clientsKeeper{file: &sharedFile{path, "clients file"}, logger: logger}
	if stored != nil {
		k.text, k.watched = stored, newWatchedStore(stored, logger)
	} else {
		k.text, k.watched = k.file, newWatchedFile(k.file, logger)
	}
	return k
}

func (k *clientsKeeper) load() (*oauthclient.Registry, error) {
	version, err := k.watched.read()
	if err == nil && !version.there && k.text != sharedText(k.file) {
		if err = k.move(); err == nil {
			version, err = k.watched.read()
		}
	}
	if err != nil {
		return nil, err
	}
	return k.compiled(version)
}

// move begins with the clients of the file, if there are some.
func (k *clientsKeeper) move() error {
	moved := false
	change := func(_ string, there bool) (string, bool, error) {
		moved = false
		if there {
			return "", false, nil
		}
		former, err := k.file.read()
		if err != nil || !former.there {
			return "", false, err
		}
		moved = true
		return former.text, true, checkShared(k.file, former.text, noClients)
	}
	ctx := context.Background()
	if err := k.watched.update(ctx, change, nil); err != nil || !moved {
		return err
	}
	if err := leaveShared(ctx, k.file, k.text.place()); err != nil {
		return err
	}
	k.logger.Warn("the clients " + k.file.place() + " were moved to " + k.text.place())
	return nil
}

func (k *clientsKeeper) refresh(ctx context.Context, deliver func(*oauthclient.Registry)) {
	k.watched.refresh(ctx, func(version sharedVersion) error {
		registry, err := k.compiled(version)
		if err == nil {
			deliver(registry)
		}
		return err
	})
}

func (k *clientsKeeper) compiled(version sharedVersion) (*oauthclient.Registry, error) {
	_, configs, err := k.parsed(version)
	if err != nil {
		return nil, err
	}
	return registryOf(configs)
}

func registryOf(configs []oauthclient.Config) (*oauthclient.Registry, error) {
	registry, p := access.NewClients(configs)
	if p != nil {
		return nil, misuse(p)
	}
	return registry, nil
}

func (k *clientsKeeper) parsed(version sharedVersion) ([]json.RawMessage, []oauthclient.Config, error) {
	if !version.there {
		return nil, nil, nil
	}
	if err := checkShared(k.text, version.text, noClients); err != nil {
		return nil, nil, err
	}
	var document clientsDocument
	var list struct{ Clients []oauthclient.Config }
	if json.Unmarshal([]byte(version.text), &document) != nil || json.Unmarshal([]byte(version.text), &list) != nil || document.Clients == nil {
		return nil, nil, k.text.wrong("is "+noClients, k.text.restore())
	}
	return document.Clients, list.Clients, nil
}

// change changes the clients and returns those of before. The core sees them before they are
// written: it may refuse them.
func (k *clientsKeeper) change(
	ctx context.Context, deliver func(*oauthclient.Registry),
	change func(raw []json.RawMessage, configs []oauthclient.Config) ([]json.RawMessage, []oauthclient.Config, error),
) ([]oauthclient.Config, error) {
	var before []oauthclient.Config
	var registry *oauthclient.Registry
	err := k.watched.update(ctx, func(text string, there bool) (string, bool, error) {
		raw, configs, err := k.parsed(sharedVersion{text: text, there: there})
		if err != nil {
			return "", false, err
		}
		before = configs
		changedRaw, changed, err := change(raw, configs)
		if err != nil {
			return "", false, err
		}
		if registry, err = registryOf(changed); err != nil {
			return "", false, err
		}
		if reflect.DeepEqual(changed, configs) {
			return "", false, nil
		}
		written, err := json.MarshalIndent(clientsDocument{1, changedRaw}, "", " ")
		return string(written) + "\n", true, err
	}, func() { deliver(registry) })
	return before, err
}

func without(id string, raw []json.RawMessage, configs []oauthclient.Config) ([]json.RawMessage, []oauthclient.Config) {
	keptRaw, kept := []json.RawMessage{}, []oauthclient.Config{}
	for i, config := range configs {
		if config.ID != id {
			keptRaw, kept = append(keptRaw, raw[i]), append(kept, config)
		}
	}
	return keptRaw, kept
}

// register adds or replaces a client.
func (k *clientsKeeper) register(ctx context.Context, deliver func(*oauthclient.Registry), client oauthclient.Config) error {
	own, err := json.Marshal(client)
	if err != nil {
		return err
	}
	before, err := k.change(ctx, deliver, func(raw []json.RawMessage, configs []oauthclient.Config) ([]json.RawMessage, []oauthclient.Config, error) {
		raw, configs = without(client.ID, raw, configs)
		// What is wrong with this one is a mistake of the call; with others, of the file.
		if _, p := access.NewClients([]oauthclient.Config{client}); p != nil {
			e := misuse(p)
			e.Code = problem.InvalidArgument
			e.Message = strings.TrimPrefix(strings.TrimPrefix(e.Message, "clients[0]: "), "client "+problem.Quote(client.ID)+": ")
			return nil, nil, e
		}
		return append(raw, own), append(configs, client), nil
	})
	if err == nil && slices.ContainsFunc(before, func(c oauthclient.Config) bool { return c.ID == client.ID }) {
		k.logger.Info(fmt.Sprintf("the client %q is replaced", client.ID))
	}
	return err
}

func (k *clientsKeeper) remove(ctx context.Context, deliver func(*oauthclient.Registry), id string) (bool, error) {
	before, err := k.change(ctx, deliver, func(raw []json.RawMessage, configs []oauthclient.Config) ([]json.RawMessage, []oauthclient.Config, error) {
		raw, configs = without(id, raw, configs)
		return raw, configs, nil
	})
	return slices.ContainsFunc(before, func(c oauthclient.Config) bool { return c.ID == id }), err
}

func (k *clientsKeeper) listed() ([]RegisteredClient, error) {
	version, err := k.text.read()
	if err != nil {
		return nil, err
	}
	_, configs, err := k.parsed(version)
	clients := []RegisteredClient{}
	for _, c := range configs {
		how := "public_key"
		if c.SecretHash != "" {
			how = "secret"
		}
		clients = append(clients, RegisteredClient{c.ID, c.Scopes, c.Namespaces, c.Trust, c.Targets, how})
	}
	return clients, err
}
