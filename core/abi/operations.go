package abi

import (
	"maps"
	"slices"
)

// operations is the table of everything that can be called. It never changes
// after init, which fills it because version lists the table itself.
var operations map[string]handler

func init() {
	operations = map[string]handler{
		"version":          cold("version", version),
		"key.generate":     cold("key.generate", keyGenerate),
		"key.inspect":      cold("key.inspect", keyInspect),
		"keys.load":        cold("keys.load", keysLoad),
		"jws.sign":         cold("jws.sign", jwsSign),
		"jws.verify":       cold("jws.verify", jwsVerify),
		"digest.body":      cold("digest.body", digestBody),
		"scope.match":      cold("scope.match", scopeMatch),
		"scope.filter":     cold("scope.filter", scopeFilter),
		"agent.resolve":    cold("agent.resolve", agentResolve),
		"agent.match":      cold("agent.match", agentMatch),
		"agent.covers":     cold("agent.covers", agentCovers),
		"trust.issuer":     cold("trust.issuer", trustIssuer),
		"trust.rules":      cold("trust.rules", trustRules),
		"address.check":    cold("address.check", addressCheck),
		"config.variables": cold("config.variables", configVariables),
		"config.read":      cold("config.read", configRead),
		"ring.update":      cold("ring.update", ringUpdate),
		"client.secret":    cold("client.secret", clientSecret),
		"request.endpoint": cold("request.endpoint", requestEndpoint),
		"request.outcome":  cold("request.outcome", requestOutcome),
		"request.sign":     requestSign,
		"request.verify":   requestVerify,
		"request.refuse":   requestRefuse,
		"access.verify":    accessVerify,
		"access.issue":     accessIssue,
		"access.serve":     accessServe,
		"access.command":   accessCommand,
		"engine.open":      cold("engine.open", engineOpen),
		"engine.feed":      cold("engine.feed", engineFeed),
		"engine.resume":    engineResume,
		"engine.key":       cold("engine.key", engineKey),
		"engine.stats":     cold("engine.stats", engineStats),
		"engine.close":     cold("engine.close", engineClose),
	}
}

// Operations returns the names of all operations, sorted.
func Operations() []string {
	return slices.Sorted(maps.Keys(operations))
}
