package generate

import "strings"

const rfc9449Resource = "https://resource.example.org/protectedresource"

// rfc9449Proof is the DPoP proof of section 7.1; its key is in its header.
var rfc9449Proof = printedJWS{
	`{"typ":"dpop+jwt","alg":"ES256","jwk":{"kty":"EC","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA","crv":"P-256"}}`,
	`{"jti":"e1j3V_bKic8-LAEB","htm":"GET","htu":"https://resource.example.org/protectedresource","iat":1562262618,"ath":"fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"}`,
	"2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA",
}

// claimsFor is what a token says for one method and URL, without a body.
func claimsFor(method, url string) object {
	return boundClaims().with(object{"htm": method, "htu": url, "content_sha256": hexSHA256("")})
}

// rfc9449: our tokens take htm and htu from DPoP and nothing else. The printed
// requests are made with such a token.
func rfc9449(a *area) {
	place := object{"base_url": "https://resource.example.org"}
	request := object{"method": "GET", "path": "/protectedresource", "body": ""}
	source := "RFC 9449 section 7.1; section 4.3 items 8 and 9"
	a.accept("rfc9449-7-1-request", "the printed request with a token for its method and URL", source, open(place), accepted(sign(alice, claimsFor("GET", rfc9449Resource)), request))
	refuses := func(name, says, source string, t token, changes object, code string) {
		a.reject(name, "rfc9449-7-1-request", says, source, open(place), refused(t, request.with(changes), code))
	}
	refuses("rfc9449-7-1-other-method", "the same token with another method", source, sign(alice, claimsFor("GET", rfc9449Resource)), object{"method": "POST"}, "wrong_target")
	refuses("rfc9449-5-token-request", "a token for the printed token request at the resource", "RFC 9449 section 5; section 4.3 items 8 and 9",
		sign(alice, claimsFor("POST", "https://server.example.com/token")), nil, "wrong_target")
	refuses("rfc9449-5-other-origin", "a token for the resource's path on the printed authorization server", "RFC 9449 section 5; section 4.3 item 9",
		sign(alice, claimsFor("GET", "https://server.example.com/protectedresource")), nil, "wrong_target")
	refuses("rfc9449-proof-type", "a token of DPoP's type is none of ours, however good its signature", "RFC 9449 section 4.2; RFC 8725 section 3.11",
		signHeader(alice, object{"typ": "dpop+jwt"}, claimsFor("GET", rfc9449Resource)), nil, "malformed_token")
	a.reject("rfc9449-7-1-proof", "rfc9449-7-1-request", "the printed proof as a bearer token", "RFC 9449 section 7.1; RFC 8725 section 3.11",
		open(place), refusedText(rfc9449Proof.String(), request, "malformed_token"))
	a.reject("rfc9449-7-1-es256", "rfc9449-7-1-request", "a token with the printed alg", "RFC 9449 section 7.1; "+step3,
		open(place), refused(token{header: strings.Replace(rfc9449Proof.header, "dpop+jwt", "JWT", 1), payload: text(claimsFor("GET", rfc9449Resource))}, request, "unsupported_algorithm"))
	a.reject("rfc9449-7-1-scheme", "rfc9449-7-1-request", "the printed scheme: the credentials are Bearer tokens", "RFC 9449 section 7.1; "+step1, open(place),
		refused(sign(alice, claimsFor("GET", rfc9449Resource)), request.with(object{"authorization": []string{"DPoP Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"}}), "missing_authorization"))
}

// rfc3986: RFC 9449 section 4.3 compares htu after these normalizations.
func rfc3986(a *area) {
	spelled := func(name, says, source, base, htu, path string) {
		a.accept(name, says, source+"; RFC 9449 section 4.3", open(object{"base_url": base}),
			accepted(sign(alice, claimsFor("GET", htu)), object{"method": "GET", "path": path, "body": ""}))
	}
	spelled("rfc3986-case", "the printed URL in other letters", "RFC 3986 section 6.2.2.1", "http://www.example.com", "HTTP://www.EXAMPLE.com/", "/")
	spelled("rfc3986-no-path", "the printed URL without a path", "RFC 3986 section 6.2.3", "http://example.com", "http://example.com", "/")
	spelled("rfc3986-default-port", "the printed URL with the scheme's port", "RFC 3986 section 6.2.3", "http://example.com", "http://example.com:80/", "/")
	spelled("rfc3986-percent-encoding", "the printed path with an octet encoded that need not be, and hexadecimal digits in lower case", "RFC 3986 section 6.2.2",
		"http://example.com", "http://example.com/a/b/%63/%7bfoo%7d", "/a/b/c/%7Bfoo%7D")
	a.reject("rfc3986-other-octet", "rfc3986-percent-encoding", "another octet is another path", "RFC 3986 section 6.2.2.2; RFC 9449 section 4.3", open(object{"base_url": "http://example.com"}),
		refused(sign(alice, claimsFor("GET", "http://example.com/a/b/%64/%7bfoo%7d")), object{"method": "GET", "path": "/a/b/c/%7Bfoo%7D", "body": ""}, "wrong_target"))
	a.reject("rfc3986-other-port", "rfc3986-default-port", "another port is another origin", "RFC 3986 section 6.2.3; RFC 9449 section 4.3", open(object{"base_url": "http://example.com"}),
		refused(sign(alice, claimsFor("GET", "http://example.com:8080/")), object{"method": "GET", "path": "/", "body": ""}, "wrong_target"))
}
