package generate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
)

// Identifiers of RFC 5480, SEC 2 and RFC 8410.
var (
	oidECKey     = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidP256      = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
	oidSecp256k1 = asn1.ObjectIdentifier{1, 3, 132, 0, 10}
	oidRSAKey    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidEdwards   = asn1.ObjectIdentifier{1, 3, 101, 112}
	oidX25519    = asn1.ObjectIdentifier{1, 3, 101, 110}

	asn1Null = asn1.NullRawValue
)

// pemBytes is the DER of a key file.
func pemBytes(name string) []byte {
	block, _ := pem.Decode([]byte(readKeyFile(name)))
	return block.Bytes
}

func bits(data []byte) asn1.BitString { return asn1.BitString{Bytes: data, BitLength: 8 * len(data)} }

// algorithmOf is an AlgorithmIdentifier; parameters nil has none.
func algorithmOf(identifier asn1.ObjectIdentifier, parameters any) asn1.RawValue {
	content := marshalASN1(identifier)
	if parameters != nil {
		content = append(content, marshalASN1(parameters)...)
	}
	return asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagSequence, IsCompound: true, Bytes: content}
}

// spkiWith is a SubjectPublicKeyInfo of any content (RFC 5280 section 4.1.2.7).
func spkiWith(identifier asn1.ObjectIdentifier, parameters any, key []byte) []byte {
	return marshalASN1(struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}{algorithmOf(identifier, parameters), bits(key)})
}

func ecSPKIDER(parameters any, point []byte) []byte { return spkiWith(oidECKey, parameters, point) }

func ecSPKIWith(parameters any, point []byte) string {
	return pemText("PUBLIC KEY", ecSPKIDER(parameters, point))
}

func ecSPKI(point []byte) string { return ecSPKIWith(oidP256, point) }

// pkcs8Of is a PrivateKeyInfo of any content (RFC 5208 section 5).
func pkcs8Of(identifier asn1.ObjectIdentifier, parameters any, key []byte) string {
	return pemText("PRIVATE KEY", marshalASN1(struct {
		Version   int
		Algorithm asn1.RawValue
		Key       []byte
	}{0, algorithmOf(identifier, parameters), key}))
}

// sec1Key is an ECPrivateKey (RFC 5915 section 3).
type sec1Key struct {
	Version int
	Number  []byte
	Curve   asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
	Point   asn1.BitString        `asn1:"optional,explicit,tag:1"`
}

func sec1Of(key *ecdsa.PrivateKey) string {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		panic(err)
	}
	return pemText("EC PRIVATE KEY", der)
}

// explicitP256 is P-256 as a SpecifiedECDomain (SEC 1 appendix C.2): any curve can be
// written so, for example one whose generator is somebody's public key.
func explicitP256() any {
	p := elliptic.P256().Params()
	type field struct {
		Type  asn1.ObjectIdentifier
		Prime *big.Int
	}
	type equation struct{ A, B []byte }
	a := new(big.Int).Sub(p.P, big.NewInt(3))
	generator := append([]byte{4}, append(p.Gx.FillBytes(make([]byte, ecBytes)), p.Gy.FillBytes(make([]byte, ecBytes))...)...)
	return struct {
		Version   int
		Field     field
		Curve     equation
		Generator []byte
		Order     *big.Int
		Cofactor  int
	}{1, field{asn1.ObjectIdentifier{1, 2, 840, 10045, 1, 1}, p.P}, equation{a.Bytes(), p.B.Bytes()}, generator, p.N, 1}
}
