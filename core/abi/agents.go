package abi

import (
	"github.com/tallystick/tallystick/core/address"
	"github.com/tallystick/tallystick/core/agent"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/proxy"
	"github.com/tallystick/tallystick/core/sealed"
	"github.com/tallystick/tallystick/core/settings"
	"github.com/tallystick/tallystick/core/trust"
)

func agentResolve(_ *Core, r *AgentResolveRequest, _ []byte) (AgentResolveResult, *problem.Problem) {
	url, err := agent.Resolve(r.Reference, r.Authority)
	if err != nil {
		return AgentResolveResult{}, problem.New(problem.InvalidURL, err.Error())
	}
	name, err := agent.Name(url)
	if err != nil {
		return AgentResolveResult{}, problem.New(problem.InvalidURL, err.Error())
	}
	return AgentResolveResult{url, name, agent.Namespace(name, true)}, nil
}

func agentMatch(_ *Core, r *AgentMatchRequest, _ []byte) (AgentMatchResult, *problem.Problem) {
	pattern, err := agent.ParsePattern(r.Pattern)
	if err != nil {
		return AgentMatchResult{}, badConfig("pattern: %s", err)
	}
	if len(r.Name) > maxNameText || len(r.URL) > agent.MaxURL {
		return AgentMatchResult{}, problem.Newf(problem.InvalidArgument, "agent.match: name may have %d bytes, url %d", maxNameText, agent.MaxURL)
	}
	if r.Deny {
		return AgentMatchResult{pattern.MatchDeny(r.Name, r.URL)}, nil
	}
	return AgentMatchResult{pattern.MatchAllow(r.Name, r.URL)}, nil
}

// maxNameText bounds a name in bytes: one of a URL has three for some bytes of it.
const maxNameText = 3 * agent.MaxURL

func agentCovers(_ *Core, r *AgentCoversRequest, _ []byte) (AgentCoversResult, *problem.Problem) {
	return AgentCoversResult{agent.Covers(r.AgentURL, r.URL)}, nil
}

func trustIssuer(_ *Core, r *TrustIssuerRequest, _ []byte) (TrustIssuerResult, *problem.Problem) {
	config := trust.Config{Authority: r.Authority, Allow: r.Allow, Deny: r.Deny, DevMode: r.DevMode}
	for _, issuer := range r.TrustedIssuers {
		config.Trusted = append(config.Trusted, trust.Issuer(issuer))
	}
	issuers, err := trust.NewIssuers(config)
	if err != nil {
		return TrustIssuerResult{}, badConfig("%s", err)
	}
	claims := trust.Claims{Issuer: r.Claims.Issuer, Subject: r.Claims.Subject, AgentPath: r.Claims.AgentPath}
	if r.Claims.AOAuth != nil {
		claims.AgentURL = r.Claims.AOAuth.AgentURL
	}
	caller, decision, reason := issuers.Decide(claims)
	if caller.Problem != nil && decision != trust.Denied && decision != trust.Refused {
		return TrustIssuerResult{}, caller.Problem.WithLog("%s", reason)
	}
	return TrustIssuerResult{string(decision), caller.IssuerType, caller.AgentURL, caller.Name, caller.Namespace}, nil
}

func trustRules(_ *Core, r *TrustRulesRequest, _ []byte) (TrustRulesResult, *problem.Problem) {
	rules, p := parseRules("rules", r.Rules)
	if p != nil {
		return TrustRulesResult{}, p
	}
	if len(r.Caller) > maxNameText || len(r.Target) > maxNameText || len(r.CallerURL) > agent.MaxURL {
		return TrustRulesResult{}, problem.Newf(problem.InvalidArgument, "trust.rules: caller and target may have %d bytes, caller_url %d", maxNameText, agent.MaxURL)
	}
	// Who named the two is not said. What begins with a top-level domain was made of
	// a URL, unless a portal vouches for it.
	return TrustRulesResult{rules.Allow(trust.Party{
		Caller: r.Caller, CallerURL: r.CallerURL, CallerExternal: !r.Platform && (r.CallerURL != "" || looksReversed(r.Caller)),
		OffPlatform: !r.Platform, Target: r.Target, TargetExternal: looksReversed(r.Target), Labels: r.Labels,
	})}, nil
}

func looksReversed(name string) bool { return agent.IsTopLevelDomain(agent.FirstSegment(name)) }

func addressCheck(_ *Core, r *AddressCheckRequest, _ []byte) (AddressCheckResult, *problem.Problem) {
	public, err := address.Public(r.Address)
	if err != nil {
		return AddressCheckResult{}, problem.Newf(problem.InvalidArgument, "address.check: %s", err)
	}
	internal, _ := address.Internal(r.Address)
	return AddressCheckResult{public, internal}, nil
}

func proxyChoose(_ *Core, r *ProxyChooseRequest, _ []byte) (ProxyChooseResult, *problem.Problem) {
	chosen, err := proxy.Choose(r.URL, proxy.Environment{HTTPSProxy: r.HTTPSProxy, NoProxy: r.NoProxy})
	if err != nil {
		return ProxyChooseResult{}, problem.New(problem.InvalidArgument, err.Error())
	}
	return ProxyChooseResult{URL: chosen.URL, Authorization: chosen.Authorization}, nil
}

func configVariables(_ *Core, r *ConfigVariablesRequest, _ []byte) (ConfigVariablesResult, *problem.Problem) {
	return ConfigVariablesResult{settings.Variables(r.Config)}, nil
}

func configRead(_ *Core, r *ConfigReadRequest, _ []byte) (ConfigReadResult, *problem.Problem) {
	access, p := settings.Read(settings.Input(*r))
	if p != nil {
		return ConfigReadResult{}, p
	}
	return ConfigReadResult{marshal(access), access.Mode(), access.KeysDir, documentNames(access.BaseURL),
		access.Inactive()}, nil
}

func documentNames(baseURL string) *DocumentNames {
	if baseURL == "" {
		return nil
	}
	return &DocumentNames{Ring: sealed.Name("ring", baseURL), Clients: sealed.Name("clients", baseURL)}
}
