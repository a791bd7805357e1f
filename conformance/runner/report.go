package runner

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

type jsonReport struct {
	Passed int       `json:"passed"`
	Failed int       `json:"failed"`
	Known  int       `json:"known_failing"`
	Legs   []jsonLeg `json:"legs"`
}

type jsonLeg struct {
	Name    string       `json:"name"`
	Broken  string       `json:"broken,omitempty"`
	Left    int          `json:"left_out,omitempty"` // heavy vectors, on a slow leg
	Results []jsonResult `json:"results"`
}

type jsonResult struct {
	Vector  string  `json:"vector"`
	Passed  bool    `json:"passed"`
	Seconds float64 `json:"seconds"`
	Failure string  `json:"failure,omitempty"`
	Known   string  `json:"known_failing,omitempty"` // the cause
}

// reportFiles are the names of the reports.
var reportFiles = []string{"report.json", "junit.xml"}

// RemoveFiles removes the reports of an earlier run from a folder.
func RemoveFiles(folder string) error {
	for _, name := range reportFiles {
		if err := os.Remove(filepath.Join(folder, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// WriteFiles writes report.json and junit.xml into a folder, which is made
// when it is missing.
func (r Report) WriteFiles(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(r.asJSON(), "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "report.json"), append(text, '\n'), 0o644); err != nil {
		return err
	}
	text, err = xml.MarshalIndent(r.asJUnit(), "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "junit.xml"), append([]byte(xml.Header), append(text, '\n')...), 0o644)
}

func (r Report) asJSON() jsonReport {
	var out jsonReport
	out.Passed, out.Failed, out.Known = r.Counts()
	for _, leg := range r.Legs {
		row := jsonLeg{Name: leg.Name, Broken: leg.Broken, Left: leg.Left, Results: []jsonResult{}}
		for _, result := range leg.Results {
			row.Results = append(row.Results, jsonResult{
				Vector: result.Vector.Name, Passed: result.Failure == "" && result.Known == "",
				Seconds: result.Seconds, Failure: result.Failure, Known: result.Known,
			})
		}
		out.Legs = append(out.Legs, row)
	}
	return out
}

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Errors   int         `xml:"errors,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure"`
	Error   *junitMessage `xml:"error"`
	Skipped *junitMessage `xml:"skipped"` // known to fail: readers of JUnit have no other word for it
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func (r Report) asJUnit() junitSuites {
	var out junitSuites
	for _, leg := range r.Legs {
		out.Suites = append(out.Suites, leg.asJUnit())
	}
	return out
}

// asJUnit gives a leg that could not run an error of its own: readers of JUnit
// know an error from a failure.
func (l LegReport) asJUnit() junitSuite {
	suite := junitSuite{Name: l.Name}
	for _, result := range l.Results {
		row := junitCase{
			Class: l.Name + "." + areaOf(result.Vector.Name), Name: result.Vector.Name,
			Time: fmt.Sprintf("%.6f", result.Seconds),
		}
		if result.Failure != "" {
			row.Failure = &junitMessage{result.Vector.Says, result.Failure}
			suite.Failures++
		}
		if result.Known != "" {
			row.Skipped = &junitMessage{Message: "known to fail: " + result.Known}
			suite.Skipped++
		}
		suite.Cases = append(suite.Cases, row)
	}
	if l.Broken != "" {
		suite.Cases = append(suite.Cases, junitCase{
			Class: l.Name, Name: "leg can run", Time: "0", Error: &junitMessage{"the leg could not run", l.Broken},
		})
		suite.Errors++
	}
	suite.Tests = len(suite.Cases)
	return suite
}
