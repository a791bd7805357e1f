package command

import (
	"errors"
	"fmt"
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
	Issuer      string         `json:"issuer"`
	KeyID       string         `json:"kid"`
	Algorithm   jose.Algorithm `json:"alg"`
	Bits        int            `json:"bits"`
	PrivateFile string         `json:"private_file"`
	PublicFile  string         `json:"public_file,omitempty"`
	PublicPEM   string         `json:"public_pem"`
}

func (n *newKey) words(p *printer) {
	// The public key alone is data: it goes to whoever is called.
	if n.PublicFile == "" {
		p.WriteString(n.PublicPEM)
	}
}

func (a *app) keysNew() *cobra.Command {
	var out, authorized string
	var kind keyKind
	c := &cobra.Command{
		Use:   "new ISSUER",
		Short: "Make a key pair for a caller",
		Long: "Make a key pair for a caller. The private key becomes ISSUER.pem, with mode 0600 in a folder " +
			"of mode 0700. The public key becomes ISSUER.pem in the folder of --authorized, or goes to " +
			"standard output. Nothing is overwritten.",
		Example: "tallystick keys new orchestrator --authorized authorized_keys",
		Args:    takes(1, 1),
		RunE:    func(c *cobra.Command, args []string) error { return a.runKeysNew(c, args[0], out, authorized, kind) },
	}
	c.Flags().StringVar(&out, "out", defaultOut, "folder `DIR` for the private key; made with mode "+
		"0700 where it is missing")
	c.Flags().StringVar(&authorized, "authorized", "", "folder `DIR` for the public key, such as an "+
		"agent's authorized_keys")
	kind.flags(c, "")
	return c
}

// keyKind is what kind of key is made.
type keyKind struct {
	name string
	bits int
}

func (k *keyKind) flags(c *cobra.Command, when string) {
	c.Flags().StringVar(&k.name, "type", string(jose.TypeRSA), "`KIND` of the key"+when+": rsa (RS256, which every agent "+
		"takes), ec (P-256, ES256) or ed25519 (EdDSA)")
	c.Flags().IntVar(&k.bits, "bits", defaultBits, "size of an RSA key in `BITS`"+when+": 2048, 3072 or 4096")
	completes(c, "type", string(jose.TypeRSA), string(jose.TypeEC), string(jose.TypeEd25519))
	completes(c, "bits", "2048", "3072", "4096")
}

func (a *app) runKeysNew(c *cobra.Command, issuer, out, authorized string, kind keyKind) error {
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
	key, err := a.generate(c, kind)
	if err != nil {
		return err
	}
	public := key.Public()
	made := &newKey{issuer, public.Thumbprint(), public.Algorithm(), public.Bits(), private, "", public.PEM()}
	if authorized != "" {
		made.PublicFile = filepath.Join(authorized, issuer+".pem")
	}
	if err := a.storePair(key, made); err != nil {
		return err
	}
	a.say("made a key, %s, for %s (kid %s)", kindOf(made.Algorithm, made.Bits), issuer, made.KeyID)
	a.say("private key: %s (keep it secret; sign with --key %s)", private, quoteForShell(private))
	if authorized == "" {
		a.say("public key: put it into the folder of each agent that is called, as %s.pem", issuer)
	} else {
		a.say("public key: %s", made.PublicFile)
	}
	return a.showDone(made, "the key is made all the same: `tallystick keys inspect %s` shows it", quoteForShell(private))
}

func (a *app) generate(c *cobra.Command, kind keyKind) (*jose.PrivateKey, error) {
	bits := kind.bits
	if kind.name != string(jose.TypeRSA) && !c.Flags().Changed("bits") {
		bits = 0
	}
	if err := jose.CheckKeyType(jose.KeyType(kind.name), bits); err != nil {
		return nil, wrongUsage("--type and --bits: %s", err)
	}
	if bits > defaultBits && isTerminal(a.Stderr) {
		a.say("making a key of %d bits, which may take some seconds …", bits)
	}
	key, err := jose.GenerateType(jose.KeyType(kind.name), bits)
	if err != nil {
		return nil, err
	}
	return key, nil
}

// kindOf names a key's kind and size.
func kindOf(algorithm jose.Algorithm, bits int) string {
	switch algorithm {
	case jose.ES256:
		return "P-256"
	case jose.EdDSA:
		return "Ed25519"
	case jose.PS256:
		return fmt.Sprintf("RSA %d bits for PS256", bits)
	}
	return fmt.Sprintf("RSA %d bits", bits)
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
