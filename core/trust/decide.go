package trust

import (
	"strings"

	"github.com/tallystick/tallystick/core/agent"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/weburl"
)

// Decision is what the configuration says of an issuer.
type Decision string

// The decisions, in the order in which they are looked for. An issuer that is
// Allowed or Open is a stranger: its keys are fetched with the care of protocol.md
// section 6.
const (
	Denied  Decision = "denied"  // by the deny list
	Trusted Decision = "trusted" // configured
	Allowed Decision = "allowed" // by the allow list
	Open    Decision = "open"    // there is no allow list
	Refused Decision = "refused"
)

// Claims are those that say who the caller is; "" stands for one that is absent.
type Claims struct {
	Issuer, Subject string
	AgentPath       string // AOAuth 1.0: the agent's URL is iss + agent_path + "/" + sub
	AgentURL        string // aoauth.agent_url, which goes before that
	Mode            string // aoauth.mode
	ClientID        string // client_id
}

// ofUser: a portal signed its user in. The bar is in no agent's name (protocol.md section 12).
func (c *Claims) ofUser() bool { return c.Mode == "user" && strings.Contains(c.Subject, "|") }

// Caller is who the claims are about, if their signature is the issuer's.
type Caller struct {
	IssuerType string // TypePortal, TypeAgent or TypeUser
	AgentURL   string // canonical
	Name       string
	Namespace  string
	External   bool // the name was derived from the URL
	// Entry is the issuer's, nil where it is not configured.
	Entry *Entry
	// HTTPAllowed: the issuer's keys may be fetched by plain http, on loopback.
	HTTPAllowed bool
	// Problem is not nil where the claims contradict themselves; AgentURL, Name and
	// Namespace are then "". The token must be refused, whatever the decision.
	Problem *problem.Problem
}

// Portal reports whether the issuer names its agents and gives trust labels.
func (c *Caller) Portal() bool { return c.IssuerType == TypePortal }

// Entry returns the entry of a configured issuer, nil for any other.
func (s *Issuers) Entry(issuer string) *Entry { return s.trusted[issuer] }

// Decide says what to do with a token of these claims, and why for the log; the
// text quotes nothing. Nothing is verified yet.
func (s *Issuers) Decide(c Claims) (Caller, Decision, string) {
	configured, isConfigured := s.trusted[c.Issuer]
	caller := Caller{IssuerType: TypeAgent, Entry: configured}
	if isConfigured {
		caller.IssuerType = configured.Type
	}
	if (caller.Portal() || s.own != "" && c.Issuer == s.own) && c.ofUser() { //guard:trust-user-portal drop 1
		caller.IssuerType = TypeUser
		// The decision is over the agent that acts for them. Nobody does where their own app calls.
		if c.Subject = c.ClientID; c.AgentURL != "" {
			caller.actFor(c)
		}
	} else {
		caller.identify(c)
	}
	caller.HTTPAllowed = (isConfigured || s.dev) && agent.OnLoopback(c.Issuer)
	if s.denies(&caller, c.Issuer) { //guard:trust-deny never
		return caller, Denied, "a pattern of the deny list matches"
	}
	if isConfigured {
		return caller, Trusted, "the issuer is configured"
	}
	if s.pinned { //guard:trust-pinned never
		return caller, Refused, "only the configured issuer is accepted (jwks_uri is set)"
	}
	if err := agent.CheckStranger(c.Issuer, s.dev); err != nil { //guard:trust-stranger never
		return caller, Refused, err.Error() + s.spelledElse(c.Issuer)
	}
	switch {
	case s.allow.Len() == 0:
		return caller, Open, "there is no allow list"
	case s.allows(&caller):
		return caller, Allowed, "a pattern of the allow list matches"
	}
	return caller, Refused, "it is none of trusted_issuers, and no pattern of the allow list matches" + s.spelledElse(c.Issuer)
}

// spelledElse says that an issuer is configured but for the slash at its end. They are compared byte
// by byte (RFC 8414 section 3.3).
func (s *Issuers) spelledElse(issuer string) string {
	other := issuer + "/"
	if cut, ok := strings.CutSuffix(issuer, "/"); ok {
		other = cut
	}
	if s.trusted[other] == nil {
		return ""
	}
	return "; it is configured with another spelling of the slash at its end: write it as the token has it"
}

// allows looks at the name by which the agent is referred to as well: "@bob" means
// the agent that "@bob" resolves to. Its URL lies under its issuer, so that nobody
// else can have it.
func (s *Issuers) allows(caller *Caller) bool {
	if s.allow.MatchAllow(caller.Name, caller.AgentURL) {
		return true
	}
	alias, there := agent.Alias(caller.AgentURL, s.authority)
	return there && s.allow.MatchAllow(alias, "")
}

// denies looks at the issuer, the agent's URL and its name, and at the name by
// which the agent is referred to: who denies "@bob" means the agent that "@bob"
// resolves to, whoever signs its tokens.
func (s *Issuers) denies(caller *Caller, issuer string) bool {
	if s.deny.Len() == 0 {
		return false
	}
	if s.deny.MatchDeny(caller.Name, caller.AgentURL, issuer) {
		return true
	}
	// Whoever has a host has all its ports.
	if plain := withoutPort(caller.AgentURL); plain != caller.AgentURL || withoutPort(issuer) != issuer {
		name := caller.Name
		if caller.External && plain != "" {
			name, _ = agent.Name(plain) // a name of a URL without a port is one too
		}
		if s.deny.MatchDeny(name, plain, withoutPort(issuer)) { //guard:trust-deny-ports never
			return true
		}
	}
	for _, url := range [...]string{caller.AgentURL, issuer} {
		if alias, there := agent.Alias(url, s.authority); there && alias != caller.Name && s.deny.MatchDeny(alias, "", "") {
			return true
		}
	}
	return false
}

// withoutPort returns the URL of the same agent at its host's own https port.
func withoutPort(url string) string {
	u, err := weburl.Parse(url)
	if err != nil || u.Port == "" && u.Scheme == "https" {
		return url
	}
	return "https://" + u.Host + strings.TrimSuffix(u.Path, "/")
}

func invalid(message string) *problem.Problem {
	return problem.New(problem.InvalidClaims, message)
}

// actFor names the agent of a portal that acts for a user, as the portal's own token would.
func (c *Caller) actFor(claims Claims) {
	agent := Caller{IssuerType: TypePortal}
	agent.identify(claims)
	c.AgentURL, c.Name, c.Namespace, c.Problem = agent.AgentURL, agent.Name, agent.Namespace, agent.Problem
}

// identify derives URL, name and namespace.
func (c *Caller) identify(claims Claims) {
	if c.AgentURL, c.Problem = c.agentURL(claims); c.Problem != nil {
		return
	}
	name, err := claims.Subject, error(nil)
	if c.External = !c.Portal(); c.External {
		name, err = agent.Name(c.AgentURL)
	} else {
		err = agent.CheckName(name)
	}
	if err != nil {
		c.AgentURL, c.Problem = "", invalid("sub is no agent's name")
		return
	}
	c.Name = name
	c.Namespace = agent.Namespace(c.Name, c.External)
}

// agentURL is aoauth.agent_url, else iss + agent_path + "/" + sub, and always below
// iss: an issuer speaks for its own URLs only. A claim that points elsewhere is an
// error of an agent's token; a portal or an issuer of users may list agents that
// live elsewhere, which is not believed and does no harm.
func (c *Caller) agentURL(claims Claims) (string, *problem.Problem) {
	issuer, err := agent.Canonical(claims.Issuer)
	if err != nil {
		return "", invalid("iss is no URL of an issuer")
	}
	if claims.AgentURL != "" {
		url, err := agent.Canonical(claims.AgentURL)
		if err == nil && agent.Under(url, issuer) {
			return url, nil
		}
		if c.IssuerType == TypeAgent {
			return "", invalid("aoauth.agent_url does not lie under iss")
		}
	}
	return c.composedURL(issuer, claims)
}

func (c *Caller) composedURL(issuer string, claims Claims) (string, *problem.Problem) {
	if path := claims.AgentPath; path != "" && path != "/" && (path[0] != '/' || strings.HasSuffix(path, "/")) {
		return "", invalid("agent_path must begin with a slash and not end with one")
	}
	subject := claims.Subject
	if c.IssuerType == TypeUser && strings.Trim(subject, ".") != "" {
		// A person's sub is any text ("auth0|1", a mail address), and one segment.
		subject = agent.EncodeSegment(subject)
	} else if agent.CheckName(subject) != nil {
		return "", invalid("sub is no agent's name, and no aoauth.agent_url says where the agent is")
	}
	url, err := agent.Canonical(issuer + strings.TrimSuffix(claims.AgentPath, "/") + "/" + subject)
	if err != nil || !agent.Under(url, issuer) || url == issuer {
		return "", invalid("iss, agent_path and sub do not make a URL of an agent")
	}
	return url, nil
}
