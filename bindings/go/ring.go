package tallystick

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/keyring"
	"github.com/tallystick/tallystick/core/problem"
)

// Rotation says which keys there are after a rotation, by their RFC 7638 thumbprints.
type Rotation struct {
	// Active signs from now on.
	Active string
	// Next is published already, and signs after the next rotation.
	Next string
	// Retired sign no more; they stay published until their last token has expired.
	Retired []string
}

// ringKeeper is a key ring that all processes of an agent share: those of a machine, or all its
// replicas. The core decides which key is next, active or retired, and when. The first process
// makes it. Safe for concurrent use.
type ringKeeper struct {
	text      sharedText
	file      *sharedFile // where it lies, or began
	watched   watchedText
	inherited string       // a key of webagents, which becomes the first active one
	lifetime  float64      // seconds of the longest token, leeway included
	kind      jose.KeyType // of new keys
	bits      int          // of new RSA keys; 0: the kind's own
	logger    *slog.Logger
}

const noRing = "not a key ring"

// newRingKeeper returns the keeper of the ring in a folder, or in the store of replicas.
func newRingKeeper(keysDir, agent string, stored *storedDocument, k ringKeeper) (*ringKeeper, error) {
	name, err := ringName(agent)
	if err != nil {
		return nil, err
	}
	k.file = &sharedFile{filepath.Join(keysDir, name+".ring.json"), "key ring"}
	k.inherited = filepath.Join(keysDir, name+".pem")
	if stored != nil {
		k.text, k.watched = stored, newWatchedStore(stored, k.logger)
	} else {
		k.text, k.watched = k.file, newWatchedFile(k.file, k.logger)
	}
	return &k, nil
}

// ringName names a file as webagents 0.3 does, so that its key is found. No separator is left.
func ringName(agent string) (string, error) {
	name := strings.NewReplacer("/", "_", "@", "", ":", "_", `\`, "_").Replace(agent)
	if name == "" || !printable(name) {
		return "", invalidConfig("agent_id: it names a file, so it must be printable text")
	}
	return name, nil
}

// folderOf returns the absolute path of an option that names a folder.
func folderOf(option, path string) (string, error) {
	if path == "~" || strings.HasPrefix(path, "~/") {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", wrongArgument("%s: the home folder is not known (%s): give an absolute path", option, err)
		}
		path = filepath.Join(home, strings.TrimPrefix(path, "~"))
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", wrongArgument("%s: %s", option, err)
	}
	return absolute, nil
}

func (k *ringKeeper) load() (*keyring.Ring, error) {
	version, err := k.watched.read()
	if err != nil {
		return nil, err
	}
	if version.there {
		ring, err := k.parsed(version.text)
		if err != nil {
			return nil, err
		}
		updated, p := keyring.Update(ring, k.options(nil))
		if p == nil && !updated.Changed && updated.Missing == 0 {
			return ring, nil
		}
	}
	return k.broughtUpToDate()
}

func (k *ringKeeper) refresh(ctx context.Context, deliver func(*keyring.Ring)) {
	k.watched.refresh(ctx, func(version sharedVersion) error {
		ring, err := k.existing(version)
		if err == nil {
			deliver(ring)
		}
		return err
	})
}

// rotate makes the next key the active one, and delivers the ring when it is committed.
func (k *ringKeeper) rotate(ctx context.Context, deliver func(*keyring.Ring), o RotateOptions) (Rotation, error) {
	var ring *keyring.Ring
	var fresh []string
	change := func(text string, there bool) (string, bool, error) {
		former, err := k.existing(sharedVersion{text: text, there: there})
		if err != nil {
			return "", false, err
		}
		asked := k.options(nil)
		asked.Rotate, asked.Force, asked.Revoke = !o.Revoke, o.Force, o.Revoke
		updated, err := k.updated(former, &fresh, asked)
		if err != nil {
			return "", false, err
		}
		ring = updated.Ring
		return ringText(ring), true, nil
	}
	if err := k.watched.update(ctx, change, func() { deliver(ring) }); err != nil {
		return Rotation{}, err
	}
	made := Rotation{Active: ring.Active().ID}
	if next, there := ring.Next(); there {
		made.Next = next.ID
	}
	for _, key := range ring.Retired() {
		made.Retired = append(made.Retired, key.ID)
	}
	return made, nil
}

// broughtUpToDate returns the ring without expired keys, and makes it if there is none.
func (k *ringKeeper) broughtUpToDate() (*keyring.Ring, error) {
	var ring *keyring.Ring
	var fresh []string
	made, moved := false, false
	change := func(text string, there bool) (string, bool, error) {
		made, moved = !there, false
		var err error
		if !there {
			if text, moved, err = k.former(); err != nil {
				return "", false, err
			}
		}
		var former *keyring.Ring
		switch {
		case there || moved:
			former, err = k.parsed(text)
		case len(fresh) == 0:
			fresh, err = k.imported()
		}
		if err != nil {
			return "", false, err
		}
		updated, err := k.updated(former, &fresh, k.options(nil))
		if err != nil {
			return "", false, err
		}
		ring = updated.Ring
		return ringText(ring), made || updated.Changed, nil
	}
	if err := k.watched.update(context.Background(), change, nil); err != nil {
		return nil, err
	}
	if made {
		k.logger.Info("made the key ring " + k.text.place())
	}
	if moved {
		if err := leaveShared(context.Background(), k.file, k.text.place()); err != nil {
			return nil, err
		}
		k.logger.Warn("the key ring " + k.file.place() + " was moved to " + k.text.place())
	}
	return ring, nil
}

// former returns the ring of the file, where the ring lies elsewhere from now on.
func (k *ringKeeper) former() (string, bool, error) {
	if k.text == sharedText(k.file) {
		return "", false, nil
	}
	version, err := k.file.read()
	if err == nil && version.there {
		err = checkShared(k.file, version.text, noRing)
	}
	return version.text, version.there && err == nil, err
}

func (k *ringKeeper) imported() ([]string, error) {
	file, text, err := openPrivate(k.inherited, "private key")
	if file == nil || err != nil {
		return nil, err
	}
	file.Close()
	k.logger.Info("the key ring starts with the key of " + shown(k.inherited))
	return []string{text}, nil
}

func (k *ringKeeper) options(fresh []string) keyring.Options {
	return keyring.Options{
		Now: secondsOf(time.Now()), Lifetime: k.lifetime, Publish: keyring.DefaultPublish, Type: k.kind, Bits: k.bits,
		Fresh: fresh,
	}
}

// updated asks the core, and makes the keys that it misses; fresh keeps them for other tries.
func (k *ringKeeper) updated(ring *keyring.Ring, fresh *[]string, asked keyring.Options) (keyring.Updated, error) {
	asked.Fresh = *fresh
	updated, p := keyring.Update(ring, asked)
	if p == nil && updated.Missing > 0 {
		for range updated.Missing {
			key, err := jose.GenerateType(k.kind, k.bits)
			if err != nil {
				return updated, wrongArgument("KeyBits: %s", err)
			}
			// Existing keys come first: they become active first.
			*fresh = append(*fresh, key.PEM())
		}
		asked.Fresh = *fresh
		updated, p = keyring.Update(ring, asked)
	}
	if p != nil {
		return updated, k.at(p)
	}
	return updated, nil
}

func (k *ringKeeper) at(p *problem.Problem) error {
	e := misuse(p)
	e.Message = k.text.place() + ": " + e.Message
	return e
}

func (k *ringKeeper) existing(version sharedVersion) (*keyring.Ring, error) {
	if !version.there {
		return nil, k.text.wrong("is gone", "restore it from a copy; a restart without it makes new keys")
	}
	return k.parsed(version.text)
}

func (k *ringKeeper) parsed(text string) (*keyring.Ring, error) {
	if err := checkShared(k.text, text, noRing); err != nil {
		return nil, err
	}
	ring, p := keyring.Parse(text)
	if p != nil {
		return nil, k.at(p)
	}
	return ring, nil
}

// ringText is for the eyes of people, too.
func ringText(ring *keyring.Ring) string {
	var text bytes.Buffer
	if err := json.Indent(&text, []byte(ring.Document()), "", " "); err != nil {
		return ring.Document()
	}
	text.WriteByte('\n')
	return text.String()
}

// fixedRing is the ring of one key that is held elsewhere, such as in a KMS.
func fixedRing(public *jose.PublicKey) (*keyring.Ring, error) {
	key := map[string]any{"kid": public.Thumbprint(), "state": "active", "public_pem": public.PEM(), "published_at": 0}
	text, err := json.Marshal(map[string]any{"version": 1, "keys": []any{key}})
	if err != nil {
		return nil, err
	}
	ring, p := keyring.Parse(string(text))
	if p != nil {
		return nil, misuse(p)
	}
	return ring, nil
}
