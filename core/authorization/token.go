package authorization

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/oauthclient"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/scope"
	"github.com/tallystick/tallystick/core/strictjson"
)

// The grants of people at the token endpoint (RFC 6749 sections 4.1.3 and 6).
const (
	GrantCode    = "authorization_code"
	GrantRefresh = "refresh_token"
)

// Grants are those that Exchange answers.
func Grants() []string { return []string{GrantCode, GrantRefresh, GrantDevice} }

func hasOpenID(g *Grant) bool { return slices.Contains(g.Scopes, "openid") }

// refresh is a refresh token. It is used once and gives the next one; all of one consent are a family.
type refresh struct{ Grant }

// refused is a refusal of the token endpoint.
func refused(code, description, log string) *oauthclient.Error {
	return &oauthclient.Error{Code: code, Status: 400, Description: description, Log: log}
}

// Outcome is what Exchange ends in: an answer, or an error for the token endpoint to word.
type Outcome struct {
	Answer *Answer
	Error  *oauthclient.Error
}

func no(e *oauthclient.Error) need.Step { return need.Done(&Outcome{Error: e}) }

// Exchange gives tokens for a code or a refresh token. The client has been authenticated, or is a
// public one. It ends in an *Outcome.
func (s *Server) Exchange(now float64, who *oauthclient.Client, form map[string]string) need.Step {
	switch form["grant_type"] {
	case GrantCode:
		return s.exchangeCode(now, who, form)
	case GrantDevice:
		return s.exchangeDevice(now, who, form)
	}
	return s.exchangeRefresh(now, who, form)
}

func (s *Server) exchangeCode(now float64, who *oauthclient.Client, form map[string]string) need.Step {
	given := form["code"]
	if given == "" {
		return no(refused(oauthclient.InvalidRequest, "code is missing", "client "+problem.Quote(who.ID)))
	}
	c := &code{}
	return s.get(need.Get, kindCode, given, c, func(now float64, there bool) need.Step {
		// The same words for all: whoever guesses learns nothing.
		wrong := func(log string) need.Step {
			return no(refused("invalid_grant", "the code is wrong, expired or used", "client "+problem.Quote(who.ID)+": "+log))
		}
		switch {
		case !there:
			return wrong("no such code")
		case c.Client != who.ID: //guard:code-client never
			return wrong("the code is of client " + problem.Quote(c.Client))
		case form["redirect_uri"] != c.Redirect: //guard:code-redirect never
			return wrong("redirect_uri is not that of the request")
		case !isVerifier(form["code_verifier"]) || !same(challengeOf(form["code_verifier"]), c.Challenge): //guard:code-verifier never
			return wrong("code_verifier does not fit")
		}
		return s.claim(now, kindUsed, "code "+given, codeSeconds+60, func(now float64, first bool) need.Step {
			if !first { // somebody else has it, too (RFC 6749 section 4.1.2)
				return s.end(&c.Grant, func(float64) need.Step {
					return wrong("the code was used before: all tokens that came of it end")
				})
			}
			return s.renew(now, &c.Grant, &c.Grant, hasOpenID(&c.Grant))
		})
	})
}

// isVerifier: RFC 7636 section 4.1.
func isVerifier(text string) bool {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0) {
			return false
		}
	}
	return len(text) >= 43 && len(text) <= 128
}

func (s *Server) exchangeRefresh(now float64, who *oauthclient.Client, form map[string]string) need.Step {
	given := form["refresh_token"]
	if given == "" {
		return no(refused(oauthclient.InvalidRequest, "refresh_token is missing", "client "+problem.Quote(who.ID)))
	}
	r := &refresh{}
	return s.get(need.Get, kindRefresh, given, r, func(now float64, there bool) need.Step {
		wrong := func(log string) need.Step {
			return no(refused("invalid_grant", "the refresh token is wrong, expired or used", "client "+problem.Quote(who.ID)+": "+log))
		}
		switch {
		case !there:
			return wrong("no such refresh token")
		case r.Client != who.ID: //guard:refresh-client never
			return wrong("it is of client " + problem.Quote(r.Client))
		case int64(now) >= r.Until: //guard:refresh-until never
			return wrong("it has expired")
		}
		if target, e := s.host.Target(who, map[string]string{"target": r.Target}); e != nil || target != r.Target { //guard:refresh-target-now never
			return wrong("the client may not have tokens for " + problem.Quote(r.Target) + " any more")
		}
		// The new token may do less than the consent, and the family stays as it is (RFC 6749 section 6).
		g := r.Grant
		if form["scope"] != "" {
			less, err := scope.Parse(form["scope"])
			if err != nil || slices.ContainsFunc(less, func(one string) bool { return !slices.Contains(r.Scopes, one) }) { //guard:refresh-scope never
				return no(refused("invalid_scope", "scope has more than the user allowed", "client "+problem.Quote(who.ID)))
			}
			g.Scopes = less
		}
		g.Scopes = slices.DeleteFunc(slices.Clone(g.Scopes), func(one string) bool {
			_, e := s.host.Scopes(who, one)
			return e != nil //guard:refresh-scope-now never // what its client may have was narrowed since
		})
		if named := form["target"] + form["resource"] + form["audience"]; named != "" {
			if target, e := s.host.Target(who, form); e != nil || target != r.Target { //guard:refresh-target never
				return no(refused("invalid_target", "the user allowed another target", "client "+problem.Quote(who.ID)))
			}
		}
		return s.get(need.Get, kindEnded, r.Family, mark{}, func(now float64, there bool) need.Step {
			if there { //guard:refresh-ended never
				return wrong("its family has ended")
			}
			return s.claim(now, kindUsed, "refresh "+given, r.Until-int64(now)+60, func(now float64, first bool) need.Step {
				if !first { // a thief or the client comes second: nobody knows which (RFC 9700 section 4.14.2)
					return s.end(&r.Grant, func(float64) need.Step {
						return wrong("it was used before: all tokens that came of it end")
					})
				}
				return s.renew(now, &g, &r.Grant, false)
			})
		})
	})
}

// end has a family end for as long as any of its refresh tokens might live.
func (s *Server) end(g *Grant, then func(now float64) need.Step) need.Step {
	return s.put(kindEnded, g.Family, mark{}, RefreshSeconds+3600, then)
}

// renew signs for one grant, and keeps the whole of what was allowed for the next time.
func (s *Server) renew(now float64, g, whole *Grant, identifies bool) need.Step {
	return signed(s.host.Token(now, g), func(access *Token) need.Step {
		if !identifies {
			return s.answer(now, g, whole, access, nil)
		}
		return signed(s.host.IDToken(now, g), func(id *Token) need.Step { return s.answer(now, g, whole, access, id) })
	})
}

// signed goes on with a token; what could not be signed is an error of the server.
func signed(step need.Step, then func(*Token) need.Step) need.Step {
	switch {
	case step.Need != nil:
		resume := step.Resume
		return need.Ask(step.Need, func(a need.Answer) need.Step { return signed(resume(a), then) })
	case step.Problem != nil:
		return no(&oauthclient.Error{Code: oauthclient.ServerError, Status: 500, Description: "the token could not be signed",
			Log: step.Problem.Message + " " + step.Problem.Log})
	}
	return then(step.Result.(*Token))
}

// answer words RFC 6749 section 5.1. The refresh token is kept before it is given away.
func (s *Server) answer(now float64, g, whole *Grant, access, id *Token) need.Step {
	next := secret()
	kept := *whole
	kept.Nonce = "" // of the first ID token alone
	return s.put(kindRefresh, next, &refresh{kept}, max(1, whole.Until-int64(now)), func(float64) need.Step {
		b := strictjson.AppendString([]byte(`{"access_token":`), access.Text)
		b = append(b, `,"token_type":"Bearer","expires_in":`+strconv.FormatInt(access.Seconds, 10)...)
		b = strictjson.AppendString(append(b, `,"refresh_token":`...), next)
		b = strictjson.AppendString(append(b, `,"scope":`...), strings.Join(g.Scopes, " "))
		if id != nil {
			b = strictjson.AppendString(append(b, `,"id_token":`...), id.Text)
		}
		return need.Done(&Outcome{Answer: &Answer{
			Response: &problem.Response{
				Status: 200, Headers: map[string]string{"content-type": "application/json", "cache-control": "no-store", "pragma": "no-cache"},
				Body: string(append(b, '}')),
			},
			Log: "token issued to client " + problem.Quote(g.Client) + " for user " + problem.Quote(g.User.ID()) + " and " +
				problem.Quote(g.Target) + ", scope " + problem.Quote(strings.Join(g.Scopes, " ")),
		}})
	})
}

// Revoke ends the family of a refresh token (RFC 7009). Of a token that is not the client's nothing
// is said and nothing ends; access tokens end by themselves. It ends in an *Outcome.
func (s *Server) Revoke(now float64, who *oauthclient.Client, form map[string]string) need.Step {
	given := form["token"]
	if given == "" {
		return no(refused(oauthclient.InvalidRequest, "token is missing", "client "+problem.Quote(who.ID)))
	}
	fine := func(log string) need.Step {
		return need.Done(&Outcome{Answer: &Answer{Log: log, Response: &problem.Response{
			Status: 200, Headers: map[string]string{"cache-control": "no-store", "content-length": "0"},
		}}})
	}
	r := &refresh{}
	return s.get(need.Get, kindRefresh, given, r, func(_ float64, there bool) need.Step {
		if !there || r.Client != who.ID { //guard:revoke-client drop 2
			return fine("")
		}
		return s.end(&r.Grant, func(float64) need.Step {
			return fine("client " + problem.Quote(who.ID) + " revoked what user " + problem.Quote(r.User.ID()) + " allowed")
		})
	})
}
