package generate

// orchestrator: what rotagent's client does around a request.
func orchestrator() *area {
	a := newArea("orchestrator", "Where rotagent's client posts to, and what it makes of an agent's answer.")
	endpoints(a)
	outcomes(a)
	return a
}

func endpoints(a *area) {
	source := "protocol.md section 1: POST {url}/agent"
	gives := func(name, says, url, expected string) {
		a.accept(name, says, source, call("request.endpoint", object{"url": url}, "", ok(object{"url": expected})))
	}
	gives("url", "/agent is added", "https://agent.example", "https://agent.example/agent")
	gives("url-slash", "a slash at the end is dropped", "https://agent.example/", "https://agent.example/agent")
	gives("url-path", "a path stays", "http://localhost:5001/api", "http://localhost:5001/api/agent")
	bad := func(name, says, url string) {
		a.reject(name, "url", says, source, call("request.endpoint", object{"url": url}, "", errorCode("invalid_url")))
	}
	bad("url-no-scheme", "no scheme", "agent.example")
	bad("url-other-scheme", "another scheme", "ws://agent.example")
	bad("url-query", "a query", "https://agent.example?x=1")
	bad("url-fragment", "a fragment", "https://agent.example#x")
	bad("url-user", "a user name", "https://a@agent.example")
	bad("url-empty", "an empty URL", "")
	bad("url-host-empty", "a host that is missing", "https://")
	bad("url-host-wrong", "a host with a character that no host has", "https://agent$example")
}

func outcomes(a *area) {
	source := "protocol.md section 1: sending; rotagent send_secure_request"
	const url = "http://agent.example"
	gives := func(name, says string, status int, answer string, expected object) {
		result := expected.with(object{"agent_url": url})
		a.accept(name, says, source, call("request.outcome", object{"agent_url": url, "status": status}, answer, ok(object{"result": result})))
	}
	gives("outcome-ok", "the answer's object with agent_url added", 200, `{"result":[1,{"x":null}]}`, object{"result": []any{1, object{"x": nil}}})
	gives("outcome-agent-url-set", "an agent cannot claim another URL", 200, `{"agent_url":"http://evil.example","x":1}`, object{"x": 1})
	gives("outcome-empty-object", "an empty object", 200, `{}`, object{})
	gives("outcome-401", "401", 401, `{"error":"Token Expired"}`, object{"error": "Auth Failed"})
	gives("outcome-429", "429", 429, ``, object{"error": "Replay Detected"})
	gives("outcome-500", "another status", 500, `{}`, object{"error": "Status 500"})
	gives("outcome-201", "200 alone is success", 201, `{"x":1}`, object{"error": "Status 201"})
	noStatus := func(name, says string, status int) {
		a.reject(name, "outcome-500", says, "abi.md request.outcome", call("request.outcome", object{"agent_url": url, "status": status}, "{}", errorCode("invalid_argument")))
	}
	noStatus("outcome-status-short", "a status of two digits", 99)
	noStatus("outcome-status-long", "a status of four digits", 1000)
	notObject := object{"error": "The agent's answer is not a JSON object"}
	gives("outcome-array", "an array is no object", 200, `[1]`, notObject)
	gives("outcome-html", "a page is no JSON", 200, `<html>`, notObject)
	gives("outcome-empty", "no answer", 200, ``, notObject)
	gives("outcome-member-twice", "an object with a member twice says two things", 200, `{"x":1,"x":2}`, notObject)
	gives("outcome-not-utf-8", "an answer that is not UTF-8", 200, "{\"x\":\"\xff\"}", notObject)
}
