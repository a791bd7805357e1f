package peers

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// knownKey is a public key that an engine was given, and whose it is.
type knownKey struct {
	owner string // issuer, "" where nobody says
	id    string // kid of the JWK, else ""
	pem   string
}

// keyring collects what one engine knows, so that a peer can be given the one key
// that the core chose. It chooses by trial with crypto/rsa, not with the core.
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
			*k = append(*k, knownKey{issuer, key.Get("key_id").String(), key.Get("public_pem").String()})
		}
	}
	k.sort()
}

// text adds the keys of PEM, a JWK or a JWKS. A key that is published under the id of
// another one takes its place.
func (k *keyring) text(c *collector, owner, text string) {
	for _, key := range c.inspect(text) {
		if id := key.Get("key_id").String(); id != "" && owner != "" {
			*k = k.keep(func(known knownKey) bool { return known.owner != owner || known.id != id })
		}
		*k = append(*k, knownKey{owner, key.Get("key_id").String(), key.Get("public_pem").String()})
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
	if named := its.keep(func(key knownKey) bool { return id != "" && key.id == id }); len(named) > 0 {
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
		if signedBy(token, key.pem) {
			return key, true
		}
	}
	if len(k) == 0 {
		return knownKey{}, false
	}
	return k[0], true
}

// signedBy checks RS256 over the token's text as it stands, and forgives the
// spelling of the signature: which key it was must be known for damaged tokens too.
func signedBy(token, publicPEM string) bool {
	end := strings.LastIndexByte(token, '.')
	block, _ := pem.Decode([]byte(publicPEM))
	if end < 0 || block == nil {
		return false
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	public, isRSA := parsed.(*rsa.PublicKey)
	signature, encoding := base64.RawURLEncoding.DecodeString(strings.TrimRight(token[end+1:], "="))
	if err != nil || !isRSA || encoding != nil {
		return false
	}
	digest := sha256.Sum256([]byte(token[:end]))
	return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
}
