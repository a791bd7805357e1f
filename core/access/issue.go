package access

import (
	"crypto/rand"
	"encoding/hex"
	"math"
	"strings"

	"github.com/tallystick/tallystick/core/agent"
	"github.com/tallystick/tallystick/core/digest"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/keyring"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/scope"
	"github.com/tallystick/tallystick/core/strictjson"
	"github.com/tallystick/tallystick/core/trust"
)

const (
	// MaxTTL bounds the lifetime of a token, in seconds.
	MaxTTL = 24 * 60 * 60
	// maxExtraClaims bounds the text of extra_claims, in bytes.
	maxExtraClaims = 8 << 10
)

// Wanted is a token for a target.
type Wanted struct {
	Now         float64
	Target      string   // reference of the agent that will receive it
	Scopes      []string // nil: what is allowed here, as far as it has no wildcard; of an authority: all that it gives
	ExtraClaims string   // JSON object or ""
	JTI         string   // "": drawn at random
	TTL         *int64   // seconds; nil: the configuration's
	Reuse       bool     // a token that was issued before will do
	Bind        *Bind
}

// Bind is the one request that a token is for.
type Bind struct{ Method, URL, BodySHA256 string }

// Issued is a token and what the sender needs to know of it.
type Issued struct {
	Token     string
	Audience  string
	Scope     string
	IssuedAt  int64
	ExpiresAt int64
	KeyID     string // "" where an authority signed
	Reused    bool
}

// reserved are the claims that are written here and nowhere else.
var reserved = map[string]bool{
	"iss": true, "sub": true, "aud": true, "iat": true, "nbf": true, "exp": true, "jti": true, "scope": true,
	"client_id": true, "token_type": true, "agent_path": true, "aoauth": true,
	"content_sha256": true, "htm": true, "htu": true, "query_sha256": true,
}

// Issue ends in an *Issued: signed here, given by the authority, or kept from an
// earlier call.
func (a *Agent) Issue(w *Wanted) need.Step {
	order, p := a.order(w)
	if p != nil {
		return need.Refuse(p)
	}
	if order.bind == nil && order.extra == "" && w.JTI == "" && w.TTL == nil {
		order.kept = order.audience + " " + order.scope // a token that is wanted anew replaces the kept one
	}
	if w.Reuse && order.kept != "" {
		order.flight = order.kept
		if known, there := a.kept.get(order.kept); there && a.maySend(known, w.Now) {
			again := known.issued
			again.Reused = true
			return need.Done(&again)
		}
	}
	if a.config.Mode == Portal {
		return a.request(order)
	}
	return a.sign(order)
}

// order is what a token shall say, checked.
type order struct {
	now               float64
	subject, clientID string
	audience, scope   string
	agentURL, path    string
	mode, jti, extra  string // extra: members, with a comma in front
	ttl               int64
	bind              *Bind
	kept              string // under which key it is kept, "" for not at all
	flight            string // who asks for the same at the same time waits for one answer

	clientAtAuthority string // for errors
}

// order checks what is wanted, whoever will sign it.
func (a *Agent) order(w *Wanted) (*order, *problem.Problem) {
	target, err := agent.Resolve(w.Target, a.config.Authority)
	if err != nil {
		return nil, problem.Newf(problem.InvalidArgument, "target: %s", err)
	}
	if p := a.mayTalkTo(target); p != nil { //guard:issue-talk-to never
		return nil, p
	}
	scopes := w.Scopes
	switch {
	case scopes == nil && a.config.Mode != Portal: // an authority knows what its client may have
		scopes = a.defaultScopes()
	case scopes != nil && len(scopes) == 0 && a.config.Mode == Portal: //guard:issue-no-scopes-portal never
		return nil, problem.New(problem.InvalidArgument,
			"scopes: an authority gives all that this agent may have where none is asked for "+
				"(RFC 6749 section 3.3): name some, or leave scopes out for all")
	}
	for _, s := range scopes {
		if parsed, err := scope.Parse(s); err != nil || len(parsed) != 1 { //guard:issue-scope never
			return nil, problem.Newf(problem.InvalidArgument, "scopes: %s is no scope: %s", problem.Quote(s), scope.ErrScope)
		}
	}
	extra, p := extraClaims(w.ExtraClaims)
	if p != nil {
		return nil, p
	}
	if extra != "" && a.config.Mode == Portal { //guard:issue-extra-portal never
		return nil, problem.New(problem.InvalidArgument, "extra_claims: the authority signs the tokens of this agent and takes none")
	}
	ttl := a.config.TokenTTL
	if w.TTL != nil {
		ttl = *w.TTL
	}
	if ttl < 1 || ttl > MaxTTL { //guard:issue-ttl never
		return nil, problem.Newf(problem.InvalidArgument, "ttl must be from 1 to %d seconds", MaxTTL)
	}
	if w.JTI != "" && !jose.ValidIdentifier(w.JTI, pipeline.MaxJTI) {
		return nil, problem.New(problem.InvalidArgument, "jti must have 1 to 256 bytes and no control characters")
	}
	if w.Bind != nil && !digest.IsHex(w.Bind.BodySHA256) { //guard:issue-bind-digest never
		return nil, problem.New(problem.InvalidArgument, "bind: body_sha256 must be 64 lower-case hex digits")
	}
	return &order{now: w.Now, subject: a.config.AgentID, clientID: a.config.AgentID, audience: target, scope: strings.Join(scopes, " "),
		agentURL: a.config.BaseURL, mode: "self", jti: w.JTI, extra: extra, ttl: ttl, bind: w.Bind}, nil
}

// mayTalkTo is the rule talk_to.
func (a *Agent) mayTalkTo(target string) *problem.Problem {
	rules := a.config.TalkTo
	if rules == nil {
		return nil
	}
	party := trust.Party{CallerURL: target, CallerExternal: true, Target: a.name, TargetExternal: a.external}
	if name, there := agent.Alias(target, a.config.Authority); there {
		party.Caller, party.CallerExternal = name, false
	} else if name, err := agent.Name(target); err == nil {
		party.Caller = name
	}
	if !rules.Allow(party) {
		return problem.New(problem.TrustDenied, "talk_to does not allow this target").WithLog("talk_to does not allow %s (%s)", problem.Quote(party.Caller), problem.Quote(target))
	}
	return nil
}

// agentsPath is where an authority's agents live below it (AOAuth 1.0 agent_path).
const agentsPath = "/agents"

func (a *Agent) defaultScopes() []string {
	scopes := []string{}
	for _, pattern := range a.config.AllowedScopes {
		if !strings.Contains(pattern, "*") {
			scopes = append(scopes, pattern)
		}
	}
	return scopes
}

// extraClaims returns the members of an object, with a comma in front.
func extraClaims(text string) (string, *problem.Problem) {
	if text == "" {
		return "", nil
	}
	if len(text) > maxExtraClaims {
		return "", problem.Newf(problem.InvalidArgument, "extra_claims may have %d bytes", maxExtraClaims)
	}
	var b []byte
	var p *problem.Problem
	err := strictjson.ReadObject(text, func(name string, v strictjson.Value) {
		if reserved[name] { //guard:issue-reserved never
			p = problem.Newf(problem.InvalidArgument, "extra_claims: %s is written by the library", name)
		}
		b = appendRaw(b, name, v.Raw)
	})
	if err != nil {
		return "", problem.Newf(problem.InvalidArgument, "extra_claims: %s", err)
	}
	return string(b), p
}

// sign writes the claims and signs them with the active key.
func (a *Agent) sign(o *order) need.Step {
	if a.ring.Load() == nil {
		return need.Refuse(problem.New(problem.InvalidConfig, "ring: this agent has no keys of its own: with jwks_uri alone it only verifies (set base_url or agent_id)"))
	}
	issuedAt := int64(math.Floor(o.now))
	text, p := o.claims(a.config.BaseURL, issuedAt)
	if p != nil {
		return need.Refuse(p)
	}
	return a.signText(text, func(token, keyID string) need.Step {
		issued := Issued{Token: token, Audience: o.audience, Scope: o.scope,
			IssuedAt: issuedAt, ExpiresAt: issuedAt + o.ttl, KeyID: keyID}
		a.keep(o, issued)
		return need.Done(&issued)
	})
}

// signText signs claims with the active key, there must be one, and goes on with the token.
func (a *Agent) signText(text []byte, then func(token, keyID string) need.Step) need.Step {
	key := a.ring.Load().Active()
	input := jose.SigningInput([]byte(jose.SigningHeader(key.Public)), text)
	if len(input)+1+jose.MaxBits/6 > jose.MaxToken {
		return need.Refuse(problem.New(problem.InvalidArgument, "the token would be over 16384 bytes: ask for fewer scopes or claims"))
	}
	finish := func(signature []byte) need.Step { return then(input+"."+jose.Encode64(signature), key.ID) }
	if a.config.Signing != pipeline.ByCore || key.Private == nil {
		return need.Ask(&need.Need{Kind: need.Sign, Algorithm: key.Public.Algorithm(), Input: input, Key: key.ID}, a.signed(key, input, finish))
	}
	made, p := jose.Sign(input, key.Private)
	if p != nil {
		return need.Refuse(p)
	}
	return finish(made)
}

// signed lets no signature out that every receiver would refuse.
func (a *Agent) signed(key keyring.Key, input string, finish func([]byte) need.Step) func(need.Answer) need.Step {
	return func(answer need.Answer) need.Step {
		signature, p := a.config.Signing.Made(key.Public, input, answer)
		if p != nil {
			return need.Refuse(p)
		}
		return finish(signature)
	}
}

// claims writes them in a fixed order, so that all languages sign the same bytes.
func (o *order) claims(issuer string, issuedAt int64) ([]byte, *problem.Problem) {
	jti := o.jti
	if jti == "" {
		jti = randomID()
	}
	b := strictjson.AppendString([]byte(`{"iss":`), issuer)
	b = appendText(b, "sub", o.subject)
	b = appendText(b, "aud", o.audience)
	for _, time := range [...]struct {
		name    string
		seconds int64
	}{{"iat", issuedAt}, {"nbf", issuedAt}, {"exp", issuedAt + o.ttl}} {
		b = strictjson.AppendInt(appendName(b, time.name), time.seconds)
	}
	b = appendText(b, "jti", jti)
	b = appendText(b, "scope", o.scope)
	b = appendText(b, "client_id", o.clientID)
	b = appendText(b, "token_type", "Bearer")
	if o.path != "" {
		b = appendText(b, "agent_path", o.path)
	}
	b = append(b, `,"aoauth":{"mode":`...)
	b = strictjson.AppendString(b, o.mode)
	if o.agentURL != "" {
		b = appendText(b, "agent_url", o.agentURL)
	}
	b = append(b, '}')
	b = append(b, o.extra...)
	if o.bind != nil {
		var p *problem.Problem
		b = pipeline.AppendBody(b, o.bind.BodySHA256)
		if b, p = pipeline.AppendTarget(b, o.bind.Method, o.bind.URL); p != nil {
			return nil, p
		}
	}
	return append(b, '}'), nil
}

// randomID has 128 random bits.
func randomID() string {
	var random [16]byte
	rand.Read(random[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(random[:])
}

// keptToken is a token that may be sent again.
type keptToken struct {
	issued      Issued
	from, until float64
}

// maySend reports whether a kept token is good as far as is known here: a revoked key
// is in the ring no more, a retired one stays until its last token is dead.
func (a *Agent) maySend(known *keptToken, now float64) bool {
	if now < known.from || now >= known.until { //guard:issue-kept-expires drop 2
		return false
	}
	if a.config.Mode == Portal {
		return true
	}
	_, there := a.ring.Load().Key(known.issued.KeyID)
	return there //guard:issue-kept-revoked always
}

// keep remembers a token until shortly before it expires: a tenth of its life,
// at most half a minute, so that it does not die on the way.
func (a *Agent) keep(o *order, issued Issued) {
	if o.kept == "" {
		return
	}
	margin := min(30, max(1, float64(issued.ExpiresAt-issued.IssuedAt)/10))
	until := float64(issued.ExpiresAt) - margin
	a.kept.set(o.kept, &keptToken{issued, float64(issued.IssuedAt), until})
}
