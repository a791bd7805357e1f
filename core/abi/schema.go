package abi

import (
	"encoding/json"
	"reflect"
)

// Operation describes one operation by the Go types of its request and result.
type Operation struct {
	Name    string
	Request reflect.Type
	Result  reflect.Type
}

// JWSVerifyResult answers jws.verify. Payload is base64url.
type JWSVerifyResult struct {
	Header  json.RawMessage `json:"header"`
	Payload string          `json:"payload"`
}

// RequestOutcomeResult answers request.outcome.
type RequestOutcomeResult struct {
	Result json.RawMessage `json:"result"`
}

// Empty is the request or result without members.
type Empty struct{}

// Schema lists all operations in the order of ABI.md: the source of the types
// that the bindings are given.
func Schema() []Operation {
	return []Operation{
		describe[Empty, VersionResult]("version"),
		describe[KeyGenerateRequest, KeyGenerateResult]("key.generate"),
		describe[KeyInspectRequest, KeyInspectResult]("key.inspect"),
		describe[KeysLoadRequest, KeysLoadResult]("keys.load"),
		describe[JWSSignRequest, JWSSignResult]("jws.sign"),
		describe[JWSVerifyRequest, JWSVerifyResult]("jws.verify"),
		describe[Empty, DigestBodyResult]("digest.body"),
		describe[ScopeMatchRequest, ScopeMatchResult]("scope.match"),
		describe[ScopeFilterRequest, ScopeFilterResult]("scope.filter"),
		describe[AgentResolveRequest, AgentResolveResult]("agent.resolve"),
		describe[AgentMatchRequest, AgentMatchResult]("agent.match"),
		describe[AgentCoversRequest, AgentCoversResult]("agent.covers"),
		describe[TrustIssuerRequest, TrustIssuerResult]("trust.issuer"),
		describe[TrustRulesRequest, TrustRulesResult]("trust.rules"),
		describe[AddressCheckRequest, AddressCheckResult]("address.check"),
		describe[ConfigVariablesRequest, ConfigVariablesResult]("config.variables"),
		describe[ConfigReadRequest, ConfigReadResult]("config.read"),
		describe[RingUpdateRequest, RingUpdateResult]("ring.update"),
		describe[ClientSecretRequest, ClientSecretResult]("client.secret"),
		describe[RequestEndpointRequest, RequestEndpointResult]("request.endpoint"),
		describe[RequestOutcomeRequest, RequestOutcomeResult]("request.outcome"),
		describe[RequestSignRequest, RequestSignResult]("request.sign"),
		describe[RequestVerifyRequest, RequestVerifyResult]("request.verify"),
		describe[RequestRefuseRequest, Empty]("request.refuse"),
		describe[AccessVerifyRequest, AccessVerifyResult]("access.verify"),
		describe[AccessIssueRequest, AccessIssueResult]("access.issue"),
		describe[AccessServeRequest, AccessServeResult]("access.serve"),
		describe[AccessCommandRequest, AccessCommandResult]("access.command"),
		describe[EngineOpenRequest, EngineOpenResult]("engine.open"),
		describe[EngineFeedRequest, EngineFeedResult]("engine.feed"),
		describe[EngineResumeRequest, Empty]("engine.resume"),
		describe[EngineKeyRequest, EngineKeyResult]("engine.key"),
		describe[EngineRequest, EngineStatsResult]("engine.stats"),
		describe[EngineRequest, Empty]("engine.close"),
	}
}

func describe[Request, Result any](name string) Operation {
	return Operation{name, reflect.TypeFor[Request](), reflect.TypeFor[Result]()}
}
