package command

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/jose"
)

func (a *app) keysRevoke() *cobra.Command {
	var kid string
	c := &cobra.Command{
		Use:   "revoke DIR ISSUER",
		Short: "Shut a caller out: take its keys out of a folder",
		Long: "Shut a caller out: remove its files from the folder, or with --kid one key alone. Agents that " +
			"read the folder refuse its tokens within a second.",
		Example: "tallystick keys revoke authorized_keys orchestrator",
		Args:    takes(2, 2),
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("kid") && kid == "" {
				return wrongUsage("--kid is empty: `tallystick keys list` shows the ids")
			}
			return a.runKeysRevoke(args[0], args[1], kid)
		},
	}
	c.Flags().StringVar(&kid, "kid", "", "only the key with this id or thumbprint `KID`")
	return c
}

func (a *app) runKeysRevoke(dir, issuer, kid string) error {
	unlock, err := lockFolder(a.ctx, dir)
	if err != nil {
		return err
	}
	defer unlock()
	f, err := readFolder(dir)
	if err != nil {
		return err
	}
	files := f.of(issuer)
	if len(files) == 0 {
		return unusable("%s has no key of %s: `tallystick keys list` shows who may call", dir, issuer)
	}
	done := &changed{Issuer: issuer, File: filepath.Join(dir, files[0].Name)}
	for _, file := range files {
		if kid != "" {
			err = f.dropKey(file, kid, done)
		} else {
			err = f.dropFile(file, done)
		}
		if err != nil {
			return err
		}
	}
	if kid != "" && len(done.Removed) == 0 {
		return unusable("%s has no key %s: `tallystick keys list` shows the ids", issuer, kid)
	}
	return a.showDone(done, "%s is withdrawn all the same", issuer)
}

func (f *folder) dropFile(file authorizedkeys.File, done *changed) error {
	path := filepath.Join(f.dir, file.Name)
	if err := os.Remove(path); err != nil {
		return unusable("%s cannot be removed: %s", path, reasonOf(err))
	}
	// Nothing in it may be a key that was ever used.
	if keys, err := jose.ParseKeys([]byte(file.Text)); err == nil {
		done.Removed = append(done.Removed, describe(keys)...)
	}
	return nil
}

func (f *folder) dropKey(file authorizedkeys.File, kid string, done *changed) error {
	path := filepath.Join(f.dir, file.Name)
	keys, err := splitFile(path, file)
	if err != nil {
		return err
	}
	dropped := keys.drop(func(p piece) bool { return p.has(kid) })
	if len(dropped) > 0 && keys.keys() == 0 {
		return f.dropFile(file, done)
	}
	done.Kept += keys.keys()
	if len(dropped) == 0 {
		return nil
	}
	done.Removed = append(done.Removed, describe(dropped)...)
	return keys.save(path)
}

// splitFile takes one file of a folder apart.
func splitFile(path string, file authorizedkeys.File) (*keyFile, error) {
	why := file.Failed + file.Unusable
	if why != "" {
		return nil, unusable("%s cannot be changed: %s", path, why)
	}
	if _, err := jose.ParseKeys([]byte(file.Text)); err != nil {
		return nil, unusable("%s cannot be changed: %s: withdraw it whole by `tallystick keys revoke`", path, err)
	}
	keys, err := splitKeys([]byte(file.Text))
	if err != nil {
		return nil, unusable("%s cannot be changed: %s: withdraw it whole by `tallystick keys revoke`", path, err)
	}
	return keys, nil
}

func (f *keyFile) save(path string) error {
	text, err := f.checked()
	if err != nil {
		return unusable("%s is not changed: %s", path, err)
	}
	return replace(path, text)
}
