package oauthclient

import (
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

// maxAssertion is how far ahead an assertion may expire, in seconds: as long its
// jti is remembered.
const maxAssertion = 300

// oncePrefix keeps the jtis of clients apart from those of issuers of tokens: no
// issuer that is fetched starts so.
const oncePrefix = "client:"

// assertion is one private_key_jwt on its way (RFC 7523 section 3; OpenID
// Connect Core section 9).
type assertion struct {
	attempt *Attempt
	client  *Client // nil: nobody is registered under this id
	done    Done
	now     float64
	settled bool // done was called: what comes now is its own

	issuer, subject, jti pipeline.Claim
	times                pipeline.Times
	audience             strictjson.Value
}

// read gathers the claims of a payload, which count only where the error is nil.
func (s *assertion) read(payload string) error {
	object := strictjson.Read(payload)
	for object.Next() {
		switch object.Name {
		case "iss":
			s.issuer.Read(&object.Member)
		case "sub":
			s.subject.Read(&object.Member)
		case "jti":
			s.jti.Read(&object.Member)
		case "exp":
			s.times.Expires.Read(&object.Member)
		case "nbf":
			s.times.NotBefore.Read(&object.Member)
		case "iat":
			s.times.IssuedAt.Read(&object.Member)
		case "aud":
			s.audience = object.Value()
		}
	}
	return object.Err()
}

func (r *Registry) byAssertion(now float64, a Attempt, done Done) need.Step {
	switch {
	case a.Form[paramAssertion] == "":
		return done(now, nil, invalidRequest("client_assertion is missing"))
	case a.Form[paramAssertionType] != assertionType:
		return done(now, nil, invalidRequest("client_assertion_type must be "+assertionType))
	}
	s := &assertion{attempt: &a, done: done, now: now}
	token, p := s.parse(a.Form[paramAssertion])
	if p != nil {
		return s.refuse("the assertion is refused: " + p.Error())
	}
	if p := a.Algorithms.Check(token); p != nil { //guard:assertion-algorithms never
		return s.refuse("the assertion is refused: " + p.Error() + "; " + p.Log)
	}
	if fault := s.checkNames(); fault != "" { //guard:assertion-names never
		return s.refuse(fault)
	}
	s.client = r.clients[s.subject.Text]
	// The time for one signature passes whether or not the client is known.
	candidates := []*jose.PublicKey{}
	if s.client != nil {
		candidates = s.client.keys.Candidates(token.KeyID, token.Algorithm)
	}
	known := len(candidates) > 0 && candidates[0].Algorithm() == token.Algorithm
	if decoy := r.decoys[token.Algorithm]; !known && decoy != nil {
		candidates = []*jose.PublicKey{decoy}
	}
	search := pipeline.KeySearch{Token: token, Issuer: s.subject.Text, RSA: a.RSA, Now: &s.now, Found: func(string) need.Step {
		if !known { //guard:assertion-known never
			return s.refuse("the assertion is signed by another client's key")
		}
		return s.checkClaims()
	}}
	return s.catch(search.Among(candidates))
}

func (s *assertion) parse(text string) (*jose.Token, *problem.Problem) {
	opened, p := jose.Open(text)
	if p != nil {
		return nil, p
	}
	return opened.Token(s.read(opened.Payload))
}

// checkNames: the client speaks for itself alone.
func (s *assertion) checkNames() string {
	id, given := s.attempt.Form[paramID]
	switch {
	case !s.subject.IsIdentifier(maxID) || !s.issuer.IsText() || s.issuer.Text != s.subject.Text:
		return "iss and sub of the assertion must both be the client's id"
	case given && id != s.subject.Text:
		return "client_id is not the assertion's sub"
	}
	return ""
}

func (s *assertion) checkClaims() need.Step {
	forgiven := s.attempt.Forgiven
	if p := s.times.Check(s.now, forgiven); p != nil { //guard:assertion-times never
		return s.refuse("the assertion is refused: " + p.Error() + "; " + p.Log)
	}
	switch {
	case !s.times.Expires.There(): //guard:assertion-exp never
		return s.refuse("the assertion has no exp")
	case s.times.Expires.Seconds > s.now+maxAssertion+forgiven.ClockSkew: //guard:assertion-life never // by its own clock
		return s.refuse("the assertion lives too long: exp may be 300 s ahead")
	case !s.jti.IsIdentifier(pipeline.MaxJTI):
		return s.refuse("the assertion has no jti of 1 to 256 bytes")
	case !s.isForUs(): //guard:assertion-audience never
		return s.refuse("aud of the assertion is neither the token endpoint nor the issuer")
	}
	return s.catch(s.attempt.Once.Claim(s.now, pipeline.Use{
		Issuer: oncePrefix + s.client.ID, JTI: s.jti.Text, Times: &s.times,
		MaxLife: maxAssertion + forgiven.ClockSkew,
	}, func() need.Step {
		if s.attempt.Used != nil {
			s.attempt.Used(s.times.Expires.Seconds)
		}
		return s.end(s.client, nil)
	}))
}

// isForUs takes a string or an array of strings (RFC 7519 section 4.1.3).
func (s *assertion) isForUs() bool {
	names := []strictjson.Value{s.audience}
	if s.audience.IsArray() {
		names = s.audience.Array()
	}
	ours := false
	for _, name := range names {
		if !strictjson.IsString(name) {
			return false
		}
		ours = ours || name.Str != "" && (name.Str == s.attempt.TokenEndpoint || name.Str == s.attempt.Issuer)
	}
	return ours
}

func (s *assertion) refuse(log string) need.Step {
	name := ""
	if s.subject.IsText() {
		name = "client " + problem.Quote(s.subject.Text) + ": "
	}
	return s.end(nil, invalidClient(name+log))
}

func (s *assertion) end(c *Client, e *Error) need.Step {
	s.settled = true
	return s.done(s.now, c, e)
}

// catch turns a refusal of the search or of the memory into an error of the token
// endpoint, now or after the host's answers. What done itself refuses stays.
func (s *assertion) catch(step need.Step) need.Step {
	switch {
	case s.settled:
		return step
	case step.Problem != nil:
		return s.refused(step.Problem)
	}
	resume := step.Resume
	step.Resume = func(a need.Answer) need.Step {
		s.now = a.Now
		return s.catch(resume(a))
	}
	return step
}

func (s *assertion) refused(p *problem.Problem) need.Step {
	log := string(p.Code) + ": " + p.Log
	switch p.Code {
	case problem.InvalidSignature, problem.UnsupportedAlgorithm, problem.ReplayDetected:
		return s.refuse(log)
	case problem.ReplayStoreUnavailable, problem.CheckFailed:
		return s.end(nil, &Error{Code: TemporarilyUnavailable, Status: 503, Description: "the client cannot be authenticated at the moment", Log: log})
	}
	return need.Refuse(p) // a wrong answer of the host
}
