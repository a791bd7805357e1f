package abi

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tallystick/tallystick/core/digest"
	"github.com/tallystick/tallystick/core/engine"
	"github.com/tallystick/tallystick/core/exclude"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/request"
	"github.com/tallystick/tallystick/core/strictjson"
)

func requestEndpoint(_ *Core, r *RequestEndpointRequest, _ []byte) (RequestEndpointResult, *problem.Problem) {
	url, p := request.Endpoint(r.URL)
	return RequestEndpointResult{url}, p
}

func requestOutcome(_ *Core, r *RequestOutcomeRequest, body []byte) (RequestOutcomeResult, *problem.Problem) {
	return RequestOutcomeResult{request.Outcome(r.Status, body, r.AgentURL)}, nil
}

var readSign = reader[RequestSignRequest]("request.sign", borrowing)

func requestSign(c *Core, text, body, to []byte) []byte {
	var r RequestSignRequest
	if p := readSign(string(text), &r); p != nil {
		return refuse(p)
	}
	if r.TTL != nil {
		if p := request.CheckTTL(problem.InvalidArgument, *r.TTL); p != nil {
			return refuse(p)
		}
	}
	e, p := c.signingEngine(&r)
	if p != nil {
		return refuse(p)
	}
	bodySum, p := bodyDigest("request.sign", r.BodySHA256, body)
	if p != nil {
		return refuse(p)
	}
	if bodySum == "" {
		bodySum = digest.Hex(body)
	}
	step := e.Signer.Sign(&request.Outgoing{Now: r.Now, Method: r.Method, URL: r.URL, Unbound: r.Unbound, JTI: r.JTI, TTL: orDefault(r.TTL, 0), BodySHA256: bodySum})
	return settle(e, r.Now, step, finishSign, to)
}

// signingEngine finds the engine or, for a single signature, makes one that is
// never stored.
func (c *Core) signingEngine(r *RequestSignRequest) (*engine.Engine, *problem.Problem) {
	if r.Engine == 0 {
		signer, p := openSigner(&SignerConfig{Issuer: r.Issuer, PrivateKey: r.PrivateKey})
		return engine.New(nil, signer, ""), p
	}
	if r.Issuer != "" || r.PrivateKey != "" {
		return nil, problem.New(problem.InvalidArgument, "request.sign: give engine, or issuer and private_key")
	}
	e, p := c.engine(r.Engine)
	if p == nil && e.Signer == nil {
		p = problem.New(problem.InvalidArgument, "the engine was opened without a signer")
	}
	return e, p
}

func finishSign(_ *engine.Engine, step need.Step, b []byte) []byte {
	if step.Problem != nil {
		return refuse(step.Problem)
	}
	token := step.Result.(*request.Signed).Token
	b = slices.Grow(b, len(token)+64)
	return append(append(append(b, `{"ok":{"authorization":"Bearer `...), token...), `"}}`...)
}

func requestVerify(c *Core, text, body, to []byte) []byte {
	v, _ := c.verifications.Get().(*verification)
	if v == nil {
		v = &verification{run: request.NewVerification()}
	}
	answer, ended := v.answer(c, text, body, to)
	if ended && cap(v.text) <= maxKeptText {
		v.run.Reset()
		v.request = RequestVerifyRequest{Authorization: v.request.Authorization[:0]}
		c.verifications.Put(v)
	}
	return answer
}

// verification is the memory of one request.verify, used again by a later one
// unless a ticket keeps it.
type verification struct {
	text    []byte // the request, which is only borrowed; what is read of it lies here
	request RequestVerifyRequest
	run     *request.Verification
}

// maxKeptText is the size of a request whose memory is not kept, in bytes.
const maxKeptText = 64 << 10

var readVerify = reader[RequestVerifyRequest]("request.verify", borrowing)

// answer also reports whether the operation has ended: nothing uses its memory then.
func (v *verification) answer(c *Core, text, body, to []byte) (answer []byte, ended bool) {
	v.text = append(v.text[:0], text...)
	r := &v.request
	unread := readVerify(strictjson.TextOf(v.text), r)
	if unread != nil && unread.Code != problem.MalformedRequest {
		return refuse(unread), true
	}
	e, p := c.verifier(r.Engine)
	if p != nil {
		return refuse(p), true
	}
	if unread != nil {
		return refuseWithResponse(unread, e), true
	}
	told := need.ReceivedBody{
		Bytes: body, SHA256: r.BodySHA256, TooLarge: r.BodyTooLarge,
		Unavailable: r.BodyUnavailable, Malformed: r.BodyMalformed,
	}
	if n := told.Members(); n > 1 || n == 1 && r.BodyPending { //guard:body-one-thing never 2
		return refuse(problem.New(problem.InvalidArgument, "request.verify: "+oneBody)), true
	}
	if hasQuery(r.Path, r.PathDecoded) {
		return refuse(problem.New(problem.InvalidArgument, "request.verify: "+noQuery)), true
	}
	v.run.In = request.Input{
		Now: r.Now, Authorization: r.Authorization,
		Received: pipeline.Received{
			Method: r.Method, Path: r.Path, Mount: strings.TrimSuffix(r.Mount, "/"),
			Query: r.Query, PathDecoded: r.PathDecoded, RawTarget: r.RawTarget,
		},
		Body: told, BodyPending: r.BodyPending,
	}
	step := e.Verifier.Verify(v.run)
	return settle(e, r.Now, step, finishVerify, to), step.Need == nil || step.Need.Claimed != nil
}

var readClaimRefuse = reader[ClaimRefuseRequest]("claim.refuse", borrowing)

// claimRefuse words what the host found of a claim that ended a verification, of
// either profile.
func claimRefuse(c *Core, text, _, _ []byte) []byte {
	var r ClaimRefuseRequest
	if p := readClaimRefuse(string(text), &r); p != nil {
		return refuse(p)
	}
	e, p := c.engine(r.Engine)
	if p != nil {
		return refuse(p)
	}
	if e.Verifier == nil && e.Access() == nil {
		return refuse(problem.New(problem.InvalidArgument, "claim.refuse: the engine was opened without a verifier"))
	}
	answer := need.Answer{Claim: r.Claim, Failed: r.Failed}
	return refuseWithResponse(pipeline.NotClaimed(r.Issuer, r.JTI, answer).Problem, e)
}

// oneBody is what is wrong with two tales of one body.
const oneBody = "say one thing of the body: its bytes, or one of the members that tell of it"

// noQuery is what is wrong with a path that a host did not split.
const noQuery = "path has a ?: give what follows it as query"

// hasQuery reports whether a path as it was sent has a query, which a host splits off at its first
// "?". A decoded path may have one.
func hasQuery(path string, decoded bool) bool {
	return !decoded && strings.IndexByte(path, '?') >= 0 //guard:path-query never
}

// bodyDigest takes a digest that the host has computed in place of the body.
func bodyDigest(operation, given string, body []byte) (string, *problem.Problem) {
	if given != "" && len(body) > 0 {
		return "", problem.Newf(problem.InvalidArgument, "%s: give the body or body_sha256, not both", operation)
	}
	return given, nil
}

func finishVerify(e *engine.Engine, step need.Step, b []byte) []byte {
	if step.Problem != nil {
		return refuseWithResponse(step.Problem, e)
	}
	a := step.Result.(*request.Accepted)
	b = slices.Grow(b, len(a.Claims)+128)
	b = strictjson.AppendString(append(b, `{"ok":{"key_id":`...), a.KeyID)
	b = strconv.AppendBool(append(b, `,"development":`...), a.Development)
	b = append(append(b, `,"claims":`...), a.Claims...)
	return append(b, "}}"...)
}

var readResume = reader[EngineResumeRequest]("engine.resume", borrowing)

func engineResume(c *Core, text, body, to []byte) []byte {
	var r EngineResumeRequest
	if p := readResume(string(text), &r); p != nil {
		return refuse(p)
	}
	e, p := c.engine(r.Engine)
	if p != nil {
		return refuse(p)
	}
	answer, p := answerOf(&r, body)
	if p != nil {
		return refuse(p)
	}
	step, finish, p := e.Resume(r.Ticket, answer)
	if p != nil {
		return refuse(p)
	}
	return settle(e, r.Now, step, finish, to)
}

func answerOf(r *EngineResumeRequest, body []byte) (need.Answer, *problem.Problem) {
	answer := need.Answer{Now: r.Now, Unchanged: r.Unchanged, Claim: r.Claim, HasFailed: r.Failed != nil, Signature: body,
		Status: r.Status, Headers: r.Headers, Content: body, Body: need.ReceivedBody{
			Bytes: body, SHA256: r.BodySHA256, TooLarge: r.BodyTooLarge, Malformed: r.BodyMalformed, Overloaded: r.Overloaded,
			Unavailable: r.BodyUnavailable || r.Failed != nil, //guard:body-given-up never 2
		}}
	if answer.Body.Members() > 1 { //guard:body-one-thing-answered never
		return answer, problem.New(problem.InvalidArgument, "engine.resume: "+oneBody)
	}
	if r.Failed != nil {
		answer.Failed, answer.Body.Reason = *r.Failed, *r.Failed
	}
	if r.Valid != nil {
		answer.HasValid, answer.Valid = true, *r.Valid
	}
	if r.Files != nil || r.Keys != nil {
		set, _, p := loadKeys(r.Files, r.Keys)
		if p != nil {
			return answer, p
		}
		answer.Keys = set
	}
	return answer, nil
}

func guardPasses(_ *Core, r *GuardPassesRequest, _ []byte) (GuardPassesResult, *problem.Problem) {
	list, err := exclude.NewList(r.Exclude)
	if err != nil {
		return GuardPassesResult{}, badConfig("exclude: %s", err)
	}
	return GuardPassesResult{list.Passes(&exclude.Request{
		Method: r.Method, Path: r.Path, Origin: r.Origin, RequestMethod: r.RequestMethod, Authorization: r.Authorization,
	})}, nil
}
