package parity

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// headerMutators change headers of requests and of fetched answers, and forms.
var headerMutators = []mutator{
	{name: "authorization", weight: 12, fits: isAuthorization, value: changeAuthorization},
	{name: "header-value", weight: 24, fits: isHeader, value: func(r *rand.Rand, s site) bool { return s.setText(pick(r, headerTexts)) }},
	{name: "form", weight: 60, fits: isForm, value: changeForms},
	{name: "status", weight: 24, fits: isStatus, value: func(r *rand.Rand, s site) bool { return s.set(literal(pick(r, statuses))) }},
}

func isAuthorization(s site) bool { return anyText(s) && s.name == "authorization" }

func changeAuthorization(r *rand.Rand, s site) bool {
	text := s.node().text
	scheme, rest, _ := strings.Cut(text, " ")
	if r.IntN(4) == 0 && s.parent.kind == isArray {
		s.parent.add("", str(pick(r, []string{text, "", "Basic YTpi", "Bearer", "Bearer x.y.z"})))
		return true
	}
	return s.setText(pick(r, []string{
		strings.ToLower(scheme) + " " + rest, strings.ToUpper(scheme) + " " + rest, scheme + "  " + rest, scheme + "\t" + rest, scheme + rest, scheme, scheme + " ", " " + text, text + " ", text + "\t",
		text + ", " + text, text + ",", text + " x", rest, "Basic " + rest, "DPoP " + rest, scheme + " \"" + rest + "\"", scheme + "=" + rest, scheme + "\u00a0" + rest, text + "\r\nx: y", text + "\x00", "BeareR " + rest,
		"Bearer Bearer " + rest, scheme + " " + rest + "=", "Bearer\v" + rest, "ſ" + text,
	}))
}

var headerNames = []string{"cache-control", "content-type", "etag", "age", "date", "expires", "retry-after", "if_none_match", "content_type", "location", "method", "last-modified"}

func isHeader(s site) bool { return anyText(s) && slices.Contains(headerNames, s.name) }

var headerTexts = []string{
	"max-age=60", "max-age=0", "max-age=-1", "max-age=1e3", "max-age=99999999999999999999", "max-age=\"300\"", "MAX-AGE=300", "max-age = 300", "max-age=300, max-age=600", "no-store", "no-cache, max-age=300",
	"public,max-age=300", "s-maxage=5, max-age=300", "max-age=300;", "max-age=3600.5", "max-age=０", "private=\"max-age=5\", max-age=300", "must-revalidate", "application/json", "Application/JSON",
	"application/json; charset=utf-8", "application/jwk-set+json", "text/html", "application/x-www-form-urlencoded", "application/x-www-form-urlencoded;charset=UTF-8", "application/x-www-form-urlencoded ; x",
	"multipart/form-data", "", " ", ",", "W/\"x\"", "\"x\"", "*", "x", "\"a\", \"b\"", "\"\"", "\"é\"", "120", "-1", "Wed, 21 Oct 2015 07:28:00 GMT", "GET", "POST", "post", "HEAD", "OPTIONS", "PUT", "GET ", "é", "\u0100",
}

var statuses = []string{"0", "100", "200", "201", "204", "299", "301", "304", "400", "401", "403", "404", "429", "500", "503", "599", "600", "-1", "200.0", "2e2", "1e9"}

func isStatus(s site) bool { return s.name == "status" && s.node().kind == isLiteral }

func isForm(s site) bool {
	return s.name == "body" && anyText(s) && strings.Contains(s.node().text, "=") && !isJSON(s.node().text)
}

func changeForms(r *rand.Rand, s site) bool {
	fields := strings.Split(s.node().text, "&")
	at := r.IntN(len(fields))
	name, value, _ := strings.Cut(fields[at], "=")
	switch r.IntN(4) {
	case 0:
		fields = append(fields[:at:at], fields[at+1:]...)
	case 1:
		fields = append(fields, pick(r, []string{fields[at], name + "=x", name + "=", name, "=", "", "x=y", "scope=read", "target=https%3A%2F%2Fagents.example.com%2Fbob", "%67rant_type=client_credentials"}))
	case 2:
		fields[at] = name + "=" + pick(r, []string{"", "%", "%0", "%00", "%zz", "+", "%20", "%2B", "%C3%A9", "%ff", "%ED%A0%80", value + "+", "+" + value, value + "%0A", strings.ToUpper(value), value + value, "a;b", "*"})
	default:
		fields[at] = pick(r, []string{strings.ToUpper(name), name + " ", "%" + name, name + "[]"}) + "=" + value
	}
	return s.setText(strings.Join(fields, pick(r, []string{"&", "&", "&", "&", "&&", ";"})))
}
