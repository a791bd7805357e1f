package jose

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"

	"github.com/tallystick/tallystick/core/strictjson"
)

// MaxKeys bounds the keys of one text (protocol.md section 6).
const MaxKeys = 64

// ErrUnsuitable marks a JWK that is well formed but not for RS256 signatures:
// another kty, use, alg or key_ops. In a set it is passed over.
var ErrUnsuitable = errors.New("the JWK is not an RSA key for RS256 signatures")

// ParseKeys reads PEM blocks, one JWK or a JWKS. It returns at least one key or
// an error that says what the text is instead; no key material is in it.
func ParseKeys(text []byte) ([]Key, error) {
	trimmed := bytes.TrimSpace(text)
	keys, err := []Key(nil), error(nil)
	if len(trimmed) > 0 && trimmed[0] == '{' {
		keys, err = parseJSONKeys(trimmed)
	} else {
		keys, err = parsePEM(text)
	}
	if err == nil && len(keys) > MaxKeys {
		return nil, fmt.Errorf("%d keys: at most %d are read", len(keys), MaxKeys)
	}
	return keys, err
}

func parseJSONKeys(text []byte) ([]Key, error) {
	if err := strictjson.CheckObject(text); err != nil {
		return nil, fmt.Errorf("the JSON is refused: %w", err)
	}
	var set strictjson.Value
	isSet := false
	strictjson.Members(string(text), func(name string, v strictjson.Value) bool {
		if name == "keys" {
			set, isSet = v, true
		}
		return true
	})
	if !isSet {
		key, err := parseJWK(string(text))
		if err != nil {
			return nil, err
		}
		return []Key{key}, nil
	}
	return parseSet(set)
}

// parseSet passes over keys that are not for us (RFC 7517 section 5).
func parseSet(set strictjson.Value) ([]Key, error) {
	if !set.IsArray() {
		return nil, errors.New("the JWKS member keys is not an array")
	}
	entries := set.Array()
	if len(entries) > MaxKeys { //guard:jwks-count never
		return nil, fmt.Errorf("%d keys in the JWKS: at most %d are read", len(entries), MaxKeys)
	}
	var keys []Key
	for _, entry := range entries {
		if !entry.IsObject() {
			continue
		}
		key, err := parseJWK(entry.Raw)
		if err == nil {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the JWKS has no RSA key of 2048 to 8192 bits for RS256 signatures")
	}
	return keys, nil
}

// jwkMembers are those of RFC 7518 section 6.3 that hold a number.
type jwkMembers struct {
	numbers map[string]*big.Int
	id      string
	err     error
}

func parseJWK(text string) (Key, error) {
	m := jwkMembers{numbers: map[string]*big.Int{}}
	kty := ""
	strictjson.Members(text, func(name string, v strictjson.Value) bool {
		if name == "kty" {
			kty = v.Str
		}
		return true
	})
	if kty != "RSA" { //guard:jwk-kty never
		return Key{}, ErrUnsuitable
	}
	strictjson.Members(text, func(name string, v strictjson.Value) bool {
		m.read(name, v)
		return m.err == nil
	})
	if m.err != nil {
		return Key{}, m.err
	}
	return m.key()
}

func (m *jwkMembers) read(name string, v strictjson.Value) {
	switch name {
	case "n", "e", "d", "p", "q", "dp", "dq", "qi":
		raw, ok := Decode64(v.Str)
		if !strictjson.IsString(v) || !ok || len(raw) == 0 {
			m.err = fmt.Errorf("the JWK member %s is not strict base64url", name)
			return
		}
		m.numbers[name] = new(big.Int).SetBytes(raw)
	case "oth":
		m.err = errors.New("the JWK has more than two primes")
	case "kid":
		if !strictjson.IsString(v) || !ValidIdentifier(v.Str, maxKeyID) { //guard:jwk-kid never
			m.err = errors.New("the JWK's kid is not a short string without control characters")
			return
		}
		m.id = v.Str
	case "use":
		m.require(v.Str == "sig") //guard:jwk-use always
	case "alg":
		m.require(v.Str == Algorithm) //guard:jwk-alg always
	case "key_ops":
		m.require(allowsSignatures(v)) //guard:jwk-key-ops always
	}
}

func (m *jwkMembers) require(suitable bool) {
	if !suitable {
		m.err = ErrUnsuitable
	}
}

func allowsSignatures(ops strictjson.Value) bool {
	for _, op := range ops.Array() {
		if op.Str == "verify" || op.Str == "sign" {
			return true
		}
	}
	return false
}

func (m *jwkMembers) key() (Key, error) {
	n, e, d := m.numbers["n"], m.numbers["e"], m.numbers["d"]
	if n == nil || e == nil {
		return Key{}, errors.New("the JWK lacks n or e")
	}
	public, err := NewPublicKey(n, e)
	if err != nil {
		return Key{}, err
	}
	key := Key{Public: public, ID: m.id}
	if d == nil {
		return key, nil
	}
	p, q := m.numbers["p"], m.numbers["q"]
	if p == nil || q == nil {
		return Key{}, errors.New("the private JWK lacks p or q")
	}
	key, err = privateFromNumbers(n, e, d, p, q)
	key.ID = m.id
	return key, err
}

// OnePublic reads a text that must hold exactly one public key.
func OnePublic(text []byte) (Key, error) {
	keys, err := ParseKeys(text)
	switch {
	case err != nil:
		return Key{}, err
	case len(keys) != 1:
		return Key{}, fmt.Errorf("%d keys, expected one", len(keys))
	case keys[0].Private != nil: //guard:public-not-private never
		return Key{}, errors.New("a private key, expected a public one")
	}
	return keys[0], nil
}

// OnePrivate reads a text that must hold exactly one private key.
func OnePrivate(text []byte) (*PrivateKey, error) {
	keys, err := ParseKeys(text)
	switch {
	case err != nil:
		return nil, err
	case len(keys) != 1:
		return nil, fmt.Errorf("%d keys, expected one", len(keys))
	case keys[0].Private == nil:
		return nil, errors.New("a public key, expected a private one")
	}
	return keys[0].Private, nil
}
