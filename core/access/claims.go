package access

import (
	"slices"
	"strings"

	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/scope"
	"github.com/tallystick/tallystick/core/strictjson"
	"github.com/tallystick/tallystick/core/trust"
)

// maxAudiences bounds the entries of an aud that is an array.
const maxAudiences = 64

// tokenClaims are those members of an access token that this profile reads.
type tokenClaims struct {
	issuer, subject, jti, scope    pipeline.Claim
	clientID, tokenType, agentPath pipeline.Claim
	// What other providers write, in tokens of configured issuers only.
	scp, azp, appid, cid             pipeline.Claim
	payloadType, tokenUse            pipeline.Claim
	agentURL, mode                   pipeline.Claim // of aoauth
	audience                         strictjson.Value
	hasAudience, hasAOAuth, isObject bool
	times                            pipeline.Times
	bound                            pipeline.RequestClaims
}

// read gathers the claims of a payload, which count only where the error is nil.
func (c *tokenClaims) read(payload string) error {
	object := strictjson.Read(payload)
	for object.Next() {
		switch object.Name {
		case "aud":
			c.audience, c.hasAudience = object.Value(), true
		case "aoauth":
			c.extension(&object.Member)
		default:
			if into := c.claim(object.Name); into != nil {
				into.Read(&object.Member)
			}
		}
	}
	return object.Err()
}

func (c *tokenClaims) claim(name string) *pipeline.Claim {
	switch name {
	case "iss":
		return &c.issuer
	case "sub":
		return &c.subject
	case "jti":
		return &c.jti
	case "scope":
		return &c.scope
	case "client_id":
		return &c.clientID
	case "token_type":
		return &c.tokenType
	case "scp":
		return &c.scp
	case "azp":
		return &c.azp
	case "appid":
		return &c.appid
	case "cid":
		return &c.cid
	case "typ":
		return &c.payloadType
	case "token_use":
		return &c.tokenUse
	case "agent_path":
		return &c.agentPath
	case "exp":
		return &c.times.Expires
	case "nbf":
		return &c.times.NotBefore
	case "iat":
		return &c.times.IssuedAt
	}
	return c.bound.Member(name)
}

// extension reads aoauth, the seed's spelling of who the agent is.
func (c *tokenClaims) extension(m *strictjson.Member) {
	c.hasAOAuth, c.isObject = true, m.Kind == strictjson.Object
	if !c.isObject {
		return
	}
	object := strictjson.Read(m.Raw)
	for object.Next() {
		switch object.Name {
		case "agent_url":
			c.agentURL.Read(&object.Member)
		case "mode":
			c.mode.Read(&object.Member)
		}
	}
}

// checkIdentity refuses an identity that step 4 could not read: there it counted
// as absent.
func (c *tokenClaims) checkIdentity() *problem.Problem {
	if !c.subject.IsIdentifier(pipeline.MaxSubject) {
		return pipeline.InvalidClaim("sub must be a string of 1 to 512 bytes without control characters")
	}
	if c.agentPath.There() && !c.agentPath.IsText() {
		return pipeline.InvalidClaim("agent_path must be a string")
	}
	if c.hasAOAuth && !c.isObject || c.agentURL.There() && !c.agentURL.IsText() {
		return pipeline.InvalidClaim("aoauth must be an object, its agent_url a string")
	}
	return nil
}

// identity is what the trust decision is made over.
func (c *tokenClaims) identity() trust.Claims {
	return trust.Claims{Issuer: c.issuer.Text, Subject: c.subject.Text, AgentPath: c.agentPath.Text, AgentURL: c.agentURL.Text,
		Mode: c.mode.Text, ClientID: c.clientID.Text}
}

// checkRequired is step 8 for this profile; it returns the token's scopes. More is read of a token
// whose issuer is configured.
func (a *Agent) checkRequired(r *verification, now float64) ([]string, *problem.Problem) {
	c, entry := r.claims, r.caller.Entry
	if p := c.times.CheckLifetime(now, a.config.MaxLifetime); p != nil { //guard:access-lifetime never
		return nil, p
	}
	if p := pipeline.CheckIdentifiers(c.jti, c.subject); p != nil { //guard:access-jti-sub never
		return nil, p
	}
	if !c.hasAudience && (entry == nil || entry.ClientAudience == nil) {
		return nil, pipeline.InvalidClaim("aud is missing").WithLog("%s", r.advice("where it writes no aud, "+
			"client_audience with the ids of the clients that may call takes its place"))
	}
	if c.isIDToken() { //guard:access-id-token never
		return nil, notAccess().WithLog("it is an ID token, which is for the client that it was issued to: "+
			"the caller must send its access token (issuer %s)", problem.Quote(c.issuer.Text))
	}
	if c.clientID.There() && !c.clientID.IsIdentifier(pipeline.MaxSubject) { //guard:access-client-id never
		return nil, pipeline.InvalidClaim("client_id must be a string of 1 to 512 bytes without control characters")
	}
	if c.tokenType.There() && !strings.EqualFold(c.tokenType.Text, "Bearer") { //guard:access-token-type never
		return nil, pipeline.InvalidClaim("token_type must be Bearer")
	}
	if entry != nil {
		return r.provided(entry)
	}
	if c.scope.There() && !c.scope.IsText() { //guard:access-scope-text never
		return nil, pipeline.InvalidClaim("scope must be a string")
	}
	scopes, err := scope.Parse(c.scope.Text)
	if err != nil {
		return nil, pipeline.InvalidClaim("scope must be words separated by single spaces (RFC 6749 section 3.3)")
	}
	return scopes, nil
}

// checkBinding is the part of step 8 for tokens that are bound to one request:
// such a token works once, so that it must have a jti, and names all of it.
func (c *tokenClaims) checkBinding() *problem.Problem {
	if !c.jti.There() { //guard:access-bound-jti never
		return pipeline.InvalidClaim("jti is missing")
	}
	return c.bound.CheckTypes(true, true)
}

// checkAudience is step 9: one of the token's audiences is this agent (RFC 7519
// section 4.1.3).
func (a *Agent) checkAudience(r *verification) *problem.Problem {
	c, matches := r.claims, false
	switch {
	case !c.hasAudience: // it was seen that the entry has client_audience
		return r.checkClientAudience()
	case strictjson.IsString(c.audience):
		matches = a.isAudience(r.caller.Entry, c.audience.Str)
	case c.audience.IsArray():
		entries := c.audience.Array()
		if len(entries) > maxAudiences { //guard:access-aud-entries never
			return pipeline.InvalidClaim("aud has too many entries")
		}
		for _, entry := range entries {
			if !strictjson.IsString(entry) { //guard:access-aud-types never
				return pipeline.InvalidClaim("aud must be a string or an array of strings")
			}
			matches = matches || a.isAudience(r.caller.Entry, entry.Str)
		}
	default:
		return pipeline.InvalidClaim("aud must be a string or an array of strings")
	}
	if !matches {
		return problem.New(problem.InvalidAudience, "").WithLog("the token is for %s, %s",
			problem.Quote(strings.Trim(c.audience.Raw, `"`)), a.ownNames(r.caller.Entry))
	}
	return nil
}

// ownNames says for the log what a token of an issuer may be for.
func (a *Agent) ownNames(entry *trust.Entry) string {
	switch {
	case entry != nil && entry.Audience != nil:
		return "and audience of its issuer's entry in trusted_issuers has " + problem.Quote(strings.Join(entry.Audience, " "))
	case entry != nil && !(a.config.Mode == Portal && entry.Issuer.Issuer == a.config.Authority):
		return "this agent is " + problem.Quote(a.config.BaseURL) + " (audience names others; audience of the issuer's entry in " +
			"trusted_issuers is what this issuer alone calls the agent)"
	}
	return "this agent is " + problem.Quote(a.config.BaseURL) + " (base_url; audience names others)"
}

// isAudience: an issuer may have names of its own for this agent, which nobody else's tokens may
// use.
func (a *Agent) isAudience(entry *trust.Entry, text string) bool {
	if entry != nil && entry.Audience != nil { //guard:access-entry-audience never
		return slices.ContainsFunc(entry.Audience, func(own string) bool {
			return own == text || canonical(own) == canonical(text)
		})
	}
	if _, exact := a.audience[text]; exact {
		return true
	}
	_, same := a.audience[canonical(text)]
	return same
}
