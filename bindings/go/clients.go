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
	// ClientSecret is shown this once, here and where the value is marshalled, which hands it to
	// the client: do not log that. "": the client has a public key.
	ClientSecret string
}

// String keeps the secret out of every log.
func (r Registration) String() string { return fmt.Sprintf("Registration(%q)", r.ClientID) }

// Format is String, whatever the verb.
func (r Registration) Format(f fmt.State, _ rune) { show(f, r) }

// LogValue is String.
func (r Registration) LogValue() slog.Value { return slog.StringValue(r.String()) }

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
	list, err := k.parsed(version)
	if err != nil {
		return nil, err
	}
	return list.compiled()
}

// clientList has clients as they are written, and as they are read.
type clientList struct {
	written []json.RawMessage
	configs []oauthclient.Config
}

func (l clientList) compiled() (*oauthclient.Registry, error) {
	registry, p := access.NewClients(l.configs)
	if p != nil {
		return nil, misuse(p)
	}
	return registry, nil
}

func (l clientList) has(id string) bool {
	return slices.ContainsFunc(l.configs, func(c oauthclient.Config) bool { return c.ID == id })
}

func (l clientList) without(id string) clientList {
	kept := clientList{[]json.RawMessage{}, []oauthclient.Config{}}
	for i, config := range l.configs {
		if config.ID != id {
			kept = kept.with(l.written[i], config)
		}
	}
	return kept
}

func (l clientList) with(written json.RawMessage, config oauthclient.Config) clientList {
	return clientList{append(l.written, written), append(l.configs, config)}
}

func (k *clientsKeeper) parsed(version sharedVersion) (list clientList, err error) {
	if !version.there {
		return list, nil
	}
	if err := checkShared(k.text, version.text, noClients); err != nil {
		return list, err
	}
	var document clientsDocument
	err = json.Unmarshal([]byte(version.text), &document)
	if err != nil || document.Clients == nil {
		return list, k.text.wrong("is "+noClients, k.text.restore())
	}
	for _, written := range document.Clients {
		var config oauthclient.Config
		if json.Unmarshal(written, &config) != nil {
			return list, k.text.wrong("is "+noClients, k.text.restore())
		}
		list = list.with(written, config)
	}
	return list, nil
}

// change changes the clients and returns those of before. The core sees them before they are
// written: it may refuse them.
func (k *clientsKeeper) change(
	ctx context.Context, deliver func(*oauthclient.Registry), change func(clientList) (clientList, error),
) (before clientList, err error) {
	var registry *oauthclient.Registry
	err = k.watched.update(ctx, func(text string, there bool) (string, bool, error) {
		var after clientList
		if before, err = k.parsed(sharedVersion{text: text, there: there}); err == nil {
			after, err = change(before)
		}
		if err == nil {
			registry, err = after.compiled()
		}
		if err != nil || reflect.DeepEqual(after.configs, before.configs) {
			return "", false, err
		}
		written, err := json.MarshalIndent(clientsDocument{1, after.written}, "", " ")
		return string(written) + "\n", true, err
	}, func() { deliver(registry) })
	return before, err
}

// register adds or replaces a client.
func (k *clientsKeeper) register(
	ctx context.Context, deliver func(*oauthclient.Registry), client oauthclient.Config,
) error {
	if err := checkClient(client); err != nil {
		return err
	}
	written, err := json.Marshal(client)
	if err != nil {
		return err
	}
	before, err := k.change(ctx, deliver, func(list clientList) (clientList, error) {
		return list.without(client.ID).with(written, client), nil
	})
	if err == nil && before.has(client.ID) {
		k.logger.Info(fmt.Sprintf("the client %q is replaced", client.ID))
	}
	return err
}

// checkClient finds what is wrong with one client: a mistake of the call. What is wrong with others
// is one of the file.
func checkClient(client oauthclient.Config) error {
	_, p := access.NewClients([]oauthclient.Config{client})
	if p == nil {
		return nil
	}
	e := misuse(p)
	e.Code = problem.InvalidArgument
	for _, place := range []string{"clients[0]: ", "client " + problem.Quote(client.ID) + ": "} {
		e.Message = strings.TrimPrefix(e.Message, place)
	}
	return e
}

func (k *clientsKeeper) remove(ctx context.Context, deliver func(*oauthclient.Registry), id string) (bool, error) {
	before, err := k.change(ctx, deliver, func(list clientList) (clientList, error) { return list.without(id), nil })
	return before.has(id), err
}

func (k *clientsKeeper) listed() ([]RegisteredClient, error) {
	version, err := k.text.read()
	if err != nil {
		return nil, err
	}
	list, err := k.parsed(version)
	clients := []RegisteredClient{}
	for _, c := range list.configs {
		how := "public_key"
		if c.SecretHash != "" {
			how = "secret"
		}
		clients = append(clients, RegisteredClient{c.ID, c.Scopes, c.Namespaces, c.Trust, c.Targets, how})
	}
	return clients, err
}
