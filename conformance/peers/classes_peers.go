package peers

import (
	"encoding/json"
	"strings"
)

// peerClasses: what the core accepts and a library does not, or reads differently.
func peerClasses() []Class {
	isTask := func(f Finding, tasks ...Task) bool {
		for _, task := range tasks {
			if f.Case.Task == task {
				return true
			}
		}
		return false
	}
	noClaims := func(f Finding) bool {
		payload := f.Case.Ours.Accepted.Payload
		return isTask(f, VerifyJWS, SignJWS) && payload != nil && !isObject(*payload)
	}
	return []Class{{
		ID: "payload-no-claims", Side: PeerRefuses, Peers: []string{golang, nodeJWT}, Source: "RFC 7515 section 3: any octets; RFC 7519 section 7.2 asks for JSON only in a JWT",
		Reason: "The payload is no JSON object. golang-jwt signs and verifies claims only; jsonwebtoken parses every payload as JSON where `typ` is JWT.",
		Fits:   noClaims,
	}, {
		ID: "payload-no-bytes", Side: ReadsOther, Peers: []string{nodeJWT}, Source: "RFC 7515 section 3: any octets",
		Reason: "The payload is no UTF-8. jsonwebtoken signs texts and objects; a Buffer has to become a text first.",
		Fits:   func(f Finding) bool { return isTask(f, SignJWS) && noClaims(f) },
	}, {
		ID: "payload-respelled", Side: ReadsOther, Peers: []string{golang}, Source: "RFC 7515 section 5.1; RFC 7519 section 3: no canonical form",
		Reason: "golang-jwt signs its own JSON spelling of the claims: without white space, and with `<`, `>` and `&` escaped. The values are the same.",
		Fits: func(f Finding) bool {
			token := f.signed()
			return isTask(f, SignJWS) && sameJSON(decodePart(token, 1), string(f.Case.Question.Payload)) && sameJSON(decodePart(token, 0), f.Case.Question.Header)
		},
	}, {
		ID: "typ-added", Side: ReadsOther, Peers: []string{pyJWT}, Source: "RFC 7515 section 4.1.9: optional",
		Reason: "PyJWT adds `typ` JWT to a header that has none.",
		Fits: func(f Finding) bool {
			header := headerOf(f.signed())
			return isTask(f, SignJWS) && header.Get("typ").String() == "JWT" && !strings.Contains(f.Case.Question.Header, `"typ"`)
		},
	}, {
		ID: "header-members", Side: PeerRefuses, Peers: []string{joserfc}, Source: "RFC 7515 section 4: members that are not understood must be ignored",
		Reason: "joserfc refuses members of the header that are not registered with it.",
		Fits:   func(f Finding) bool { return strings.HasPrefix(f.Reply.Refused, "UnsupportedHeaderError") },
	}, {
		ID: "header-size", Side: PeerRefuses, Peers: []string{joserfc}, Source: "joserfc: JWSRegistry.max_header_length",
		Reason: "joserfc reads at most 512 bytes of header; one that carries a key or a certificate is longer. The core bounds the whole token.",
		Fits:   func(f Finding) bool { return strings.HasPrefix(f.Reply.Refused, "ExceededSizeError") },
	}, {
		ID: "blank-claims", Side: PeerRefuses, Peers: []string{joserfc}, Source: "protocol.md section 3 step 11",
		Reason: "`content_sha256` is empty. joserfc takes an empty required claim for missing; the core compares it with the digest of the body, and refuses it then.",
		Fits: func(f Finding) bool {
			digest := f.claim("content_sha256")
			return f.Case.Ours.Later && isText(digest) && digest.String() == ""
		},
	}, {
		ID: "large-exponent", Side: PeerRefuses, Peers: []string{golang}, Source: "Go: crypto/rsa",
		Reason: "The public exponent is above 2^31-1, the largest that Go's crypto/rsa takes; the core takes it up to 2^32-1 (protocol.md section 6).",
		Fits:   func(f Finding) bool { return strings.Contains(f.Reply.Refused, "public exponent too large") },
	}, {
		ID: "pkcs1", Side: PeerRefuses, Peers: []string{joseNode}, Source: "RFC 8017 appendix A.1; RFC 5915; jose: importSPKI, importPKCS8",
		Reason: "The key is PKCS#1 (`RSA PUBLIC KEY`, `RSA PRIVATE KEY`) or SEC 1 (`EC PRIVATE KEY`). jose reads SPKI and PKCS#8 only.",
		Fits: func(f Finding) bool {
			key := f.Case.Question.Key
			return isTask(f, ImportKey) && (strings.Contains(key, "-----BEGIN RSA P") || strings.Contains(key, "-----BEGIN EC P"))
		},
	}, {
		ID: "pkcs8-attributes", Side: PeerRefuses, Peers: []string{pyJWT, joserfc, joseNode}, Source: "RFC 5958 section 2; RFC 8410 section 10.3",
		Reason: "PKCS#8 of version 2 has attributes and the public half behind the private one, as RFC 8410 prints it. cryptography and OpenSSL 3.0 do not read this form; the core reads the private half.",
		Fits:   func(f Finding) bool { return f.Case.Vector == "published/rfc8410-10-3-attributes" },
	}, {
		ID: "no-eddsa", Side: PeerRefuses, Peers: []string{nodeJWT}, Source: "RFC 8037 section 3.1",
		Reason: "jsonwebtoken has no EdDSA.",
		Fits:   func(f Finding) bool { return f.Case.Question.Alg == "EdDSA" },
	}, {
		ID: "ed25519-name", Side: PeerRefuses, Peers: []string{golang, pyJWT, joserfc}, Source: "RFC 9864 section 2.2",
		Reason: "The header says `Ed25519`, the newer name of EdDSA with this curve, which these libraries do not know by default. The core reads both names and writes `EdDSA`.",
		Fits: func(f Finding) bool {
			header := f.Case.Question.Header
			return f.header("alg").String() == "Ed25519" || header != "" && strings.Contains(header, `"Ed25519"`)
		},
	}}
}

// signed is the token that a peer made.
func (f Finding) signed() string {
	if f.Reply.Accepted == nil {
		return ""
	}
	return f.Reply.Accepted.Token
}

func isObject(text []byte) bool {
	var object map[string]any
	return json.Unmarshal(text, &object) == nil
}
