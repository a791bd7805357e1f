package generate

import "strings"

const (
	step1   = "protocol.md section 3 step 1"
	rfc6750 = "RFC 6750 section 2.1; " + step1
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

	bad := func(name, says, source string, values ...string) {
		changes := headers(values...)
		if values == nil {
			changes["authorization"] = []string{}
		}
		a.reject(name, "bearer", says, source, open(nil), refused(good, changes, "missing_authorization"))
	}
	bad("missing", "no Authorization header", "rotagent error table; "+step1)
	bad("empty", "an empty Authorization header", rfc6750, "")
	bad("scheme-alone", "the scheme without a token", rfc6750, "Bearer")
	bad("scheme-and-space", "the scheme and a space without a token", rfc6750, "Bearer ")
	bad("basic", "another scheme", rfc6750, "Basic YWxpY2U6c2VjcmV0")
	bad("scheme-as-long", "another scheme that is as long as Bearer", rfc6750, "Digest "+good.String())
	bad("token-alone", "a token without a scheme", rfc6750, good.String())
	bad("scheme-prefix", "a scheme that only starts like Bearer", rfc6750, "BearerX "+good.String())
	bad("two-headers", "two Authorization headers", "protocol.md section 8", "Bearer "+good.String(), "Bearer "+good.String())
	bad("comma-joined", "two headers that a server joined with a comma", "protocol.md section 8; RFC 9110 section 5.3",
		"Bearer "+good.String()+", Bearer "+good.String())
	bad("two-tokens", "two tokens in one header", rfc6750, "Bearer "+good.String()+" "+good.String())
	bad("trailing-space", "white space after the token", rfc6750, "Bearer "+good.String()+" ")
	parts := strings.Split(good.String(), ".")
	bad("json-serialization", "the JSON serialization of a JWS in place of a token", "RFC 7515 section 7.2; "+step1,
		"Bearer "+text(object{"protected": parts[0], "payload": parts[1], "signature": parts[2]}))
	bad("trailing-tab", "a tab after the token", rfc6750, "Bearer "+good.String()+"\t")
	bad("tab", "a tab in place of the space", rfc6750, "Bearer\t"+good.String())
	bad("no-space", "nothing between scheme and token: another scheme, whose name goes on", rfc6750, "Bearer"+good.String())
	return a
}
