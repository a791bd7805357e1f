package abi

import (
	"encoding/json"

	"github.com/tallystick/tallystick/core/settings"
)

// AgentResolveRequest is for agent.resolve.
type AgentResolveRequest struct {
	Reference string `json:"reference"`
	Authority string `json:"authority,omitempty"`
}

// AgentResolveResult answers agent.resolve.
type AgentResolveResult struct {
	URL       string `json:"url"`
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

// AgentMatchRequest is for agent.match.
type AgentMatchRequest struct {
	Pattern string `json:"pattern"`
	Name    string `json:"name"`
	URL     string `json:"url,omitempty"`
	Deny    bool   `json:"deny,omitempty"`
}

// AgentMatchResult answers agent.match.
type AgentMatchResult struct {
	Match bool `json:"match"`
}

// AgentCoversRequest is for agent.covers.
type AgentCoversRequest struct {
	AgentURL string `json:"agent_url"`
	URL      string `json:"url"`
}

// AgentCoversResult answers agent.covers.
type AgentCoversResult struct {
	Covers bool `json:"covers"`
}

// TrustIssuerRequest is for trust.issuer.
type TrustIssuerRequest struct {
	Authority      string          `json:"authority,omitempty"`
	TrustedIssuers []TrustedIssuer `json:"trusted_issuers,omitempty"`
	Allow          []string        `json:"allow,omitempty"`
	Deny           []string        `json:"deny,omitempty"`
	DevMode        bool            `json:"dev_mode,omitempty"`
	Claims         IdentityClaims  `json:"claims"`
}

// IdentityClaims are the claims that say who a caller is.
type IdentityClaims struct {
	Issuer    string        `json:"iss"`
	Subject   string        `json:"sub"`
	AgentPath string        `json:"agent_path,omitempty"`
	AOAuth    *AOAuthClaims `json:"aoauth,omitempty"`
}

// AOAuthClaims is the seed's extension.
type AOAuthClaims struct {
	Mode     string `json:"mode,omitempty"`
	AgentURL string `json:"agent_url,omitempty"`
}

// TrustIssuerResult answers trust.issuer.
type TrustIssuerResult struct {
	Decision   string `json:"decision"`
	IssuerType string `json:"issuer_type"`
	AgentURL   string `json:"agent_url"`
	Name       string `json:"name"`
	Namespace  string `json:"namespace"`
}

// TrustRulesRequest is for trust.rules.
type TrustRulesRequest struct {
	Rules     json.RawMessage `json:"rules"`
	Caller    string          `json:"caller"`
	CallerURL string          `json:"caller_url,omitempty"`
	Target    string          `json:"target"`
	Labels    []string        `json:"labels,omitempty"`
	Platform  bool            `json:"platform,omitempty"`
}

// TrustRulesResult answers trust.rules.
type TrustRulesResult struct {
	Allowed bool `json:"allowed"`
}

// AddressCheckRequest is for address.check.
type AddressCheckRequest struct {
	Address string `json:"address"`
}

// AddressCheckResult answers address.check.
type AddressCheckResult struct {
	Public bool `json:"public"`
}

// ConfigVariablesRequest is for config.variables.
type ConfigVariablesRequest struct {
	Config json.RawMessage `json:"config"`
}

// ConfigVariablesResult answers config.variables.
type ConfigVariablesResult struct {
	Names []string `json:"names"`
}

// ConfigReadRequest is for config.read.
type ConfigReadRequest struct {
	Config    json.RawMessage   `json:"config"`
	Variables map[string]string `json:"variables,omitempty"`
	Source    string            `json:"source,omitempty"`
	Options   json.RawMessage   `json:"options,omitempty"`
}

// ConfigReadResult answers config.read.
type ConfigReadResult struct {
	Access   json.RawMessage     `json:"access"`
	Mode     string              `json:"mode"`
	KeysDir  string              `json:"keys_dir"`
	Inactive []settings.Inactive `json:"inactive"`
}
