// Package provider knows the identity providers that many people have: what their issuers are
// called, and how their access tokens say what they are (protocol.md section 11). It is one table;
// each row names the provider's own documentation that it follows.
package provider

import (
	"strings"
)

// Preset is one provider as an entry of trusted_issuers names it.
type Preset struct {
	// "auth0", "cognito", "entra", "google", "keycloak" or "okta"
	Name string `json:"name,omitempty"`
	// the provider's host: of auth0, keycloak and okta
	Domain string `json:"domain,omitempty"`
	// the directory's id, a UUID: of entra
	Tenant string `json:"tenant,omitempty"`
	// such as "eu-central-1": of cognito
	Region string `json:"region,omitempty"`
	// the user pool's id: of cognito
	Pool string `json:"pool,omitempty"`
	// of keycloak; of okta the id of an authorization server, default "default"
	Realm string `json:"realm,omitempty"`
}

// Issuer is one that a preset stands for.
type Issuer struct {
	Issuer    string // compared byte by byte with iss
	Discovery string // where its discovery document is; "": below the issuer
}

// Reading is how a provider's access tokens say what they are.
type Reading struct {
	Issuers []Issuer
	// Scopes are the claims that scopes are read from; Otherwise those where a token has
	// none of Scopes.
	Scopes, Otherwise []string
	// Marks are the claims of which any one says that a token is an access token.
	Marks []Mark
	// ServiceAccounts: there are no access tokens to read, and ID tokens of the provider's
	// service accounts stand for them.
	ServiceAccounts bool
	// KeyTenant: a key of the set that names another tenant's issuer is not used.
	KeyTenant string
}

// Mark is a claim that access tokens have. With a value, a token whose claim says anything else is
// something else.
type Mark struct{ Claim, Value string }

// Fault is what is wrong with a preset; it quotes no value.
type Fault struct{ Key, What, Fix string }

// Error makes a Fault an error that names the key and the fix.
func (f *Fault) Error() string {
	path := "preset"
	if f.Key != "" {
		path += "." + f.Key
	}
	return path + ": " + f.What + ": " + f.Fix
}

// parameter is one that a provider takes.
type parameter struct {
	name, example string
	optional      bool
	of            func(*Preset) *string
	check         func(string) bool
	wants         string
}

var (
	domain = parameter{name: "domain", of: func(p *Preset) *string { return &p.Domain }, check: isDomain,
		wants: "must be a host's name in lower case, with a port where it needs one, without https:// and path"}
	tenant = parameter{name: "tenant", of: func(p *Preset) *string { return &p.Tenant }, check: isUUID,
		wants:   "must be the directory's id, a UUID in lower case: common, organizations and names stand for more than one",
		example: `"00000000-0000-0000-0000-000000000000"`}
	region = parameter{name: "region", of: func(p *Preset) *string { return &p.Region }, check: isRegion,
		wants: "must be a region's name", example: `"eu-central-1"`}
	pool = parameter{name: "pool", of: func(p *Preset) *string { return &p.Pool }, check: isPool,
		wants: "must be the user pool's id, which begins with its region", example: `"eu-central-1_AbCdEfGhI"`}
	realm = parameter{name: "realm", of: func(p *Preset) *string { return &p.Realm }, check: isSegment,
		wants: "must be 1 to 128 letters, digits, dots, dashes and underscores"}
)

func (p parameter) like(example string) parameter { p.example = example; return p }

func (p parameter) maybe() parameter { p.optional = true; return p }

// parameters are all that there are.
var parameters = [...]parameter{domain, tenant, region, pool, realm}

type row struct {
	name string
	// source is the provider's documentation that the row follows.
	source     string
	parameters []parameter
	reading    func(p Preset) Reading
}

var table = [...]row{
	{
		name:       "auth0",
		source:     `Auth0 Docs: "Access Token Profiles", "Get Access Tokens", "JSON Web Key Sets"`,
		parameters: []parameter{domain.like(`"example.eu.auth0.com"`)},
		reading: func(p Preset) Reading {
			// permissions is what a user may do, not what a client was given: not read unasked.
			return Reading{Issuers: []Issuer{{Issuer: "https://" + p.Domain + "/"}}, Scopes: []string{"scope"}}
		},
	},
	{
		name:       "cognito",
		source:     `Amazon Cognito Developer Guide: "Understanding the access token", "Verifying JSON web tokens"`,
		parameters: []parameter{region, pool},
		reading: func(p Preset) Reading {
			return Reading{
				Issuers: []Issuer{{Issuer: "https://cognito-idp." + p.Region + ".amazonaws.com/" + p.Pool}},
				Scopes:  []string{"scope"}, Marks: []Mark{{"token_use", "access"}},
			}
		},
	},
	{
		name: "entra",
		source: `Microsoft identity platform: "Access token claims reference", "Access tokens", ` +
			`"OpenID Connect on the Microsoft identity platform"`,
		parameters: []parameter{tenant},
		reading: func(p Preset) Reading {
			const at, discovery = "https://login.microsoftonline.com/", "/.well-known/openid-configuration"
			return Reading{
				// Which one writes a token, the application's manifest says.
				Issuers: []Issuer{
					{Issuer: at + p.Tenant + "/v2.0"},
					{Issuer: "https://sts.windows.net/" + p.Tenant + "/", Discovery: at + p.Tenant + discovery},
				},
				// An ID token may have roles, too, so they are no mark.
				Scopes: []string{"scp"}, Otherwise: []string{"roles"}, Marks: []Mark{{Claim: "scp"}},
				KeyTenant: p.Tenant,
			}
		},
	},
	{
		name:   "google",
		source: `Google Cloud: "Token types", "Get an ID token"; Google Identity: "OpenID Connect"`,
		reading: func(Preset) Reading {
			// Google's access tokens can be read by Google alone.
			return Reading{Issuers: []Issuer{{Issuer: "https://accounts.google.com"}}, ServiceAccounts: true}
		},
	},
	{
		name:       "keycloak",
		source:     `Keycloak: "Server Administration Guide", "Securing applications and services with OpenID Connect"`,
		parameters: []parameter{domain.like(`"id.example.com"`), realm.like(`"agents"`)},
		reading: func(p Preset) Reading {
			return Reading{
				Issuers: []Issuer{{Issuer: "https://" + p.Domain + "/realms/" + p.Realm}},
				Scopes:  []string{"scope"}, Marks: []Mark{{"typ", "Bearer"}},
			}
		},
	},
	{
		name:       "okta",
		source:     `Okta Developer: "Validate access tokens", "OpenID Connect & OAuth 2.0 API", "Authorization servers"`,
		parameters: []parameter{domain.like(`"example.okta.com"`), realm.like(`"default"`).maybe()},
		reading: func(p Preset) Reading {
			server := p.Realm
			if server == "" {
				server = "default"
			}
			return Reading{
				Issuers: []Issuer{{Issuer: "https://" + p.Domain + "/oauth2/" + server}},
				Scopes:  []string{"scp"}, Marks: []Mark{{Claim: "cid"}, {Claim: "scp"}},
			}
		},
	},
}

// Names are the presets that there are, as an error lists them.
func Names() string {
	names := make([]string, len(table))
	for i, row := range table {
		names[i] = row.name
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// Read looks a preset up.
func (p Preset) Read() (Reading, *Fault) {
	if p.Name == "" {
		return Reading{}, &Fault{"name", "is missing", "write name: one of " + Names()}
	}
	for _, row := range table {
		if row.name == p.Name {
			return row.read(p)
		}
	}
	return Reading{}, &Fault{"name", "there is no such preset",
		"write one of " + Names() + ", or leave preset out and write issuer"}
}

func (r *row) read(p Preset) (Reading, *Fault) {
	for _, known := range parameters {
		value, takes := *known.of(&p), false
		for _, wanted := range r.parameters {
			if takes = wanted.name == known.name; takes {
				known = wanted
				break
			}
		}
		switch {
		case !takes && value != "": //guard:preset-other never
			return Reading{}, &Fault{known.name, "is no parameter of " + r.name, "remove it"}
		case takes && value == "" && !known.optional: //guard:preset-parameter never
			return Reading{}, &Fault{known.name, "is missing: " + r.name + " needs it",
				"write " + known.name + ": " + known.example}
		case value != "" && !known.check(value): //guard:preset-form never
			return Reading{}, &Fault{known.name, known.wants, "write " + known.name + ": " + known.example}
		}
	}
	if r.name == "cognito" && !strings.HasPrefix(p.Pool, p.Region+"_") { //guard:preset-pool never
		return Reading{}, &Fault{"pool", "is of another region", "write the id of a pool of this region, or its region"}
	}
	return r.reading(p), nil
}

// isDomain is a host in the spelling that issuers use; the whole issuer is judged again.
func isDomain(s string) bool {
	host, port, hasPort := strings.Cut(s, ":")
	return only(host, ".-") && strings.Contains(host, ".") && !hasEmptyLabel(host) &&
		(!hasPort || len(port) <= 5 && strings.Trim(port, "0123456789") == "" && port != "")
}

func hasEmptyLabel(host string) bool {
	return strings.HasPrefix(host, ".") || strings.HasSuffix(host, ".") || strings.Contains(host, "..")
}

// only reports whether a text is of lower-case letters, digits and these.
func only(s, others string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || strings.IndexByte(others, c) >= 0) {
			return false
		}
	}
	return s != ""
}

func isUUID(s string) bool {
	parts := strings.Split(s, "-")
	if len(parts) != 5 {
		return false
	}
	for i, size := range [...]int{8, 4, 4, 4, 12} {
		if len(parts[i]) != size || strings.Trim(parts[i], "0123456789abcdef") != "" {
			return false
		}
	}
	return true
}

func isRegion(s string) bool { return len(s) <= 32 && only(s, "-") && strings.Count(s, "-") >= 2 }

func isPool(s string) bool {
	before, after, found := strings.Cut(s, "_")
	return found && isRegion(before) && len(after) <= 55 && only(strings.ToLower(after), "")
}

func isSegment(s string) bool {
	return len(s) <= 128 && only(strings.ToLower(s), "._-") && strings.Trim(s, ".") != ""
}
