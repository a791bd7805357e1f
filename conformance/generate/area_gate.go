package generate

import "strings"

const (
	step2 = "protocol.md section 3 step 2"
	json8 = "protocol.md section 8; RFC 8259"
	traps = "protocol.md section 8"
)

// base64url's alphabet, to count with.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// strayBits sets a bit that the last character of an encoding does not carry: the
// decoded bytes stay the same.
func strayBits(encoded string) string {
	last := strings.IndexByte(alphabet, encoded[len(encoded)-1])
	return encoded[:len(encoded)-1] + string(alphabet[last|1])
}

func gate() *area {
	a := newArea("gate", "The form of a token: size, parts, base64url, UTF-8 and strict JSON, decided before any other reader sees it.")
	good := sign(alice, rotagentClaims())
	parts := strings.Split(good.String(), ".")
	a.accept("well-formed", "a well-formed token is accepted", "RFC 7515 section 7.1", open(nil), accepted(good, nil))
	bad := func(name, says, source, token string) {
		a.reject(name, "well-formed", says, source, open(nil), refusedText(token, nil, "malformed_token"))
	}
	gateParts(bad, good, parts)
	gateEncoding(bad, parts)
	gateSize(a)
	gatePayload(a)
	gateHeader(a)
	return a
}

func gateParts(bad func(name, says, source, token string), good token, parts []string) {
	compact := "RFC 7515 section 3.1; " + step2
	bad("two-parts", "a token of two parts", compact, parts[0]+"."+parts[1])
	bad("four-parts", "a token of four parts", compact, good.String()+".AAAA")
	bad("one-part", "a token of one part", compact, "token")
	bad("dots-alone", "a token of empty parts", compact, "..")
	bad("header-empty", "an empty header", compact, "."+parts[1]+"."+parts[2])
	bad("payload-empty", "an empty payload", compact, parts[0]+".."+parts[2])
}

func gateEncoding(bad func(name, says, source, token string), parts []string) {
	strict := "RFC 7515 section 2; " + step2
	join := func(header, payload, signature string) string { return header + "." + payload + "." + signature }
	bad("padding", "padding after a part", strict, join(parts[0], parts[1], parts[2]+"=="))
	bad("stray-bits-in-signature", "trailing bits in the signature, which decodes to the same bytes", "RFC 4648 section 3.5; "+traps,
		join(parts[0], parts[1], strayBits(parts[2])))
	bad("stray-bits-in-header", "trailing bits in the header, really signed over that spelling", "RFC 4648 section 3.5; "+traps,
		resigned(strayBits(base64url([]byte(`{"alg":"RS256"} `))), parts[1]))
	bad("line-break-in-signature", "a line break in the signature, which Go's decoder skips", traps,
		join(parts[0], parts[1], parts[2][:9]+"\n"+parts[2][9:]))
	bad("line-break-in-payload", "a carriage return in the payload, really signed over that spelling", traps,
		resigned(parts[0], parts[1][:8]+"\r"+parts[1][8:]))
	bad("standard-alphabet", "base64 with + and / in place of base64url", strict,
		join(parts[0], parts[1], strings.NewReplacer("-", "+", "_", "/").Replace(parts[2])))
	bad("non-ascii", "a character outside ASCII in the signature", strict, join(parts[0], parts[1], "é"+parts[2][1:]))
	bad("nul", "a NUL byte in the payload", strict, join(parts[0], parts[1]+"\x00", parts[2]))
}

// resigned signs encoded parts as they are spelled.
func resigned(header, payload string) string {
	input := header + "." + payload
	return input + "." + base64url([]byte(rs256(alice, input)))
}

// maxToken is the largest token, in bytes.
const maxToken = 16 << 10

// sized returns a token of exactly so many bytes.
func sized(length int) token {
	padding := 0
	for {
		t := sign(alice, rotagentClaims().with(object{"padding": strings.Repeat("x", padding)}))
		missing := length - len(t.String())
		if missing == 0 {
			return t
		}
		padding += max(1, missing*3/4-3)
	}
}

func gateSize(a *area) {
	a.accept("size-largest", "a token of 16,384 bytes", step2, open(nil), accepted(sized(maxToken), nil))
	a.reject("size-over", "size-largest", "a token of 16,386 bytes (no encoding has 16,385)", step2, open(nil), refused(sized(maxToken+2), nil, "malformed_token"))
}

// payloadWith puts raw JSON members in front of the plain claims.
func payloadWith(members string) string { return `{` + members + `,` + text(rotagentClaims())[1:] }

func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

func gatePayload(a *area) {
	fine := func(name, says, source, payload string) {
		a.accept(name, says, source, open(nil), accepted(signTexts(alice, plainHeader, payload), nil))
	}
	bad := func(name, twin, says, source, payload string) {
		a.reject(name, twin, says, source, open(nil), refused(signTexts(alice, plainHeader, payload), nil, "malformed_token"))
	}
	claims := text(rotagentClaims())
	fine("payload-spaced", "white space between the tokens of the JSON text", "RFC 8259 section 2", " {\t\"x\" : 1 ,\r\n"+claims[1:]+" ")
	bad("payload-null", "payload-spaced", "a payload of null", traps, "null")
	bad("payload-array", "payload-spaced", "a payload that is an array", step2, "["+claims+"]")
	bad("payload-string", "payload-spaced", "a payload that is a string", step2, `"claims"`)
	bad("payload-trailing-text", "payload-spaced", "text after the JSON object", json8, claims+"{}")
	bad("payload-byte-order-mark", "payload-spaced", "a byte order mark in front", "RFC 8259 section 8.1", "\uFEFF"+claims)
	bad("payload-comment", "payload-spaced", "a comment", json8, payloadWith("/**/\"x\":1"))
	bad("payload-trailing-comma", "payload-spaced", "a comma after the last member", json8, claims[:len(claims)-1]+",}")
	bad("payload-leading-zero", "payload-spaced", "a number with a leading zero", "RFC 8259 section 6", payloadWith(`"x":01`))
	bad("payload-control-character", "payload-spaced", "a raw control character in a string", "RFC 8259 section 7", payloadWith("\"x\":\"\x01\""))

	fine("payload-two-issuer-spellings", "members whose names differ in case are different members: ISS says nothing", traps, payloadWith(`"ISS":"mallory","EXP":1`))
	bad("payload-issuer-twice", "payload-two-issuer-spellings", "iss twice: readers differ in which of them counts", "RFC 7519 section 4; "+step2, payloadWith(`"iss":"mallory"`))
	bad("payload-issuer-twice-escaped", "payload-two-issuer-spellings", "iss twice, once spelled with an escape", traps, payloadWith(`"\u0069ss":"mallory"`))
	bad("payload-nested-member-twice", "payload-two-issuer-spellings", "a repeated member inside another claim", step2, payloadWith(`"x":[{"y":1,"y":2}]`))

	fine("payload-depth-16", "nesting of 16 levels, the object itself among them", step2, payloadWith(`"x":`+nested(15)))
	bad("payload-depth-17", "payload-depth-16", "nesting of 17 levels", step2, payloadWith(`"x":`+nested(16)))
	bad("payload-depth-5000", "payload-depth-16", "nesting of 5,000 levels, which overflows the stack of a WebAssembly host", traps, payloadWith(`"x":`+nested(5000)))

	fine("payload-number-64", "a number of 64 characters", step2, payloadWith(`"x":1`+strings.Repeat("0", 63)))
	bad("payload-number-65", "payload-number-64", "a number of 65 characters", step2, payloadWith(`"x":1`+strings.Repeat("0", 64)))
	bad("payload-number-5000", "payload-number-64", "a number of 5,000 digits, which Python refuses to convert", traps, payloadWith(`"x":1`+strings.Repeat("0", 4999)))

	fine("payload-surrogate-pair", "a pair of surrogates is a character", "RFC 8259 section 7", payloadWith(`"x":"\ud83d\ude00"`))
	bad("payload-unpaired-high", "payload-surrogate-pair", "an unpaired high surrogate", traps, payloadWith(`"x":"\ud83d"`))
	bad("payload-half-pair", "payload-surrogate-pair", "a high surrogate and then another character", traps, payloadWith(`"x":"\ud83d\u0041"`))
	bad("payload-unpaired-low", "payload-surrogate-pair", "an unpaired low surrogate", traps, payloadWith(`"x":"\ude00"`))
	bad("payload-unpaired-name", "payload-surrogate-pair", "an unpaired surrogate in a member's name", traps, payloadWith(`"\ud83d":1`))

	fine("payload-utf-8", "text outside ASCII in UTF-8", "RFC 8259 section 8.1", payloadWith(`"x":"é"`))
	bad("payload-latin-1", "payload-utf-8", "a byte that is not UTF-8: two issuers could become one", traps, payloadWith("\"x\":\"\xe9\""))
	bad("payload-overlong", "payload-utf-8", "an overlong encoding", "RFC 3629 section 3; "+traps, payloadWith("\"x\":\"\xc0\xaf\""))
	bad("payload-encoded-surrogate", "payload-utf-8", "a surrogate encoded as UTF-8", "RFC 3629 section 3; "+traps, payloadWith("\"x\":\"\xed\xa0\x80\""))
	gateGrammar(fine, bad)
}

// gateGrammar: what one reader of JSON refuses and another takes, two of them
// understand differently.
func gateGrammar(fine func(name, says, source, payload string), bad func(name, twin, says, source, payload string)) {
	numbers, texts := "RFC 8259 section 6", "RFC 8259 section 7"
	fine("payload-number-parts", "a fraction and an exponent", numbers, payloadWith(`"x":[1.5,-0.25,1e2,1E+2,2.5e-1]`))
	for _, number := range [][3]string{
		{"dot", "a point without digits behind it", "1."}, {"dot-exponent", "an exponent right behind the point", "1.e2"},
		{"exponent", "an exponent without digits", "1e"}, {"exponent-sign", "an exponent that is a sign alone", "1e+"}, {"minus", "a minus alone", "-"},
	} {
		bad("payload-number-"+number[0], "payload-number-parts", number[1], numbers, payloadWith(`"x":`+number[2]))
	}
	fine("payload-escapes", "every escape there is", texts, payloadWith(`"x":"\"\\\/\b\f\n\r\t\u00e9\u00E9"`))
	bad("payload-escaped-control", "payload-escapes", "a raw control character behind an escape", texts, payloadWith("\"x\":\"\\n\x01\""))
	bad("payload-escape-unknown", "payload-escapes", "an escape that JSON does not have", texts, payloadWith(`"x":"\x41"`))
	bad("payload-escape-hex", "payload-escapes", "letters that are no hex digits behind \\u", texts, payloadWith(`"x":"\u00zz"`))
	bad("payload-escape-short", "payload-escapes", "three hex digits behind \\u", texts, payloadWith(`"x":"\u00e"`))
	bad("payload-low-too-high", "payload-surrogate-pair", "a high surrogate and then the first character above the low ones", traps, payloadWith(`"x":"\ud83d\ue000"`))
	fine("payload-colon", "a colon between name and value, white space around it", "RFC 8259 section 4", payloadWith(`"x" : 1`))
	bad("payload-no-colon", "payload-colon", "no colon between name and value", "RFC 8259 section 4", payloadWith(`"x" 1`))
}

func gateHeader(a *area) {
	claims := text(rotagentClaims())
	fine := func(name, says, source, header string) {
		a.accept(name, says, source, open(nil), accepted(signTexts(alice, header, claims), nil))
	}
	bad := func(name, twin, says, source, header string) {
		a.reject(name, twin, says, source, open(nil), refused(signTexts(alice, header, claims), nil, "malformed_token"))
	}
	fine("header-unknown-member", "an unknown member of the header is ignored", "RFC 7515 section 4", `{"alg":"RS256","x":1}`)
	bad("header-not-json", "header-unknown-member", "a header that is not JSON", step2, "RS256")
	bad("header-array", "header-unknown-member", "a header that is an array", step2, `["RS256"]`)
	bad("header-algorithm-twice", "header-unknown-member", "alg twice", "RFC 7515 section 4; "+step2, `{"alg":"RS256","alg":"RS256"}`)
	bad("header-latin-1", "header-unknown-member", "a header that is not UTF-8", step2, "{\"alg\":\"RS256\",\"x\":\"\xe9\"}")
}
