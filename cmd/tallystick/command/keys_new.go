package command

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/tallystick/tallystick/core/jose"
)

const (
	defaultOut  = "keys"
	defaultBits = 2048
)

// newKey is where a new key pair lies.
type newKey struct {
	Issuer      string `json:"issuer"`
	KeyID       string `json:"kid"`
	Bits        int    `json:"bits"`
	PrivateFile string `json:"private_file"`
	PublicFile  string `json:"public_file,omitempty"`
	PublicPEM   string `json:"public_pem"`
}

func (n *newKey) words(p *printer) {
	// The public key alone is data: it goes to whoever is called.
	if n.PublicFile == "" {
		p.WriteString(n.PublicPEM)
	}
}

func (a *app) keysNew() *cobra.Command {
	var out, authorized string
	var bits int
	c := &cobra.Command{
		Use:   "new ISSUER",
		Short: "Make a key pair for a caller",
		Long: "Make a key pair for a caller. The private key becomes ISSUER.pem, with mode 0600 in a folder " +
			"of mode 0700. The public key becomes ISSUER.pem in the folder of --authorized, or goes to " +
			"standard output. Nothing is overwritten.",
		Example: "tallystick keys new orchestrator --authorized authorized_keys",
		Args:    takes(1, 1),
		RunE:    func(_ *cobra.Command, args []string) error { return a.runKeysNew(args[0], out, authorized, bits) },
	}
	c.Flags().StringVar(&out, "out", defaultOut, "folder `DIR` for the private key; made with mode "+
		"0700 where it is missing")
	c.Flags().StringVar(&authorized, "authorized", "", "folder `DIR` for the public key, such as an "+
		"agent's authorized_keys")
	c.Flags().IntVar(&bits, "bits", defaultBits, "size of the key in `BITS`: 2048, 3072 or 4096")
	return c
}

func (a *app) runKeysNew(issuer, out, authorized string, bits int) error {
	if err := checkIssuer(issuer); err != nil {
		return err
	}
	if err := checkApart(out, authorized); err != nil {
		return err
	}
	private := filepath.Join(out, issuer+".pem")
	if err := checkFree(private); err != nil {
		return err
	}
	if err := checkNewIssuer(authorized, issuer); err != nil {
		return err
	}
	key, err := a.generate(bits)
	if err != nil {
		return err
	}
	made := &newKey{issuer, key.Public().Thumbprint(), key.Public().Bits(), private, "", key.Public().PEM()}
	if authorized != "" {
		made.PublicFile = filepath.Join(authorized, issuer+".pem")
	}
	if err := a.storePair(key, made); err != nil {
		return err
	}
	a.say("made a key of %d bits for %s (kid %s)", made.Bits, issuer, made.KeyID)
	a.say("private key: %s (keep it secret; sign with --key %s)", private, quoteForShell(private))
	if authorized == "" {
		a.say("public key: put it into the folder of each agent that is called, as %s.pem", issuer)
	} else {
		a.say("public key: %s", made.PublicFile)
	}
	return a.showDone(made, "the key is made all the same: `tallystick keys inspect %s` shows it", quoteForShell(private))
}

func (a *app) generate(bits int) (*jose.PrivateKey, error) {
	if bits > defaultBits && isTerminal(a.Stderr) {
		a.say("making a key of %d bits, which may take some seconds …", bits)
	}
	key, err := jose.Generate(bits)
	if err != nil {
		return nil, wrongUsage("--bits: %s", err)
	}
	return key, nil
}

// checkApart: an agent refuses, and its owner must give up, a private key in the folder of callers.
func checkApart(out, authorized string) error {
	if authorized == "" {
		return nil
	}
	one, err1 := filepath.Abs(out)
	other, err2 := filepath.Abs(authorized)
	if err := errors.Join(err1, err2); err != nil {
		return failed(exitInternal, "%s", err)
	}
	first, err1 := os.Stat(one)
	second, err2 := os.Stat(other)
	if one == other || err1 == nil && err2 == nil && os.SameFile(first, second) {
		return wrongUsage("--out and --authorized are one folder: keep private keys out of the folder of " +
			"callers' public keys")
	}
	return nil
}

func checkFree(path string) error {
	_, err := os.Lstat(path)
	switch {
	case err == nil:
		return unusable("%s is there already and is not overwritten: choose another name or move it away", path)
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR): // the folder is judged later
		return unusable("%s cannot be used: %s", path, reasonOf(err))
	}
	return nil
}

// checkNewIssuer: two files for one issuer would cost it both.
func checkNewIssuer(dir, issuer string) error {
	if _, err := os.Stat(dir); dir == "" || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	f, err := readFolder(dir)
	if err != nil {
		return err
	}
	if files := f.of(issuer); len(files) > 0 {
		return unusable("%s has %s for %s already: add a second key by `tallystick keys rotate`, or "+
			"withdraw it by `tallystick keys revoke`",
			dir, files[0].Name, issuer)
	}
	return nil
}

// storePair writes both halves, or nothing.
func (a *app) storePair(key *jose.PrivateKey, made *newKey) (err error) {
	var done undo
	defer func() {
		if err != nil {
			err = withLeftovers(err, done.back())
		}
	}()
	if made.PublicFile == "" {
		return storePrivate(key, made.PrivateFile, &done)
	}
	unlock, err := a.lockForNew(filepath.Dir(made.PublicFile), made.Issuer, &done)
	if err != nil {
		return err
	}
	defer unlock()
	if err := storePrivate(key, made.PrivateFile, &done); err != nil {
		return err
	}
	return writeNew(made.PublicFile, []byte(made.PublicPEM), publicFile)
}

func storePrivate(key *jose.PrivateKey, path string, done *undo) error {
	folder := filepath.Dir(path)
	made, err := makeFolder(folder, privateFolder)
	if err != nil {
		return err
	}
	if made {
		done.made(folder)
	}
	if err := checkPrivate(folder); err != nil {
		return err
	}
	if err := writeNew(path, []byte(key.PEM()), privateFile); err != nil {
		return err
	}
	done.made(path)
	return nil
}

func withLeftovers(err, leftovers error) error {
	var f *failure
	if leftovers != nil && errors.As(err, &f) {
		return failed(f.code, "%s (%s)", f.message, leftovers)
	}
	return err
}
