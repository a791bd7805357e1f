package trust

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tallystick/tallystick/core/provider"
)

// Bounds of an entry.
const (
	MaxScopeClaims = 16
	MaxAudiences   = 64 // of an entry's audience, and of its client_audience
	maxClaimPath   = 256
	maxAudience    = 2048
)

// Entry is a configured issuer as its tokens are read. It never changes.
type Entry struct {
	Issuer
	provider.Reading
	// Discovery is where its discovery document is; "": below the issuer.
	Discovery string
	// Scopes and Otherwise are the claims that scopes are read from, as provider.Reading has
	// them, or as ScopeClaims says.
	Scopes, Otherwise []Path
}

// Path leads to a claim: the names of objects, and the claim's own last.
type Path []string

// String returns a path as it is written in scope_claims.
func (p Path) String() string { return strings.Join(p, ".") }

// Tell returns how the claims of scopes are written, for a log.
func (e *Entry) Tell() string {
	names := make([]string, 0, len(e.Scopes)+len(e.Otherwise))
	for _, path := range slices.Concat(e.Scopes, e.Otherwise) {
		names = append(names, path.String())
	}
	if len(names) == 0 {
		return "no claim"
	}
	return strings.Join(names, ", ")
}

var usualScopes = []string{"scope", "scp"}

func newEntry(issuer Issuer, reading provider.Reading, discovery string) (*Entry, error) {
	e := &Entry{Issuer: issuer, Reading: reading, Discovery: discovery}
	switch {
	case issuer.ScopeClaims != nil:
		if len(issuer.ScopeClaims) > MaxScopeClaims {
			return nil, fmt.Errorf("scope_claims: at most %d", MaxScopeClaims)
		}
		for i, text := range issuer.ScopeClaims {
			if err := CheckScopeClaim(text); err != nil {
				return nil, fmt.Errorf("scope_claims[%d]: %w", i, err)
			}
		}
		e.Scopes = paths(issuer.ScopeClaims)
	case issuer.Preset != nil:
		e.Scopes, e.Otherwise = paths(reading.Scopes), paths(reading.Otherwise)
	default:
		e.Scopes = paths(usualScopes)
	}
	return e, errors.Join(checkNames("audience", issuer.Audience), checkNames("client_audience", issuer.ClientAudience))
}

func checkNames(member string, names []string) error {
	if names != nil && len(names) == 0 || len(names) > MaxAudiences { //guard:entry-audience never
		return fmt.Errorf("%s: must have 1 to %d entries", member, MaxAudiences)
	}
	for i, name := range names {
		if name == "" || len(name) > maxAudience {
			return fmt.Errorf("%s[%d]: must be 1 to %d bytes", member, i, maxAudience)
		}
	}
	return nil
}

// CheckScopeClaim refuses what can be no path to a claim.
func CheckScopeClaim(text string) error {
	if len(text) > maxClaimPath || slices.Contains(path(text), "") || len(path(text)) > 8 { //guard:scope-claim-path never
		return errors.New("must be a claim's name, or names with dots between that lead to one inside of objects")
	}
	return nil
}

// path reads one of scope_claims. A name with a slash is a claim's whole name, as that of
// https://example.com/roles is.
func path(text string) Path {
	if strings.Contains(text, "/") {
		return Path{text}
	}
	return strings.Split(text, ".")
}

func paths(texts []string) []Path {
	list := make([]Path, len(texts))
	for i, text := range texts {
		list[i] = path(text)
	}
	return list
}

// expand reads the preset, and refuses what would say the same twice.
func (i *Issuer) expand() (provider.Reading, error) {
	if f := i.checkPreset(); f != nil {
		return provider.Reading{}, f
	}
	reading, f := i.Preset.Read()
	if f != nil {
		return provider.Reading{}, f
	}
	if i.Type == "" {
		i.Type = TypeUser
	}
	return reading, nil
}

func (i *Issuer) checkPreset() *provider.Fault {
	switch {
	case i.Issuer != "": //guard:preset-issuer never
		return &provider.Fault{What: "says what the issuer is, and so does issuer", Fix: "keep one of them"}
	case i.Type == TypePortal: //guard:preset-portal never
		return &provider.Fault{What: "is an identity provider's, which is no portal: it gives agents no names and no trust labels",
			Fix: "leave type out"}
	}
	return nil
}

// ExpandPreset reports what is wrong with an entry's preset.
func (i Issuer) ExpandPreset() *provider.Fault {
	if _, err := i.expand(); err != nil {
		var f *provider.Fault
		errors.As(err, &f)
		return f
	}
	return nil
}
