package access

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tallystick/tallystick/core/agent"
	"github.com/tallystick/tallystick/core/authorization"
	"github.com/tallystick/tallystick/core/digest"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/oauthclient"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/scope"
	"github.com/tallystick/tallystick/core/strictjson"
	"github.com/tallystick/tallystick/core/trust"
	"github.com/tallystick/tallystick/core/weburl"
)

// OAuth errors of a token endpoint (RFC 6749 section 5.2, RFC 8707 section 2).
const (
	invalidRequest       = "invalid_request"
	unsupportedGrantType = "unsupported_grant_type"
	invalidScope         = "invalid_scope"
	invalidTarget        = "invalid_target"
	unauthorizedClient   = "unauthorized_client"
	serverError          = "server_error"
)

// tokenRequest is one request to the token endpoint on its way.
type tokenRequest struct {
	a    *Agent
	form map[string]string
	who  *oauthclient.Client
}

// token is the whole decision of the token endpoint (RFC 6749 section 4.4).
func (a *Agent) token(r *HTTPRequest) need.Step {
	isOfPeople := func(form map[string]string) bool {
		return a.people != nil && slices.Contains(authorization.Grants(), form["grant_type"])
	}
	return a.authenticated(r, isOfPeople, func(now float64, who *oauthclient.Client, form map[string]string) need.Step {
		t := &tokenRequest{a: a, form: form, who: who}
		if isOfPeople(form) {
			return a.outcome(a.people.Exchange(now, who, form))
		}
		return t.grant(now)
	})
}

// authenticated goes on with the client of a form, also with a public one where that is enough.
func (a *Agent) authenticated(
	r *HTTPRequest, public func(form map[string]string) bool,
	then func(now float64, who *oauthclient.Client, form map[string]string) need.Step,
) need.Step {
	if refused := a.unreadable(r); refused != nil {
		return a.refuseToken(refused)
	}
	form, refused := oauthclient.ParseForm(r.ContentType, r.Body)
	if refused != nil {
		return a.refuseToken(refused)
	}
	usedUntil := int64(0)
	attempt := oauthclient.Attempt{
		Authorization: r.Authorization,
		Form:          form,
		TokenEndpoint: strings.TrimSuffix(a.Issuer(), "/") + tokenPath,
		Issuer:        a.Issuer(),
		Forgiven:      a.config.Forgiven,
		Once:          a.guard,
		RSA:           a.config.RSA,
		Algorithms:    a.config.Algorithms,
		HostDerives:   a.config.HostDerives,
		TakesPublic:   public(form),
		Used:          func(expires float64) { usedUntil = int64(math.Ceil(expires)) },
	}
	done := func(now float64, who *oauthclient.Client, refused *oauthclient.Error) need.Step {
		if refused != nil {
			return a.refuseToken(refused)
		}
		return then(now, who, form)
	}
	return followed(a.clients.Load().Authenticate(r.Now, attempt, done), func(step need.Step) need.Step {
		if served, ok := step.Result.(*Served); ok && a.guard.Window() != nil {
			served.UsedUntil = usedUntil
		}
		return step
	})
}

// unreadable is why no form is looked at: nobody issues tokens here, or the host has
// not read it.
func (a *Agent) unreadable(r *HTTPRequest) *oauthclient.Error {
	refuse := func(code string, status int, description string) *oauthclient.Error {
		return &oauthclient.Error{Code: code, Status: status, Description: description}
	}
	switch {
	case a.config.Mode == Portal:
		issued := "tokens for this agent are issued by its authority: "
		return refuse(unauthorizedClient, 400, issued+a.config.Authority)
	case a.ring.Load() == nil:
		return refuse(unauthorizedClient, 400, "this agent issues no tokens")
	case r.BodyTooLarge || len(r.Body) > MaxForm:
		return refuse(invalidRequest, 413, "the request is over 65536 bytes")
	case r.BodyMalformed:
		return refuse(invalidRequest, 400, problem.Lookup(problem.MalformedRequest).Text)
	case r.Overloaded:
		return refuse(oauthclient.TemporarilyUnavailable, 503, problem.Lookup(problem.Overloaded).Text)
	}
	return nil
}

// Overloaded is the token endpoint's answer where an operation finds no place to
// wait for the host.
func (a *Agent) Overloaded(p *problem.Problem) need.Step {
	return readable(a.refuseToken(oauthclient.Overloaded(p.Log)))
}

func (a *Agent) refuseToken(e *oauthclient.Error) need.Step {
	log := "token request refused: " + e.Code + ": " + e.Description
	if e.Log != "" {
		log += " (" + e.Log + ")"
	}
	return need.Done(&Served{Response: e.Response(a.realm()), Log: log, Level: "warning"})
}

// realm names this endpoint in a challenge; a URL holds no quote.
func (a *Agent) realm() string { return a.Issuer() }

func (t *tokenRequest) grant(now float64) need.Step {
	if grantType := t.form["grant_type"]; grantType != "client_credentials" { //guard:endpoint-grant-type never
		if grantType == "" {
			return t.refuse(invalidRequest, "grant_type is missing: this endpoint takes client_credentials")
		}
		return t.refuse(unsupportedGrantType, "this endpoint takes grant_type client_credentials")
	}
	target, refused := t.target()
	if refused != nil {
		return t.a.refuseToken(refused)
	}
	scopes, refused := t.scopes()
	if refused != nil {
		return t.a.refuseToken(refused)
	}
	bind, refused := t.bind()
	if refused != nil {
		return t.a.refuseToken(refused)
	}
	o := &order{
		now: now, subject: t.who.ID, clientID: t.who.ID, audience: target,
		scope: strings.Join(scopes, " "), ttl: t.a.config.TokenTTL, bind: bind,
	}
	t.name(o)
	return followed(t.a.sign(o), t.answer)
}

func (t *tokenRequest) refuse(code, description string) need.Step {
	return t.a.refuseToken(t.wrong(code, description, ""))
}

// wrong is the error of a request that cannot be granted. The log has the client, and
// the parameter that is at fault where one is named.
func (t *tokenRequest) wrong(code, description, parameter string) *oauthclient.Error {
	log := "client " + problem.Quote(t.who.ID)
	if parameter != "" {
		log += ", " + parameter + " " + problem.Quote(t.form[parameter])
	}
	return &oauthclient.Error{Code: code, Status: 400, Description: description, Log: log}
}

// name writes who the client is: an agent of the authority, or somebody below the
// agent that issues for itself alone.
func (t *tokenRequest) name(o *order) {
	base := strings.TrimSuffix(t.a.config.BaseURL, "/")
	if t.a.config.Mode == Authority {
		o.mode, o.path, o.agentURL = "portal", agentsPath, base+agentsPath+"/"+t.who.ID
		return
	}
	o.mode, o.agentURL = "self", base+"/"+agent.EncodeSegment(t.who.ID)
}

// target is the audience. An agent issues only for itself; an authority for
// everybody that the client may talk to.
func (t *tokenRequest) target() (string, *oauthclient.Error) {
	wrong := func(code, description string) (string, *oauthclient.Error) {
		return "", t.wrong(code, description, t.targetName())
	}
	self := t.a.config.Mode != Authority
	if t.targetName() == "" {
		if self {
			return t.a.config.BaseURL, nil
		}
		return wrong(invalidRequest, "target is missing: the agent that the token is for")
	}
	authority := t.a.config.Authority
	if !self {
		authority = t.a.config.BaseURL
	}
	url := ""
	for _, name := range targetNames {
		if t.form[name] == "" {
			continue
		}
		named, err := agent.Resolve(t.form[name], authority)
		if _, wrong := weburl.Parse(t.form[name]); name == "resource" && wrong != nil { //guard:endpoint-resource-url never // RFC 8707 section 2
			err = wrong
		}
		if err != nil {
			return "", t.wrong(invalidTarget, name+" is no agent's URL or name", name)
		}
		if url != "" && named != url { //guard:endpoint-target-names never
			return "", t.wrong(invalidTarget, "target, resource and audience name different agents", name)
		}
		url = named
	}
	if self {
		if url != t.a.config.BaseURL { //guard:endpoint-self-audience never
			return wrong(invalidTarget, "this agent issues tokens for itself only")
		}
		return url, nil
	}
	if !t.mayReach(url) { //guard:endpoint-targets never
		return wrong(invalidTarget, "this client may not have a token for this target")
	}
	return url, nil
}

// targetNames are the names of the parameter that says whom a token is for: the seed's, and those of
// RFC 8707 section 2 and RFC 8693 section 2.1.
var targetNames = [...]string{"target", "resource", "audience"}

// targetName is the first that the request has, "" for none.
func (t *tokenRequest) targetName() string {
	for _, name := range targetNames {
		if t.form[name] != "" {
			return name
		}
	}
	return ""
}

func (t *tokenRequest) mayReach(url string) bool {
	if t.who.Targets == nil {
		return true
	}
	name, ours := agent.Alias(url, t.a.config.BaseURL)
	if !ours {
		var err error
		if name, err = agent.Name(url); err != nil {
			return false
		}
	}
	for _, text := range t.who.Targets {
		if pattern, err := agent.ParsePattern(text); err == nil && pattern.MatchAllow(name, url) {
			return true
		}
	}
	return false
}

// scopes are those asked for, which the client must all be allowed, and those
// that an authority assigns: a client never chooses its namespaces and labels.
func (t *tokenRequest) scopes() ([]string, *oauthclient.Error) {
	wrong := func(description string) ([]string, *oauthclient.Error) {
		return nil, t.wrong(invalidScope, description, "scope")
	}
	wanted, err := scope.Parse(t.form["scope"])
	if err != nil {
		return wrong("scope must be words separated by single spaces")
	}
	assigned := t.assigned()
	if len(wanted) == 0 {
		wanted = t.usual()
	}
	scopes := []string{}
	for _, s := range append(wanted, assigned...) {
		if slices.Contains(scopes, s) {
			continue
		}
		if !slices.Contains(assigned, s) && !t.may(s) { //guard:endpoint-scopes never
			return wrong("this client may not have all of these scopes")
		}
		scopes = append(scopes, s)
	}
	return scopes, nil
}

// may reports whether a client may have a scope for the asking.
func (t *tokenRequest) may(s string) bool {
	if assignedOnly(s) { //guard:endpoint-assigned-only never
		return false
	}
	if !scope.Compile(t.who.Scopes).Match(s) {
		return false
	}
	return t.a.config.AnyScope || t.a.allowed.Match(s) //guard:endpoint-allowed-scopes always
}

// assignedOnly reports whether an authority alone gives a scope.
func assignedOnly(s string) bool {
	return strings.HasPrefix(s, trust.LabelPrefix) || strings.HasPrefix(s, scope.NamespacePrefix)
}

// usual is what a client gets that asks for nothing: all that it may have, as far
// as that has no wildcard.
func (t *tokenRequest) usual() []string {
	var scopes []string
	for _, s := range t.who.Scopes {
		if !strings.Contains(s, "*") && t.may(s) {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

func (t *tokenRequest) assigned() []string {
	var scopes []string
	if t.a.config.Mode != Authority {
		return nil
	}
	for _, namespace := range t.who.Namespaces {
		scopes = append(scopes, scope.NamespacePrefix+namespace)
	}
	for _, label := range t.who.Trust {
		scopes = append(scopes, trust.LabelPrefix+label)
	}
	return scopes
}

// bind reads the one request that the token shall be for, if any.
func (t *tokenRequest) bind() (*Bind, *oauthclient.Error) {
	bind := &Bind{Method: t.form["htm"], URL: t.form["htu"], BodySHA256: t.form["content_sha256"]}
	if *bind == (Bind{}) {
		return nil, nil
	}
	if bind.Method == "" || bind.URL == "" || !digest.IsHex(bind.BodySHA256) { //guard:endpoint-binding never
		needed := "a bound token needs content_sha256 (64 lower-case hex digits), htm and htu"
		return nil, t.wrong(invalidRequest, needed, "")
	}
	return bind, nil
}

// answer words RFC 6749 section 5.1.
func (t *tokenRequest) answer(end need.Step) need.Step {
	if end.Problem != nil {
		if end.Problem.Code == problem.InvalidArgument || end.Problem.Code == problem.InvalidURL {
			return t.refuse(invalidRequest, end.Problem.Message)
		}
		return t.a.refuseToken(&oauthclient.Error{
			Code: serverError, Status: 500, Description: "the token could not be signed",
			Log: end.Problem.Message + " " + end.Problem.Log,
		})
	}
	issued := end.Result.(*Issued)
	b := strictjson.AppendString([]byte(`{"access_token":`), issued.Token)
	b = appendText(b, "token_type", "Bearer")
	b = appendRaw(b, "expires_in", strconv.FormatInt(issued.ExpiresAt-issued.IssuedAt, 10))
	b = appendText(b, "scope", issued.Scope)
	return need.Done(&Served{
		Response: &problem.Response{
			Status:  200,
			Headers: map[string]string{"content-type": "application/json", "cache-control": "no-store", "pragma": "no-cache"},
			Body:    string(append(b, '}')),
		},
		Log: fmt.Sprintf("token issued to client %s for %s, scope %s",
			problem.Quote(t.who.ID), problem.Quote(issued.Audience), problem.Quote(issued.Scope)),
		Level: "info",
	})
}

// followed has an operation's end, whenever it comes, made into another.
func followed(step need.Step, end func(need.Step) need.Step) need.Step {
	if step.Need == nil {
		return end(step)
	}
	resume := step.Resume
	return need.Ask(step.Need, func(a need.Answer) need.Step { return followed(resume(a), end) })
}
