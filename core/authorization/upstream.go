package authorization

import (
	"crypto/sha256"
	"strconv"
	"strings"

	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/keyset"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/oauthclient"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
	"github.com/tallystick/tallystick/core/weburl"
)

const (
	maxTokenAnswer = 64 << 10 // bytes
	tokenTimeout   = 10       // seconds
	maxIDTokenLife = 24 * 60 * 60
)

// visit is a browser that is at a provider.
type visit struct {
	Flow     string
	Provider string
	Nonce    string
	Verifier string
	Session  string // hash of the browser's cookie
}

// leave sends the browser to a provider (OpenID Connect Core section 3.1.2.1), with PKCE and a nonce.
func (s *Server) leave(now float64, p *Provider, id string, f *flow) need.Step {
	step := s.keys.Endpoints(now, s.source(p), func(now float64, e keyset.Endpoints) need.Step {
		if e.Authorization == "" {
			return s.providerFailed(p, id, "its discovery document has no authorization_endpoint")
		}
		v, state := &visit{Flow: id, Provider: p.Name, Nonce: secret(), Verifier: secret(), Session: f.Session}, secret()
		return s.put(kindUpstream, state, v, f.left(now), func(float64) need.Step {
			joint := "?"
			if strings.Contains(e.Authorization, "?") {
				joint = "&"
			}
			return done(&Answer{Response: redirect(e.Authorization + joint + query(
				"response_type", "code", "client_id", p.ClientID, "redirect_uri", s.callback(p), "scope", "openid email profile",
				"state", state, "nonce", v.Nonce, "code_challenge", challengeOf(v.Verifier), "code_challenge_method", "S256",
				"hd", p.HostedDomain,
			))})
		})
	})
	return s.orProviderPage(step, p, id)
}

// orProviderPage words the problems of a provider for a person.
func (s *Server) orProviderPage(step need.Step, p *Provider, id string) need.Step {
	if step.Need != nil {
		resume := step.Resume
		return need.Ask(step.Need, func(a need.Answer) need.Step { return s.orProviderPage(resume(a), p, id) })
	}
	if step.Problem != nil && step.Problem.Code != problem.ReplayStoreUnavailable {
		return s.providerFailed(p, id, string(step.Problem.Code)+": "+step.Problem.Log)
	}
	return step
}

// providerFailed leaves the flow as it is: the user may try again.
func (s *Server) providerFailed(p *Provider, id, log string) need.Step {
	again := s.own(PathAuthorize) + "?" + query("flow", id)
	return done(&Answer{
		Response: page(502, "Sign-in did not work", "<p>"+escape(p.title())+" did not answer as it should.</p>"+
			`<p><a class="button act" href="`+escape(again)+`">Try again</a></p>`),
		Log: "sign-in by " + problem.Quote(p.Name) + " failed: " + log, Warn: true,
	})
}

func (s *Server) callback(p *Provider) string { return s.own(PathCallback + p.Name) }

func (s *Server) source(p *Provider) keyset.Source {
	return keyset.Source{Issuer: p.Issuer, Configured: true, Authority: true}
}

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return jose.Encode64(sum[:])
}

// Callback is where a provider sends the browser back to.
func (s *Server) Callback(r *Request) need.Step {
	if r.Method != "GET" {
		return done(&Answer{Response: methodNotAllowed("GET")})
	}
	form, refused := oauthclient.ParseForm(formType, []byte(r.Query))
	if refused != nil {
		return s.lost("the provider's answer cannot be read", "callback: "+refused.Description)
	}
	name := strings.TrimPrefix(r.Path, PathCallback)
	v := &visit{}
	return s.get(need.Get, kindUpstream, form["state"], v, func(now float64, there bool) need.Step {
		p := s.provider(name)
		switch {
		case !there || p == nil || v.Provider != name: //guard:callback-provider drop 3
			return s.lost("it took longer than ten minutes, or was finished before", "callback: no such state of "+problem.Quote(name))
		case !s.isOf(r, v.Session): //guard:callback-session never
			return s.lost("it was begun in another browser, or this one does not keep cookies", "callback: the cookie is not the flow's")
		case form["iss"] != "" && form["iss"] != p.Issuer: //guard:callback-issuer never // RFC 9207 section 2.4
			return s.lost("the answer is of another provider", "callback: iss is "+problem.Quote(form["iss"])+", not "+p.Issuer)
		}
		return s.get(need.Take, kindUpstream, form["state"], &visit{}, func(now float64, there bool) need.Step {
			if !there { //guard:callback-once never
				return s.lost("it was finished before", "callback: its state was used at the same time")
			}
			return s.open(r, v.Flow, func(now float64, id string, f *flow) need.Step {
				return s.returned(now, p, v, f, form)
			})
		})
	})
}

// returned is a browser that came back with a provider's answer.
func (s *Server) returned(now float64, p *Provider, v *visit, f *flow, form map[string]string) need.Step {
	switch {
	case form["error"] == "access_denied":
		return s.get(need.Take, kindFlow, v.Flow, &flow{}, func(now float64, _ bool) need.Step {
			if f.Device != "" {
				return s.answerDevice(now, f, &Grant{})
			}
			return s.refuse(f, &oauthclient.Error{Code: "access_denied", Description: "the user did not sign in"})
		})
	case form["error"] != "":
		return s.providerFailed(p, v.Flow, "it answered "+problem.Quote(form["error"])+": "+problem.Quote(form["error_description"]))
	case form["code"] == "":
		return s.providerFailed(p, v.Flow, "it answered without a code")
	}
	step := s.keys.Endpoints(now, s.source(p), func(now float64, e keyset.Endpoints) need.Step {
		switch {
		case e.SaysIssuer && form["iss"] == "": //guard:callback-issuer-missing never
			return s.lost("the answer does not say whose it is", "callback: iss is missing, which "+p.Issuer+" promises")
		case e.Token == "":
			return s.providerFailed(p, v.Flow, "its discovery document has no token_endpoint")
		}
		return s.exchange(p, v, f, e, form["code"])
	})
	return s.orProviderPage(step, p, v.Flow)
}

// exchange gets the ID token (OpenID Connect Core section 3.1.3).
func (s *Server) exchange(p *Provider, v *visit, f *flow, e keyset.Endpoints, code string) need.Step {
	headers := map[string]string{"accept": "application/json", "content-type": formType}
	pairs := []string{
		"grant_type", "authorization_code", "code", code, "redirect_uri", s.callback(p), "code_verifier", v.Verifier,
	}
	if e.SecretInForm {
		pairs = append(pairs, "client_id", p.ClientID, "client_secret", p.ClientSecret)
	} else {
		credentials := weburl.EncodeForm(p.ClientID) + ":" + weburl.EncodeForm(p.ClientSecret)
		headers["authorization"] = "Basic " + jose.EncodeStandard64([]byte(credentials))
	}
	question := &need.Need{Kind: need.Fetch, Request: &need.HTTP{
		Proxy: true, Flight: s.keys.NextFlight(), Method: "POST", URL: e.Token, Headers: headers, Body: query(pairs...),
		MaxBytes: maxTokenAnswer, Timeout: tokenTimeout, Read: []string{},
	}}
	return need.Ask(question, func(a need.Answer) need.Step {
		switch {
		case a.HasFailed:
			return s.providerFailed(p, v.Flow, "its token endpoint: "+problem.Quote(a.Failed))
		case a.Status != 200:
			return s.providerFailed(p, v.Flow, "its token endpoint answered with status "+strconv.Itoa(a.Status)+": "+problem.Quote(string(a.Content)))
		}
		text := ""
		if err := strictjson.ReadObject(string(a.Content), func(name string, value strictjson.Value) {
			if name == "id_token" {
				text = value.Str
			}
		}); err != nil {
			return s.providerFailed(p, v.Flow, "its token endpoint's answer is not JSON: "+err.Error())
		}
		return s.identify(a.Now, p, v, f, text)
	})
}

// identity are the claims of an ID token that are looked at (OpenID Connect Core section 2).
type identity struct {
	issuer, subject, nonce, party, domain, email, name pipeline.Claim
	times                                              pipeline.Times
	audience                                           strictjson.Value
	verified                                           string // email_verified, as JSON
}

func (i *identity) read(payload string) error {
	object := strictjson.Read(payload)
	for object.Next() {
		switch m := &object.Member; object.Name {
		case "iss":
			i.issuer.Read(m)
		case "sub":
			i.subject.Read(m)
		case "nonce":
			i.nonce.Read(m)
		case "azp":
			i.party.Read(m)
		case "hd":
			i.domain.Read(m)
		case "email":
			i.email.Read(m)
		case "name":
			i.name.Read(m)
		case "exp":
			i.times.Expires.Read(m)
		case "nbf":
			i.times.NotBefore.Read(m)
		case "iat":
			i.times.IssuedAt.Read(m)
		case "email_verified":
			i.verified = m.Raw
		case "aud":
			i.audience = object.Value()
		}
	}
	return object.Err()
}

// identify verifies the ID token (OpenID Connect Core section 3.1.3.7) and notes who the user is.
func (s *Server) identify(now float64, p *Provider, v *visit, f *flow, text string) need.Step {
	wrong := func(reason string) need.Step { return s.providerFailed(p, v.Flow, "its ID token is refused: "+reason) }
	opened, fault := jose.Open(text)
	if fault != nil {
		return wrong(fault.Error())
	}
	claims := &identity{}
	token, fault := opened.Token(claims.read(opened.Payload))
	if fault != nil {
		return wrong(fault.Error())
	}
	wanted := keyset.Wanted{KeyID: token.KeyID, Algorithm: token.Algorithm}
	return s.keys.Find(now, s.source(p), wanted, func(now float64, keys []*jose.PublicKey) need.Step {
		search := pipeline.KeySearch{Token: token, Issuer: p.Issuer, RSA: s.rsa, Now: &now, Found: func(string) need.Step {
			if reason := claims.check(now, p, v, s.forgiven); reason != "" { //guard:id-token-claims never
				return wrong(reason)
			}
			return s.signedIn(now, p, v, f, claims)
		}}
		return search.Among(keys)
	})
}

// check says what is wrong with the claims; "": nothing.
func (i *identity) check(now float64, p *Provider, v *visit, forgiven pipeline.Tolerance) string {
	if fault := i.times.Check(now, forgiven); fault != nil { //guard:id-token-times never
		return fault.Error() + " " + fault.Log
	}
	if fault := i.times.CheckLifetime(now, maxIDTokenLife); fault != nil { //guard:id-token-lifetime never
		return fault.Error()
	}
	switch {
	case !i.issuer.IsText() || i.issuer.Text != p.Issuer: //guard:id-token-issuer never
		return "iss is " + problem.Quote(i.issuer.Text)
	case !i.isFor(p.ClientID): //guard:id-token-audience never
		return "aud is " + problem.Quote(i.audience.Raw) + ", azp " + problem.Quote(i.party.Text)
	case !i.nonce.IsText() || !same(i.nonce.Text, v.Nonce): //guard:id-token-nonce never
		return "nonce is not the one that was sent"
	case !i.subject.IsIdentifier(255): //guard:id-token-subject never
		return "sub names nobody"
	case p.HostedDomain != "" && (!i.domain.IsText() || i.domain.Text != p.HostedDomain): //guard:id-token-domain never
		return "hd is " + problem.Quote(i.domain.Text) + ", not " + problem.Quote(p.HostedDomain)
	case p.Issuer == googleIssuer && i.verified != "true": //guard:id-token-email-verified never
		return "email_verified is not true"
	}
	return ""
}

// isFor: one audience, or several and azp says that it is for this client.
func (i *identity) isFor(client string) bool {
	names := []strictjson.Value{i.audience}
	if i.audience.IsArray() {
		names = i.audience.Array()
	}
	ours := false
	for _, name := range names {
		ours = ours || strictjson.IsString(name) && name.Str == client
	}
	if i.party.There() || len(names) > 1 { //guard:id-token-party never
		return ours && i.party.IsText() && i.party.Text == client
	}
	return ours
}

func (s *Server) signedIn(now float64, p *Provider, v *visit, f *flow, i *identity) need.Step {
	user := User{Provider: p.Name, Subject: i.subject.Text}
	if i.name.IsIdentifier(200) {
		user.Name = i.name.Text
	}
	if i.email.IsIdentifier(254) && i.verified == "true" {
		user.Email = i.email.Text
	}
	f.User, f.SignedIn = user, int64(now)
	return s.put(kindFlow, v.Flow, f, f.left(now), func(float64) need.Step {
		return done(&Answer{
			Response: redirect(s.own(PathAuthorize) + "?" + query("flow", v.Flow)),
			Log:      "user " + problem.Quote(user.ID()) + " signed in",
		})
	})
}
