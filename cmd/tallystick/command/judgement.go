package command

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
)

// judgement is what an agent would say of a token, step by step. It never has the whole token: its
// signature is left out.
type judgement struct {
	Kind    string       `json:"kind"`    // signed_request or access_token: whose pipeline it walked
	Verdict string       `json:"verdict"` // accepted, refused, or unverified: nobody's signature was checked
	Code    problem.Code `json:"code,omitempty"`
	Message string       `json:"message,omitempty"`
	Log     string       `json:"log,omitempty"`
	Token   decoded      `json:"token"`
	Steps   []step       `json:"steps"`
	Caller  *verified    `json:"caller,omitempty"` // of an access token

	now time.Time
}

// decoded is what a token says. Anybody can write that.
type decoded struct {
	Header    json.RawMessage `json:"header,omitempty"`
	Claims    json.RawMessage `json:"claims,omitempty"`
	Signature int             `json:"signature_bytes"`

	header, claims []member
}

type step struct {
	Step    string       `json:"step"` // protocol.md section 3
	Name    string       `json:"name"`
	Outcome string       `json:"outcome"` // ok, refused or not_checked
	Code    problem.Code `json:"code,omitempty"`
	Message string       `json:"message,omitempty"`
	Log     string       `json:"log,omitempty"`
}

const (
	accepted   = "accepted"
	refused    = "refused"
	unverified = "unverified"
	notChecked = "not_checked"

	signedRequest = "signed_request"
	accessToken   = "access_token"
)

// missing says what a step that was not made would take.
var missing = map[string]string{
	pipeline.MissingKeys:     "give the caller's key to `tallystick verify`",
	pipeline.MissingIssuer:   "give --issuer and --audience to `tallystick verify`",
	pipeline.MissingAudience: "give --audience and --issuer to `tallystick verify`",
	pipeline.MissingTarget:   "give --method and --url to `tallystick verify`",
	pipeline.MissingBody:     "give --body to `tallystick verify`",
	pipeline.MissingScopes:   "only the agent knows which scopes it asks for",
	pipeline.MissingRules:    "only the agent knows its accept_from",
	pipeline.MissingStore:    "only the agent knows which tokens were used",
	pipeline.MissingClaims:   "the token cannot be read",
	pipeline.MissingHeader:   "the header is refused",
	pipeline.MissingEarlier:  "a step before it refuses the token",
}

// missingOfAccess is the same for access tokens, where it differs.
var missingOfAccess = map[string]string{
	pipeline.MissingKeys:   "give --issuer and --audience to `tallystick verify`",
	pipeline.MissingTarget: "only the agent knows the request",
	pipeline.MissingBody:   "only the agent knows the request",
}

func decode(token string) decoded {
	header, claims, signature := partsOf(token)
	d := decoded{Signature: signature, header: membersOf(header), claims: membersOf(claims)}
	if d.header != nil {
		d.Header = json.RawMessage(header)
	}
	if d.claims != nil {
		d.Claims = json.RawMessage(claims)
	}
	return d
}

// judge words what the core found.
func judge(kind, token string, now time.Time, findings []pipeline.Finding) *judgement {
	j := &judgement{Kind: kind, Verdict: accepted, Token: decode(token), Steps: []step{}, now: now}
	for _, f := range findings {
		one := step{Step: f.Step, Name: f.Name, Outcome: "ok"}
		switch {
		case f.Missing != "":
			one.Outcome, one.Message = notChecked, j.missing(f.Missing)
			if f.Name == "signature" && j.Verdict == accepted {
				j.Verdict = unverified
			}
		case f.Problem != nil:
			one.Outcome, one.Code, one.Message, one.Log = refused, f.Problem.Code, f.Problem.Message, f.Problem.Log
			if j.Verdict != refused {
				j.Verdict, j.Code, j.Message, j.Log = refused, one.Code, one.Message, one.Log
			}
		}
		j.Steps = append(j.Steps, one)
	}
	return j
}

func (j *judgement) missing(what string) string {
	if text := missingOfAccess[what]; j.Kind == accessToken && text != "" {
		return text
	}
	return missing[what]
}

func (j *judgement) words(p *printer) {
	j.wordsOfToken(p)
	if j.Kind == accessToken {
		p.line("\nchecks, in the order of an agent that takes access tokens")
	} else {
		p.line("\nchecks, in the order of an agent that takes signed requests")
		if j.Token.hasClaim("aud") {
			p.line("  (a token with an aud is an access token: give --audience)")
		}
	}
	var rows [][]string
	for _, s := range j.Steps {
		rows = append(rows, []string{s.Step, s.Name, strings.ReplaceAll(s.Outcome, "_", " "), s.reason()})
	}
	p.table("  ", rows)
	p.WriteString("\n")
	j.wordsOfVerdict(p)
}

func (d *decoded) hasClaim(name string) bool {
	return slices.ContainsFunc(d.claims, func(m member) bool { return m.name == name })
}

// client is whose token it is, by the first claim that says so.
func (d *decoded) client() string {
	for _, name := range []string{"client_id", "azp", "appid", "cid"} {
		for _, m := range d.claims {
			if m.name == name && m.text != "" {
				return m.text
			}
		}
	}
	return ""
}

// isAccessToken: it is for an audience, or says what its caller may do and not for which body.
func (d *decoded) isAccessToken() bool {
	return d.hasClaim("aud") || !d.hasClaim("content_sha256") && (d.hasClaim("scope") || d.hasClaim("scp") || d.hasClaim("token_use"))
}

func (s step) reason() string {
	switch {
	case s.Log != "":
		return fmt.Sprintf("%s: %s (the agent's log: %s)", s.Code, s.Message, timesInWords(s.Log))
	case s.Code != "":
		return fmt.Sprintf("%s: %s", s.Code, s.Message)
	}
	return s.Message
}

func (j *judgement) wordsOfToken(p *printer) {
	heading := "the token says, NOT VERIFIED: anybody can write this"
	if j.signatureIsGood() {
		heading = "the token says, and its signature is good"
	}
	p.line("%s", heading)
	j.table(p, "header", j.Token.header)
	j.table(p, "claims", j.Token.claims)
	p.line("  signature: %s", plural(j.Token.Signature, "byte"))
}

func (j *judgement) signatureIsGood() bool {
	isGood := func(s step) bool { return s.Name == "signature" && s.Outcome == "ok" }
	return j.Caller != nil || slices.ContainsFunc(j.Steps, isGood)
}

func (j *judgement) table(p *printer, heading string, members []member) {
	if members == nil {
		p.line("  %s: cannot be read", heading)
		return
	}
	p.line("  %s", heading)
	var rows [][]string
	for _, m := range members {
		row := []string{cut(m.name), cut(m.raw)}
		if m.isTime {
			row[1] += "  " + inWords(m.seconds, j.now)
		}
		rows = append(rows, row)
	}
	p.table("    ", rows)
}

// cut keeps a line readable: a token may hold 16 KiB in one claim.
func cut(text string) string {
	const most = 200
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

func (j *judgement) wordsOfVerdict(p *printer) {
	switch j.Verdict {
	case refused:
		p.line(p.paint(red, "refused")+": %s: %s", string(j.Code), j.Message)
	case unverified:
		p.line("nothing that an agent would refuse was found; who signed it was not checked")
	default:
		if c := j.Caller; c != nil {
			p.line(p.paint(green, "accepted")+": it is from %s (issuer %s, scopes %s)%s",
				cmp.Or(c.UserID, c.Name), c.Issuer, strings.Join(c.Scopes, " "), j.unchecked())
			return
		}
		p.line(p.paint(green, "accepted")+"%s", j.unchecked())
	}
}

func (j *judgement) unchecked() string {
	var names []string
	for _, s := range j.Steps {
		if s.Outcome == notChecked {
			names = append(names, s.Name)
		}
	}
	return "; not checked: " + strings.Join(names, ", ")
}
