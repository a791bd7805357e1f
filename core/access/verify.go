package access

import (
	"slices"
	"strings"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/keyset"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/scope"
	"github.com/tallystick/tallystick/core/trust"
)

// Input is a request as the host received it, or a bare token.
type Input struct {
	Now            float64
	Authorization  []string // one entry for each header of that name
	Token          *string  // in place of Authorization: there is no request
	Received       pipeline.Received
	RequiredScopes []string // patterns: each must be met by a granted scope
	BoundOnly      bool     // as Config.BoundOnly, for this request
}

// remembered is a token that was accepted: all of the pipeline but times, keys
// and the scopes that a request demands is settled by the token and the policy.
type remembered struct {
	caller  *Caller
	claims  *tokenClaims
	issuer  string
	keyID   string
	alg     jose.Algorithm // of that key
	local   bool           // its key is not in the JWKS cache
	answer  []byte
	granted []string
}

// verification is one token on its way through the pipeline.
type verification struct {
	a       *Agent
	in      Input
	text    string
	token   *jose.Token
	claims  *tokenClaims
	caller  trust.Caller
	keyID   string
	local   bool
	scopes  []string // all that the token claims
	granted []string
}

// Verify runs the pipeline until it ends or needs the host. A 401 names the scopes that are
// demanded, so that a client asks for them at once (RFC 6750 section 3, MCP authorization).
func (a *Agent) Verify(in *Input) need.Step {
	step := a.verify(in)
	if len(in.RequiredScopes) == 0 || step.Result != nil {
		return step
	}
	demanded := strings.Join(in.RequiredScopes, " ")
	return followed(step, func(end need.Step) need.Step {
		if p := end.Problem; p != nil && problem.Lookup(p.Code).Status == 401 { //guard:challenge-scopes never
			named := *p
			named.Scope = demanded
			end.Problem = &named
		}
		return end
	})
}

func (a *Agent) verify(in *Input) need.Step {
	text, p := in.text()
	if p != nil {
		return need.Refuse(p)
	}
	if known, there := a.verified.get(text); there && a.keyStands(known, in.Now) { //guard:again-keys drop 2
		return a.verifyAgain(known, in)
	}
	opened, p := jose.Open(text)
	if p != nil && in.Token == nil {
		p = pipeline.BearerRefusal(text, p)
	}
	if p != nil {
		return need.Refuse(p)
	}
	c := &tokenClaims{}
	unread := c.read(opened.Payload)
	opened.TakesAccessToken = unread == nil && a.config.Issuers.Entry(c.issuer.Text) != nil
	token, p := opened.Token(unread)
	if p != nil {
		if unread == nil && opened.SaysAccessToken() && !opened.TakesAccessToken {
			p = p.WithLog("typ at+jwt is taken from issuers of trusted_issuers: write an entry for issuer %s there",
				problem.Quote(c.issuer.Text))
		}
		return need.Refuse(p)
	}
	if p := a.config.Algorithms.Check(token); p != nil { //guard:access-algorithms never
		return need.Refuse(p)
	}
	run := &verification{a: a, in: *in, text: text, token: token, claims: c}
	return run.decideIssuer()
}

// text is step 1.
func (in *Input) text() (string, *problem.Problem) {
	if in.Token != nil {
		return *in.Token, nil
	}
	return pipeline.BearerToken(in.Authorization)
}

func (k *remembered) keyName() string { return jose.KeyName(k.keyID, k.alg) }

// keyStands reports whether the key that verified a token is still in use.
func (a *Agent) keyStands(known *remembered, now float64) bool {
	if known.local {
		return a.localKey(known, now)
	}
	return a.keys.Holds(now, known.issuer, known.keyName())
}

// verifyAgain is the pipeline for a token that was accepted before: what depends
// on time, on the keys of the moment or on the request is judged anew, in the
// same order.
func (a *Agent) verifyAgain(known *remembered, in *Input) need.Step {
	if p := known.claims.times.Check(in.Now, a.config.Forgiven); p != nil { //guard:again-times never
		return need.Refuse(p)
	}
	if in.BoundOnly || a.config.BoundOnly { //guard:again-bound-only never
		return need.Refuse(notBound())
	}
	if p := missingScopes(in.RequiredScopes, known.granted); p != nil { //guard:again-scopes never
		return need.Refuse(p.WithLog("%s; the caller is %s", p.Log, problem.Quote(known.caller.Name)))
	}
	return need.Done(&Accepted{known.answer, known.caller})
}

// decideIssuer is step 4.
func (r *verification) decideIssuer() need.Step {
	if p := r.checkIssuer(); p != nil {
		return need.Refuse(p)
	}
	return r.findKeys()
}

func (r *verification) checkIssuer() *problem.Problem {
	c := r.claims
	if p := pipeline.CheckIssuer(c.issuer); p != nil {
		return p
	}
	caller, decision, reason := r.a.config.Issuers.Decide(c.identity())
	r.caller = caller
	switch decision {
	case trust.Denied: //guard:access-denied never
		return problem.New(problem.IssuerDenied, "").WithLog("issuer %s, subject %s: %s",
			problem.Quote(c.issuer.Text), problem.Quote(c.subject.Text), reason)
	case trust.Trusted:
		return nil
	}
	if decision == trust.Refused && !r.isLocal() { //guard:access-refused never
		p := problem.New(problem.UnknownIssuer, "the issuer is not trusted here").WithLog("issuer %s: %s", problem.Quote(c.issuer.Text), reason)
		p.Subject = c.issuer.Text
		return p
	}
	return nil
}

// isLocal reports whether the issuer's keys are at hand: the agent itself, or an
// issuer whose keys were given.
func (r *verification) isLocal() bool {
	issuer := r.claims.issuer.Text
	_, given := r.a.static.Load().Issuer(issuer)
	return given || r.a.ring.Load() != nil && issuer == r.a.config.BaseURL
}

// findKeys is step 5.
func (r *verification) findKeys() need.Step {
	issuer, kid := r.claims.issuer.Text, r.token.KeyID
	if r.isLocal() {
		r.local = true
		return r.keysFound(r.in.Now, r.a.localKeys(issuer, kid, r.token.Algorithm, r.in.Now))
	}
	since := r.a.keys.Events()
	source := r.a.source(issuer, &r.caller)
	wanted := keyset.Wanted{KeyID: kid, Algorithm: r.token.Algorithm}
	return r.a.keys.Find(r.in.Now, source, wanted, func(now float64, keys []*jose.PublicKey) need.Step {
		// The issuer may have put another key under the same kid.
		return r.judge(now, keys, func(refused need.Step) need.Step {
			tried := keyset.Tried{Wanted: wanted, Keys: keys, Since: since}
			same := func() need.Step { return refused }
			return r.a.keys.FindOthers(r.in.Now, source, tried, r.keysFound, same)
		})
	})
}

// source says how an issuer's documents are fetched: the same for its keys and for
// its token endpoint, which share an entry of the cache.
func (a *Agent) source(issuer string, c *trust.Caller) keyset.Source {
	s := keyset.Source{
		Issuer:    issuer,
		Authority: a.config.Mode == Portal && issuer == a.config.Authority, HTTPAllowed: c.HTTPAllowed,
	}
	if e := c.Entry; e != nil {
		s.Configured, s.JWKSURI, s.Discovery = true, e.JWKSURI, e.Discovery
		s.Internal, s.KeyTenant = e.InternalHTTP, e.KeyTenant
	}
	return s
}

func (r *verification) keysFound(now float64, keys []*jose.PublicKey) need.Step {
	return r.judge(now, keys, nil)
}

// judge goes on with the keys; none is asked where none of them made the signature.
func (r *verification) judge(now float64, keys []*jose.PublicKey, none func(refused need.Step) need.Step) need.Step {
	r.in.Now = now
	if len(keys) == 0 { //guard:access-unknown-key never
		return need.Refuse(problem.New(problem.UnknownKey, "").WithLog("issuer %s has no key with kid %s", problem.Quote(r.claims.issuer.Text), problem.Quote(r.token.KeyID)))
	}
	search := pipeline.KeySearch{Token: r.token, Issuer: r.claims.issuer.Text, RSA: r.a.config.RSA, Now: &r.in.Now, None: none, Found: func(keyID string) need.Step {
		r.keyID = keyID
		return r.checkClaims()
	}}
	return search.Among(keys)
}

// checkClaims is steps 7 to 10.
func (r *verification) checkClaims() need.Step {
	a, c := r.a, r.claims
	if p := c.times.Check(r.in.Now, a.config.Forgiven); p != nil { //guard:access-times never
		return need.Refuse(p)
	}
	if p := r.checkRequired(); p != nil {
		return need.Refuse(p)
	}
	if p := a.checkAudience(r); p != nil { //guard:access-audience never
		return need.Refuse(p)
	}
	if !c.bound.There() {
		if r.in.BoundOnly || a.config.BoundOnly { //guard:access-bound-only never
			return need.Refuse(notBound())
		}
		return r.checkScopes()
	}
	if p := c.checkBinding(); p != nil { //guard:access-bound-complete never
		return need.Refuse(p)
	}
	if r.in.Token != nil {
		return need.Refuse(boundToOne())
	}
	if p := a.checkTarget(&c.bound, &r.in.Received); p != nil { //guard:access-target never
		return need.Refuse(p)
	}
	return need.Ask(&need.Need{Kind: need.Body, MaxBytes: a.config.MaxBody}, r.bodyAnswered)
}

// checkRequired is step 8; it gathers the token's scopes.
func (r *verification) checkRequired() *problem.Problem {
	scopes, p := r.a.checkRequired(r, r.in.Now)
	if p == nil {
		p = r.claims.checkIdentity() //guard:access-identity skip
	}
	if p == nil && r.caller.Problem != nil {
		p = r.namedFix(r.caller.Problem) //guard:access-identity-url skip
	}
	r.scopes = scopes
	return p
}

// checkTarget: the request came to one of the places where this agent is reached.
func (a *Agent) checkTarget(c *pipeline.RequestClaims, in *pipeline.Received) *problem.Problem {
	first := a.places[0].CheckTarget(c, in)
	for _, place := range a.places[1:] {
		if first == nil || place.CheckTarget(c, in) == nil {
			return nil
		}
	}
	return first
}

func notBound() *problem.Problem {
	return problem.New(problem.InvalidClaims, "this agent accepts only tokens that are bound to their request (content_sha256, htm and htu)")
}

func boundToOne() *problem.Problem {
	return problem.New(problem.WrongTarget, "the token is bound to one request: verify it together with that request")
}

// bodyAnswered is step 11.
func (r *verification) bodyAnswered(answer need.Answer) need.Step {
	r.in.Now = answer.Now
	// The body may have come for longer than the token lives.
	if p := r.claims.times.Check(r.in.Now, r.a.config.Forgiven); p != nil { //guard:access-body-late never
		return need.Refuse(p)
	}
	if p := r.claims.bound.CheckBody(&answer.Body, r.a.config.MaxBody); p != nil { //guard:access-body never
		return need.Refuse(p)
	}
	return r.checkScopes()
}

// checkScopes is steps 12 and 13.
func (r *verification) checkScopes() need.Step {
	r.granted = r.a.grant(r.scopes, r.caller.Portal())
	if p := missingScopes(r.in.RequiredScopes, r.granted); p != nil { //guard:access-required-scopes never
		return need.Refuse(p.WithLog("%s; the caller is %s%s", p.Log, problem.Quote(r.caller.Name), r.scopesAdvice()))
	}
	caller := r.describe()
	if rules := r.a.config.AcceptFrom; rules != nil && !rules.Allow(trust.Party{ //guard:access-accept-from never
		Caller: r.caller.Name, CallerURL: caller.AgentURL, CallerExternal: r.caller.External,
		Target: r.a.name, TargetExternal: r.a.external, Labels: caller.TrustLabels,
	}) {
		return need.Refuse(problem.New(problem.TrustDenied, "").WithLog("accept_from does not allow %s (%s)", problem.Quote(caller.Name), problem.Quote(caller.AgentURL)))
	}
	return r.claimOnce(caller)
}

// grant filters a token's scopes. Namespaces and trust: labels are an authority's
// to give: nobody puts himself into one.
func (a *Agent) grant(scopes []string, portal bool) []string {
	granted := a.allowed.Filter(scopes)
	if portal { //guard:access-labels always
		return granted
	}
	own := granted[:0]
	for _, s := range granted {
		if !strings.HasPrefix(s, trust.LabelPrefix) && !strings.HasPrefix(s, scope.NamespacePrefix) {
			own = append(own, s)
		}
	}
	return own
}

// missingScopes names the required patterns that no granted scope meets.
func missingScopes(required, granted []string) *problem.Problem {
	var missing []string
	for _, pattern := range required {
		if !meets(pattern, granted) {
			missing = append(missing, pattern)
		}
	}
	if missing == nil {
		return nil
	}
	p := problem.New(problem.InsufficientScope, "").WithLog("required and not granted: %s", strings.Join(missing, " "))
	p.Scope = strings.Join(required, " ")
	return p
}

func meets(pattern string, granted []string) bool {
	for _, s := range granted {
		if scope.Match(pattern, s) {
			return true
		}
	}
	return false
}

// claimOnce is step 14: a bound token is one request and works once, an unbound
// one works until it dies and is remembered.
func (r *verification) claimOnce(caller *Caller) need.Step {
	if r.a.replaced.Load() { //guard:access-replaced never
		return need.Refuse(problem.New(problem.Overloaded,
			"").WithLog("the policy was changed while the token was judged: send it again"))
	}
	answer := caller.appendJSON(nil)
	if r.claims.bound.There() { //guard:access-bound-once never
		return r.a.guard.ClaimLast(r.in.Now,
			pipeline.Use{Issuer: r.claims.issuer.Text, JTI: r.claims.jti.Text, Times: &r.claims.times,
				MaxLife: r.a.config.MaxLifetime},
			func() need.Step { return need.Done(&Accepted{answer, caller}) })
	}
	// Without iat the cap on the lifetime moves with the clock: judged each time.
	if len(r.text) <= maxRemembered && r.claims.times.IssuedAt.There() {
		// A copy, so that the rest of the request is not kept with it.
		r.a.verified.set(strings.Clone(r.text), &remembered{caller: caller, claims: r.claims, issuer: r.claims.issuer.Text,
			keyID: r.keyID, alg: r.token.Algorithm, local: r.local, answer: answer, granted: r.granted})
	}
	return need.Done(&Accepted{answer, caller})
}

// localKeys are the candidates among keys at hand.
func (a *Agent) localKeys(issuer, kid string, algorithm jose.Algorithm, now float64) []*jose.PublicKey {
	if given, there := a.static.Load().Issuer(issuer); there {
		return given.Candidates(kid, algorithm)
	}
	ring := a.ring.Load()
	if ring == nil || issuer != a.config.BaseURL { // its keys were taken away meanwhile
		return nil
	}
	var keys []*jose.PublicKey
	for _, key := range ring.Public(now) {
		if kid == "" || kid == key.Thumbprint() {
			keys = append(keys, key)
		}
	}
	return keys[:min(len(keys), authorizedkeys.MaxTried)]
}

// localKey reports whether a remembered token's key is among them.
func (a *Agent) localKey(known *remembered, now float64) bool {
	keys := a.localKeys(known.issuer, known.keyID, known.alg, now)
	return slices.ContainsFunc(keys, func(key *jose.PublicKey) bool { return key.Name() == known.keyName() })
}
