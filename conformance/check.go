package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/tallystick/tallystick/core/problem"
)

var (
	vectorName    = regexp.MustCompile(`^[a-z0-9-]+/[a-z0-9-]+$`)
	operationName = regexp.MustCompile(`^[A-Za-z0-9._-]*$`) // what a driver reads without unescaping
	saveName      = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

// maxRepeat and maxFill (bytes) bound one step, so that a typing error does not
// run for hours.
const (
	maxRepeat = 2000
	maxFill   = 16 << 20
)

// Check refuses a suite that could pass without checking what it claims to.
func (s *Suite) Check() error {
	byName := map[string]Vector{}
	for _, area := range s.Areas {
		for _, vector := range area.Vectors {
			if err := checkVector(area.Area, vector); err != nil {
				return fmt.Errorf("%s: %w", vector.Name, err)
			}
			if _, there := byName[vector.Name]; there {
				return fmt.Errorf("%s: the name is used twice", vector.Name)
			}
			byName[vector.Name] = vector
		}
	}
	if len(byName) == 0 {
		return errors.New("there are no vectors")
	}
	for _, vector := range s.Vectors() {
		if err := errors.Join(checkTwin(vector, byName), checkSuccessor(vector, byName)); err != nil {
			return fmt.Errorf("%s: %w", vector.Name, err)
		}
	}
	return nil
}

func checkVector(area string, v Vector) error {
	switch {
	case !vectorName.MatchString(v.Name) || !strings.HasPrefix(v.Name, area+"/"):
		return fmt.Errorf("the name must be %s/ and lower-case words joined by -", area)
	case v.Says == "" || v.Source == "":
		return errors.New("says and source are required")
	case len(v.Steps) == 0:
		return errors.New("there are no steps")
	}
	saved := map[string]bool{}
	for at, step := range v.Steps {
		if err := checkStep(step, saved); err != nil {
			return fmt.Errorf("step %d: %w", at+1, err)
		}
		if v.Kind == Accept && step.Expect.Error != "" {
			return fmt.Errorf("step %d: an accept expects no error", at+1)
		}
		for name := range step.Save {
			saved[name] = true
		}
	}
	return nil
}

func checkTwin(v Vector, byName map[string]Vector) error {
	switch v.Kind {
	case Accept:
		if v.Twin != "" {
			return errors.New("only a reject has a twin")
		}
		return nil
	case Reject:
		if twin, there := byName[v.Twin]; !there || twin.Kind != Accept {
			return fmt.Errorf("twin %q is not an accept vector", v.Twin)
		}
		return nil
	}
	return fmt.Errorf("unknown kind %q", v.Kind)
}

// checkSuccessor demands that what took a vector's place is run, and so is the
// twin of a vector that is run.
func checkSuccessor(v Vector, byName map[string]Vector) error {
	if v.SupersededBy == "" {
		if twin := byName[v.Twin]; twin.SupersededBy != "" {
			return fmt.Errorf("twin %q was superseded by %q", v.Twin, twin.SupersededBy)
		}
		return nil
	}
	if successor, there := byName[v.SupersededBy]; !there || successor.SupersededBy != "" || successor.Name == v.Name {
		return fmt.Errorf("superseded_by %q is not a vector that is run", v.SupersededBy)
	}
	return nil
}

func checkStep(step Step, saved map[string]bool) error {
	if !operationName.MatchString(step.Op) {
		return fmt.Errorf("op %q has other characters than letters, digits, '.', '_' and '-'", step.Op)
	}
	if (step.Request == nil) == (step.RequestText == nil) {
		return errors.New("exactly one of request and request_text is required")
	}
	if step.Request != nil && !bytes.HasPrefix(bytes.TrimSpace(step.Request), []byte("{")) {
		return errors.New("request must be an object")
	}
	if err := checkBody(step, saved); err != nil {
		return err
	}
	if step.Repeat < 0 || step.Repeat > maxRepeat {
		return fmt.Errorf("repeat must be at most %d", maxRepeat)
	}
	for _, path := range step.Varies {
		if !strings.Contains(path, ".") {
			return fmt.Errorf("varies: %q leaves nothing to compare: name the value that is random", path)
		}
	}
	for name := range step.Save {
		if !saveName.MatchString(name) {
			return fmt.Errorf("save: %q is not a name", name)
		}
	}
	if err := checkReferences(step.Request, saved); err != nil {
		return err
	}
	return checkExpect(step.Expect, saved)
}

func checkBody(step Step, saved map[string]bool) error {
	given := 0
	for _, there := range []bool{step.Body != "", step.BodyBase64 != "", step.BodyFill != 0, step.BodySaved != ""} {
		if there {
			given++
		}
	}
	if given > 1 {
		return errors.New("body, body_base64, body_fill and body_saved exclude each other")
	}
	if step.BodySaved != "" && !saved[step.BodySaved] {
		return fmt.Errorf("body_saved: no earlier step saved %q", step.BodySaved)
	}
	if step.BodyFill < 0 || step.BodyFill > maxFill {
		return fmt.Errorf("body_fill must be at most %d", maxFill)
	}
	if _, err := step.BodyBytes(); err != nil {
		return fmt.Errorf("body_base64: %w", err)
	}
	return nil
}

func checkReferences(text json.RawMessage, saved map[string]bool) error {
	_, err := Substitute(text, func(name string) (json.RawMessage, bool) {
		return json.RawMessage("null"), saved[name]
	})
	return err
}

func checkExpect(e Expect, saved map[string]bool) error {
	expectations := 0
	for _, object := range []json.RawMessage{e.OK, e.OKIncludes, e.Need, e.BodyJSON} {
		if object == nil {
			continue
		}
		expectations++
		if err := checkReferences(object, saved); err != nil {
			return err
		}
	}
	if e.BodyJSON != nil {
		if expectations--; e.OK == nil && e.OKIncludes == nil {
			return errors.New("expect: body_json is for ok and ok_includes")
		}
	}
	if e.Error != "" {
		expectations++
		if problem.Lookup(problem.Code(e.Error)).Code != problem.Code(e.Error) {
			return fmt.Errorf("expect: unknown error code %q", e.Error)
		}
	}
	if expectations != 1 {
		return errors.New("expect: exactly one of ok, ok_includes, error and need is required")
	}
	if e.Response != nil && e.Error == "" {
		return errors.New("expect: response is for an error")
	}
	return checkNeed(e.Need)
}

func checkNeed(need json.RawMessage) error {
	if need == nil {
		return nil
	}
	var said struct{ Kind string }
	if err := json.Unmarshal(need, &said); err != nil {
		return err
	}
	switch said.Kind {
	case "keys", "claim", "sign", "check", "fetch", "body", "derive", "put", "get", "take":
		return nil
	}
	return fmt.Errorf("expect: unknown kind of need %q", said.Kind)
}
