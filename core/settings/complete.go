package settings

import (
	"strings"

	"github.com/tallystick/tallystick/core/agent"
	"github.com/tallystick/tallystick/core/oauthclient"
	"github.com/tallystick/tallystick/core/provider"
	"github.com/tallystick/tallystick/core/trust"
	"github.com/tallystick/tallystick/core/weburl"
)

// complete derives what was left out and refuses keys that contradict each other.
func (a *Access) complete(authority bool) *fault {
	if authority {
		if f := a.checkAuthority(); f != nil {
			return f
		}
	}
	for _, step := range [...]func() *fault{a.completeIdentity, a.completeIssuers, a.checkCredentials, a.checkClients} {
		if f := step(); f != nil {
			return f
		}
	}
	return nil
}

// checkAuthority: it signs itself, and who it is, is its URL.
func (a *Access) checkAuthority() *fault {
	switch {
	case a.Authority != "":
		return &fault{"authority", "is another one, and an authority has none of its own", "remove it"}
	case a.JWKSURI != "":
		return &fault{"jwks_uri", "is the key set of another one, and an authority signs with its own keys",
			"remove it"}
	}
	if _, err := agent.Canonical(a.BaseURL); err != nil {
		return &fault{"base_url", err.Error(),
			"an authority is named by its URL, such as \"https://portal.example.com\""}
	}
	return nil
}

// completeIdentity derives agent_id and base_url from each other. Neither is
// needed by an agent that only verifies.
func (a *Access) completeIdentity() *fault {
	if a.BaseURL == "" {
		if a.AgentID == "" {
			return nil
		}
		return a.resolveInto(a.AgentID, "agent_id")
	}
	if err := agent.CheckBase(a.BaseURL); err != nil {
		return &fault{"base_url", err.Error(), "write base_url: " + identityExamples["base_url"]}
	}
	if f := a.resolveInto(a.BaseURL, "base_url"); f != nil || a.AgentID != "" {
		return f
	}
	a.AgentID = a.BaseURL[strings.LastIndexByte(a.BaseURL, '/')+1:] // without a path, the host
	if agent.CheckName(a.AgentID) != nil {
		return &fault{"agent_id", "cannot be derived from base_url", `write agent_id: "my-agent"`}
	}
	return nil
}

var identityExamples = map[string]string{"base_url": `"https://agent.example.com/my-agent" or "@my-agent"`, "agent_id": `"my-agent"`}

func (a *Access) resolveInto(reference, path string) *fault {
	url, err := agent.Resolve(reference, a.Authority)
	if err != nil {
		return &fault{path, err.Error(), "write " + path + ": " + identityExamples[path]}
	}
	a.BaseURL = url
	return nil
}

func (a *Access) completeIssuers() *fault {
	if a.Issuer != "" && a.JWKSURI == "" {
		return &fault{"issuer", "says whose key set jwks_uri is, and there is no jwks_uri", "write jwks_uri: " + exampleKeys + ", or use trusted_issuers"}
	}
	if f := a.completeKeySet(); f != nil {
		return f
	}
	for i := range a.TrustedIssuers {
		issuer := &a.TrustedIssuers[i]
		if issuer.Preset != nil {
			if f := trust.Issuer(*issuer).ExpandPreset(); f != nil {
				return ofPreset(f).at(i).under("trusted_issuers")
			}
		}
		switch {
		case issuer.Preset != nil:
			if issuer.Type == "" {
				issuer.Type = trust.TypeUser
			}
		case issuer.Issuer == "":
			return (&fault{"issuer", "is missing", "write issuer: " + exampleURL + ", or a preset"}).at(i).under("trusted_issuers")
		case issuer.Type == "" && issuer.Issuer == a.Authority:
			issuer.Type = trust.TypePortal
		case issuer.Type == "":
			issuer.Type = trust.TypeAgent
		}
	}
	if _, err := trust.NewIssuers(a.trust()); err != nil {
		return wrong(err.Error())
	}
	return nil
}

func ofPreset(f *provider.Fault) *fault {
	return (&fault{f.Key, f.What, f.Fix}).under("preset")
}

// completeKeySet is for the form with jwks_uri: whose key set it is, the URL says
// where issuer does not.
func (a *Access) completeKeySet() *fault {
	if a.JWKSURI == "" {
		return nil
	}
	if a.Issuer == "" {
		url, err := weburl.Parse(a.JWKSURI)
		if err == nil {
			err = trust.CheckIssuer(url.Origin)
		}
		if err != nil {
			return &fault{"issuer", "cannot be derived from jwks_uri: " + err.Error(), "write issuer: " + exampleURL}
		}
		a.Issuer = url.Origin
	}
	for _, issuer := range a.TrustedIssuers {
		if issuer.Issuer == a.Issuer {
			return &fault{"jwks_uri", "is the key set of an issuer that is in trusted_issuers too", "keep one of them"}
		}
	}
	return nil
}

func (a *Access) checkCredentials() *fault {
	switch {
	case a.ClientSecret != "" && a.ClientKey != "":
		return &fault{"client_key", "is there beside client_secret", "keep one of them: a client authenticates in one way (RFC 6749 section 2.3)"}
	case (a.ClientSecret != "" || a.ClientKey != "") && a.ClientID == "" && a.AgentID == "":
		return &fault{"client_id", "is missing beside client_secret or client_key", `write client_id: "my-agent"`}
	}
	return nil
}

func (a *Access) checkClients() *fault {
	seen := map[string]bool{}
	for i, c := range a.Clients {
		f := checkClient(c)
		if f == nil && seen[c.ID] {
			f = &fault{"client_id", "is there twice", "keep one entry for each client"}
		}
		if f != nil {
			return f.at(i).under("clients")
		}
		seen[c.ID] = true
	}
	if _, p := oauthclient.New(a.Clients); p != nil {
		return wrong(p.Message)
	}
	return nil
}

func checkClient(c oauthclient.Config) *fault {
	switch {
	case c.ID == "":
		return &fault{"client_id", "is missing", `write client_id: "caller"`}
	case c.SecretHash == "" && c.PublicKey == "":
		return &fault{"secret_hash", "is missing, and so is public_key",
			"write the secret_hash of a new client secret, or the client's public key"}
	case c.Scopes == nil:
		return &fault{"scopes", "is missing", `write scopes: ["read"]`}
	}
	return nil
}
