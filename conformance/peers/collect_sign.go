package peers

import (
	"encoding/pem"
	"fmt"
	"io/fs"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/tallystick/tallystick/conformance"
)

// testKey signs what peers sign.
const testKey = "keys/alice.pem"

// signatures takes the tokens that the core signed in a vector: peers must accept
// them and read the same bytes.
func (c *collector) signatures(made []exchange) {
	var own keyring
	for _, e := range made {
		own.signing(c, e.request)
		token := signedIn(e.answer)
		key, there := own.verifier(token)
		if !there || !signedBy(token, key.pem) {
			continue // no token, or one that a portal of the vector signed
		}
		payload := []byte(decodePart(token, 1))
		header := decodePart(token, 0)
		c.add(VerifyJWS, Question{Token: token, Key: key.pem}, Ours{Accepted: &Result{Header: header, Payload: &payload}})
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
	q := Question{Token: token, Key: key.pem, Now: claims.Get("iat").Float(), Issuer: claims.Get("iss").String()}
	if audience := claims.Get("aud"); audience.Exists() {
		q.Audience = []string{audience.String()}
	}
	return q
}

// toSign has peers sign what the accepted tokens of the vectors say.
func (c *collector) toSign() error {
	key, err := readTestKey()
	if err != nil {
		return err
	}
	for _, found := range c.cases { // the range is over the cases so far
		if found.Ours.Accepted == nil || found.Task != VerifyJWS && found.Task != VerifyJWT {
			continue
		}
		c.vector = found.Vector
		header, payload := decodePart(found.Question.Token, 0), []byte(decodePart(found.Question.Token, 1))
		// Another provider's (RFC 9068): the core takes such tokens, and signs none.
		if strings.HasSuffix(strings.ToLower(gjson.Get(header, "typ").String()), "at+jwt") {
			continue
		}
		c.add(SignJWS, Question{Key: key, Header: header, Payload: payload}, Ours{Accepted: &Result{Header: header, Payload: &payload}})
	}
	return nil
}

// readTestKey returns the PEM block without the words in front of it.
func readTestKey() (string, error) {
	text, err := fs.ReadFile(conformance.Files(), testKey)
	if err != nil {
		return "", err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return "", fmt.Errorf("%s holds no PEM block", testKey)
	}
	return string(pem.EncodeToMemory(block)), nil
}

// signedAlike checks a token that a peer signed: the core accepts it, reads what
// was to be signed, and signs the same bytes itself (RSASSA-PKCS1-v1_5 is
// deterministic, RFC 8017 section 8.2). It returns the core's refusal, or else
// what the token says.
func (c core) signedAlike(q Question, token string) (Result, string, error) {
	public := c.ask("key.inspect", map[string]string{"text": q.Key}, nil).Get("ok.keys.0.public_pem").String()
	answer := c.ask("jws.verify", map[string]string{"token": token, "key": public}, nil)
	if code := answer.Get("error.code").String(); code != "" {
		return Result{}, code, nil
	}
	payload := []byte(decodePart(token, 1))
	header := decodePart(token, 0)
	request := fmt.Appendf(nil, `{"private_key":%s,"header":%s}`, gjson.AppendJSONString(nil, q.Key), header)
	again := gjson.ParseBytes(c("jws.sign", request, payload))
	if own := again.Get("ok.token").String(); own != token {
		return Result{}, "", fmt.Errorf("the core signs %q over the same header and payload (%s), the peer %q", own, strings.TrimSpace(again.Get("error").Raw), token)
	}
	return Result{Header: answer.Get("ok.header").Raw, Payload: &payload}, "", nil
}
