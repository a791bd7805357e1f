package authorization

import (
	"strings"

	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/oauthclient"
	"github.com/tallystick/tallystick/core/problem"
)

// Bounds of what a client may have kept and sent back, in bytes.
const (
	maxQuery    = 8 << 10 // with what is kept of it, well below what a store takes
	maxState    = 1024
	maxNonce    = 512
	challengeIs = 43 // base64url of SHA-256 (RFC 7636 section 4.2)
)

// flow is a client's request that waits for its user.
type flow struct {
	Client, Redirect, State string
	Challenge, Nonce        string
	Target                  string
	Scopes                  []string
	Session                 string // hash of the browser's cookie
	CSRF                    string
	Begun                   int64 // seconds since 1970
	User                    User  // the zero User: nobody has signed in yet
	SignedIn                int64 // seconds since 1970

	// Of a device, which has no redirect: where the answer will lie, and the code that it shows.
	Device, Code string
}

// left is for how long a flow is kept that is put again.
func (f *flow) left(now float64) int64 { return max(1, f.Begun+flowSeconds-int64(now)) }

const formType = "application/x-www-form-urlencoded"

// Authorize answers the authorization endpoint (RFC 6749 section 3.1): a client's request, the pages
// of its flow, and what the user decided. It ends in an *Answer.
func (s *Server) Authorize(r *Request) need.Step {
	switch r.Method {
	case "GET", "HEAD":
	case "POST":
		return s.decide(r)
	default:
		return done(&Answer{Response: methodNotAllowed("GET, HEAD, POST")})
	}
	if len(r.Query) > maxQuery { //guard:authorize-length never
		return s.wrongRequest("the link is over 8192 bytes", "")
	}
	form, refused := oauthclient.ParseForm(formType, []byte(r.Query))
	if refused != nil {
		return s.wrongRequest("the request cannot be read: "+refused.Description, "")
	}
	if form["flow"] != "" {
		return s.goOn(r, form)
	}
	return s.begin(r, form)
}

func done(a *Answer) need.Step { return need.Done(a) }

func methodNotAllowed(methods string) *problem.Response {
	p := errorPage(405, "This does not work here", "The address is for another kind of request.")
	p.Headers["allow"] = methods
	return p
}

// wrongRequest is a page, because it is not known that the client is who it says: whoever wrote the
// link would choose where the browser goes (RFC 9700 section 4.11.2).
func (s *Server) wrongRequest(says, log string) need.Step {
	if log == "" {
		log = says
	}
	return done(&Answer{
		Response: errorPage(400, "This sign-in link is wrong", "The application that sent you here made a mistake: "+says+
			". Go back to it and try again; if it stays so, tell its makers."),
		Log: "sign-in refused: " + log, Warn: true,
	})
}

// begin checks a client's request and keeps it.
func (s *Server) begin(r *Request, form map[string]string) need.Step {
	client := s.client(form["client_id"])
	if client == nil {
		return s.wrongRequest("it is not registered here", "client "+problem.Quote(form["client_id"])+" is not registered for sign-ins: "+
			"give it redirect_uris")
	}
	to := form["redirect_uri"]
	if !client.MayRedirect(to) { //guard:authorize-redirect never
		return s.wrongRequest("its redirect_uri is not registered here", "client "+problem.Quote(client.ID)+": redirect_uri "+
			problem.Quote(to)+" is none of its redirect_uris")
	}
	back := &flow{Client: client.ID, Redirect: to}
	if len(form["state"]) > maxState { //guard:authorize-state never
		return s.refuse(back, &oauthclient.Error{Code: oauthclient.InvalidRequest, Description: "state is over 1024 bytes"})
	}
	back.State = form["state"]
	target, scopes, refused := s.wanted(client, form)
	if refused != nil {
		return s.refuse(back, refused)
	}
	f, session, answer := back, s.session(r), &Answer{}
	isNew := session == ""
	if isNew {
		session = secret()
	}
	f.Challenge, f.Nonce, f.Target, f.Scopes = form["code_challenge"], form["nonce"], target, scopes
	f.Session, f.CSRF, f.Begun = hashed(session), secret(), int64(r.Now)
	id := secret()
	answer.Log = "sign-in begun for client " + problem.Quote(f.Client)
	return s.put(kindFlow, id, f, flowSeconds, func(now float64) need.Step {
		step := need.Step{}
		if len(s.providers) == 1 && form["prompt"] == "" {
			step = s.leave(now, s.providers[0], id, f)
		} else {
			answer.Response = s.signInPage(id)
			step = done(answer)
		}
		return ended(step, func(a *Answer) {
			if isNew {
				a.Response.Headers["set-cookie"] = s.setCookie(session)
			}
		})
	})
}

// wanted are the target and the scopes of a request whose client is known (RFC 6749 section 4.1.1,
// RFC 7636 section 4.3).
func (s *Server) wanted(client *oauthclient.Client, form map[string]string) (string, []string, *oauthclient.Error) {
	wrong := func(code, description string) (string, []string, *oauthclient.Error) {
		return "", nil, &oauthclient.Error{Code: code, Description: description}
	}
	switch {
	case form["request"] != "":
		return wrong("request_not_supported", "write the parameters into the URL")
	case form["request_uri"] != "":
		return wrong("request_uri_not_supported", "write the parameters into the URL")
	case form["response_type"] == "":
		return wrong(oauthclient.InvalidRequest, "response_type is missing: it is code")
	case form["response_type"] != "code": //guard:authorize-response-type never
		return wrong("unsupported_response_type", "response_type must be code")
	case form["response_mode"] != "" && form["response_mode"] != "query":
		return wrong(oauthclient.InvalidRequest, "response_mode must be query")
	case form["code_challenge"] == "":
		return wrong(oauthclient.InvalidRequest, "code_challenge is missing: PKCE with S256 is required")
	case form["code_challenge_method"] != "S256": //guard:authorize-pkce-method never
		return wrong(oauthclient.InvalidRequest, "code_challenge_method must be S256")
	case !isChallenge(form["code_challenge"]): //guard:authorize-pkce-form never
		return wrong(oauthclient.InvalidRequest, "code_challenge must be the base64url of a SHA-256")
	case len(form["nonce"]) > maxNonce:
		return wrong(oauthclient.InvalidRequest, "nonce is over 512 bytes")
	case form["prompt"] == "none":
		return wrong("login_required", "users sign in here by a page")
	}
	target, refused := s.host.Target(client, form)
	if refused != nil {
		return "", nil, refused
	}
	scopes, refused := s.host.Scopes(client, form["scope"])
	return target, scopes, refused
}

func isChallenge(text string) bool {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return len(text) == challengeIs
}

// client is a client that users may sign in for, nil where there is none.
func (s *Server) client(id string) *oauthclient.Client {
	c := s.host.Clients().Client(id)
	if c == nil || len(c.RedirectURIs) == 0 {
		return nil
	}
	return c
}

// refuse leads back to the client with an error (RFC 6749 section 4.1.2.1).
func (s *Server) refuse(f *flow, e *oauthclient.Error) need.Step {
	log := "sign-in for client " + problem.Quote(f.Client) + " refused: " + e.Code + ": " + e.Description
	if e.Log != "" {
		log += " (" + e.Log + ")"
	}
	return done(&Answer{Response: s.back(f, "error", e.Code, "error_description", e.Description), Log: log, Warn: true})
}

// back leads to the client. iss says which server answers, so that a client of several mixes up
// none (RFC 9207).
func (s *Server) back(f *flow, pairs ...string) *problem.Response {
	joint := "?"
	if strings.Contains(f.Redirect, "?") {
		joint = "&"
	}
	return redirect(f.Redirect + joint + query(append(pairs, "state", f.State, "iss", s.host.Issuer())...))
}

// goOn is a page of a flow that has begun: to sign in, then to decide.
func (s *Server) goOn(r *Request, form map[string]string) need.Step {
	return s.open(r, form["flow"], func(now float64, id string, f *flow) need.Step {
		switch p := s.provider(form["provider"]); {
		case f.User.Subject != "":
			return done(&Answer{Response: s.consentPage(id, f)})
		case p != nil:
			return s.leave(now, p, id, f)
		}
		return done(&Answer{Response: s.signInPage(id)})
	})
}

// open finds a flow of this browser. Whoever has its address alone, and not the cookie, gets nothing.
func (s *Server) open(r *Request, id string, then func(now float64, id string, f *flow) need.Step) need.Step {
	f := &flow{}
	return s.get(need.Get, kindFlow, id, f, func(now float64, there bool) need.Step {
		switch {
		case !there:
			return s.lost("it took longer than ten minutes, or was finished before", "no such flow")
		case !s.isOf(r, f.Session): //guard:flow-session never
			return s.lost("it was begun in another browser, or this one does not keep cookies", "the cookie is not the flow's")
		}
		return then(now, id, f)
	})
}

func (s *Server) isOf(r *Request, session string) bool {
	cookie := s.session(r)
	return cookie != "" && same(hashed(cookie), session)
}

func (s *Server) lost(says, log string) need.Step {
	return done(&Answer{
		Response: errorPage(400, "This sign-in is over",
			"You cannot go on with it: "+says+". Go back to the application and begin again."),
		Log: "sign-in refused: " + log, Warn: true,
	})
}

// decide is what the user chose on the page of consent.
func (s *Server) decide(r *Request) need.Step {
	form, refused := oauthclient.ParseForm(r.ContentType, r.Body)
	if refused != nil {
		return s.wrongRequest("the form cannot be read: "+refused.Description, "")
	}
	if !s.isOwnOrigin(r.Origin) { //guard:consent-origin never
		return s.lost("the form did not come from this page", "a form of another origin")
	}
	return s.open(r, form["flow"], func(now float64, id string, f *flow) need.Step {
		switch {
		case f.User.Subject == "": //guard:consent-user never
			return s.lost("nobody has signed in", "a decision before the sign-in")
		case !same(form["csrf"], f.CSRF): //guard:consent-csrf never
			return s.lost("the form did not come from this page", "csrf does not fit")
		case form["decision"] != "allow" && form["decision"] != "deny":
			return s.lost("nothing was chosen", "no decision")
		}
		// Of two that decide at once, one does.
		return s.get(need.Take, kindFlow, id, &flow{}, func(now float64, there bool) need.Step {
			if !there { //guard:consent-once never
				return s.lost("it was finished before", "decided twice")
			}
			if form["decision"] == "deny" && f.Device != "" {
				return s.answerDevice(now, f, &Grant{})
			}
			if form["decision"] == "deny" {
				return s.refuse(f, &oauthclient.Error{Code: "access_denied", Description: "the user did not allow it"})
			}
			return s.allow(now, f)
		})
	})
}

// isOwnOrigin: browsers say where a form comes from; who says nothing is no browser.
func (s *Server) isOwnOrigin(origin []string) bool {
	for _, o := range origin {
		if o != originOf(s.host.Issuer()) {
			return false
		}
	}
	return true
}

// code is what a client may exchange once (RFC 6749 section 4.1.2).
type code struct {
	Grant
	Redirect, Challenge string
}

func (s *Server) allow(now float64, f *flow) need.Step {
	g := Grant{
		Client: f.Client, User: f.User, Target: f.Target, Scopes: f.Scopes, Nonce: f.Nonce, SignedIn: f.SignedIn,
		Family: secret(), Until: int64(now) + RefreshSeconds,
	}
	if f.Device != "" {
		return s.answerDevice(now, f, &g)
	}
	made := secret()
	c := &code{Redirect: f.Redirect, Challenge: f.Challenge, Grant: g}
	return s.put(kindCode, made, c, codeSeconds, func(float64) need.Step {
		return done(&Answer{
			Response: s.back(f, "code", made),
			Log: "user " + problem.Quote(f.User.ID()) + " allowed client " + problem.Quote(f.Client) + " " +
				problem.Quote(strings.Join(f.Scopes, " ")) + " at " + problem.Quote(f.Target),
		})
	})
}

// ended has the answer of a step, whenever it comes, changed.
func ended(step need.Step, change func(a *Answer)) need.Step {
	if step.Need == nil {
		if a, ok := step.Result.(*Answer); ok {
			change(a)
		}
		return step
	}
	resume := step.Resume
	return need.Ask(step.Need, func(a need.Answer) need.Step { return ended(resume(a), change) })
}
