package access

import (
	"math"
	"slices"
	"strings"

	"github.com/tallystick/tallystick/core/authorization"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/oauthclient"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/scope"
	"github.com/tallystick/tallystick/core/strictjson"
)

// people is an agent as its authorization server knows it (authorization.Host).
type people struct{ a *Agent }

func (p people) Issuer() string { return strings.TrimSuffix(p.a.Issuer(), "/") }

func (p people) Clients() *oauthclient.Registry { return p.a.clients.Load() }

func (p people) Target(who *oauthclient.Client, form map[string]string) (string, *oauthclient.Error) {
	return (&tokenRequest{a: p.a, form: form, who: who}).target()
}

// openIDScopes are what every client may ask of a user (OpenID Connect Core section 5.4).
var openIDScopes = []string{"openid", "profile", "email"}

// Scopes are those asked for, which the client must all be allowed. A user gives no namespaces and no
// labels.
func (p people) Scopes(who *oauthclient.Client, text string) ([]string, *oauthclient.Error) {
	t := &tokenRequest{a: p.a, form: map[string]string{"scope": text}, who: who}
	wanted, err := scope.Parse(text)
	if err != nil {
		return nil, t.wrong(invalidScope, "scope must be words separated by single spaces", "scope")
	}
	if len(wanted) == 0 {
		wanted = t.usual()
	}
	scopes := []string{}
	for _, s := range wanted {
		switch {
		case slices.Contains(scopes, s):
		case !slices.Contains(openIDScopes, s) && !t.may(s): //guard:people-scopes never
			return nil, t.wrong(invalidScope, "this client may not have all of these scopes", "scope")
		default:
			scopes = append(scopes, s)
		}
	}
	return scopes, nil
}

// Token says who the user is, and which agent acts for them where the client is one of the authority's.
func (p people) Token(now float64, g *authorization.Grant) need.Step {
	a := p.a
	o := &order{
		now: now, subject: g.User.ID(), clientID: g.Client, audience: g.Target, scope: strings.Join(g.Scopes, " "),
		ttl: a.config.TokenTTL, mode: "user",
	}
	if c := a.clients.Load().Client(g.Client); c != nil && !c.Public && a.config.Mode == Authority {
		o.agentURL = strings.TrimSuffix(a.config.BaseURL, "/") + agentsPath + "/" + c.ID
	}
	return followed(a.sign(o), func(end need.Step) need.Step {
		if issued, ok := end.Result.(*Issued); ok {
			return need.Done(&authorization.Token{Text: issued.Token, Seconds: issued.ExpiresAt - issued.IssuedAt})
		}
		return end
	})
}

// IDToken is for the client alone: its payload says so, and no agent takes it for an access token.
func (p people) IDToken(now float64, g *authorization.Grant) need.Step {
	a, issuedAt := p.a, int64(math.Floor(now))
	b := strictjson.AppendString([]byte(`{"iss":`), a.Issuer())
	b = appendText(b, "sub", g.User.ID())
	b = appendText(b, "aud", g.Client)
	b = strictjson.AppendInt(appendName(b, "iat"), issuedAt)
	b = strictjson.AppendInt(appendName(b, "exp"), issuedAt+a.config.TokenTTL)
	b = strictjson.AppendInt(appendName(b, "auth_time"), g.SignedIn)
	b = appendText(b, "typ", "ID")
	if g.Nonce != "" {
		b = appendText(b, "nonce", g.Nonce)
	}
	if slices.Contains(g.Scopes, "profile") && g.User.Name != "" {
		b = appendText(b, "name", g.User.Name)
	}
	if slices.Contains(g.Scopes, "email") && g.User.Email != "" {
		b = appendRaw(appendText(b, "email", g.User.Email), "email_verified", "true")
	}
	return a.signText(append(b, '}'), func(token, _ string) need.Step {
		return need.Done(&authorization.Token{Text: token, Seconds: a.config.TokenTTL})
	})
}

func isOfPeople(endpoint string) bool {
	switch endpoint {
	case authorizePath, authorization.PathCallback, authorization.PathRevoke, authorization.PathDevice:
		return true
	}
	return false
}

// servePeople answers the endpoints of the sign-in.
func (a *Agent) servePeople(endpoint string, r *HTTPRequest) need.Step {
	if endpoint == authorization.PathRevoke {
		return followed(a.ofClient(r, a.people.Revoke), readable)
	}
	if endpoint == authorization.PathDevice && isOfClient(r) {
		return followed(a.ofClient(r, a.people.StartDevice), readable)
	}
	if fault := a.unreadable(r); fault != nil {
		return a.refuseToken(fault)
	}
	asked := &authorization.Request{
		Now: r.Now, Method: r.Method, Path: r.Path[strings.LastIndex(r.Path, "/auth/"):], Query: r.Query, Cookie: r.Cookie,
		Origin: r.Origin, ContentType: r.ContentType, Body: r.Body,
	}
	step := a.people.Authorize
	switch endpoint {
	case authorization.PathCallback:
		step = a.people.Callback
	case authorization.PathDevice:
		step = a.people.Device
	}
	return followed(step(asked), func(end need.Step) need.Step {
		answer, ok := end.Result.(*authorization.Answer)
		if !ok {
			return a.notServed(end)
		}
		if r.Method == "HEAD" {
			answer.Response.Body = ""
		}
		return need.Done(servedOf(answer))
	})
}

func servedOf(answer *authorization.Answer) *Served {
	level := "info"
	if answer.Warn {
		level = "warning"
	}
	return &Served{Response: answer.Response, Log: answer.Log, Level: level}
}

// notServed: what the store could not answer is a 503 for everybody.
func (a *Agent) notServed(end need.Step) need.Step {
	if p := end.Problem; p != nil && p.Code == problem.ReplayStoreUnavailable {
		return a.refuseToken(&oauthclient.Error{Code: oauthclient.TemporarilyUnavailable, Status: 503,
			Description: "sign-ins cannot be kept at the moment", Log: p.Log})
	}
	return end
}

// outcome words what the authorization server made of a client's request.
func (a *Agent) outcome(step need.Step) need.Step {
	return followed(step, func(end need.Step) need.Step {
		switch o, ok := end.Result.(*authorization.Outcome); {
		case !ok:
			return a.notServed(end)
		case o.Error != nil:
			return a.refuseToken(o.Error)
		default:
			return need.Done(servedOf(o.Answer))
		}
	})
}

// isOfClient tells a device's request from the form that its user sends: that has a user code.
func isOfClient(r *HTTPRequest) bool {
	form, refused := oauthclient.ParseForm(r.ContentType, r.Body)
	return r.Method == "OPTIONS" || r.Method == "POST" && refused == nil && form["user_code"] == "" && len(form) > 0
}

// ofClient authenticates the client as the token endpoint does (RFC 7009 section 2.1, RFC 8628
// section 3.1).
func (a *Agent) ofClient(
	r *HTTPRequest, answer func(now float64, who *oauthclient.Client, form map[string]string) need.Step,
) need.Step {
	switch {
	case r.Method == "OPTIONS":
		return need.Done(preflight(tokenMethods, "authorization, *"))
	case r.Method != "POST":
		return need.Done(methodNotAllowed(tokenMethods, tokenMethods+", OPTIONS"))
	}
	return a.authenticated(r, func(map[string]string) bool { return true },
		func(now float64, who *oauthclient.Client, form map[string]string) need.Step {
			return a.outcome(answer(now, who, form))
		})
}

// appendPeople writes what a server says where users sign in (RFC 8414 section 2, RFC 9207 section 3).
func (a *Agent) appendPeople(b []byte, base string) []byte {
	b = appendTexts(b, "response_types_supported", []string{"code"})
	b = appendTexts(b, "response_modes_supported", []string{"query"})
	b = appendTexts(b, "code_challenge_methods_supported", []string{"S256"})
	b = appendText(b, "revocation_endpoint", base+authorization.PathRevoke)
	b = appendText(b, "device_authorization_endpoint", base+authorization.PathDevice)
	return appendRaw(b, "authorization_response_iss_parameter_supported", "true")
}
