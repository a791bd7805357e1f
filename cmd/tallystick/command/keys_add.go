package command

import (
	"bytes"
	"cmp"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tallystick/tallystick/core/jose"
)

// changed is what became of a caller's file.
type changed struct {
	Issuer  string      `json:"issuer"`
	File    string      `json:"file"`
	Added   []callerKey `json:"added,omitempty"`
	Removed []callerKey `json:"removed,omitempty"`
	Kept    int         `json:"keys"`
	Private string      `json:"private_file,omitempty"`
}

func (c *changed) words(p *printer) {
	for _, key := range c.Added {
		p.line("added    %s  kid %s, %s", c.Issuer, key.KeyID, kindOf(key.Algorithm, key.Bits))
	}
	for _, key := range c.Removed {
		p.line("removed  %s  kid %s, %s", c.Issuer, key.KeyID, kindOf(key.Algorithm, key.Bits))
	}
	if c.Private != "" {
		p.line("private  %s", c.Private)
	}
	if c.Kept == 0 {
		p.line("%s has no key any more and may not call", c.Issuer)
		return
	}
	p.line("file     %s (%s)", c.File, plural(c.Kept, "key"))
}

func describe(keys []jose.Key) []callerKey {
	var all []callerKey
	for _, key := range keys {
		all = append(all, callerKey{cmp.Or(key.ID, key.Public.Thumbprint()), key.Public.Algorithm(), key.Public.Bits()})
	}
	return all
}

func (a *app) keysAdd() *cobra.Command {
	return &cobra.Command{
		Use:   "add DIR ISSUER FILE|-",
		Short: "Let a caller in: put its public key into a folder",
		Long: "Let a caller in: put its public key (PEM, JWK or JWKS) into the folder, as ISSUER.pem or " +
			"ISSUER.jwks.json. The folder is made where it is missing. Who has a key already gets a second one " +
			"by `tallystick keys rotate`.",
		Example: "tallystick keys add authorized_keys orchestrator orchestrator.pub.pem",
		Args:    takes(3, 3),
		RunE:    func(_ *cobra.Command, args []string) error { return a.runKeysAdd(args[0], args[1], args[2]) },
	}
}

func (a *app) runKeysAdd(dir, issuer, source string) error {
	if err := checkIssuer(issuer); err != nil {
		return err
	}
	if err := checkNewIssuer(dir, issuer); err != nil {
		return err
	}
	text, keys, err := a.publicKeys("FILE", source)
	if err != nil {
		return err
	}
	made, err := makeFolder(dir, publicFolder)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, issuer+endingOf(text))
	if err := writeNew(path, text, publicFile); err != nil {
		var done undo
		if made {
			done.made(dir)
		}
		return withLeftovers(err, done.back())
	}
	return a.show(&changed{Issuer: issuer, File: path, Added: describe(keys), Kept: len(keys)})
}

// publicKeys reads a text of public keys, as an agent would.
func (a *app) publicKeys(what, source string) ([]byte, []jose.Key, error) {
	in, err := a.keyText(what, source)
	if err != nil {
		return nil, nil, err
	}
	text := in.content
	keys, err := jose.ParseKeys(text)
	if err != nil {
		return nil, nil, unusable("%s: %s: %s", what, source, err)
	}
	for _, key := range keys {
		if key.Private != nil {
			return nil, nil, unusable("%s: %s holds a private key: give the public one, which `tallystick keys inspect` shows",
				what, source)
		}
	}
	return text, keys, nil
}

func endingOf(text []byte) string {
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return ".jwks.json"
	}
	return ".pem"
}
