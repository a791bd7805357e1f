package access

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/provider"
	"github.com/tallystick/tallystick/core/scope"
	"github.com/tallystick/tallystick/core/strictjson"
	"github.com/tallystick/tallystick/core/trust"
)

// What is read of tokens whose issuer is configured (protocol.md section 11): an operator chose
// it, so that what others than this profile write counts, too.

// provided is the rest of step 8 for such a token: whose it is, that it is an access token, and its
// scopes.
func (r *verification) provided(entry *trust.Entry) ([]string, *problem.Problem) {
	c := r.claims
	clients, p := c.clients()
	if p != nil {
		return nil, p
	}
	if len(clients) > 0 {
		c.clientID = clients[0]
	}
	if c.payloadType.There() && !c.payloadType.IsText() || c.tokenUse.There() && !c.tokenUse.IsText() { //guard:provided-types never
		return nil, pipeline.InvalidClaim("typ and token_use must be strings")
	}
	scopes, p := r.readScopes(entry)
	if p == nil {
		p = r.checkAccess(entry, clients, scopes) //guard:provided-access skip
	}
	return scopes, p
}

// isIDToken: Keycloak and Cognito say so.
func (c *tokenClaims) isIDToken() bool {
	return strings.EqualFold(c.payloadType.Text, "ID") || strings.EqualFold(c.tokenUse.Text, "id") //guard:id-token-typ drop 1; id-token-use drop 2
}

func notAccess() *problem.Problem {
	return problem.New(problem.InvalidClaims, "the token is no access token")
}

// clients are the claims in which providers say whose token it is, the one that counts first.
func (c *tokenClaims) clients() ([]pipeline.Claim, *problem.Problem) {
	var clients []pipeline.Claim
	for _, claim := range [...]*pipeline.Claim{&c.clientID, &c.azp, &c.appid, &c.cid} {
		if !claim.There() {
			continue
		}
		if !claim.IsIdentifier(pipeline.MaxSubject) { //guard:provided-client never
			return nil, pipeline.InvalidClaim("client_id, azp, appid and cid must be strings of 1 to 512 bytes without control characters")
		}
		clients = append(clients, *claim)
	}
	return clients, nil
}

// readScopes reads the claims of the entry: all of Scopes, or where there is none of them all of
// Otherwise.
func (r *verification) readScopes(entry *trust.Entry) ([]string, *problem.Problem) {
	scopes, there, p := r.scopesAt(entry.Scopes)
	if p != nil || there { //guard:provided-otherwise drop 2
		return scopes, p
	}
	scopes, _, p = r.scopesAt(entry.Otherwise)
	return scopes, p
}

func (r *verification) scopesAt(paths []trust.Path) (scopes []string, there bool, p *problem.Problem) {
	for _, path := range paths {
		v, found, whole := r.claimAt(path)
		if !whole { //guard:provided-path never
			return nil, false, r.badScopes(path, "what leads to it is no object")
		}
		if !found {
			continue
		}
		more, p := r.scopesOf(path, v)
		if p != nil {
			return nil, false, p
		}
		scopes, there = append(scopes, more...), true
	}
	return scopes, there, nil
}

// claimAt follows a path; whole is false where what should be an object is none.
func (r *verification) claimAt(path trust.Path) (v strictjson.Value, found, whole bool) {
	switch path.String() {
	case "scope":
		return valueOf(&r.claims.scope), r.claims.scope.There(), true
	case "scp":
		return valueOf(&r.claims.scp), r.claims.scp.There(), true
	}
	text := r.token.Payload
	for i, name := range path {
		if v, found = memberOf(text, name); !found {
			return v, false, true
		}
		if i < len(path)-1 && !v.IsObject() {
			return v, false, false
		}
		text = v.Raw
	}
	return v, true, true
}

func valueOf(c *pipeline.Claim) strictjson.Value {
	if c.IsText() {
		return strictjson.Value{Type: gjson.String, Raw: c.Raw, Str: c.Text}
	}
	return gjson.Parse(c.Raw)
}

func memberOf(object, wanted string) (v strictjson.Value, found bool) {
	strictjson.Members(object, func(name string, value strictjson.Value) bool {
		if found = name == wanted; found {
			v = value
		}
		return !found
	})
	return v, found
}

// scopesOf reads one claim: a text as RFC 6749 writes scopes, or a list with one in each element.
// An element that is none is passed over, and never split: "a b" in a list is not two.
func (r *verification) scopesOf(path trust.Path, v strictjson.Value) ([]string, *problem.Problem) {
	if strictjson.IsString(v) {
		scopes, err := scope.Parse(v.Str)
		if err != nil {
			return nil, r.badScopes(path, "it must be words separated by single spaces (RFC 6749 section 3.3)")
		}
		if path.String() == "scope" { //guard:provided-own-scope always
			return scopes, nil // this profile's own claim
		}
		return slices.DeleteFunc(scopes, isAssigned), nil
	}
	scopes, isList := []string(nil), v.IsArray()
	if isList {
		scopes, isList = strictjson.AppendStrings(nil, v.Raw)
	}
	if !isList { //guard:provided-scopes never
		return nil, r.badScopes(path, "it must be a string or an array of strings")
	}
	return slices.DeleteFunc(scopes, func(s string) bool {
		return !scope.Valid(s) || isAssigned(s) //guard:provided-element drop 1; provided-assigned drop 2
	}), nil
}

// isAssigned: what an authority alone gives, in its claim scope.
func isAssigned(s string) bool {
	return strings.HasPrefix(s, trust.LabelPrefix) || strings.HasPrefix(s, scope.NamespacePrefix) //guard:assigned-label drop 1; assigned-namespace drop 2
}

func (r *verification) badScopes(path trust.Path, what string) *problem.Problem {
	return pipeline.InvalidClaim("a claim that says the scopes is malformed").WithLog("%s: %s; %s",
		problem.Quote(path.String()), what, r.advice("scope_claims names the claims that scopes are read from"))
}

// checkAccess wants a sign that a token is an access token: whoever signs in at a client gets an ID
// token from the same issuer, which is for that client and for nobody else.
func (r *verification) checkAccess(entry *trust.Entry, clients []pipeline.Claim, scopes []string) *problem.Problem {
	for _, mark := range entry.Marks {
		claim := r.claims.claim(mark.Claim)
		if mark.Value != "" && claim.There() && claim.Text != mark.Value { //guard:provided-other-kind never
			return notAccess().WithLog("%s is %s, and access tokens of %s have %s there",
				mark.Claim, problem.Quote(claim.Text), entry.Preset.Name, problem.Quote(mark.Value))
		}
	}
	switch {
	case r.token.AccessToken: //guard:sign-typ never
	case r.isProfiles(entry): //guard:sign-profile never
	case r.isMarked(entry): //guard:sign-mark never
	case len(scopes) > 0 && r.isForAnother(clients): //guard:sign-scopes drop 1; sign-client drop 2
	case entry.ServiceAccounts && r.isServiceAccount(): //guard:sign-service never
	default:
		return notAccess().WithLog("nothing says that it is an access token (typ at+jwt%s, or scopes in %s with a client "+
			"that is not the audience); %s", marksOf(entry), entry.Tell(), r.advice("the caller must send its access "+
			"token; if it is one, its provider gave it no scope or role: grant it there; scope_claims names the claims with "+
			"scopes, in place of scope and scp, and preset what its provider writes"))
	}
	return nil
}

func marksOf(entry *trust.Entry) string {
	text := ""
	for _, mark := range entry.Marks {
		text += ", " + strings.TrimSuffix(mark.Claim+" "+mark.Value, " ")
	}
	if entry.ServiceAccounts {
		text += ", an ID token of a service account with its verified email"
	}
	return text
}

// isProfiles: the marks of this profile, which identity providers do not write.
func (r *verification) isProfiles(entry *trust.Entry) bool {
	c := r.claims
	return entry.Preset == nil && (c.tokenType.There() || c.isObject || c.agentPath.IsText()) //guard:sign-profile-preset drop 1
}

func (r *verification) isMarked(entry *trust.Entry) bool {
	return slices.ContainsFunc(entry.Marks, func(mark provider.Mark) bool {
		claim := r.claims.claim(mark.Claim)
		switch {
		case mark.Value != "":
			return claim.Text == mark.Value
		case mark.Claim == "scp":
			scopes, p := r.scopesOf(trust.Path{"scp"}, valueOf(claim))
			return claim.There() && p == nil && len(scopes) > 0
		}
		return claim.IsIdentifier(pipeline.MaxSubject)
	})
}

// isForAnother: the client of an ID token is its audience.
func (r *verification) isForAnother(clients []pipeline.Claim) bool {
	for _, client := range clients {
		if isAmong(r.claims.audience, client.Text) { //guard:sign-client-audience never
			return false
		}
	}
	return len(clients) > 0
}

// isAmong reports whether an aud, of whatever type, names somebody.
func isAmong(audience strictjson.Value, name string) bool {
	if audience.IsArray() {
		return slices.ContainsFunc(audience.Array(), func(v strictjson.Value) bool { return v.Str == name })
	}
	return audience.Str == name
}

// isServiceAccount: nobody else can have an address in that domain, and Google says that it has
// seen to it.
func (r *verification) isServiceAccount() bool {
	email, _ := memberOf(r.token.Payload, "email")
	verified, _ := memberOf(r.token.Payload, "email_verified")
	return strings.HasSuffix(email.Str, ".gserviceaccount.com") && verified.Raw == "true" //guard:sign-service-domain drop 1; sign-service-verified drop 2
}

// checkClientAudience is step 9 where a provider writes no aud.
func (r *verification) checkClientAudience() *problem.Problem {
	client := r.claims.clientID.Text
	if slices.Contains(r.caller.Entry.ClientAudience, client) { //guard:provided-client-list always
		return nil
	}
	return problem.New(problem.InvalidAudience, "").WithLog("the token has no aud, and its client %s is not in client_audience; %s",
		problem.Quote(client), r.advice("client_audience has the ids of the clients that may call"))
}

// advice says where a setting is that would help.
func (r *verification) advice(what string) string {
	return "in the entry of issuer " + problem.Quote(r.claims.issuer.Text) + " in trusted_issuers: " + what
}

// namedFix is for a sub that is no agent's: people and clients have other names.
func (r *verification) namedFix(p *problem.Problem) *problem.Problem {
	if r.caller.Entry == nil || r.caller.IssuerType == trust.TypeUser {
		return p
	}
	return p.WithLog("sub %s; %s", problem.Quote(r.claims.subject.Text),
		r.advice("type: user takes any sub, as those of people and of clients"))
}

// noClaim is what an entry tells that has no claim for scopes, as of Google.
const noClaim = "no claim"

// scopesAdvice tells why a token that should have a scope has none.
func (r *verification) scopesAdvice() string {
	switch {
	case r.caller.Entry == nil:
		return ""
	case len(r.scopes) == 0:
		if r.caller.Entry.Tell() == noClaim {
			return "; tokens of this issuer have no scopes: demand none here, and name who may come by other means"
		}
		return "; its token has no scopes in " + r.caller.Entry.Tell() + "; " +
			r.advice("scope_claims names the claims that scopes are read from")
	case len(r.granted) < len(r.scopes):
		return "; allowed_scopes does not let all of its token's scopes through: " +
			problem.Quote(strings.Join(r.scopes, " "))
	}
	return ""
}
