package peers

import (
	"encoding/pem"
	"fmt"
	"io/fs"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tallystick/tallystick/conformance"
)

// testKeys sign what peers sign, by algorithm.
var testKeys = map[string]string{"RS256": "keys/alice.pem", "PS256": "keys/alice.pem", "ES256": "keys/p256.pem", "EdDSA": "keys/ed25519.pem"}

// signatures takes the tokens that the core signed in a vector: peers must accept
// them and read the same bytes.
func (c *collector) signatures(made []exchange) {
	var own keyring
	for _, e := range made {
		own.signing(c, e.request)
		token := signedIn(e.answer)
		key, there := own.verifier(token)
		if !there || !key.signed(token) {
			continue // no token, or one that a portal of the vector signed
		}
		payload := []byte(decodePart(token, 1))
		header := decodePart(token, 0)
		c.add(VerifyJWS, Question{Token: token, Key: key.pem, Alg: key.alg, Allowed: namesOf(key.alg)}, Ours{Accepted: &Result{Header: header, Payload: &payload}})
		if e.op != "jws.sign" {
			c.add(VerifyJWT, freshQuestion(token, key), Ours{Accepted: &Result{Header: header, Claims: string(payload)}})
		}
	}
}

// signing adds the keys that a request brings to sign with.
func (k *keyring) signing(c *collector, request gjson.Result) {
	for _, path := range []string{"private_key", "signer.private_key", "signer.public_key"} {
		if text := request.Get(path).String(); text != "" {
			k.text(c, "", text)
		}
	}
	for _, path := range []string{"ring", "access.ring"} {
		k.ring(c, "", request.Get(path))
	}
}

// signedIn returns the token of an answer: of an operation, or of a token endpoint.
func signedIn(answer gjson.Result) string {
	if token := answer.Get("ok.token"); token.Exists() {
		return token.String()
	}
	return gjson.Get(answer.Get("ok.response.body").String(), "access_token").String()
}

// freshQuestion asks about a token at the moment it was issued.
func freshQuestion(token string, key knownKey) Question {
	claims := claimsOf(token)
	q := Question{Token: token, Key: key.pem, Alg: key.alg, Allowed: namesOf(key.alg), Now: claims.Get("iat").Float(), Issuer: claims.Get("iss").String()}
	if audience := claims.Get("aud"); audience.Exists() {
		q.Audience = []string{audience.String()}
	}
	return q
}

// toSign has peers sign what the accepted tokens of the vectors say.
func (c *collector) toSign() error {
	for _, found := range c.cases { // the range is over the cases so far
		if found.Ours.Accepted == nil || found.Task != VerifyJWS && found.Task != VerifyJWT {
			continue
		}
		c.vector = found.Vector
		key, err := readTestKey(found.Question.Alg)
		if err != nil {
			return err
		}
		header, payload := decodePart(found.Question.Token, 0), []byte(decodePart(found.Question.Token, 1))
		// Another provider's (RFC 9068): the core takes such tokens, and signs none.
		if strings.HasSuffix(strings.ToLower(gjson.Get(header, "typ").String()), "at+jwt") {
			continue
		}
		c.add(SignJWS, Question{Key: key, Alg: found.Question.Alg, Header: header, Payload: payload}, Ours{Accepted: &Result{Header: header, Payload: &payload}})
	}
	return nil
}

// readTestKey returns the PEM block without the words in front of it.
func readTestKey(alg string) (string, error) {
	name, there := testKeys[alg]
	if !there {
		return "", fmt.Errorf("there is no key for %q", alg)
	}
	text, err := fs.ReadFile(conformance.Files(), name)
	if err != nil {
		return "", err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return "", fmt.Errorf("%s holds no PEM block", name)
	}
	return string(pem.EncodeToMemory(block)), nil
}

// signedAlike checks a token that a peer signed: the core accepts it, reads what
// was to be signed, and signs the same bytes itself where the algorithm leaves no
// choice (RFC 8017 section 8.2, RFC 8032 section 5.1.6; libraries draw a number for
// ES256, and everybody a salt for PS256). It returns the core's refusal, or else what
// the token says.
func (c core) signedAlike(q Question, token string) (Result, string, error) {
	answer := c.ask("jws.verify", map[string]string{"token": token, "key": c.publicOf(q)}, nil)
	if code := answer.Get("error.code").String(); code != "" {
		return Result{}, code, nil
	}
	payload := []byte(decodePart(token, 1))
	header := decodePart(token, 0)
	said := Result{Header: answer.Get("ok.header").Raw, Payload: &payload}
	if q.Alg == "ES256" || q.Alg == "PS256" {
		return said, "", nil
	}
	request := fmt.Appendf(nil, `{"private_key":%s,"header":%s}`, gjson.AppendJSONString(nil, q.Key), header)
	again := gjson.ParseBytes(c("jws.sign", request, payload))
	if own := again.Get("ok.token").String(); own != token {
		return Result{}, "", fmt.Errorf("the core signs %q over the same header and payload (%s), the peer %q", own, strings.TrimSpace(again.Get("error").Raw), token)
	}
	return said, "", nil
}

// publicOf is the text of a key's public half, with its algorithm.
func (c core) publicOf(q Question) string {
	public := c.ask("key.inspect", map[string]string{"text": q.Key}, nil).Get("ok.keys.0.public_jwk").Raw
	if q.Alg == "PS256" { // PEM cannot say so
		public = strings.Replace(public, `"RS256"`, `"PS256"`, 1)
	}
	return public
}
