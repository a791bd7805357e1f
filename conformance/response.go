package conformance

import (
	"encoding/json"
	"fmt"
	"strings"
)

// met compares the HTTP response of an error with what protocol.md section 3
// and RFC 6750 section 3 fix; no expectation is always met.
func (want *Response) met(problem *Problem) error {
	if want == nil {
		return nil
	}
	got := problem.Response
	if got == nil {
		return fmt.Errorf("the error has no response")
	}
	if got.Status != want.Status {
		return fmt.Errorf("response: expected status %d, got %d", want.Status, got.Status)
	}
	if err := want.bodyMet(problem); err != nil {
		return err
	}
	if want.Status == 503 && got.Headers["retry-after"] == "" {
		return fmt.Errorf("response: a 503 must have retry-after")
	}
	return want.challengeMet(got.Headers["www-authenticate"])
}

func (want *Response) bodyMet(problem *Problem) error {
	var body struct {
		Error       string `json:"error"`
		Code        string `json:"code"`
		Description string `json:"error_description"`
		Scope       string `json:"scope"`
	}
	decoder := json.NewDecoder(strings.NewReader(problem.Response.Body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil {
		return fmt.Errorf("response body: %w", err)
	}
	switch {
	case body.Error != want.Words:
		return fmt.Errorf("response body: expected error %q, got %q", want.Words, body.Error)
	case body.Code != problem.Code:
		return fmt.Errorf("response body: its code is %q", body.Code)
	case body.Description != problem.Message:
		return fmt.Errorf("response body: error_description is not the message")
	case body.Scope != want.Scope:
		return fmt.Errorf("response body: expected scope %q, got %q", want.Scope, body.Scope)
	case problem.Response.Headers["content-type"] != "application/json":
		return fmt.Errorf("response: content-type is not application/json")
	}
	return nil
}

func (want *Response) challengeMet(challenge string) error {
	demanded := want.Status == 400 && want.OAuth != "" || want.Status == 401 || want.Status == 403 || want.Status == 429
	switch {
	case demanded != (challenge != ""):
		return fmt.Errorf("response: www-authenticate is %q with status %d", challenge, want.Status)
	case demanded && !strings.HasPrefix(challenge, `Bearer realm="`):
		return fmt.Errorf("response: the challenge is %q", challenge)
	case want.Realm != "" && !strings.HasPrefix(challenge, `Bearer realm="`+want.Realm+`"`):
		return fmt.Errorf("response: expected realm=%q in the challenge %q", want.Realm, challenge)
	case want.ResourceMetadata != "" && !strings.Contains(challenge, ` resource_metadata="`+want.ResourceMetadata+`"`):
		return fmt.Errorf("response: expected resource_metadata=%q in the challenge %q", want.ResourceMetadata, challenge)
	case want.OAuth == "" && strings.Contains(challenge, "error="):
		return fmt.Errorf("response: expected a bare challenge, got %q", challenge)
	case want.OAuth != "" && demanded && !strings.Contains(challenge, ` error="`+want.OAuth+`"`):
		return fmt.Errorf("response: expected error=%q in the challenge %q", want.OAuth, challenge)
	case want.Scope == "" && strings.Contains(challenge, " scope="), want.Scope != "" && !strings.Contains(challenge, ` scope="`+want.Scope+`"`):
		return fmt.Errorf("response: expected scope=%q in the challenge %q", want.Scope, challenge)
	}
	return nil
}
