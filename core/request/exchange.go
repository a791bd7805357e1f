package request

import (
	"strconv"
	"strings"

	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
	"github.com/tallystick/tallystick/core/weburl"
)

// maxAnswerDepth is how deep an agent's answer may nest: it is passed on, no
// decision rests on it.
const maxAnswerDepth = 256

// Endpoint returns where rotagent's orchestrator posts to: {url}/agent.
func Endpoint(url string) (string, *problem.Problem) {
	t, err := weburl.Parse(url)
	switch {
	case err != nil:
		return "", problem.New(problem.InvalidURL, err.Error())
	case t.HasQuery || t.HasFragment:
		return "", problem.New(problem.InvalidURL, "an agent's URL has no query and no fragment: /agent is added to it")
	}
	return strings.TrimRight(url, "/") + "/agent", nil
}

// Outcome returns what rotagent's orchestrator makes of an agent's answer, as a
// JSON object: the answer's own members with agent_url set, or rotagent's words.
func Outcome(status int, body []byte, agentURL string) []byte {
	switch {
	case status == 401:
		return failure("Auth Failed", agentURL)
	case status == 429:
		return failure("Replay Detected", agentURL)
	case status != 200:
		return failure("Status "+strconv.Itoa(status), agentURL)
	case strictjson.CheckObjectWithin(body, maxAnswerDepth) != nil:
		return failure("The agent's answer is not a JSON object", agentURL)
	}
	result := []byte{'{'}
	strictjson.Members(string(body), func(name string, v strictjson.Value) bool {
		if name == "agent_url" {
			return true
		}
		result = strictjson.AppendString(result, name)
		result = append(result, ':')
		result = append(result, v.Raw...)
		result = append(result, ',')
		return true
	})
	return appendAgentURL(result, agentURL)
}

func failure(words, agentURL string) []byte {
	result := []byte(`{"error":`)
	result = strictjson.AppendString(result, words)
	return appendAgentURL(append(result, ','), agentURL)
}

func appendAgentURL(result []byte, agentURL string) []byte {
	result = append(result, `"agent_url":`...)
	return append(strictjson.AppendString(result, agentURL), '}')
}
