// Package authorizedkeys reads the keys of callers: the content of an
// authorized_keys folder or texts by issuer (rotagent; protocol.md section 1).
package authorizedkeys

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tallystick/tallystick/core/jose"
)

const (
	// MaxFiles bounds the folder, MaxText one file in bytes.
	MaxFiles = 10000
	MaxText  = 256 << 10
	// MaxIssuer bounds an issuer's name, in bytes.
	MaxIssuer = 512
	// MaxTried bounds the keys that one token may be tried with.
	MaxTried = 8
)

// File is one file of the folder: its text, or why the host could not read it this
// time, or why what it found can be no text of keys.
type File struct {
	// in the folder, without its path
	Name string `json:"name"`
	// its content
	Text string `json:"text,omitempty"`
	// why it could not be read this time, in place of text: its issuer is keys_unavailable
	Failed string `json:"failed,omitempty"`
	// why what was found can be no text of keys, in place of text: its issuer is unknown
	Unusable string `json:"unusable,omitempty"`
}

// Warning says that a source's keys are not used, why, and what to do.
type Warning struct {
	// the file's name, or the issuer
	Source string `json:"source"`
	// whose keys they are
	Issuer string `json:"issuer"`
	// private_key, certificate, unusable, weak_key, duplicate_issuer, unreadable or empty
	Code string `json:"code"`
	// names the source and the fix
	Message string `json:"message"`
}

// The codes of a Warning.
const (
	codePrivateKey  = "private_key"
	codeCertificate = "certificate"
	codeUnusable    = "unusable"
	codeWeakKey     = "weak_key"
	codeDuplicate   = "duplicate_issuer"
	codeUnreadable  = "unreadable"
	codeEmpty       = "empty"
)

// Set holds the keys of all issuers. It never changes once made.
type Set struct {
	issuers map[string]Issuer
	unread  map[string]string // issuers of files that could not be read, and why
}

// Issuer is one caller's keys.
type Issuer struct{ Keys []jose.Key }

// suffixes are tried in this order; ".jwks.json" holds a JWKS, the others PEM.
var suffixes = []string{".jwks.json", ".pem", ".pub", ".key"}

// IssuerOf returns whose keys a file of that name in the folder holds, and whether it holds any.
// The name is only ever a map key.
func IssuerOf(name string) (string, bool) {
	if strings.HasPrefix(name, ".") {
		return "", false
	}
	for _, suffix := range suffixes {
		if issuer, ok := strings.CutSuffix(name, suffix); ok && issuer != "" {
			return issuer, true
		}
	}
	return "", false
}

// FromFiles reads a folder. A bad file costs its own issuer only, with a warning.
// What a file says that could not be read, nobody knows: the issuer is neither
// known nor unknown then, whatever another file says of it.
func FromFiles(files []File) (*Set, []Warning) {
	set := &Set{issuers: map[string]Issuer{}, unread: map[string]string{}}
	warnings := []Warning{}
	sources := map[string][]string{}
	for _, file := range slices.SortedFunc(slices.Values(files), byName) {
		issuer, ok := IssuerOf(file.Name)
		if !ok {
			continue
		}
		keys, code, err := readFile(issuer, file)
		if err != nil {
			message := file.Name + " is not used: " + err.Error()
			if code == codeUnreadable {
				set.unread[issuer] = err.Error()
				message += ": its issuer gets 503 until this user can read it"
			}
			warnings = append(warnings, Warning{file.Name, issuer, code, message})
			continue
		}
		sources[issuer] = append(sources[issuer], file.Name)
		set.issuers[issuer] = Issuer{Keys: keys}
	}
	warnings = append(warnings, set.dropDuplicates(sources)...)
	for issuer := range set.unread {
		delete(set.issuers, issuer) //guard:issuer-unread-beside skip
	}
	return set, warnings
}

func byName(a, b File) int { return strings.Compare(a.Name, b.Name) }

// dropDuplicates refuses issuers that two files speak for: which of them is the
// stale one, only the folder's owner knows.
func (s *Set) dropDuplicates(sources map[string][]string) []Warning {
	warnings := []Warning{}
	for _, issuer := range sortedNames(sources) {
		names := sources[issuer]
		if len(names) < 2 {
			continue
		}
		delete(s.issuers, issuer)
		list := strings.Join(names, " and ")
		warnings = append(warnings, Warning{list, issuer, codeDuplicate,
			list + " are not used: they are for the same issuer; keep one file (for a rotation put both keys into it)"})
	}
	return warnings
}

func sortedNames[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

func readFile(issuer string, file File) ([]jose.Key, string, error) {
	switch {
	case !jose.ValidIdentifier(issuer, MaxIssuer):
		return nil, codeUnusable, fmt.Errorf("its name has control characters or is over %d bytes", MaxIssuer)
	case file.Failed != "":
		return nil, codeUnreadable, errors.New(file.Failed)
	case file.Unusable != "":
		return nil, codeUnusable, fmt.Errorf("%s; put the issuer's public key there, or remove it", file.Unusable)
	}
	return readText(file.Text)
}

func readText(text string) ([]jose.Key, string, error) {
	if len(text) > MaxText {
		return nil, codeUnusable, fmt.Errorf("it is over %d bytes", MaxText)
	}
	if strings.TrimSpace(text) == "" {
		return nil, codeEmpty, errors.New("it is empty; expected a public key as PEM or a JWKS")
	}
	keys, err := jose.ParseKeys([]byte(text))
	if err != nil {
		return nil, codeOf(err), err
	}
	for _, key := range keys {
		if key.Private != nil {
			return nil, codePrivateKey, errors.New("it holds a private key; move that away, consider it exposed, and put the public key here")
		}
	}
	return keys, "", nil
}

func codeOf(err error) string {
	switch {
	case errors.Is(err, jose.ErrWeak):
		return codeWeakKey
	case errors.Is(err, jose.ErrCertificate):
		return codeCertificate
	case errors.Is(err, jose.ErrEncrypted):
		return codePrivateKey
	}
	return codeUnusable
}

// FromTexts reads keys by issuer. They come from the program's own
// configuration, so a bad text is an error and not a warning.
func FromTexts(texts map[string]string) (*Set, error) {
	set := &Set{issuers: map[string]Issuer{}}
	for _, issuer := range sortedNames(texts) { // so that the same one of two bad texts is named everywhere
		text := texts[issuer]
		if !jose.ValidIdentifier(issuer, MaxIssuer) {
			return nil, fmt.Errorf("an issuer must have 1 to %d bytes and no control characters", MaxIssuer)
		}
		keys, _, err := readText(text)
		if err != nil {
			return nil, fmt.Errorf("the keys of issuer %q: %w", issuer, err)
		}
		set.issuers[issuer] = Issuer{Keys: keys}
	}
	return set, nil
}

// Len returns the number of issuers, Keys the number of keys.
func (s *Set) Len() int { return len(s.issuers) }

// Keys returns the number of keys of all issuers.
func (s *Set) Keys() int {
	n := 0
	for _, issuer := range s.issuers {
		n += len(issuer.Keys)
	}
	return n
}

// Issuers calls visit for each issuer in the order of their names.
func (s *Set) Issuers(visit func(name string, issuer Issuer)) {
	for _, name := range sortedNames(s.issuers) {
		visit(name, s.issuers[name])
	}
}

// Issuer returns the keys of one issuer.
func (s *Set) Issuer(name string) (Issuer, bool) {
	issuer, ok := s.issuers[name]
	return issuer, ok
}

// Unread reports whether an issuer's file could not be read, and why: whether the
// issuer is known, and by which keys, cannot be told.
func (s *Set) Unread(name string) (why string, unread bool) {
	why, unread = s.unread[name]
	return why, unread
}

// Key returns the key of a name, whosever it is.
func (s *Set) Key(name string) *jose.PublicKey {
	for _, issuer := range s.issuers {
		for _, key := range issuer.Keys {
			if key.Public.Name() == name {
				return key.Public
			}
		}
	}
	return nil
}

// Candidates returns the keys that a token with this kid may be signed by, at
// most 8. A kid selects by the key's own id or its thumbprint. Keys without an id
// of their own (PEM) are candidates for a kid that selects nothing, since a
// stranger may number its keys as it likes. None: the key is unknown. Where some of
// them are good for the token's algorithm, they are all.
func (i Issuer) Candidates(kid string, algorithm jose.Algorithm) []*jose.PublicKey {
	if kid != "" {
		if named := i.collect(algorithm, func(k jose.Key) bool { return k.ID == kid || k.Public.Thumbprint() == kid }); len(named) > 0 {
			return named
		}
		return i.collect(algorithm, func(k jose.Key) bool { return k.ID == "" })
	}
	return i.collect(algorithm, func(jose.Key) bool { return true })
}

func (i Issuer) collect(algorithm jose.Algorithm, wanted func(jose.Key) bool) []*jose.PublicKey {
	var fit, others []*jose.PublicKey
	for _, key := range i.Keys {
		switch {
		case !wanted(key):
		case key.Public.Algorithm() != algorithm: //guard:candidates-algorithm never
			if len(others) < MaxTried {
				others = append(others, key.Public)
			}
		case len(fit) < MaxTried:
			fit = append(fit, key.Public)
		}
	}
	if len(fit) > 0 {
		return fit
	}
	return others
}
