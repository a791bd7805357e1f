package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/jose"
)

// folder is a folder of callers' public keys, as an agent reads it.
type folder struct {
	dir      string
	files    []authorizedkeys.File
	set      *authorizedkeys.Set
	problems []folderProblem
}

// folderProblem is one thing that is wrong with a folder.
type folderProblem struct {
	Source  string `json:"source"`
	Issuer  string `json:"issuer,omitempty"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// readFolder reads a folder. One that is not there is an error.
func readFolder(dir string) (*folder, error) {
	files, err := tallystick.ReadKeysDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, unusable("there is no folder %s: look at the path, or make it by `tallystick keys add`", dir)
	}
	if err != nil {
		return nil, unusable("%s", err)
	}
	f := &folder{dir: dir, files: files}
	set, warnings := authorizedkeys.FromFiles(files)
	f.set = set
	for _, w := range warnings {
		f.problems = append(f.problems, folderProblem(w))
	}
	f.findIgnored()
	f.findWritable()
	return f, f.findUnprintable()
}

// nobody is the problem of a folder without a key that is used.
func (f *folder) nobody() *folderProblem {
	if f.set.Len() > 0 {
		return nil
	}
	return &folderProblem{Source: f.dir, Code: "nobody", Message: fmt.Sprintf(
		"nobody may call by %s: add a caller by `tallystick keys add %s ISSUER FILE`", f.dir, quoteForShell(f.dir))}
}

// findUnprintable: agents pass over names that cannot be printed, and do not warn of them.
func (f *folder) findUnprintable() error {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return cannotRead("the folder", f.dir, err)
	}
	for _, entry := range entries {
		name := entry.Name()
		_, named := authorizedkeys.IssuerOf(name)
		if unsafe := !utf8.ValidString(name) || strings.ContainsFunc(name, isUnsafe); named && unsafe {
			shown := fmt.Sprintf("%+q", name)
			f.problems = append(f.problems, folderProblem{Source: shown, Code: "ignored",
				Message: shown + " is not used: its name has characters that cannot be printed; name it ISSUER.pem"})
		}
	}
	return nil
}

// findIgnored: a key in a file whose name says no issuer is nobody's, and no agent warns of it.
func (f *folder) findIgnored() {
	for _, file := range f.files {
		if _, named := authorizedkeys.IssuerOf(file.Name); named || strings.HasPrefix(file.Name, ".") || file.Text == "" {
			continue
		}
		if _, err := jose.ParseKeys([]byte(file.Text)); err == nil {
			f.problems = append(f.problems, folderProblem{Source: file.Name, Code: "ignored",
				Message: file.Name + " is not used: its name has none of the endings .pem, .pub, .key and " +
					".jwks.json; name it ISSUER.pem"})
		}
	}
}

// findWritable: whoever can write there can let callers in. Windows has no such modes.
func (f *folder) findWritable() {
	if runtime.GOOS == "windows" {
		return
	}
	for _, name := range append([]string{"."}, f.names()...) {
		path := filepath.Join(f.dir, name)
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm()&0o002 == 0 {
			continue
		}
		message := fmt.Sprintf("every user can write to %s and so let callers in: run `chmod o-w %s`",
			path, quoteForShell(path))
		f.problems = append(f.problems, folderProblem{Source: name, Code: "writable", Message: message})
	}
}

func (f *folder) names() []string {
	var names []string
	for _, file := range f.files {
		names = append(names, file.Name)
	}
	return names
}

// of returns the files that are an issuer's, usable or not.
func (f *folder) of(issuer string) []authorizedkeys.File {
	return slices.DeleteFunc(slices.Clone(f.files), func(file authorizedkeys.File) bool {
		name, named := authorizedkeys.IssuerOf(file.Name)
		return !named || name != issuer
	})
}

// since is when a file was last changed.
func (f *folder) since(name string) time.Time {
	info, err := os.Stat(filepath.Join(f.dir, name))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime().UTC().Truncate(time.Second)
}

// checkIssuer refuses an issuer that no file can be named after.
func checkIssuer(issuer string) error {
	switch {
	case !jose.ValidIdentifier(issuer, authorizedkeys.MaxIssuer) || strings.ContainsFunc(issuer, isUnsafe):
		return wrongUsage("ISSUER must have 1 to %d bytes, and only characters that can be printed", authorizedkeys.MaxIssuer)
	case strings.ContainsAny(issuer, `/\`) || strings.HasPrefix(issuer, "."):
		return wrongUsage("ISSUER names the file of its key: it has no / or \\, and no dot in front")
	}
	if named, ok := authorizedkeys.IssuerOf(issuer + ".pem"); !ok || named != issuer {
		return wrongUsage("ISSUER names the file of its key: an agent would read %s.pem as another issuer", issuer)
	}
	return nil
}
