package generate

import "strings"

const (
	step1    = "protocol.md section 3 step 1"
	step1Two = "protocol.md section 3 (ambiguous_authorization); RFC 6750 section 3.1"
	rfc6750  = "RFC 6750 section 2.1; " + step1
)

func authorization() *area {
	a := newArea("authorization", "The Authorization header: exactly one, with exactly one Bearer token.")
	good := sign(alice, rotagentClaims())
	headers := func(values ...string) object { return object{"authorization": values} }

	a.accept("bearer", "one header with one Bearer token is accepted", rfc6750, open(nil), accepted(good, nil))
	a.accept("scheme-lower-case", "the scheme is case-insensitive", "RFC 9110 section 11.1; "+step1,
		open(nil), accepted(good, headers("bearer "+good.String())))
	a.accept("scheme-upper-case", "the scheme is case-insensitive", "RFC 9110 section 11.1; "+step1,
		open(nil), accepted(good, headers("BEARER "+good.String())))

	rejects := func(code string) func(name, says, source string, values ...string) {
		return func(name, says, source string, values ...string) {
			a.reject(name, "bearer", says, source, open(nil), refused(good, headers(append([]string{}, values...)...), code))
		}
	}
	bad, ambiguous := rejects("missing_authorization"), rejects("ambiguous_authorization")
	bad("missing", "no Authorization header", "rotagent error table; "+step1)
	bad("empty", "an empty Authorization header", rfc6750, "")
	bad("scheme-alone", "the scheme without a token", rfc6750, "Bearer")
	bad("scheme-and-space", "the scheme and a space without a token", rfc6750, "Bearer ")
	bad("basic", "another scheme", rfc6750, "Basic YWxpY2U6c2VjcmV0")
	bad("scheme-as-long", "another scheme that is as long as Bearer", rfc6750, "Digest "+good.String())
	bad("token-alone", "a token without a scheme", rfc6750, good.String())
	bad("scheme-prefix", "a scheme that only starts like Bearer", rfc6750, "BearerX "+good.String())
	ambiguous("two-headers", "two Authorization headers", step1Two, "Bearer "+good.String(), "Bearer "+good.String())
	ambiguous("two-headers-basic-first", "a header of another scheme and one with a token", step1Two, "Basic YTpi", "Bearer "+good.String())
	ambiguous("two-headers-other", "two headers of another scheme", step1Two, "Basic YTpi", "Basic YTpi")
	ambiguous("comma-joined", "two headers that a server joined with a comma", step1Two+"; RFC 9110 section 5.3",
		"Bearer "+good.String()+", Bearer "+good.String())
	ambiguous("comma-joined-no-space", "two headers that a server joined with a comma alone", step1Two+"; RFC 3875 section 4.1.18",
		"Bearer "+good.String()+",Bearer "+good.String())
	ambiguous("comma-joined-empty", "a token and an empty header, joined", step1Two, "Bearer "+good.String()+",")
	ambiguous("comma-joined-basic-first", "a header of another scheme and one with a token, joined", step1Two, "Basic YTpi,Bearer "+good.String())
	ambiguous("comma-joined-basic-parameter", "two headers of another scheme, joined, of which the second looks like a parameter", step1Two, "Basic YTpi,YTo=")
	ambiguous("comma-joined-digest-first", "a header with parameters and one with a token, joined", step1Two, `Digest username="a, b", realm="c",Bearer `+good.String())
	ambiguous("comma-joined-digest-basic", "a header with parameters and one of another scheme that ends like a parameter, joined", step1Two, `Digest username="a",Basic YTo=`)
	ambiguous("comma-joined-scheme", "a header with a token behind one of another scheme alone", step1Two, "Negotiate,Bearer "+good.String())
	bad("parameters", "one header of another scheme, whose parameters are separated by commas", "RFC 9110 section 11.4; "+step1, `Digest username="a, Bearer b", realm="c", uri = "/"`)
	ambiguous("two-tokens", "two tokens in one header", step1Two, "Bearer "+good.String()+" "+good.String())
	bad("trailing-space", "white space after the token", rfc6750, "Bearer "+good.String()+" ")
	parts := strings.Split(good.String(), ".")
	ambiguous("json-serialization", "the JSON serialization of a JWS in place of a token", "RFC 7515 section 7.2; "+step1,
		"Bearer "+text(object{"protected": parts[0], "payload": parts[1], "signature": parts[2]}))
	bad("trailing-tab", "a tab after the token", rfc6750, "Bearer "+good.String()+"\t")
	bad("tab", "a tab in place of the space", rfc6750, "Bearer\t"+good.String())
	bad("no-space", "nothing between scheme and token: another scheme, whose name goes on", rfc6750, "Bearer"+good.String())
	return a
}
