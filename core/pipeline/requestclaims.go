package pipeline

import (
	"github.com/tallystick/tallystick/core/digest"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
	"github.com/tallystick/tallystick/core/weburl"
)

// maxMethod bounds an HTTP method, in bytes.
const maxMethod = 32

// RequestClaims tie a token to one HTTP request: its body, method, URL and query
// (protocol.md section 1; htm and htu as in RFC 9449 section 4.2).
type RequestClaims struct{ ContentSHA256, Method, URL, Query Claim }

// RequestClaimNames are the claims' names in the order in which they are written.
var RequestClaimNames = [...]string{"content_sha256", "htm", "htu", "query_sha256"}

// Member returns where a claim of that name is kept, nil for all others.
func (c *RequestClaims) Member(name string) *Claim {
	switch name {
	case "content_sha256":
		return &c.ContentSHA256
	case "htm":
		return &c.Method
	case "htu":
		return &c.URL
	case "query_sha256":
		return &c.Query
	}
	return nil
}

// There reports whether the token has any of them.
func (c *RequestClaims) There() bool {
	return c.ContentSHA256.There() || c.Method.There() || c.URL.There() || c.Query.There()
}

// CheckTypes refuses claims that are no strings, and required ones that are missing.
func (c *RequestClaims) CheckTypes(bodyRequired, targetRequired bool) *problem.Problem {
	for i, claim := range [...]struct {
		value    *Claim
		required bool
	}{{&c.ContentSHA256, bodyRequired}, {&c.Method, targetRequired}, {&c.URL, targetRequired}, {&c.Query, false}} {
		switch {
		case claim.value.IsText():
		case claim.value.There(): //guard:binding-types never
			return InvalidClaim(RequestClaimNames[i] + " must be a string")
		case claim.required: //guard:binding-required never
			return InvalidClaim(RequestClaimNames[i] + " is missing")
		}
	}
	return nil
}

// CheckBody is step 11: the body is there and within the limit, in bytes, and its
// digest, compared in constant time, is the one that was signed.
func (c *RequestClaims) CheckBody(b *need.ReceivedBody, limit int) *problem.Problem {
	b.LetGo(limit)
	if p := b.There(limit); p != nil {
		return p
	}
	return c.checkDigest(b.SHA256)
}

func (c *RequestClaims) checkDigest(received string) *problem.Problem {
	if !digest.Equal(c.ContentSHA256.Text, received) { //guard:body-digest never
		return problem.New(problem.BodyTampered, "").WithLog("the body's SHA-256 is %s, the token was signed for %s", received, problem.Quote(c.ContentSHA256.Text))
	}
	return nil
}

// AppendBody writes the claim of a body's hex SHA-256, with a comma in front.
func AppendBody(to []byte, bodySHA256 string) []byte {
	to = append(to, `,"content_sha256":"`...)
	to = append(to, bodySHA256...)
	return append(to, '"')
}

// AppendTarget writes htm, htu and, where the URL has a query, query_sha256, with
// a comma in front.
func AppendTarget(to []byte, method, url string) ([]byte, *problem.Problem) {
	if !validMethod(method) {
		return nil, problem.New(problem.InvalidArgument, "method must be an HTTP method such as POST")
	}
	u, err := weburl.Parse(url)
	if err != nil {
		return nil, problem.New(problem.InvalidURL, err.Error())
	}
	if weburl.HasDotSegment(u.Path) {
		return nil, problem.New(problem.InvalidURL, "the URL has a dot segment, which HTTP clients take out: resolve it before signing")
	}
	to = append(to, `,"htm":`...)
	to = strictjson.AppendString(to, method)
	to = append(to, `,"htu":`...)
	to = strictjson.AppendString(to, u.Origin+u.Path)
	if u.Query != "" {
		to = append(to, `,"query_sha256":"`...)
		to = append(to, digest.Hex([]byte(u.Query))...)
		to = append(to, '"')
	}
	return to, nil
}

// validMethod is a token of RFC 9110 section 9.1 in the letters that methods use.
func validMethod(method string) bool {
	for i := 0; i < len(method); i++ {
		c := method[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return method != "" && len(method) <= maxMethod
}
