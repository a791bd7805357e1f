// Package problem is the closed table of everything that can go wrong: one
// code per cause, with its HTTP status, its words on the wire and its OAuth
// error (protocol.md section 3; RFC 6749 section 5.2, RFC 6750 section 3.1).
package problem

import (
	"fmt"
	"slices"
	"strconv"
)

// Code names one cause. Bindings translate by it and never by a text.
type Code string

// Codes of a refused request: what a caller of an agent can see.
const (
	MissingAuthorization   Code = "missing_authorization"
	AmbiguousAuthorization Code = "ambiguous_authorization"
	MalformedToken         Code = "malformed_token"
	UnsupportedAlgorithm   Code = "unsupported_algorithm"
	UnknownIssuer          Code = "unknown_issuer"
	UnknownKey             Code = "unknown_key"
	InvalidSignature       Code = "invalid_signature"
	TokenExpired           Code = "token_expired"
	TokenNotYetValid       Code = "token_not_yet_valid"
	InvalidClaims          Code = "invalid_claims"
	InvalidAudience        Code = "invalid_audience"
	WrongTarget            Code = "wrong_target"
	BodyTampered           Code = "body_tampered"
	IssuerDenied           Code = "issuer_denied"
	TrustDenied            Code = "trust_denied"
	InsufficientScope      Code = "insufficient_scope"
	BodyTooLarge           Code = "body_too_large"
	MalformedRequest       Code = "malformed_request"
	ReplayDetected         Code = "replay_detected"
	KeysUnavailable        Code = "keys_unavailable"
	ReplayStoreUnavailable Code = "replay_store_unavailable"
	Overloaded             Code = "overloaded"
	BodyUnavailable        Code = "body_unavailable"
	CheckFailed            Code = "check_failed"
)

// Codes of a wrong use of the library: what the program that calls it sees.
const (
	InvalidArgument  Code = "invalid_argument"
	InvalidConfig    Code = "invalid_config"
	InvalidKey       Code = "invalid_key"
	InvalidURL       Code = "invalid_url"
	SignerFailed     Code = "signer_failed"
	TokenRefused     Code = "token_refused"
	TokenUnavailable Code = "token_unavailable"
	UnknownOperation Code = "unknown_operation"
	UnknownEngine    Code = "unknown_engine"
	UnknownTicket    Code = "unknown_ticket"
	Internal         Code = "internal"
)

// Info is a row of the table.
type Info struct {
	Code   Code
	Status int    // HTTP status of the answer to the caller
	Words  string // value of "error" in the body; rotagent's words where it has them
	OAuth  string // value of error= in the challenge; "" for a bare one
	Text   string // the message where the place that refuses has nothing more exact to say
}

const (
	oauthInvalidToken   = "invalid_token"
	oauthInvalidRequest = "invalid_request"
	oauthAccessDenied   = "access_denied"
	oauthUnavailable    = "temporarily_unavailable"
	oauthServerError    = "server_error"
)

// refusals has every code of a refused request once, in the order of the pipeline.
var refusals = []Info{
	{MissingAuthorization, 401, "Missing/Invalid Authorization header", "", "send exactly one Authorization header with a Bearer token"},
	{AmbiguousAuthorization, 400, "Missing/Invalid Authorization header", oauthInvalidRequest, "the request has more than one Authorization header or token: send exactly one"},
	{MalformedToken, 401, "Invalid Token", oauthInvalidToken, "the token is not a well-formed compact JWS"},
	{UnsupportedAlgorithm, 401, "Unsupported Algorithm", oauthInvalidToken, "the token must be signed with the algorithm of its key: RS256, PS256, ES256 or EdDSA"},
	{UnknownIssuer, 401, "Unknown Issuer", oauthInvalidToken, "no key is known for the token's issuer"},
	{UnknownKey, 401, "Unknown Key", oauthInvalidToken, "the issuer has no key with the token's kid"},
	{InvalidSignature, 401, "Invalid Signature", oauthInvalidToken, "the signature does not match"},
	{TokenExpired, 401, "Token Expired", oauthInvalidToken, "the token has expired"},
	{TokenNotYetValid, 401, "Token Not Yet Valid", oauthInvalidToken, "the token is not valid yet"},
	{InvalidClaims, 401, "Invalid Claims", oauthInvalidToken, "a required claim is missing or has a wrong type"},
	{InvalidAudience, 401, "Invalid Audience", oauthInvalidToken, "the token is meant for another audience"},
	{WrongTarget, 401, "Wrong Target", oauthInvalidToken, "the token was signed for another method, URL or query"},
	{BodyTampered, 401, "Body Tampering Detected", oauthInvalidToken, "the body is not the one that was signed"},
	{IssuerDenied, 403, "Issuer Denied", oauthAccessDenied, "the issuer is on the deny list"},
	{TrustDenied, 403, "Trust Denied", oauthAccessDenied, "the caller is not trusted here"},
	{InsufficientScope, 403, "Insufficient Scope", "insufficient_scope", "the token lacks a required scope"},
	{BodyTooLarge, 413, "Body Too Large", oauthInvalidRequest, "the body is over the limit of this agent"},
	{MalformedRequest, 400, "Malformed Request", oauthInvalidRequest, "the request is not well-formed HTTP"},
	{ReplayDetected, 429, "Replay Detected", oauthInvalidToken, "the token was used before"},
	{KeysUnavailable, 503, "Keys Unavailable", oauthUnavailable, "the keys of callers cannot be read at the moment"},
	{ReplayStoreUnavailable, 503, "Replay Store Unavailable", oauthUnavailable, "the replay memory cannot be reached at the moment"},
	{Overloaded, 503, "Overloaded", oauthUnavailable, "too many requests are waiting"},
	{CheckFailed, 500, "Check Failed", oauthServerError, "the agent could not check the signature"},
	{BodyUnavailable, 500, "Body Unavailable", oauthServerError, "the agent read the body before it was verified"},
}

// misuses has every code of a wrong use of the library once.
var misuses = []Info{
	{InvalidArgument, 500, "Invalid Argument", oauthServerError, "the operation was called with a wrong argument"},
	{InvalidConfig, 500, "Invalid Configuration", oauthServerError, "the configuration is wrong"},
	{InvalidKey, 500, "Invalid Key", oauthServerError, "the key cannot be used"},
	{InvalidURL, 500, "Invalid URL", oauthServerError, "the URL cannot be used"},
	{SignerFailed, 500, "Signer Failed", oauthServerError, "the signer gave no usable signature"},
	{TokenRefused, 500, "Token Refused", oauthServerError, "the authority refused to issue a token"},
	{TokenUnavailable, 503, "Token Unavailable", oauthUnavailable, "the authority cannot be reached at the moment"},
	{UnknownOperation, 500, "Unknown Operation", oauthServerError, "this core has no such operation"},
	{UnknownEngine, 500, "Unknown Engine", oauthServerError, "no engine has this number: it was closed or never opened"},
	{UnknownTicket, 500, "Unknown Ticket", oauthServerError, "the ticket was used before, is too old or belongs to another engine"},
	{Internal, 500, "Internal Error", oauthServerError, "an internal error; please report it"},
}

var byCode = func() map[Code]Info {
	rows := make(map[Code]Info, len(refusals)+len(misuses))
	for _, row := range Table() {
		rows[row.Code] = row
	}
	return rows
}()

// IsVerdict reports whether a code judges what the caller sent. The others, of
// the class 5xx, say that nobody could judge it: no refusal may be made of them.
func (i Info) IsVerdict() bool { return i.Status < 500 }

// Table returns a copy of the whole table: Refusals, then Misuses.
func Table() []Info { return append(Refusals(), misuses...) }

// Refusals returns a copy of what a caller of an agent can see, in the order of the pipeline.
func Refusals() []Info { return slices.Clone(refusals) }

// Misuses returns a copy of what only the program that calls the library sees.
func Misuses() []Info { return slices.Clone(misuses) }

// Lookup returns the row of a code; an unknown code is an internal error.
func Lookup(code Code) Info {
	if row, ok := byCode[code]; ok {
		return row
	}
	return byCode[Internal]
}

// Problem is one refusal. It carries the first failure only.
type Problem struct {
	Code Code
	// Message may be shown to whoever made the call: for the codes of a
	// refused request it never holds text of the token or of the host.
	Message string
	// Log is for the operator alone and may quote values, cut to a bounded length.
	Log string
	// Subject completes the words of unknown_issuer ("Unknown Issuer: x").
	Subject string
	// Wait is what a 503 asks the caller to wait, in seconds; 0: the usual second.
	Wait int
	// Scope says what the request needs (RFC 6750 section 3), of insufficient_scope and of refused
	// access tokens: required patterns, separated by spaces, in the agent's own words.
	Scope string
}

// Error makes a Problem an error; it says what may be shown.
func (p *Problem) Error() string { return string(p.Code) + ": " + p.Message }

// New returns a problem with the given message, or the table's own text for "".
func New(code Code, message string) *Problem {
	if message == "" {
		message = Lookup(code).Text
	}
	return &Problem{Code: code, Message: message}
}

// Newf is New with a formatted message: for codes of a wrong use only.
func Newf(code Code, format string, args ...any) *Problem {
	return New(code, fmt.Sprintf(format, args...))
}

// WithLog adds what the operator should read.
func (p *Problem) WithLog(format string, args ...any) *Problem {
	p.Log = fmt.Sprintf(format, args...)
	return p
}

// Words returns the value of "error" in a response body.
func (p *Problem) Words() string {
	words := Lookup(p.Code).Words
	if p.Subject != "" {
		words += ": " + p.Subject
	}
	return words
}

// maxQuoted bounds how much of an attacker-chosen text reaches a log, in bytes.
const maxQuoted = 256

// Quote makes a text from outside safe for one line of a log: quoted, escaped
// and cut.
func Quote(text string) string {
	if len(text) > maxQuoted {
		return strconv.QuoteToASCII(text[:maxQuoted]) + "…"
	}
	return strconv.QuoteToASCII(text)
}
