package jose

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/tallystick/tallystick/core/strictjson"
)

// MaxKeys bounds the keys of one text (protocol.md section 6).
const MaxKeys = 64

// ErrUnsuitable marks a JWK that is well formed but not for our signatures:
// another kty, crv, use, alg or key_ops. In a set it is passed over.
var ErrUnsuitable = errors.New("the JWK is not an RSA, P-256 or Ed25519 key for signatures")

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
		return nil, errors.New("the JWKS has no RSA key of 2048 to 8192 bits, P-256 or Ed25519 key for signatures")
	}
	return keys, nil
}

// jwkMembers are those of RFC 7518 section 6 and RFC 8037 section 2 that are read.
type jwkMembers struct {
	kty, curve string
	algorithm  Algorithm // "" where the JWK has no alg
	numbers    rsaMembers
	x, y, d    []byte
	id         string
	err        error
}

func parseJWK(text string) (Key, error) {
	m := jwkMembers{numbers: rsaMembers{}}
	strictjson.Members(text, func(name string, v strictjson.Value) bool {
		switch name {
		case "kty":
			m.kty = v.Str
		case "crv":
			m.curve = v.Str
		}
		return true
	})
	if !m.isOurs() { //guard:jwk-kty never
		return Key{}, ErrUnsuitable
	}
	strictjson.Members(text, func(name string, v strictjson.Value) bool {
		m.read(name, v)
		return m.err == nil
	})
	if m.err != nil {
		return Key{}, m.err
	}
	key, err := m.key()
	key.ID = m.id
	return key, err
}

func (m *jwkMembers) isOurs() bool {
	switch m.kty {
	case "RSA":
		return true
	case "EC":
		return m.curve == "P-256" //guard:jwk-curve always
	case "OKP":
		return m.curve == "Ed25519" //guard:jwk-okp-curve always
	}
	return false
}

func (m *jwkMembers) read(name string, v strictjson.Value) {
	switch name {
	case "n", "e", "d", "p", "q", "dp", "dq", "qi", "x", "y":
		m.readBytes(name, v)
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
		m.algorithm = algorithmNamed(v.Str)
		m.require(m.fits()) //guard:jwk-alg always
	case "key_ops":
		m.require(allowsSignatures(v)) //guard:jwk-key-ops always
	}
}

// readBytes reads a member that is a number or a coordinate, where the kind of key has it.
func (m *jwkMembers) readBytes(name string, v strictjson.Value) {
	isCoordinate := name == "x" || name == "y"
	if m.kty == "RSA" && isCoordinate || m.kty != "RSA" && !isCoordinate && name != "d" || m.kty == "OKP" && name == "y" { //guard:jwk-other-members never
		return
	}
	raw, ok := Decode64(v.Str)
	if !strictjson.IsString(v) || !ok || len(raw) == 0 {
		m.err = fmt.Errorf("the JWK member %s is not strict base64url", name)
		return
	}
	switch {
	case m.kty == "RSA":
		m.numbers[name] = new(big.Int).SetBytes(raw)
	case len(raw) != coordinateSize: //guard:jwk-coordinate never
		m.err = fmt.Errorf("the JWK member %s has %d bytes, it must have %d", name, len(raw), coordinateSize)
	case name == "x":
		m.x = raw
	case name == "y":
		m.y = raw
	case name == "d":
		m.d = raw
	}
}

// fits reports whether alg is one that such a key is good for.
func (m *jwkMembers) fits() bool {
	switch m.kty {
	case "EC":
		return m.algorithm == ES256
	case "OKP":
		return m.algorithm == EdDSA
	}
	return m.algorithm == RS256 || m.algorithm == PS256
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
	switch {
	case m.kty == "RSA":
		if m.algorithm == "" {
			m.algorithm = RS256
		}
		return m.numbers.key(m.algorithm)
	case m.x == nil || m.kty == "EC" && m.y == nil:
		return Key{}, errors.New("the JWK lacks a coordinate of its point")
	case m.kty == "EC":
		point := slices.Concat([]byte{4}, m.x, m.y)
		if m.d != nil {
			return newECPrivate(m.d, point)
		}
		public, err := newEC(point)
		return Key{Public: public}, err
	case m.d != nil:
		return newEd25519Private(m.d, m.x)
	}
	return parseEd25519Public(m.x)
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
