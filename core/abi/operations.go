package abi

import (
	"reflect"
	"slices"
	"unsafe"

	"github.com/tallystick/tallystick/core/problem"
)

// Operation is one thing that can be called: its name, one line of documentation,
// the types of its request and result, and what answers it. The types that the
// bindings are given and the reference page are made from this table (cmd/generate).
type Operation struct {
	Name    string
	Doc     string
	Request reflect.Type
	Result  reflect.Type
	handle  handler
}

// table lists all operations in the order of the reference page. It never changes
// after init, which fills it because version lists the table itself.
var (
	table  []Operation
	byName map[string]handler
)

func init() {
	table = []Operation{
		simple("version", "The release, the version of the ABI and the names of all operations.", version),
		simple("key.generate", "Draws an RSA key pair.", keyGenerate),
		simple("key.inspect", "Reads keys from a text in any form and gives them in every form.", keyInspect),
		simple("keys.load", "Reads the keys of callers as engine.open does, and says what is wrong with them.", keysLoad),
		simple("jws.sign", "Signs a payload, the call's body, as a compact JWS.", jwsSign),
		simple("jws.verify", "Verifies a compact JWS with one public key.", jwsVerify),
		simple("digest.body", "The SHA-256 of the call's body, as claim and as Content-Digest field.", digestBody),
		simple("scope.match", "Whether a scope matches a pattern.", scopeMatch),
		simple("scope.filter", "Which scopes of a token are granted, and the namespaces among them.", scopeFilter),
		simple("agent.resolve", "The URL, name and namespace of an agent from a reference to it.", agentResolve),
		simple("agent.match", "Whether an agent matches a pattern of an allow or deny list.", agentMatch),
		simple("agent.covers", "Whether a token for an agent may be sent to a URL.", agentCovers),
		simple("trust.issuer", "Whether an issuer may come in, and who it is.", trustIssuer),
		simple("trust.rules", "Whether rules of accept_from or talk_to let a caller pass.", trustRules),
		simple("proxy.choose", "By which proxy a URL is fetched, after what the host's environment says.", proxyChoose),
		simple("address.check", "Whether an IP address is public, or of a network inside.", addressCheck),
		simple("config.variables", "The names of the variables that a configuration uses.", configVariables),
		simple("config.read", "Checks a configuration of the access-token profile and fills in its defaults.", configRead),
		simple("ring.update", "Makes, rotates or revokes a key ring.", ringUpdate),
		simple("client.secret", "Draws a client secret, or takes one, and hashes it.", clientSecret),
		simple("document.seal", "Encrypts a document, the call's body, for a store that others may read.",
			documentSeal),
		simple("document.open", "Decrypts what document.seal made, the call's body.", documentOpen),
		simple("request.endpoint", "The URL of the agent endpoint below an agent's base URL.", requestEndpoint),
		simple("request.outcome", "What a client returns for an agent's answer, the call's body.", requestOutcome),
		simple("guard.passes", "Whether a guard lets a request through without a look at its token.", guardPasses),
		hot[RequestSignRequest, RequestSignResult]("request.sign", "Signs a request, whose body is the call's.", requestSign),
		hot[RequestVerifyRequest, RequestVerifyResult]("request.verify", "Verifies a signed request, whose body is the call's.", requestVerify),
		hot[ClaimRefuseRequest, Empty]("claim.refuse", "Words the refusal of a claim that ended a verification.", claimRefuse),
		hot[AccessVerifyRequest, AccessVerifyResult]("access.verify", "Verifies an access token, alone or with the request that carries it.", accessVerify),
		suspending[AccessIssueRequest, AccessIssueResult]("access.issue", "Issues or fetches a token for another agent.", accessIssue),
		suspending[AccessServeRequest, AccessServeResult]("access.serve", "Answers a request for a document or for the token endpoint.", accessServe),
		suspending[AccessCommandRequest, AccessCommandResult]("access.command", "Runs a slash command.", accessCommand),
		simple("engine.open", "Compiles a configuration into an engine.", engineOpen),
		simple("engine.feed", "Replaces the keys, key ring or clients of an engine.", engineFeed),
		hot[EngineResumeRequest, Empty]("engine.resume", "Goes on with a suspended operation; answers what that operation answers.", engineResume),
		simple("engine.key", "The public key with a thumbprint that an engine knows.", engineKey),
		simple("engine.stats", "What an engine holds.", engineStats),
		simple("engine.close", "Frees an engine.", engineClose),
	}
	byName = make(map[string]handler, len(table))
	for _, operation := range table {
		byName[operation.Name] = operation.handle
	}
}

// Table returns all operations in the order of the reference page.
func Table() []Operation { return slices.Clone(table) }

// Operations returns the names of all operations, sorted.
func Operations() []string {
	names := make([]string, len(table))
	for i, operation := range table {
		names[i] = operation.Name
	}
	slices.Sort(names)
	return names
}

// hot is an operation whose handler reads its request itself.
func hot[Request, Result any](name, doc string, handle handler) Operation {
	return Operation{name, doc, reflect.TypeFor[Request](), reflect.TypeFor[Result](), handle}
}

// simple is an operation that needs nothing of the host.
func simple[Request, Result any](name, doc string, run func(c *Core, r *Request, body []byte) (Result, *problem.Problem)) Operation {
	t := reflect.TypeFor[Request]()
	return hot[Request, Result](name, doc, answerSimply(name, t, func(c *Core, r unsafe.Pointer, body []byte) (any, *problem.Problem) {
		result, p := run(c, (*Request)(r), body)
		return result, p
	}))
}

func answerSimply(name string, request reflect.Type, run func(c *Core, r unsafe.Pointer, body []byte) (any, *problem.Problem)) handler {
	reader := newReader(name, request, keeping)
	return func(c *Core, text, body, _ []byte) []byte {
		r := reflect.New(request).UnsafePointer()
		if p := reader.read(string(text), r); p != nil {
			return refuse(p)
		}
		result, p := run(c, r, body)
		if p != nil {
			return refuse(p)
		}
		return ok(result)
	}
}

// suspendable is what a request of a suspending operation starts with.
type suspendable interface{ engineAndNow() (uint64, float64) }

func (r *AccessIssueRequest) engineAndNow() (uint64, float64)   { return r.Engine, r.Now }
func (r *AccessServeRequest) engineAndNow() (uint64, float64)   { return r.Engine, r.Now }
func (r *AccessCommandRequest) engineAndNow() (uint64, float64) { return r.Engine, r.Now }
