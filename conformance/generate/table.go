package generate

import (
	"strings"

	"github.com/tallystick/tallystick/conformance"
)

// rows is the error table of protocol.md section 3, written a second time from
// the document, so that the core's table is checked against something.
var rows = map[string]conformance.Response{
	"missing_authorization":    {Status: 401, Words: "Missing/Invalid Authorization header"},
	"ambiguous_authorization":  {Status: 400, Words: "Missing/Invalid Authorization header", OAuth: "invalid_request"},
	"malformed_token":          {Status: 401, Words: "Invalid Token", OAuth: "invalid_token"},
	"unsupported_algorithm":    {Status: 401, Words: "Unsupported Algorithm", OAuth: "invalid_token"},
	"unknown_key":              {Status: 401, Words: "Unknown Key", OAuth: "invalid_token"},
	"invalid_signature":        {Status: 401, Words: "Invalid Signature", OAuth: "invalid_token"},
	"token_expired":            {Status: 401, Words: "Token Expired", OAuth: "invalid_token"},
	"token_not_yet_valid":      {Status: 401, Words: "Token Not Yet Valid", OAuth: "invalid_token"},
	"invalid_claims":           {Status: 401, Words: "Invalid Claims", OAuth: "invalid_token"},
	"invalid_audience":         {Status: 401, Words: "Invalid Audience", OAuth: "invalid_token"},
	"wrong_target":             {Status: 401, Words: "Wrong Target", OAuth: "invalid_token"},
	"body_tampered":            {Status: 401, Words: "Body Tampering Detected", OAuth: "invalid_token"},
	"issuer_denied":            {Status: 403, Words: "Issuer Denied", OAuth: "access_denied"},
	"trust_denied":             {Status: 403, Words: "Trust Denied", OAuth: "access_denied"},
	"body_too_large":           {Status: 413, Words: "Body Too Large"},
	"malformed_request":        {Status: 400, Words: "Malformed Request"},
	"replay_detected":          {Status: 429, Words: "Replay Detected", OAuth: "invalid_token"},
	"keys_unavailable":         {Status: 503, Words: "Keys Unavailable"},
	"replay_store_unavailable": {Status: 503, Words: "Replay Store Unavailable"},
	"overloaded":               {Status: 503, Words: "Overloaded"},
}

// refusal expects a code and the HTTP response of its row. Codes without a row
// there are expected by code alone.
func refusal(code string) conformance.Expect {
	expect := errorCode(code)
	if row, there := rows[code]; there {
		expect.Response = &row
	}
	return expect
}

// demanding has a 401 name the scopes that its request needed (RFC 6750 section 3).
func demanding(expect conformance.Expect, scopes any) conformance.Expect {
	if needed, _ := scopes.([]string); expect.Response != nil && expect.Response.Status == 401 {
		expect.Response.Scope = strings.Join(needed, " ")
	}
	return expect
}

func unknownIssuer(issuer string) conformance.Expect {
	expect := errorCode("unknown_issuer")
	expect.Response = &conformance.Response{Status: 401, Words: "Unknown Issuer: " + issuer, OAuth: "invalid_token"}
	return expect
}

// insufficientScope names the scopes that are needed (RFC 6750 section 3).
func insufficientScope(needed string) conformance.Expect {
	expect := errorCode("insufficient_scope")
	expect.Response = &conformance.Response{Status: 403, Words: "Insufficient Scope", OAuth: "insufficient_scope", Scope: needed}
	return expect
}
