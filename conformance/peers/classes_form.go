package peers

import (
	"encoding/base64"
	"strings"
)

const (
	malformed = "malformed_token"
	step2     = "protocol.md section 3 step 2"
)

// formClasses: the token's own form, which the core reads strictly before anything else.
func formClasses() []Class {
	notBase64url := because(malformed, "not strict base64url")
	holds := func(letters string) func(Finding) bool {
		return func(f Finding) bool { return strings.ContainsAny(f.Case.Question.Token, letters) }
	}
	return []Class{{
		ID: "token-size", Side: WeRefuse, Peers: everyPeer(), Source: step2,
		Reason: "The core reads at most 16,384 bytes of token, so that a stranger cannot make it decode and parse more. The libraries leave the limit to the server.",
		Fits:   because(malformed, "the token is over"),
	}, {
		ID: "base64url-padding", Side: WeRefuse, Peers: []string{pyJWT, joseNode}, Source: "RFC 7515 section 2: base64url with all trailing '=' omitted",
		Reason: "A part of the token ends with `=`. A second spelling of one token passes caches and deny lists that know the first.",
		Fits:   both(notBase64url, holds("=")),
	}, {
		ID: "base64url-line-breaks", Side: WeRefuse, Peers: []string{golang, joseNode}, Source: "RFC 7515 section 2: no line breaks, white space or other characters",
		Reason: "A part of the token holds a line break, which the decoders of Go and of Node's Web APIs pass over.",
		Fits:   both(notBase64url, holds("\r\n")),
	}, {
		ID: "base64url-stray-bits", Side: WeRefuse, Peers: []string{golang, joseNode, nodeJWT}, Source: "RFC 4648 section 3.5",
		Reason: "The last character of a part has bits that decode to nothing, so that several texts are the same token. golang-jwt refuses it with WithStrictDecoding.",
		Fits:   both(notBase64url, hasStrayBits),
	}, {
		ID: "member-twice", Side: WeRefuse, Peers: everyPeer(), Source: "RFC 7515 section 4; RFC 7519 section 4; RFC 8259 section 4",
		Reason: "A member appears twice in the header or the claims. Readers take the first, the last or both, so that two services see two issuers in one token.",
		Fits:   because(malformed, "a member appears twice"),
	}, {
		ID: "nesting", Side: WeRefuse, Peers: everyPeer(), Source: step2,
		Reason: "The claims are nested more than 16 deep. Deep nesting takes the stack of recursive readers.",
		Fits:   because(malformed, "nested too deeply"),
	}, {
		ID: "long-numbers", Side: WeRefuse, Peers: everyPeer(), Source: step2 + "; abi.md",
		Reason: "A number has more than 64 characters. It is read as an infinity, a rounded value or an integer of thousands of digits, depending on the language.",
		Fits:   because(malformed, "a number is too long"),
	}, {
		ID: "unpaired-surrogates", Side: WeRefuse, Peers: everyPeer(), Source: "RFC 8259 section 8.2; RFC 7493 section 2.1",
		Reason: "A string holds half of a surrogate pair. Some readers keep it and some replace it by U+FFFD, whereby two different names become one.",
		Fits:   because(malformed, "an unpaired surrogate"),
	}, {
		ID: "utf-8", Side: WeRefuse, Peers: []string{golang, pyJWT, joserfc, nodeJWT}, Source: "RFC 8259 section 8.1; RFC 3629 section 3",
		Reason: "The header or the claims are not UTF-8. Go and Node's Buffer replace the bytes by U+FFFD, Python reads encoded surrogates.",
		Fits:   because(malformed, "not valid UTF-8"),
	}, {
		ID: "byte-order-mark", Side: WeRefuse, Peers: []string{pyJWT, joserfc, joseNode}, Source: "RFC 8259 section 8.1: must not be added, may be ignored",
		Reason: "The claims begin with a byte order mark. The core takes no text that is not JSON from its first byte on.",
		Fits: both(because(malformed, "not valid JSON"), func(f Finding) bool {
			return strings.HasPrefix(decodePart(f.Case.Question.Token, 1), "\ufeff")
		}),
	}}
}

// hasStrayBits: some part decodes, but not with the last bits looked at.
func hasStrayBits(f Finding) bool {
	for part := range strings.SplitSeq(f.Case.Question.Token, ".") {
		_, loose := base64.RawURLEncoding.DecodeString(part)
		_, strict := base64.RawURLEncoding.Strict().DecodeString(part)
		if loose == nil && strict != nil {
			return true
		}
	}
	return false
}
