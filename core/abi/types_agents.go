package abi

import (
	"encoding/json"

	"github.com/tallystick/tallystick/core/settings"
)

// AgentResolveRequest is for agent.resolve.
type AgentResolveRequest struct {
	// a URL, @name or name
	Reference string `json:"reference"`
	// where names live; default https://robutler.ai
	Authority string `json:"authority,omitempty"`
}

// AgentResolveResult answers agent.resolve.
type AgentResolveResult struct {
	// canonical
	URL string `json:"url"`
	// dotted
	Name string `json:"name"`
	// the family of the name
	Namespace string `json:"namespace"`
}

// AgentMatchRequest is for agent.match.
type AgentMatchRequest struct {
	// @name or https://…
	Pattern string `json:"pattern"`
	// the agent's
	Name string `json:"name"`
	// the agent's, canonical
	URL string `json:"url,omitempty"`
	// as in a deny list; default false, as in an allow list
	Deny bool `json:"deny,omitempty"`
}

// AgentMatchResult answers agent.match.
type AgentMatchResult struct {
	// whether it does
	Match bool `json:"match"`
}

// AgentCoversRequest is for agent.covers.
type AgentCoversRequest struct {
	// the agent that the token is for
	AgentURL string `json:"agent_url"`
	// where a request would go
	URL string `json:"url"`
}

// AgentCoversResult answers agent.covers.
type AgentCoversResult struct {
	// the same origin, at or below the agent's path
	Covers bool `json:"covers"`
}

// TrustIssuerRequest is for trust.issuer.
type TrustIssuerRequest struct {
	// as of engine.open
	Authority string `json:"authority,omitempty"`
	// as of engine.open
	TrustedIssuers []TrustedIssuer `json:"trusted_issuers,omitempty"`
	// as of engine.open
	Allow []string `json:"allow,omitempty"`
	// as of engine.open
	Deny []string `json:"deny,omitempty"`
	// as of engine.open
	DevMode bool `json:"dev_mode,omitempty"`
	// who the caller says it is
	Claims IdentityClaims `json:"claims"`
}

// IdentityClaims are the claims that say who a caller is.
type IdentityClaims struct {
	Issuer  string `json:"iss"`
	Subject string `json:"sub"`
	// AOAuth 1.0's
	AgentPath string        `json:"agent_path,omitempty"`
	AOAuth    *AOAuthClaims `json:"aoauth,omitempty"`
}

// AOAuthClaims is the seed's extension.
type AOAuthClaims struct {
	// not looked at
	Mode string `json:"mode,omitempty"`
	// goes before agent_path
	AgentURL string `json:"agent_url,omitempty"`
}

// TrustIssuerResult answers trust.issuer.
type TrustIssuerResult struct {
	// "denied", "trusted", "allowed", "open" or "refused"
	Decision string `json:"decision"`
	// "portal", "agent" or "user"
	IssuerType string `json:"issuer_type"`
	// canonical; "" where the claims contradict themselves
	AgentURL string `json:"agent_url"`
	// "" where the claims contradict themselves
	Name string `json:"name"`
	// the family of the name
	Namespace string `json:"namespace"`
}

// TrustRulesRequest is for trust.rules.
type TrustRulesRequest struct {
	// a list, or {"allow","deny"}
	Rules json.RawMessage `json:"rules"`
	// its name
	Caller string `json:"caller"`
	// canonical
	CallerURL string `json:"caller_url,omitempty"`
	// the name of the agent that has the rules
	Target string `json:"target"`
	// trust labels, without "trust:"
	Labels []string `json:"labels,omitempty"`
	// a portal named the caller; default false
	Platform bool `json:"platform,omitempty"`
}

// TrustRulesResult answers trust.rules.
type TrustRulesResult struct {
	// whether they let the caller pass
	Allowed bool `json:"allowed"`
}

// AddressCheckRequest is for address.check.
type AddressCheckRequest struct {
	// IPv4 or IPv6, without brackets and port
	Address string `json:"address"`
}

// AddressCheckResult answers address.check.
type AddressCheckResult struct {
	// a connection to it leaves for the internet
	Public bool `json:"public"`
	// it is of a network inside: RFC 1918, or unique local
	Internal bool `json:"internal"`
}

// ProxyChooseRequest is for proxy.choose.
type ProxyChooseRequest struct {
	// what is to be fetched
	URL string `json:"url"`
	// the value of https_proxy, or else of HTTPS_PROXY
	HTTPSProxy string `json:"https_proxy,omitempty"`
	// the value of no_proxy, or else of NO_PROXY
	NoProxy string `json:"no_proxy,omitempty"`
}

// ProxyChooseResult answers proxy.choose.
type ProxyChooseResult struct {
	// scheme, host and port of the proxy; "" where none is to be used
	URL string `json:"url"`
	// the value of Proxy-Authorization, a secret; left out where there is none
	Authorization string `json:"authorization,omitempty"`
}

// ConfigVariablesRequest is for config.variables.
type ConfigVariablesRequest struct {
	// the mapping, or the file's shape {"skills": {"auth": …}}
	Config json.RawMessage `json:"config"`
}

// ConfigVariablesResult answers config.variables.
type ConfigVariablesResult struct {
	// those in ${NAME} of any string
	Names []string `json:"names"`
}

// ConfigReadRequest is for config.read.
type ConfigReadRequest struct {
	// the mapping, or the file's shape {"skills": {"auth": …}}
	Config json.RawMessage `json:"config"`
	// the values of ${NAME}
	Variables map[string]string `json:"variables,omitempty"`
	// what errors call the configuration, such as "auth.yaml"
	Source string `json:"source,omitempty"`
	// options of the host's constructor, which override config
	Options json.RawMessage `json:"options,omitempty"`
	// options of that constructor that are no keys of a configuration, and what to write for each:
	// {"bits": "key_bits", "key_bits": "key_bits"}
	HostOptions map[string]string `json:"host_options,omitempty"`
	// the configuration is an authority's, which base_url names by its URL
	Authority bool `json:"authority,omitempty"`
}

// ConfigReadResult answers config.read.
type ConfigReadResult struct {
	// normalised, with defaults: for engine.open
	Access json.RawMessage `json:"access"`
	// "portal" or "self-issued"
	Mode string `json:"mode"`
	// default ~/.webagents/keys
	KeysDir string `json:"keys_dir"`
	// where base_url is known: what its documents are called in a store that replicas share
	Documents *DocumentNames `json:"documents,omitempty"`
	// keys that have no effect
	Inactive []settings.Inactive `json:"inactive"`
}

// DocumentNames are for document.seal and document.open.
type DocumentNames struct {
	// "ring-" and 32 hex digits: the first half of the SHA-256 of base_url
	Ring string `json:"ring"`
	// "clients-" and the same: an authority's registered clients
	Clients string `json:"clients"`
}
