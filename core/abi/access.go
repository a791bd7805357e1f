package abi

import (
	"encoding/json"
	"reflect"
	"strings"
	"unsafe"

	"github.com/tallystick/tallystick/core/access"
	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/digest"
	"github.com/tallystick/tallystick/core/engine"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/scope"
)

func (c *Core) access(number uint64) (*engine.Engine, *problem.Problem) {
	e, p := c.engine(number)
	if p == nil && e.Access() == nil {
		p = problem.New(problem.InvalidArgument, "the engine was opened without access")
	}
	return e, p
}

// feedAccess replaces what a host keeps in files.
func (c *Core) feedAccess(e *engine.Engine, r *EngineFeedRequest) (EngineFeedResult, *problem.Problem) {
	if r.Files != nil || r.Keys == nil && r.Ring == nil && r.Clients == nil && r.ReplayLostAt == 0 && r.Policy == nil {
		return EngineFeedResult{}, problem.New(problem.InvalidArgument,
			"engine.feed of an access engine needs ring, clients, keys, policy or replay_lost_at")
	}
	if r.Policy != nil {
		return c.feedPolicy(e, r)
	}
	a := e.Access()
	if p := checkLostAt(r.ReplayLostAt); p != nil {
		return EngineFeedResult{}, p
	}
	fed := accessOpening{c: &AccessConfig{Ring: r.Ring, Keys: r.Keys, Clients: r.Clients}}
	if p := fed.material(); p != nil {
		return EngineFeedResult{}, p
	}
	if r.Ring != nil {
		if a.Mode() == access.Portal {
			return EngineFeedResult{}, problem.New(problem.InvalidArgument, "engine.feed: an authority signs for this agent: it has no ring")
		}
		a.FeedRing(fed.ring)
	}
	if r.Keys != nil {
		a.FeedKeys(fed.keys)
	}
	if r.Clients != nil {
		a.FeedClients(fed.clients)
	}
	a.ReplayLost(r.ReplayLostAt)
	return EngineFeedResult{Issuers: a.Given().Len(), Warnings: []authorizedkeys.Warning{}, KeyID: a.KeyID()}, nil
}

// feedPolicy lets a new policy hold from now on, or changes nothing.
func (c *Core) feedPolicy(e *engine.Engine, r *EngineFeedRequest) (EngineFeedResult, *problem.Problem) {
	if r.Keys != nil || r.Ring != nil || r.Clients != nil || r.ReplayLostAt != 0 {
		return EngineFeedResult{}, problem.New(problem.InvalidArgument, "engine.feed: a policy is fed alone")
	}
	before := e.Access()
	opening := &accessOpening{core: c, c: r.Policy}
	config, p := opening.policy()
	if p != nil {
		return EngineFeedResult{}, p
	}
	clients := before.Clients()
	if r.Policy.Clients != nil {
		if p := opening.registry(); p != nil {
			return EngineFeedResult{}, p
		}
		clients = opening.clients
	}
	after, p := before.Renew(config, clients)
	if p != nil {
		return EngineFeedResult{}, p
	}
	e.SetAccess(after)
	before.Replaced()
	return EngineFeedResult{Issuers: after.Given().Len(), Warnings: []authorizedkeys.Warning{},
		KeyID: after.KeyID()}, nil
}

var readAccessVerify = reader[AccessVerifyRequest]("access.verify", borrowing)

func accessVerify(c *Core, text, _, to []byte) []byte {
	var r AccessVerifyRequest
	unread := readAccessVerify(string(text), &r)
	if unread != nil && unread.Code != problem.MalformedRequest {
		return refuse(unread)
	}
	e, p := c.access(r.Engine)
	if p != nil {
		return refuse(p)
	}
	if unread != nil {
		return refuseWithResponse(unread, e)
	}
	if p := checkVerifyRequest(&r); p != nil {
		return refuse(p)
	}
	step := e.Access().Verify(&access.Input{
		Now: r.Now, Authorization: r.Authorization, Token: r.Token, RequiredScopes: r.RequiredScopes, BoundOnly: r.RequireBinding,
		Received: pipeline.Received{
			Method: r.Method, Path: r.Path, Mount: strings.TrimSuffix(r.Mount, "/"),
			Query: r.Query, PathDecoded: r.PathDecoded, RawTarget: r.RawTarget,
		},
	})
	return settle(e, r.Now, step, finishAccessVerify, to)
}

func finishAccessVerify(e *engine.Engine, end need.Step, to []byte) []byte {
	if end.Problem != nil {
		return refuseWithResponse(end.Problem, e)
	}
	return appendOK(to, end.Result.(*access.Accepted).JSON)
}

func checkVerifyRequest(r *AccessVerifyRequest) *problem.Problem {
	if (r.Authorization != nil) == (r.Token != nil) {
		return problem.New(problem.InvalidArgument, "access.verify: give authorization (with method and path) or token")
	}
	if r.Authorization != nil && (r.Method == "" || r.Path == "" && r.Mount == "") {
		return problem.New(problem.InvalidArgument, "access.verify: members method and path are missing")
	}
	if hasQuery(r.Path, r.PathDecoded) {
		return problem.New(problem.InvalidArgument, "access.verify: "+noQuery)
	}
	if len(r.RequiredScopes) > scope.MaxPatterns {
		return problem.Newf(problem.InvalidArgument, "access.verify: required_scopes may have %d patterns", scope.MaxPatterns)
	}
	for _, pattern := range r.RequiredScopes {
		if err := scope.CheckPattern(pattern); err != nil {
			return problem.Newf(problem.InvalidArgument, "access.verify: required_scopes: %s", err)
		}
	}
	return nil
}

// steps are an operation's that may need the host: how it begins, and what its end
// says.
type steps[Request, Result any] struct {
	begin func(a *access.Agent, r *Request, body []byte) (need.Step, *problem.Problem)
	end   func(result any) Result
	// overloaded may say it where no place is left to wait for the host.
	overloaded func(a *access.Agent, p *problem.Problem) need.Step
}

// suspending is an operation of an access engine that may need the host.
func suspending[Request, Result any, Pointer interface {
	*Request
	suspendable
}](name, doc string, s steps[Request, Result]) Operation {
	// In one line each, since the module holds generic code once for each type.
	plain := steps[unsafe.Pointer, any]{
		begin: func(a *access.Agent, r *unsafe.Pointer, body []byte) (need.Step, *problem.Problem) {
			return s.begin(a, (*Request)(*r), body)
		},
		end:        func(result any) any { return s.end(result) },
		overloaded: s.overloaded,
	}
	who := func(r unsafe.Pointer) suspendable { return Pointer((*Request)(r)) }
	return hot[Request, Result](name, doc, answerInSteps(name, reflect.TypeFor[Request](), who, plain))
}

func answerInSteps(
	name string, request reflect.Type, who func(r unsafe.Pointer) suspendable, s steps[unsafe.Pointer, any],
) handler {
	reader := newReader(name, request, keeping)
	finish := func(e *engine.Engine, end need.Step, _ []byte) []byte {
		if s.overloaded != nil && end.Problem != nil && end.Problem.Code == problem.Overloaded {
			end = s.overloaded(e.Access(), end.Problem)
		}
		if end.Problem != nil {
			return refuse(end.Problem)
		}
		return ok(s.end(end.Result))
	}
	return func(c *Core, text, body, to []byte) []byte {
		r := reflect.New(request).UnsafePointer()
		if p := reader.read(string(text), r); p != nil {
			return refuse(p)
		}
		number, now := who(r).engineAndNow()
		e, p := c.access(number)
		if p != nil {
			return refuse(p)
		}
		step, p := s.begin(e.Access(), &r, body)
		if p != nil {
			return refuse(p)
		}
		return settle(e, now, step, finish, to)
	}
}

var accessIssue = steps[AccessIssueRequest, AccessIssueResult]{
	begin: func(a *access.Agent, r *AccessIssueRequest, body []byte) (need.Step, *problem.Problem) {
		wanted := &access.Wanted{Now: r.Now, Target: r.Target, Scopes: orDefault(r.Scopes, nil), ExtraClaims: string(r.ExtraClaims),
			JTI: r.JTI, TTL: r.TTL, Reuse: r.Reuse}
		if r.Bind != nil {
			sum, p := bodyDigest("access.issue", r.Bind.BodySHA256, body)
			if p != nil {
				return need.Step{}, p
			}
			if sum == "" {
				sum = digest.Hex(body)
			}
			wanted.Bind = &access.Bind{Method: r.Bind.Method, URL: r.Bind.URL, BodySHA256: sum}
		}
		return a.Issue(wanted), nil
	},
	end: func(result any) AccessIssueResult {
		i := result.(*access.Issued)
		return AccessIssueResult{i.Token, "Bearer " + i.Token, i.Audience, i.Scope, i.IssuedAt, i.ExpiresAt, i.KeyID, i.Reused}
	},
}

var accessServe = steps[AccessServeRequest, AccessServeResult]{
	begin: func(a *access.Agent, r *AccessServeRequest, body []byte) (need.Step, *problem.Problem) {
		told := need.ReceivedBody{
			Bytes: body, TooLarge: r.BodyTooLarge, Malformed: r.BodyMalformed, Overloaded: r.Overloaded,
		}
		if told.Members() > 1 { //guard:body-one-thing-served never
			return need.Step{}, problem.New(problem.InvalidArgument, "access.serve: "+oneBody)
		}
		return a.Serve(&access.HTTPRequest{Now: r.Now, Method: r.Method, Path: r.Path, Authorization: r.Authorization,
			ContentType: r.ContentType, IfNoneMatch: r.IfNoneMatch, BodyTooLarge: r.BodyTooLarge,
			BodyMalformed: r.BodyMalformed, Overloaded: r.Overloaded, Body: body,
			Query: r.Query, Cookie: r.Cookie, Origin: r.Origin}), nil
	},
	end: func(result any) AccessServeResult {
		served := result.(*access.Served)
		answer := AccessServeResult{
			Handled: served.Response != nil, Log: served.Log, Level: served.Level, UsedUntil: served.UsedUntil,
		}
		if served.Response != nil {
			answer.Response = &HTTPResponse{served.Response.Status, served.Response.Headers, served.Response.Body}
		}
		return answer
	},
	overloaded: (*access.Agent).Overloaded,
}

var accessCommand = steps[AccessCommandRequest, AccessCommandResult]{
	begin: func(a *access.Agent, r *AccessCommandRequest, _ []byte) (need.Step, *problem.Problem) {
		return a.Command(r.Now, r.Line), nil
	},
	end: func(result any) AccessCommandResult {
		said := result.(*access.Said)
		return AccessCommandResult{json.RawMessage(said.Data), said.Display}
	},
}
