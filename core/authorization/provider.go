package authorization

import (
	"errors"
	"strings"

	"github.com/tallystick/tallystick/core/agent"
	"github.com/tallystick/tallystick/core/weburl"
)

// Issuer of Google (Google Identity, OpenID Connect).
const googleIssuer = "https://accounts.google.com"

// Provider is an OpenID provider that says who users are.
type Provider struct {
	Name         string // of the configuration: it becomes part of each user's id, and of a URL
	Issuer       string // "" of the provider named google: Google
	ClientID     string
	ClientSecret string
	HostedDomain string // of Google: hd must be it
}

func (p *Provider) check() error {
	if p.Name == "" || len(p.Name) > 32 || strings.Trim(p.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return errors.New("a provider's name is 1 to 32 of a-z, 0-9 and -")
	}
	if p.Name == "google" && p.Issuer == "" {
		p.Issuer = googleIssuer
	}
	u, err := weburl.Parse(p.Issuer)
	switch {
	case p.Issuer == "":
		return errors.New("issuer is missing: the URL of the OpenID provider")
	case err != nil:
		return errors.New("issuer: " + err.Error())
	case u.HasQuery || u.HasFragment:
		return errors.New("issuer: it has a query or a fragment")
	case u.Scheme != "https" && !agent.OnLoopback(p.Issuer):
		return errors.New("issuer: it must be https")
	case p.ClientID == "":
		return errors.New("client_id is missing: what the provider calls this server")
	case p.ClientSecret == "":
		return errors.New("client_secret is missing: what this server shows to the provider")
	case p.HostedDomain != "" && p.Issuer != googleIssuer:
		return errors.New("hosted_domain is of Google alone")
	}
	return nil
}

// title is how a page calls it.
func (p *Provider) title() string {
	if p.Issuer == googleIssuer {
		return "Google"
	}
	u, _ := weburl.Parse(p.Issuer) // it was checked
	return p.Name + " (" + u.Host + ")"
}
