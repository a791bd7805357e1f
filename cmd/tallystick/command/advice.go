package command

import (
	"encoding/json"
	"strings"

	"github.com/tallystick/tallystick/core/problem"
)

// advice says for each code of a refused request what its sender can do.
var advice = map[problem.Code]string{
	problem.MissingAuthorization:   "the agent saw no token: a proxy in front of it may drop the Authorization header",
	problem.AmbiguousAuthorization: "the agent saw two tokens: a proxy in front of it may add an Authorization header",
	problem.MalformedToken: "the token arrived damaged: a proxy in front of the agent may " +
		"change the Authorization header",
	problem.UnsupportedAlgorithm: "the agent has a key of another kind for this issuer, or takes other " +
		"algorithms: sign with the key that it has",
	problem.UnknownIssuer: "the agent has no key for this --issuer: have your public key put into its " +
		"folder as ISSUER.pem, " +
		"or look at the spelling",
	problem.UnknownKey: "the agent has other keys of this issuer: have the new public key put " +
		"beside them (`tallystick keys rotate`)",
	problem.InvalidSignature: "the agent has another key for this issuer: compare the kid with " +
		"`tallystick keys list` on its side",
	problem.TokenExpired: "the token was too old when it came: compare the clocks by `tallystick doctor --url URL`, " +
		"or sign with a longer --ttl",
	problem.TokenNotYetValid: "this machine's clock runs ahead of the agent's: compare them by " +
		"`tallystick doctor --url URL`",
	problem.InvalidClaims:   "the agent asks for other claims: its log says which; it may allow a shorter --ttl alone",
	problem.InvalidAudience: "the agent takes tokens for another audience: it may not be one of signed requests",
	problem.WrongTarget: "the agent sees another method or URL than was signed: sign the URL that its clients use, " +
		"and have its base_url set to that one",
	problem.BodyTampered:      "the body arrived changed: a proxy in front of the agent may rewrite it",
	problem.IssuerDenied:      "the agent has this issuer on its deny list: ask its owner",
	problem.TrustDenied:       "the agent does not trust this caller: ask its owner",
	problem.InsufficientScope: "the token lacks a scope that the agent asks for: ask for it",
	problem.BodyTooLarge:      "the body is over the agent's limit: send less, or have its max_body raised",
	problem.MalformedRequest:  "the request arrived damaged: a proxy in front of the agent may cut it",
	problem.ReplayDetected:    "the agent saw this token before: a proxy may send requests twice; sign each try anew",
	problem.KeysUnavailable: "the agent cannot read its keys at the moment: try again, and have " +
		"its owner see its log",
	problem.ReplayStoreUnavailable: "the agent's store is down at the moment: try again after Retry-After",
	problem.Overloaded:             "the agent has too much to do at the moment: try again after Retry-After",
	problem.BodyUnavailable:        "the agent reads the body before it verifies: its owner must verify first",
	problem.CheckFailed:            "the agent could not check the signature: have its owner see its log",
}

// refusal is why an agent refused a request, as far as its answer says, and what to do.
type refusal struct {
	Code   problem.Code `json:"code,omitempty"`
	Error  string       `json:"error,omitempty"`
	Advice string       `json:"advice"`
}

// refusalOf reads the answer of an agent: the code of this project, or else rotagent's words.
func refusalOf(status int, content []byte) *refusal {
	var said struct {
		Error string       `json:"error"`
		Code  problem.Code `json:"code"`
	}
	_ = json.Unmarshal(content, &said) // whatever it is, there is advice
	if _, known := advice[said.Code]; !known {
		said.Code = codeOfWords(said.Error)
	}
	r := &refusal{Code: said.Code, Error: said.Error, Advice: advice[said.Code]}
	if r.Advice == "" {
		r.Advice = adviceByStatus(status)
	}
	return r
}

// codeOfWords: rotagent says it in words alone, of an unknown issuer with its name behind.
func codeOfWords(words string) problem.Code {
	for _, row := range problem.Refusals() {
		if words == row.Words || row.Code == problem.UnknownIssuer && strings.HasPrefix(words, row.Words+":") {
			return row.Code
		}
	}
	return ""
}

func adviceByStatus(status int) string {
	switch {
	case status >= 300 && status < 400:
		return "redirects are not followed, since a signed request is for one receiver: sign the URL that it names"
	case status == 401 || status == 403:
		return "the agent refused the caller without saying why: see its log, and whether it takes signed requests"
	case status == 404:
		return "there is nothing at this URL: an agent is usually at /agent"
	case status == 405:
		return "the agent takes another method at this URL"
	case status == 429:
		return "the agent saw this token before, or has too many requests: sign each try anew"
	case status == 503:
		return "the agent, or a proxy in front of it, is not ready: try again after Retry-After, and see its log"
	case status >= 500:
		return "the agent, or a proxy in front of it, failed: see its log"
	}
	return "the agent did not do what was asked: its answer may say why"
}
