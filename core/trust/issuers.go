// Package trust decides who a verified caller is and whether it may come in
// (protocol.md section 5). A caller's name is derived from what is verified, never
// from what is claimed: nobody on evil.example can be @alice. What is compiled
// here never changes, so it is safe for concurrent use.
package trust

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tallystick/tallystick/core/agent"
	"github.com/tallystick/tallystick/core/provider"
	"github.com/tallystick/tallystick/core/weburl"
)

// The types of an issuer.
const (
	TypePortal = "portal" // names its agents by their sub
	TypeAgent  = "agent"  // signs for itself and what lies below its URL
	TypeUser   = "user"   // signs for people
)

// MaxIssuers bounds the issuers that are configured.
const MaxIssuers = 10000

// Issuer is one that is configured. The names of other members in an error are those of the
// configuration.
type Issuer struct {
	Issuer  string // compared byte by byte with iss; "" with Preset
	JWKSURI string // "": by discovery
	Type    string // "": TypeAgent; TypePortal for the authority, TypeUser with Preset
	// Preset says what the issuer is, and how its tokens are read.
	Preset *provider.Preset
	// Audience is what its tokens call this agent; nil: as everybody's do.
	Audience []string
	// ScopeClaims are the claims that scopes are read from; nil: those of Preset, or scope and scp.
	ScopeClaims []string
	// ClientAudience are the clients whose tokens are taken without aud.
	ClientAudience []string
	// InternalHTTP lets its discovery document and JWKSURI be fetched by plain http, inside of
	// the network.
	InternalHTTP bool
}

// Config says whom an agent believes.
type Config struct {
	Authority   string // an issuer of TypePortal; also resolves names
	Own         string // the agent that signs its users in itself; "": it does not
	Trusted     []Issuer
	Allow, Deny []string // patterns of agents
	// Pinned accepts configured issuers only: an agent that was given one key set
	// does not go looking for others.
	Pinned bool
	// DevMode takes strangers on loopback, with http too.
	DevMode bool
}

// Issuers is a compiled Config.
type Issuers struct {
	authority   string
	own         string
	trusted     map[string]*Entry
	allow, deny *agent.List
	pinned, dev bool
	configured  []Issuer // in the order of the configuration, with their types
}

// NewIssuers compiles a configuration; an error begins with the member that is
// wrong and quotes no value.
func NewIssuers(c Config) (*Issuers, error) {
	s := &Issuers{authority: c.Authority, own: c.Own, trusted: map[string]*Entry{}, pinned: c.Pinned, dev: c.DevMode}
	if len(c.Trusted) > MaxIssuers {
		return nil, fmt.Errorf("trusted_issuers: at most %d", MaxIssuers)
	}
	for i, issuer := range c.Trusted {
		if err := s.add(issuer); err != nil {
			return nil, fmt.Errorf("trusted_issuers[%d]: %w", i, err)
		}
	}
	if _, there := s.trusted[c.Authority]; c.Authority != "" && !there {
		if err := s.add(Issuer{Issuer: c.Authority}); err != nil {
			if errors.Is(err, errPlain) {
				err = errors.New("plain http is for this machine (localhost) only: use https, since secrets are sent there")
			}
			return nil, fmt.Errorf("authority: %w", err)
		}
	}
	var err error
	if s.allow, err = agent.NewAccessList(c.Allow); err != nil {
		return nil, fmt.Errorf("allow%w", err)
	}
	if s.deny, err = agent.NewAccessList(c.Deny); err != nil {
		return nil, fmt.Errorf("deny%w", err)
	}
	return s, nil
}

// add takes an entry in, as one issuer or as those that its preset stands for.
func (s *Issuers) add(issuer Issuer) error {
	if issuer.Preset == nil {
		return s.addOne(issuer, provider.Reading{}, "")
	}
	reading, err := issuer.expand()
	if err != nil {
		return err
	}
	for _, one := range reading.Issuers {
		each := issuer
		each.Issuer = one.Issuer
		if err := s.addOne(each, reading, one.Discovery); err != nil {
			return err
		}
	}
	return nil
}

func (s *Issuers) addOne(issuer Issuer, reading provider.Reading, discovery string) error {
	isAuthority := issuer.Issuer == s.authority
	switch {
	case issuer.Type == "" && isAuthority:
		issuer.Type = TypePortal
	case issuer.Type == "":
		issuer.Type = TypeAgent
	case issuer.Type != TypePortal && issuer.Type != TypeAgent && issuer.Type != TypeUser:
		return errors.New("type: must be agent, portal or user")
	case isAuthority && issuer.Type != TypePortal:
		return errors.New("type: the authority is of type portal: leave the type out")
	}
	checkIssuer, checkKeys := CheckIssuer, CheckKeysURL
	if issuer.InternalHTTP {
		checkIssuer, checkKeys = CheckInternalIssuer, CheckInternalKeysURL
	}
	if isAuthority { //guard:internal-authority never
		checkIssuer = CheckIssuer // its token endpoint gets a secret
	}
	if err := checkIssuer(issuer.Issuer); err != nil {
		return fmt.Errorf("issuer: %w", err)
	}
	if issuer.JWKSURI != "" {
		if err := checkKeys(issuer.JWKSURI); err != nil {
			return fmt.Errorf("jwks_uri: %w", err)
		}
	}
	if _, there := s.trusted[issuer.Issuer]; there {
		return errors.New("issuer: is there twice: keep one entry")
	}
	entry, err := newEntry(issuer, reading, discovery)
	if err != nil {
		return err
	}
	s.trusted[issuer.Issuer] = entry
	s.configured = append(s.configured, issuer)
	return nil
}

// Configured returns the issuers that are configured, the authority last unless it was named among
// them. It is not to be changed.
func (s *Issuers) Configured() []Issuer { return s.configured }

// CheckIssuer refuses what cannot be a configured issuer. It is compared byte by
// byte with iss, so it must be in the spelling that issuers use: canonical, with or
// without one slash at the end (Auth0 has one). Plain http is for loopback: keys
// that anybody on the network can replace prove nothing.
func CheckIssuer(issuer string) error {
	if err := CheckInternalIssuer(issuer); err != nil {
		return err
	}
	if !strings.HasPrefix(issuer, "https://") && !agent.OnLoopback(issuer) { //guard:issuer-https never
		return errPlain
	}
	return nil
}

// CheckInternalIssuer is CheckIssuer where plain http is allowed inside of the network.
func CheckInternalIssuer(issuer string) error {
	canonical, err := agent.Canonical(issuer)
	switch {
	case err != nil:
		return err
	case issuer != canonical && issuer != canonical+"/":
		return errors.New("the URL is not in its canonical spelling: write scheme and host in lower case, without the scheme's own port")
	}
	return nil
}

// CheckKeysURL refuses a jwks_uri that is not https, or http on loopback: whoever is
// on the way could replace the keys.
func CheckKeysURL(url string) error {
	if err := CheckInternalKeysURL(url); err != nil {
		return err
	}
	if u, err := weburl.Parse(url); err == nil && u.Scheme != "https" && !agent.OnLoopback(url) { //guard:keys-url-https never
		return errPlain
	}
	return nil
}

// CheckInternalKeysURL is CheckKeysURL where plain http is allowed inside of the network.
func CheckInternalKeysURL(url string) error {
	u, err := weburl.Parse(url)
	switch {
	case err != nil:
		return err
	case u.HasFragment:
		return errors.New("the URL must not have a fragment")
	}
	return nil
}

var errPlain = errors.New("plain http is for this machine (localhost) only: use https, or internal_http: true " +
	"in the issuer's entry of trusted_issuers for a service of your own network")
