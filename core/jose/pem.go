package jose

import (
	"bytes"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
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

var pemBegin = []byte("-----BEGIN ")

// parsePEM reads every block. A block that pem.Decode would pass over in silence
// because it is damaged is an error: a rotation must not lose a key unnoticed.
func parsePEM(text []byte) ([]Key, error) {
	var keys []Key
	for rest := text; ; {
		block, after := pem.Decode(rest)
		if block == nil {
			break
		}
		rest = after
		key, err := parseBlock(block)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if begun := bytes.Count(text, pemBegin); begun != len(keys) { //guard:pem-damaged never
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
	case "ENCRYPTED PRIVATE KEY":
		return Key{}, ErrEncrypted
	case "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE":
		return Key{}, ErrCertificate
	}
	return Key{}, fmt.Errorf("a PEM block of type %.40q: expected PUBLIC KEY, RSA PUBLIC KEY, PRIVATE KEY or RSA PRIVATE KEY", block.Type)
}

// oidRSA is rsaEncryption (RFC 8017 appendix C). RSASSA-PSS keys have another: they must
// not make PKCS#1 v1.5 signatures.
var oidRSA = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}

type algorithmIdentifier struct {
	Algorithm  asn1.ObjectIdentifier
	Parameters asn1.RawValue `asn1:"optional"`
}

var rsaAlgorithm = algorithmIdentifier{oidRSA, asn1.NullRawValue}

type subjectPublicKeyInfo struct {
	Algorithm algorithmIdentifier
	PublicKey asn1.BitString
}

type pkcs1PublicKey struct {
	N *big.Int
	E *big.Int
}

// These readers do without crypto/x509: its PKCS#1 reader stops at exponents of
// 2^31-1, and it brings every elliptic curve into the WebAssembly module.
func parseSPKI(der []byte) (Key, error) {
	var info subjectPublicKeyInfo
	rest, err := asn1.Unmarshal(der, &info)
	if err != nil || len(rest) > 0 {
		return Key{}, errors.New("the public key's DER is damaged")
	}
	if !info.Algorithm.Algorithm.Equal(oidRSA) {
		return Key{}, errors.New("the public key is not an RSA key")
	}
	return parsePKCS1Public(info.PublicKey.RightAlign())
}

func parsePKCS1Public(der []byte) (Key, error) {
	var parts pkcs1PublicKey
	rest, err := asn1.Unmarshal(der, &parts)
	if err != nil || len(rest) > 0 {
		return Key{}, errors.New("the public key's DER is damaged")
	}
	public, err := NewPublicKey(parts.N, parts.E)
	return Key{Public: public}, err
}

func (k *PublicKey) pkcs1DER() []byte {
	return mustMarshal(pkcs1PublicKey{k.bigN(), new(big.Int).SetUint64(uint64(k.exponent))})
}

// PEM returns SPKI, "PUBLIC KEY" (RFC 5280 section 4.1.2.7).
func (k *PublicKey) PEM() string {
	pkcs1 := k.pkcs1DER()
	return encodePEM("PUBLIC KEY", mustMarshal(subjectPublicKeyInfo{rsaAlgorithm, asn1.BitString{Bytes: pkcs1, BitLength: 8 * len(pkcs1)}}))
}

// PKCS1 returns "RSA PUBLIC KEY" (RFC 8017 appendix A.1.1).
func (k *PublicKey) PKCS1() string { return encodePEM("RSA PUBLIC KEY", k.pkcs1DER()) }

type pkcs8PrivateKey struct {
	Version    int
	Algorithm  algorithmIdentifier
	PrivateKey []byte
	// Attributes and a public key may follow (RFC 5958); they are not read.
}

type pkcs1PrivateKey struct {
	Version          int
	N                *big.Int
	E                *big.Int
	D, P, Q          *big.Int
	DP, DQ, QInverse *big.Int
}

var errPrivateDER = errors.New("the private key's DER is damaged or its numbers do not fit together")

func parsePKCS8(der []byte) (Key, error) {
	var info pkcs8PrivateKey
	rest, err := asn1.Unmarshal(der, &info)
	if err != nil || len(rest) > 0 {
		return Key{}, errPrivateDER
	}
	if !info.Algorithm.Algorithm.Equal(oidRSA) { //guard:pkcs8-algorithm never
		return Key{}, errors.New("the private key is not an RSA key")
	}
	return parsePKCS1Private(info.PrivateKey)
}

func parsePKCS1Private(der []byte) (Key, error) {
	var parts pkcs1PrivateKey
	rest, err := asn1.Unmarshal(der, &parts)
	if err != nil || len(rest) > 0 || parts.Version != 0 { //guard:pkcs1-version drop 3
		return Key{}, errPrivateDER
	}
	return privateFromNumbers(parts.N, parts.E, parts.D, parts.P, parts.Q)
}

// privateFromNumbers checks that the five numbers are one key; the CRT values
// are computed anew rather than believed.
func privateFromNumbers(n, e, d, p, q *big.Int) (Key, error) {
	public, err := NewPublicKey(n, e)
	if err != nil {
		return Key{}, err
	}
	key := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: n, E: int(public.exponent)},
		D:         d,
		Primes:    []*big.Int{p, q},
	}
	if err := key.Validate(); err != nil { //guard:private-numbers never
		return Key{}, errPrivateDER
	}
	key.Precompute()
	return Key{Public: public, Private: &PrivateKey{rsa: key, public: public}}, nil
}

func mustMarshal(value any) []byte {
	der, err := asn1.Marshal(value)
	if err != nil {
		panic(err) // integers, object identifiers and bytes always marshal
	}
	return der
}

func (k *PrivateKey) pkcs1DER() []byte {
	pre := k.rsa.Precomputed
	return mustMarshal(pkcs1PrivateKey{0, k.rsa.N, big.NewInt(int64(k.rsa.E)), k.rsa.D, k.rsa.Primes[0], k.rsa.Primes[1], pre.Dp, pre.Dq, pre.Qinv})
}

// PEM returns PKCS#8, "PRIVATE KEY" (RFC 5208).
func (k *PrivateKey) PEM() string {
	return encodePEM("PRIVATE KEY", mustMarshal(pkcs8PrivateKey{Algorithm: rsaAlgorithm, PrivateKey: k.pkcs1DER()}))
}

// PKCS1 returns the older form, "RSA PRIVATE KEY" (RFC 8017 appendix A.1.2).
func (k *PrivateKey) PKCS1() string { return encodePEM("RSA PRIVATE KEY", k.pkcs1DER()) }
