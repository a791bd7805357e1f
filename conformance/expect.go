package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Answer is what a core answers: one of the four forms (abi.md).
type Answer struct {
	OK     json.RawMessage `json:"ok"`
	Need   json.RawMessage `json:"need"`
	Ticket json.Number     `json:"ticket"`
	Error  *Problem        `json:"error"`
}

// Problem is the "error" of an answer.
type Problem struct {
	Code     string        `json:"code"`
	Message  string        `json:"message"`
	Log      string        `json:"log"`
	Response *HTTPResponse `json:"response"`
}

// HTTPResponse is the "response" of an error.
type HTTPResponse struct {
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
}

// ParseAnswer reads an answer and refuses one that is not of the ABI's form.
func ParseAnswer(text []byte) (Answer, error) {
	var answer Answer
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&answer); err != nil {
		return Answer{}, fmt.Errorf("the answer is not of the ABI's form: %w", err)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return Answer{}, fmt.Errorf("there is text after the answer")
	}
	said := 0
	for _, there := range []bool{answer.OK != nil, answer.Need != nil, answer.Error != nil} {
		if there {
			said++
		}
	}
	if said != 1 || (answer.Need != nil && !endsWithClaim(answer.Need)) != (answer.Ticket != "") {
		return Answer{}, fmt.Errorf("the answer is not exactly one of ok, need with ticket, error")
	}
	return answer, answer.Error.printable()
}

// endsWithClaim tells a need that has its own end, so no ticket.
func endsWithClaim(need json.RawMessage) bool {
	var last struct {
		Kind    string
		Claimed struct{ OK json.RawMessage }
	}
	return json.Unmarshal(need, &last) == nil && last.Kind == "claim" && last.Claimed.OK != nil
}

// printable refuses text that would break a line of a log or of a response.
func (p *Problem) printable() error {
	if p == nil {
		return nil
	}
	for _, text := range []string{p.Message, p.Log} {
		if strings.ContainsFunc(text, unicode.IsControl) {
			return fmt.Errorf("a message holds a control character: %q", text)
		}
	}
	return nil
}

// Met returns nil when the answer is what is expected, else what differs. The
// expectation must hold no references any more.
func (e Expect) Met(answer Answer) error {
	switch {
	case e.OK != nil:
		return errors.Join(compareObject("ok", e.OK, answer.OK, exact), e.bodyMet(answer.OK))
	case e.OKIncludes != nil:
		return errors.Join(compareObject("ok", e.OKIncludes, answer.OK, includes), e.bodyMet(answer.OK))
	case e.Need != nil:
		return compareObject("need", e.Need, answer.Need, includes)
	}
	if answer.Error == nil {
		return fmt.Errorf("expected the error %s", e.Error)
	}
	if answer.Error.Code != e.Error {
		return fmt.Errorf("expected the error %s, got %s", e.Error, answer.Error.Code)
	}
	return e.Response.met(answer.Error)
}

// bodyMet compares the JSON text in ok.response.body.
func (e Expect) bodyMet(ok json.RawMessage) error {
	if e.BodyJSON == nil || ok == nil {
		return nil
	}
	var served struct{ Response HTTPResponse }
	if err := json.Unmarshal(ok, &served); err != nil {
		return fmt.Errorf("ok.response: %w", err)
	}
	return compareObject("ok.response.body", e.BodyJSON, json.RawMessage(served.Response.Body), includes)
}
