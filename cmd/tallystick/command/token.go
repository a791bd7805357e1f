package command

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/bindings/go/stores/memory"
	"github.com/tallystick/tallystick/bindings/go/yamlconfig"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/settings"
)

// wantedToken is what token was told.
type wantedToken struct {
	target, config      string
	authority, agent    string
	secret, key, folder string
	scopes              []string
}

// issuedToken is an access token, and until when it is good.
type issuedToken struct {
	Token   string     `json:"token"`
	Target  string     `json:"target"`
	Issuer  string     `json:"issuer"`
	Expires *time.Time `json:"expires_at,omitempty"`
}

func (i *issuedToken) words(p *printer) { p.line("%s", i.Token) }

func (a *app) token() *cobra.Command {
	w := wantedToken{}
	c := &cobra.Command{
		Use:   "token --target URL",
		Short: "Get an access token for an agent",
		Long: "Get an access token for an agent, from an authority or signed by the agent's own key ring, and write it " +
			"to standard output. Who asks is said by a configuration file, or by --agent with --authority and a " +
			"secret or key, or by --agent with the folder of its key ring.",
		Example: "tallystick token --target @bob --authority https://portal.example.com \\\n" +
			"  --agent @alice --client-secret secret.txt",
		Args: takes(0, 0),
		RunE: func(c *cobra.Command, _ []string) error { return a.runToken(c.Context(), w) },
	}
	flags := c.Flags()
	flags.StringVar(&w.target, "target", "", "the agent that the token is for: a `URL` or @name")
	flags.StringArrayVar(&w.scopes, "scope", nil, "a `SCOPE` of the token; may be given more than once")
	flags.StringVar(&w.config, "config", "", "a `FILE` with the agent's configuration, JSON (.json) or YAML")
	flags.StringVar(&w.agent, "agent", "", "who asks: the agent's own `URL` or @name")
	flags.StringVar(&w.authority, "authority", "", "the `URL` of the authority that signs")
	flags.StringVar(&w.secret, "client-secret", "", "a `FILE` with the secret at the authority, or - for standard input")
	flags.StringVar(&w.key, "client-key", "", "a `FILE` with the private key at the authority, or - for standard input")
	flags.StringVar(&w.folder, "keys-dir", "", "the folder `DIR` of the agent's key ring, where no authority "+
		"signs; the ring is made where it is missing")
	return c
}

func (a *app) runToken(ctx context.Context, w wantedToken) error {
	if err := w.check(); err != nil {
		return err
	}
	skill, err := a.skillFor(w)
	if err != nil {
		return err
	}
	defer skill.Close()
	defer a.wait(skill.Issuer())()
	token, err := skill.Token(ctx, w.target, w.scopes...)
	if err != nil {
		return w.notIssued(err)
	}
	issued := &issuedToken{Token: token, Target: w.target, Issuer: skill.Issuer()}
	for _, m := range decode(token).claims {
		if m.name == "aud" && m.text != "" && !isURL(w.target) {
			a.say("it is for %s: that is %s here; write the agent's URL where another one is meant", m.text, w.target)
		}
		if at, ok := momentOf(m.seconds); m.name == "exp" && m.isTime && ok {
			issued.Expires = &at
			a.say("good until %s", inWords(m.seconds, a.Now()))
		}
	}
	return a.show(issued)
}

func (w *wantedToken) check() error {
	alone := w.agent + w.authority + w.secret + w.key + w.folder
	switch {
	case w.target == "":
		return wrongUsage("--target is missing: name the agent that the token is for")
	case w.config != "" && alone != "":
		return wrongUsage("--config says who asks: leave out --agent, --authority, --client-secret, " +
			"--client-key and --keys-dir")
	case w.config != "":
	case w.agent == "":
		return wrongUsage("say who asks: by --config FILE, or by --agent")
	case w.authority == "" && w.folder == "":
		return wrongUsage("say who signs: --authority URL, or --keys-dir DIR with the agent's own key ring")
	case w.authority != "" && w.folder != "":
		return wrongUsage("give --authority or --keys-dir, not both: one of them signs")
	case w.authority != "" && (w.secret == "") == (w.key == ""):
		return wrongUsage("give --client-secret or --client-key: one of them, which the authority knows")
	case w.authority == "" && w.secret+w.key != "":
		return wrongUsage("--client-secret and --client-key are for an --authority")
	}
	return nil
}

func (a *app) skillFor(w wantedToken) (*tallystick.Skill, error) {
	store, err := memory.New(memory.Options{})
	if err != nil {
		return nil, err
	}
	o := tallystick.SkillOptions{
		BaseURL: w.agent, Authority: w.authority, KeysDir: w.folder, AllowedScopes: w.scopes,
		Store: store, Logger: slog.New(slog.DiscardHandler), DevMode: isLocalURL(w.authority),
		YAML: yamlconfig.ToJSON,
	}
	if w.config != "" {
		return a.skillOfConfig(w.config, o)
	}
	var key, secret input
	if w.secret != "" {
		if secret, err = a.keyText("--client-secret", w.secret); err != nil {
			return nil, err
		}
		o.ClientSecret = strings.TrimSpace(string(secret.content))
		if o.ClientSecret == "" {
			return nil, unusable("--client-secret: %s is empty: give the file with the secret alone", w.secret)
		}
	}
	if w.key != "" {
		if key, err = a.keyText("--client-key", w.key); err != nil {
			return nil, err
		}
		o.ClientKey = string(key.content)
	}
	if info, err := os.Stat(w.folder); w.folder != "" && err == nil && !info.IsDir() {
		return nil, unusable("--keys-dir: %s is a file: name a folder", w.folder)
	}
	skill, err := tallystick.NewSkill(o)
	if err != nil {
		return nil, wrongFlags(err)
	}
	a.warnOfMode("--client-secret", w.secret, secret)
	a.warnOfMode("--client-key", w.key, key)
	return skill, nil
}

func (a *app) skillOfConfig(path string, o tallystick.SkillOptions) (*tallystick.Skill, error) {
	in, err := a.read("--config", path, settings.MaxConfig)
	if err != nil {
		return nil, err
	}
	o.AllowedScopes = nil
	skill, err := tallystick.SkillFromFile(path, o)
	if err != nil {
		return nil, unusable("%s", wordsOf(err))
	}
	if hasSecret(path, in.content) {
		a.warnOfMode("--config", path, in)
	}
	return skill, nil
}

// hasSecret: a configuration that was accepted has a secret or a key itself, and does not name an
// environment variable in its place.
func hasSecret(path string, config []byte) bool {
	if !strings.EqualFold(filepath.Ext(path), ".json") {
		config, _ = yamlconfig.ToJSON(config) // it was read before
	}
	type members map[string]json.RawMessage
	var whole members
	if json.Unmarshal(config, &whole) != nil {
		return false
	}
	for _, name := range []string{"skills", "auth", "robutler"} {
		var inner members
		if json.Unmarshal(whole[name], &inner) == nil {
			whole = merged(whole, inner)
		}
	}
	for _, name := range []string{"client_secret", "client_key"} {
		var text string
		if json.Unmarshal(whole[name], &text) == nil && text != "" && !strings.Contains(text, "${") {
			return true
		}
	}
	return false
}

func merged[M ~map[K]V, K comparable, V any](one, other M) M {
	all := maps.Clone(one)
	maps.Copy(all, other)
	return all
}

// wrongFlags words what is wrong with who asks: a flag's value, or what lies in a file or folder.
func wrongFlags(err error) error {
	text, byFlag := byFlags(wordsOf(err), tokenFlags)
	if byFlag && !strings.HasPrefix(text, tokenFlags["ClientKey"].name) {
		return wrongUsage("%s", text)
	}
	return unusable("%s", text)
}

// notIssued gives the error of a token that was not issued the exit code of its kind.
func (w *wantedToken) notIssued(err error) error {
	var e *tallystick.Error
	if !errors.As(err, &e) {
		return err
	}
	message := e.Message
	if e.Log != "" {
		message += " (" + e.Log + ")"
	}
	switch e.Code {
	case problem.TokenUnavailable:
		return failed(exitNetwork, "%s: see whether the authority runs", message)
	case problem.TokenRefused:
		return failed(exitRefused, "%s: see with the authority whether it knows this client and its scopes", message)
	case problem.TrustDenied:
		return failed(exitRefused, "%s: change talk_to in %s, or name another --target", cmp.Or(e.Log, e.Message), w.config)
	}
	return explained("--client-key: "+w.key, tokenFlags, err)
}

// isLocalURL: what is sent there by http does not leave this machine.
func isLocalURL(address string) bool {
	u, err := checkURL("", address)
	return err == nil && isLoopback(u.Host)
}
