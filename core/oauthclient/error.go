package oauthclient

import (
	"encoding/json"

	"github.com/tallystick/tallystick/core/problem"
)

// OAuth errors of a token endpoint (RFC 6749 section 5.2; the last is that of
// section 4.1.2.1, as there is no other word for it).
const (
	InvalidRequest         = "invalid_request"
	InvalidClient          = "invalid_client"
	ServerError            = "server_error"
	TemporarilyUnavailable = "temporarily_unavailable"
)

// Error is a refusal of a token endpoint. Description has nothing of the request
// in it and may be shown to whoever made it; Log is for the operator.
type Error struct {
	Code        string // OAuth error
	Status      int    // HTTP status
	Description string
	Log         string
}

// Error makes it an error; it says what may be shown.
func (e *Error) Error() string { return e.Code + ": " + e.Description }

// Response words the error for the client. A 401 has a challenge, whether or not
// the client had sent a header (RFC 9110 section 15.5.2). The realm must hold no
// quote and no backslash.
func (e *Error) Response(realm string) *problem.Response {
	body, err := json.Marshal(struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}{e.Code, e.Description})
	if err != nil {
		panic(err) // strings always marshal
	}
	headers := map[string]string{"content-type": "application/json", "cache-control": "no-store", "pragma": "no-cache"}
	switch e.Status {
	case 401:
		headers["www-authenticate"] = `Basic realm="` + realm + `"`
	case 503:
		headers["retry-after"] = "1"
	}
	return &problem.Response{Status: e.Status, Headers: headers, Body: string(body)}
}

func invalidRequest(description string) *Error {
	return &Error{Code: InvalidRequest, Status: 400, Description: description, Log: description}
}

// notChecked is no verdict: the client may be who it says.
func notChecked(log string) *Error {
	return &Error{Code: ServerError, Status: 500, Description: "the client could not be authenticated", Log: log}
}

// Overloaded asks a client to come again.
func Overloaded(log string) *Error {
	return &Error{Code: TemporarilyUnavailable, Status: 503, Description: "too many requests are waiting", Log: log}
}

// invalidClient says the same to everybody: only the log tells why.
func invalidClient(log string) *Error {
	return &Error{Code: InvalidClient, Status: 401, Description: "client authentication failed", Log: log}
}
