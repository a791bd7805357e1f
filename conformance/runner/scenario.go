package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tidwall/gjson"

	"github.com/tallystick/tallystick/conformance"
)

// hostCryptoOperations are those in which RSA or hashing may be the host's part.
var hostCryptoOperations = map[string]bool{
	"engine.open": true, "engine.feed": true, "engine.resume": true, "request.sign": true, "request.verify": true,
	"access.verify": true, "access.issue": true, "access.serve": true, "access.command": true,
}

// scenario runs one vector on one leg.
type scenario struct {
	leg        Leg
	hostCrypto bool
	limit      time.Duration
	saved      map[string]json.RawMessage
	engines    [][]byte // numbers of the engines that were opened
	answers    [][]byte // normalised, in order
}

// failure is an answer that is not the expected one; any other error of a
// scenario means that the leg broke.
type failure struct{ reason string }

func (f *failure) Error() string { return f.reason }

func failed(format string, arguments ...any) error {
	return &failure{fmt.Sprintf(format, arguments...)}
}

// run makes the calls until an answer is not as expected, and closes the
// engines that were opened.
func (s *scenario) run(ctx context.Context, vector conformance.Vector) error {
	s.saved = map[string]json.RawMessage{}
	s.hostCrypto = s.hostCrypto && leavesRSAOpen(vector)
	err := s.steps(ctx, vector)
	if broken := (*failure)(nil); err != nil && !errors.As(err, &broken) {
		return err
	}
	return errors.Join(err, s.closeEngines(ctx))
}

// leavesRSAOpen reports whether a vector says nothing about where RSA is done. A
// driver cannot rewrite a raw text without mending its fault, so such a text
// settles it too.
func leavesRSAOpen(vector conformance.Vector) bool {
	for _, step := range vector.Steps {
		raw := step.RequestText != nil && hostCryptoOperations[step.Op]
		if raw || bytes.Contains(step.Request, []byte(`"rsa"`)) {
			return false
		}
	}
	return true
}

func (s *scenario) steps(ctx context.Context, vector conformance.Vector) error {
	for at, step := range vector.Steps {
		for range max(step.Repeat, 1) {
			if err := s.step(ctx, step); err != nil {
				return fmt.Errorf("step %d (%s): %w", at+1, step.Op, err)
			}
		}
	}
	return nil
}

func (s *scenario) step(ctx context.Context, step conformance.Step) error {
	call, err := s.build(step)
	if err != nil {
		return err
	}
	text, err := s.ask(ctx, step, call)
	if err != nil {
		return err
	}
	answer, err := conformance.ParseAnswer(text)
	if err != nil {
		return failed("%v: %s", err, cut(text))
	}
	expect, err := s.resolve(step.Expect)
	if err != nil {
		return err
	}
	if err := expect.Met(answer); err != nil {
		return failed("%v\nanswer: %s", err, cut(text))
	}
	if err := keepsSecrets(call, text); err != nil {
		return failed("%v", err)
	}
	return s.save(step.Save, text)
}

// ask makes the call and keeps what it answered.
func (s *scenario) ask(ctx context.Context, step conformance.Step, call Call) ([]byte, error) {
	text, err := s.call(ctx, call)
	if err != nil {
		return nil, err
	}
	s.answers = append(s.answers, normalise(step.Op, text, step.Varies))
	if engine := gjson.GetBytes(text, "ok.engine"); step.Op == "engine.open" && engine.Exists() {
		s.engines = append(s.engines, []byte(engine.Raw))
	}
	return text, nil
}

func (s *scenario) call(ctx context.Context, call Call) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	return s.leg.Call(ctx, call)
}

func (s *scenario) build(step conformance.Step) (Call, error) {
	body, err := s.body(step)
	if err != nil {
		return Call{}, err
	}
	call := Call{Op: step.Op, Body: body}
	if step.RequestText != nil {
		call.Request = []byte(conformance.SubstituteText(*step.RequestText, s.saved))
		return call, nil
	}
	call.HostCrypto = s.hostCrypto && hostCryptoOperations[step.Op]
	call.Request, err = conformance.Substitute(step.Request, s.lookup)
	return call, err
}

func (s *scenario) body(step conformance.Step) ([]byte, error) {
	if step.BodySaved == "" {
		return step.BodyBytes()
	}
	var text string
	if err := json.Unmarshal(s.saved[step.BodySaved], &text); err != nil {
		return nil, failed("what was saved as %s is no text: %v", step.BodySaved, err)
	}
	return []byte(text), nil
}

func (s *scenario) lookup(name string) (json.RawMessage, bool) {
	value, there := s.saved[name]
	return value, there
}

func (s *scenario) resolve(expect conformance.Expect) (conformance.Expect, error) {
	for _, object := range []*json.RawMessage{&expect.OK, &expect.OKIncludes, &expect.BodyJSON, &expect.Need} {
		text, err := conformance.Substitute(*object, s.lookup)
		if err != nil {
			return expect, err
		}
		*object = text
	}
	return expect, nil
}

func (s *scenario) save(wanted map[string]string, text []byte) error {
	for name, path := range wanted {
		value := gjson.GetBytes(text, path)
		if !value.Exists() {
			return failed("the answer has no %s to save: %s", path, cut(text))
		}
		s.saved[name] = json.RawMessage(value.Raw)
	}
	return nil
}

// closeEngines leaves nothing open for the next vector. An engine that the
// vector closed itself answers unknown_engine, which is as good.
func (s *scenario) closeEngines(ctx context.Context) error {
	for _, engine := range s.engines {
		request := fmt.Appendf(nil, `{"engine":%s}`, engine)
		if _, err := s.call(ctx, Call{Op: "engine.close", Request: request}); err != nil {
			return err
		}
	}
	return nil
}

// givesPrivateKeys are the operations whose answer is a private key, or gives
// back the one of the request.
var givesPrivateKeys = map[string]bool{"key.generate": true, "ring.update": true, "config.read": true}

// keepsSecrets refuses an answer that holds a private key which was not asked for.
func keepsSecrets(call Call, answer []byte) error {
	asked := givesPrivateKeys[call.Op] || gjson.GetBytes(call.Request, "include_private").Bool()
	for _, mark := range []string{"PRIVATE KEY-----", `"d":`, `\"d\":`} { // the last in a text of JSON
		if !asked && bytes.Contains(answer, []byte(mark)) {
			return errors.New("the answer holds a private key")
		}
	}
	return nil
}

// cut shortens an answer for a report.
func cut(text []byte) string {
	const most = 2000
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}
