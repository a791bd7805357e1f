package problem

import (
	"encoding/json"
	"strconv"
)

// retryAfter is what a 503 asks the caller to wait at least, in seconds.
const retryAfter = 1

// Response is an HTTP answer, ready to send. Header names are lower case.
type Response struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// Challenge is what an agent says of itself to those whom it refuses. Neither text may hold a quote
// or a backslash.
type Challenge struct {
	Realm string
	// ResourceMetadata is the URL of its document of RFC 9728; "": it has none.
	ResourceMetadata string
}

// Response words the problem for the caller of an agent: the JSON body of
// protocol.md section 3 and the challenge of RFC 6750 section 3 and RFC 9728
// section 5.1. Every message of the table is without quotes and backslashes.
func (p *Problem) Response(c Challenge) *Response {
	row := Lookup(p.Code)
	body, err := json.Marshal(struct {
		Error       string `json:"error"`
		Code        Code   `json:"code"`
		Description string `json:"error_description"`
		Scope       string `json:"scope,omitempty"`
	}{p.Words(), p.Code, p.Message, p.Scope})
	if err != nil {
		panic(err) // strings always marshal
	}
	headers := map[string]string{
		"content-type":  "application/json",
		"cache-control": "no-store",
	}
	switch {
	case row.Status == 401, row.Status == 403, row.Status == 429, row.Code == AmbiguousAuthorization:
		headers["www-authenticate"] = p.challenge(row, c)
	case row.Status == 503:
		headers["retry-after"] = strconv.Itoa(max(p.Wait, retryAfter))
	}
	return &Response{Status: row.Status, Headers: headers, Body: string(body)}
}

func (p *Problem) challenge(row Info, c Challenge) string {
	challenge := `Bearer realm="` + c.Realm + `"`
	if row.OAuth != "" {
		challenge += `, error="` + row.OAuth + `", error_description="` + p.Message + `"`
	}
	if p.Scope != "" {
		challenge += `, scope="` + p.Scope + `"`
	}
	if c.ResourceMetadata != "" {
		challenge += `, resource_metadata="` + c.ResourceMetadata + `"`
	}
	return challenge
}
