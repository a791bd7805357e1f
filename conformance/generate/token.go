package generate

import (
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"strings"
)

// object is a JSON object.
type object map[string]any

// with returns a copy with other members; the value remove takes one out.
func (o object) with(changes object) object {
	out := maps.Clone(o)
	for name, value := range changes {
		if value == remove {
			delete(out, name)
		} else {
			out[name] = value
		}
	}
	return out
}

type removed struct{}

var remove = removed{}

// The request that most tokens are made for.
const (
	now      = 1700000000
	body     = `{"query":"What movies are playing?"}`
	endpoint = "https://agent.example/agent"
)

func hexSHA256(data string) string {
	sum := sha256.Sum256([]byte(data))
	return hex.EncodeToString(sum[:])
}

// rotagentClaims is what rotagent 0.1.0 writes: no receiver is named.
func rotagentClaims() object {
	return object{"iss": "alice", "iat": now, "exp": now + 60, "jti": "jti-1", "content_sha256": hexSHA256(body)}
}

// boundClaims names the receiver.
func boundClaims() object {
	return rotagentClaims().with(object{"htm": "POST", "htu": endpoint})
}

// token is a compact JWS. It is made of texts, so that it can hold any fault,
// and really signed, so that the fault is the only one.
type token struct{ header, payload, signature string }

func (t token) input() string {
	return base64url([]byte(t.header)) + "." + base64url([]byte(t.payload))
}

func (t token) String() string { return t.input() + "." + base64url([]byte(t.signature)) }

// note shows a reader what the encoded token says.
func (t token) note() string { return "the token says " + t.header + " . " + cut(t.payload) }

func cut(text string) string {
	const most = 400
	if len(text) > most {
		return text[:most] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

func rs256(key keyPair, input string) string {
	return signPKCS1(key, crypto.SHA256, input)
}

// signPKCS1 is deterministic (RFC 8017 section 8.2.1).
func signPKCS1(key keyPair, hash crypto.Hash, input string) string {
	digest := hash.New()
	digest.Write([]byte(input))
	signature, err := rsa.SignPKCS1v15(nil, key.PrivateKey, hash, digest.Sum(nil))
	if err != nil {
		panic(err)
	}
	return string(signature)
}

func hs256(secret, input string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(input))
	return string(mac.Sum(nil))
}

// signTexts signs a header and a payload as they are.
func signTexts(key pair, header, payload string) token {
	t := token{header: header, payload: payload}
	t.signature = key.sign(t.input())
	return t
}

const plainHeader = `{"alg":"RS256","typ":"JWT"}`

// headerOf names a key's algorithm.
func headerOf(key pair) string { return `{"alg":"` + key.algorithm() + `","typ":"JWT"}` }

func sign(key pair, claims object) token { return signTexts(key, headerOf(key), text(claims)) }

func signHeader(key pair, header, claims object) token {
	return signTexts(key, text(object{"alg": key.algorithm(), "typ": "JWT"}.with(header)), text(claims))
}

// parsed reads a payload back, numbers as they are spelled.
func parsed(payload string) object {
	decoder := json.NewDecoder(strings.NewReader(payload))
	decoder.UseNumber()
	var members object
	if err := decoder.Decode(&members); err != nil {
		panic(err)
	}
	return members
}
