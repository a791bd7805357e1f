package peers

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// knownKey is a public key that an engine was given, and whose it is.
type knownKey struct {
	owner string // issuer, "" where nobody says
	id    string // kid of the JWK, else ""
	print string // RFC 7638 thumbprint
	alg   string // what it is good for
	pem   string
}

// keyring collects what one engine knows, so that a peer can be given the one key
// that the core chose. It chooses by trial with the standard library, not with the core.
type keyring []knownKey

// feed adds the keys of a folder or of a mapping of issuers, as the core reads them.
func (k *keyring) feed(c *collector, content gjson.Result) {
	request := map[string]any{}
	for _, member := range []string{"files", "keys"} {
		if given := content.Get(member); given.Exists() {
			request[member] = given.Value()
		}
	}
	for issuer, keys := range c.call.ask("keys.load", request, nil).Get("ok.issuers").Map() {
		for _, key := range keys.Array() {
			*k = append(*k, knownKey{issuer, key.Get("key_id").String(), key.Get("kid").String(), key.Get("alg").String(), key.Get("public_pem").String()})
		}
	}
	k.sort()
}

// text adds the keys of PEM, a JWK or a JWKS. A key that is published under the id of
// another one for the same algorithm takes its place.
func (k *keyring) text(c *collector, owner, text string) {
	for _, key := range c.inspect(text) {
		if id := key.Get("key_id").String(); id != "" && owner != "" {
			*k = k.keep(func(known knownKey) bool {
				return known.owner != owner || known.id != id || known.alg != key.Get("alg").String()
			})
		}
		*k = append(*k, knownKey{owner, key.Get("key_id").String(), key.Get("kid").String(), key.Get("alg").String(), key.Get("public_pem").String()})
	}
	k.sort()
}

// ring adds the keys of a ring document.
func (k *keyring) ring(c *collector, owner string, document gjson.Result) {
	for _, key := range document.Get("keys").Array() {
		for _, form := range []string{"private_pem", "public_pem"} {
			k.text(c, owner, key.Get(form).String())
		}
	}
}

// sort keeps the order apart from that of Go's maps, which changes from run to run.
func (k *keyring) sort() {
	slices.SortStableFunc(*k, func(a, b knownKey) int { return strings.Compare(a.owner, b.owner) })
}

// of returns what may verify a token: keys of its issuer, and of these the one
// that its kid names where one is named so.
func (k keyring) of(issuer, id string) keyring {
	its := k.keep(func(key knownKey) bool { return key.owner == issuer || key.owner == "" })
	if len(its) == 0 {
		its = k // a token that names nobody: any key will do
	}
	if named := its.keep(func(key knownKey) bool { return id != "" && (key.id == id || key.print == id) }); len(named) > 0 {
		return named
	}
	return its
}

func (k keyring) keep(wanted func(knownKey) bool) keyring {
	return slices.DeleteFunc(slices.Clone(k), func(key knownKey) bool { return !wanted(key) })
}

// verifier returns the key that made a token's signature, else the first.
func (k keyring) verifier(token string) (knownKey, bool) {
	for _, key := range k {
		if key.signed(token) {
			return key, true
		}
	}
	if len(k) == 0 {
		return knownKey{}, false
	}
	return k[0], true
}

// signed verifies the token's text as it stands, and forgives the spelling of the
// signature: which key it was must be known for damaged tokens too.
func (k knownKey) signed(token string) bool {
	end := strings.LastIndexByte(token, '.')
	block, _ := pem.Decode([]byte(k.pem))
	if end < 0 || block == nil {
		return false
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	signature, encoding := base64.RawURLEncoding.DecodeString(strings.TrimRight(token[end+1:], "="))
	if err != nil || encoding != nil {
		return false
	}
	return verifies(public, k.alg, token[:end], signature)
}

func verifies(public any, alg, input string, signature []byte) bool {
	digest := sha256.Sum256([]byte(input))
	switch key := public.(type) {
	case *rsa.PublicKey:
		if alg == "PS256" {
			return rsa.VerifyPSS(key, crypto.SHA256, digest[:], signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
	case *ecdsa.PublicKey:
		half := len(signature) / 2
		r, s := new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])
		return ecdsa.Verify(key, digest[:], r, s)
	case ed25519.PublicKey:
		return ed25519.Verify(key, []byte(input), signature)
	}
	return false
}
