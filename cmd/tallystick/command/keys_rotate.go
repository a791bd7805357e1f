package command

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/jose"
)

// rotation is what keys rotate was told.
type rotation struct {
	dir, issuer string
	source      string // a file of the new public key
	out         string // or a folder for a new private key
	kind        keyKind
	dropOld     bool
}

func (a *app) keysRotate() *cobra.Command {
	r := rotation{}
	c := &cobra.Command{
		Use:   "rotate DIR ISSUER [FILE|-]",
		Short: "Give a caller a new key beside the old one, and drop the old one later",
		Long: "Give a caller a new key beside the old one, in one file: both are good, so that no moment is " +
			"without one. The new public key is that of FILE; with --out a new pair is made, and its private key " +
			"becomes a file in that folder. Have the caller sign with the new key, wait until the last " +
			"token by the old one has expired (a minute), and drop the old one by --drop-old. A symbolic link " +
			"is not replaced: change the file that it leads to.",
		Example: "tallystick keys rotate authorized_keys orchestrator --out keys\n" +
			"tallystick keys rotate authorized_keys orchestrator --drop-old",
		Args: takes(2, 3),
		RunE: func(c *cobra.Command, args []string) error {
			r.dir, r.issuer = args[0], args[1]
			if len(args) == 3 {
				r.source = args[2]
			}
			if r.out == "" {
				if err := without(c, "for a new pair, with --out", "type", "bits"); err != nil {
					return err
				}
			}
			return a.runKeysRotate(c, r)
		},
	}
	c.Flags().StringVar(&r.out, "out", "", "make a new pair; its private key goes into the folder `DIR`")
	r.kind.flags(c, ", with --out")
	c.Flags().BoolVar(&r.dropOld, "drop-old", false, "drop all keys but the one that was added last")
	return c
}

func (a *app) runKeysRotate(c *cobra.Command, r rotation) error {
	if err := checkIssuer(r.issuer); err != nil {
		return err
	}
	ways := 0
	for _, given := range []bool{r.source != "", r.out != "", r.dropOld} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return wrongUsage("give one of FILE (the new public key), --out DIR (make a new pair) and --drop-old")
	}
	if err := checkApart(r.out, r.dir); r.out != "" && err != nil {
		return err
	}
	unlock, err := lockFolder(a.ctx, r.dir)
	if err != nil {
		return err
	}
	defer unlock()
	path, keys, err := fileOf(r.dir, r.issuer)
	if err != nil {
		return err
	}
	done := &changed{Issuer: r.issuer, File: path}
	switch {
	case r.dropOld:
		err = dropOld(path, keys, done)
	case r.source != "":
		err = a.addKeys(r, path, keys, done)
	default:
		err = a.addNewPair(c, r, path, keys, done)
	}
	if err != nil {
		return err
	}
	if !r.dropOld {
		good := "both keys"
		if done.Kept > 2 {
			good = fmt.Sprintf("all %d keys", done.Kept)
		}
		a.say("%s are good now: sign with the new one, and a minute later run `tallystick keys "+
			"rotate %s %s --drop-old`",
			good, quoteForShell(r.dir), quoteForShell(r.issuer))
	}
	return a.showDone(done, "%s is changed all the same", path)
}

// fileOf is the one file of an issuer in a folder.
func fileOf(dir, issuer string) (path string, keys *keyFile, err error) {
	f, err := readFolder(dir)
	if err != nil {
		return "", nil, err
	}
	files := f.of(issuer)
	switch len(files) {
	case 0:
		return "", nil, unusable("%s has no key of %s: add its first by `tallystick keys add`", dir, issuer)
	case 1:
		path = filepath.Join(dir, files[0].Name)
		keys, err = splitFile(path, files[0])
		return path, keys, err
	}
	return "", nil, unusable("%s and %s in %s are for the same issuer: keep one of them",
		files[0].Name, files[1].Name, dir)
}

func dropOld(path string, keys *keyFile, done *changed) error {
	if keys.keys() < 2 {
		return unusable("%s has one key: there is no old one to drop", path)
	}
	var last piece
	for _, one := range keys.pieces {
		if one.key.Public != nil {
			last = one
		}
	}
	newest := last.key.Public.Thumbprint()
	dropped := keys.drop(func(p piece) bool { return p.key.Public.Thumbprint() != newest })
	done.Removed, done.Kept = describe(dropped), keys.keys()
	return keys.save(path)
}

func (a *app) addKeys(r rotation, path string, keys *keyFile, done *changed) error {
	_, added, err := a.publicKeys("FILE", r.source)
	if err != nil {
		return err
	}
	return addTo(path, keys, done, added...)
}

func addTo(path string, keys *keyFile, done *changed, added ...jose.Key) error {
	for _, key := range added {
		if keys.hasKey(key.Public) {
			return unusable("%s has the key %s already: give a new one", path, key.Public.Thumbprint())
		}
		if key.Public.Algorithm() == jose.PS256 && !keys.json {
			return unusable("%s is PEM, which cannot say that a key is for PS256: keep the issuer's keys in one JWKS", path)
		}
		keys.add(key)
	}
	if keys.keys() > authorizedkeys.MaxTried {
		return unusable("%s would have %d keys, of which a token is tried with %d: drop old ones first",
			path, keys.keys(), authorizedkeys.MaxTried)
	}
	done.Added, done.Kept = describe(added), keys.keys()
	return keys.save(path)
}

// addNewPair stores the private key first: a public one whose private half is lost is of no use.
func (a *app) addNewPair(c *cobra.Command, r rotation, path string, keys *keyFile, done *changed) (err error) {
	key, err := a.generate(c, r.kind)
	if err != nil {
		return err
	}
	if done.Private, err = freeName(r.out, r.issuer); err != nil {
		return err
	}
	var made undo
	err = storePrivate(key, done.Private, &made)
	if err == nil {
		err = addTo(path, keys, done, jose.Key{Public: key.Public()})
	}
	if err != nil {
		return withLeftovers(err, made.back())
	}
	return nil
}

// freeName is ISSUER.pem, or ISSUER.2.pem and so on beside the keys before.
func freeName(out, issuer string) (string, error) {
	const most = 1000
	for n := 1; n < most; n++ {
		path := filepath.Join(out, issuer+".pem")
		if n > 1 {
			path = filepath.Join(out, fmt.Sprintf("%s.%d.pem", issuer, n))
		}
		if checkFree(path) == nil {
			return path, nil
		}
	}
	return "", unusable("%s has %d keys of %s: move old ones away", out, most, issuer)
}
