package jose

import (
	"bytes"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
)

// What a text holds instead of a usable key. Callers tell them apart with errors.Is.
var (
	ErrNoKey       = errors.New("no key found: expected PEM, a JWK or a JWKS")
	ErrCertificate = errors.New("a certificate, not a key: take its public key out with `openssl x509 -in FILE -pubkey -noout`")
	ErrEncrypted   = errors.New("an encrypted private key: decrypt it first with `openssl pkey -in FILE -out NEWFILE`")
)

// Key is one key of a text: Private is nil for a public key.
type Key struct {
	Public  *PublicKey
	Private *PrivateKey
	ID      string // the JWK's own kid, "" for PEM
}

func encodePEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

var errPublicDER = errors.New("the public key's DER is damaged")

var pemBegin = []byte("-----BEGIN ")

// parsePEM reads every block. A block that pem.Decode would pass over in silence
// because it is damaged is an error: a rotation must not lose a key unnoticed.
func parsePEM(text []byte) ([]Key, error) {
	var keys []Key
	parameters := 0
	for rest := text; ; {
		block, after := pem.Decode(rest)
		if block == nil {
			break
		}
		rest = after
		if block.Type == "EC PARAMETERS" { // openssl writes the curve's name before the key, which says it too
			parameters++
			continue
		}
		key, err := parseBlock(block)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if begun := bytes.Count(text, pemBegin); begun != len(keys)+parameters { //guard:pem-damaged never
		return nil, errors.New("a PEM block is damaged: its END line or its base64 is wrong")
	}
	if len(keys) == 0 {
		return nil, ErrNoKey
	}
	return keys, nil
}

func parseBlock(block *pem.Block) (Key, error) {
	if _, encrypted := block.Headers["DEK-Info"]; encrypted {
		return Key{}, ErrEncrypted
	}
	switch block.Type {
	case "PUBLIC KEY":
		return parseSPKI(block.Bytes)
	case "RSA PUBLIC KEY":
		return parsePKCS1Public(block.Bytes)
	case "PRIVATE KEY":
		return parsePKCS8(block.Bytes)
	case "RSA PRIVATE KEY":
		return parsePKCS1Private(block.Bytes)
	case "EC PRIVATE KEY":
		return parseECPrivate(block.Bytes, false)
	case "ENCRYPTED PRIVATE KEY":
		return Key{}, ErrEncrypted
	case "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE":
		return Key{}, ErrCertificate
	}
	return Key{}, fmt.Errorf("a PEM block of type %.40q: expected PUBLIC KEY, RSA PUBLIC KEY, PRIVATE KEY, RSA PRIVATE KEY or EC PRIVATE KEY", block.Type)
}

type algorithmIdentifier struct {
	Algorithm  asn1.ObjectIdentifier
	Parameters asn1.RawValue `asn1:"optional"`
}

func (a algorithmIdentifier) hasNoParameters() bool { return len(a.Parameters.FullBytes) == 0 }

type subjectPublicKeyInfo struct {
	Algorithm algorithmIdentifier
	PublicKey asn1.BitString
}

// These readers do without crypto/x509: its PKCS#1 reader stops at exponents of
// 2^31-1, and it brings net and much else into the WebAssembly module.
func parseSPKI(der []byte) (Key, error) {
	var info subjectPublicKeyInfo
	rest, err := asn1.Unmarshal(der, &info)
	if err != nil || len(rest) > 0 {
		return Key{}, errPublicDER
	}
	bytes := info.PublicKey.RightAlign()
	switch oid := info.Algorithm.Algorithm; {
	case oid.Equal(oidRSA):
		return parsePKCS1Public(bytes)
	case oid.Equal(oidEC):
		return parseECPublic(info.Algorithm.Parameters, bytes)
	case oid.Equal(oidEd25519) && info.Algorithm.hasNoParameters(): //guard:spki-ed25519-parameters drop 2
		return parseEd25519Public(bytes)
	}
	return Key{}, errors.New("the public key is not an RSA, P-256 or Ed25519 key")
}

type pkcs8PrivateKey struct {
	Version    int
	Algorithm  algorithmIdentifier
	PrivateKey []byte
	// Attributes and a public key may follow (RFC 5958); they are not read.
}

func parsePKCS8(der []byte) (Key, error) {
	var info pkcs8PrivateKey
	rest, err := asn1.Unmarshal(der, &info)
	if err != nil || len(rest) > 0 {
		return Key{}, errPrivateDER
	}
	switch oid := info.Algorithm.Algorithm; {
	case oid.Equal(oidRSA): //guard:pkcs8-algorithm always
		return parsePKCS1Private(info.PrivateKey)
	case oid.Equal(oidEC):
		if err := checkCurve(info.Algorithm.Parameters); err != nil {
			return Key{}, err
		}
		return parseECPrivate(info.PrivateKey, true)
	case oid.Equal(oidEd25519) && info.Algorithm.hasNoParameters(): //guard:pkcs8-ed25519-parameters drop 2
		return parseEd25519Private(info.PrivateKey)
	}
	return Key{}, errors.New("the private key is not an RSA, P-256 or Ed25519 key")
}

func mustMarshal(value any) []byte {
	der, err := asn1.Marshal(value)
	if err != nil {
		panic(err) // integers, object identifiers and bytes always marshal
	}
	return der
}
