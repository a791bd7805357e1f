package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
)

// curveBits are those of the fields of P-256 and, rounded up, of Ed25519.
const curveBits = 256

// coordinateSize is the length of x, y and d of both curves, in bytes (RFC 7518 section 6.2.1.2,
// RFC 8037 section 2).
const coordinateSize = 32

// ecSignatureSize is r and s, raw (RFC 7518 section 3.4).
const ecSignatureSize = 2 * coordinateSize

// ecPublic is a point of P-256 (FIPS 186-5).
type ecPublic struct {
	key   *ecdsa.PublicKey
	point []byte // 0x04, x, y (SEC 1 section 2.3.3)
}

var errPoint = fmt.Errorf("%w: the point does not lie on the curve P-256", ErrWeak)

// newEC checks a point: 0x04, x and y. One that is not on the curve gives private keys away.
func newEC(point []byte) (*PublicKey, error) {
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil { //guard:ec-point never
		return nil, errPoint
	}
	return newPublicKey(&ecPublic{key, point}, ES256), nil
}

func (k *ecPublic) bits() int { return curveBits }

func (k *ecPublic) signatureSize() int { return ecSignatureSize }

// verify takes r and s as they are; crypto/ecdsa refuses those outside of 1 to n-1.
func (k *ecPublic) verify(input string, signature []byte) bool {
	if len(signature) != ecSignatureSize {
		return false
	}
	digest := sha256.Sum256([]byte(input))
	r, s := new(big.Int).SetBytes(signature[:coordinateSize]), new(big.Int).SetBytes(signature[coordinateSize:])
	return ecdsa.Verify(k.key, digest[:], r, s)
}

// FromDER returns r and s, raw, of a signature in DER, as key services make them; all else as it is.
func (k *PublicKey) FromDER(signature []byte) []byte {
	if k.algorithm != ES256 || len(signature) == ecSignatureSize {
		return signature
	}
	var parts struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(signature, &parts)
	if err != nil || len(rest) > 0 { //guard:ec-der-trailing drop 2
		return signature
	}
	raw, ok := rawSignature(parts.R, parts.S)
	if !ok {
		return signature
	}
	return raw
}

func rawSignature(r, s *big.Int) ([]byte, bool) {
	if r.Sign() < 0 || s.Sign() < 0 || r.BitLen() > curveBits || s.BitLen() > curveBits { //guard:ec-der-negative drop 1; ec-der-large drop 4
		return nil, false
	}
	raw := make([]byte, ecSignatureSize)
	r.FillBytes(raw[:coordinateSize])
	s.FillBytes(raw[coordinateSize:])
	return raw, true
}

func (k *ecPublic) coordinates() (x, y string) {
	return Encode64(k.point[1 : 1+coordinateSize]), Encode64(k.point[1+coordinateSize:])
}

// members are of RFC 7518 section 6.2.1.
func (k *ecPublic) members() (kty, rest string) {
	x, y := k.coordinates()
	return "EC", `"crv":"P-256","x":"` + x + `","y":"` + y + `"`
}

func (k *ecPublic) hashed() string {
	x, y := k.coordinates()
	return `{"crv":"P-256","kty":"EC","x":"` + x + `","y":"` + y + `"}`
}

// id-ecPublicKey and secp256r1 (RFC 5480 sections 2.1.1 and 2.1.1.1).
var (
	oidEC   = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidP256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
)

func (k *ecPublic) algorithmIdentifier() algorithmIdentifier {
	return algorithmIdentifier{oidEC, asn1.RawValue{FullBytes: mustMarshal(oidP256)}}
}

func (k *ecPublic) bitString() []byte { return k.point }

var errCurve = errors.New("an EC key on another curve than P-256: make one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`")

// checkCurve reads the parameters of an EC key.
func checkCurve(parameters asn1.RawValue) error {
	var curve asn1.ObjectIdentifier
	if rest, err := asn1.Unmarshal(parameters.FullBytes, &curve); err != nil || len(rest) > 0 || !curve.Equal(oidP256) { //guard:ec-curve drop 3
		return errCurve
	}
	return nil
}

func parseECPublic(parameters asn1.RawValue, point []byte) (Key, error) {
	if err := checkCurve(parameters); err != nil {
		return Key{}, err
	}
	public, err := newEC(point)
	return Key{Public: public}, err
}

type ecPrivate struct{ key *ecdsa.PrivateKey }

// newECPrivate checks a private number, and the point where it is given.
func newECPrivate(d, point []byte) (Key, error) {
	padded := make([]byte, coordinateSize)
	if len(d) > coordinateSize { //guard:ec-private-size never
		return Key{}, errPrivateDER
	}
	copy(padded[coordinateSize-len(d):], d)
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), padded)
	if err != nil { //guard:ec-private-range never // 0, and n or more
		return Key{}, errPrivateDER
	}
	return privateEC(key, point)
}

func privateEC(key *ecdsa.PrivateKey, point []byte) (Key, error) {
	own, err := key.PublicKey.Bytes()
	if err != nil || point != nil && string(point) != string(own) { //guard:ec-private-point never
		return Key{}, errPrivateDER
	}
	public, err := newEC(own)
	if err != nil {
		return Key{}, err
	}
	return Key{Public: public, Private: &PrivateKey{&ecPrivate{key}, public}}, nil
}

func generateEC() (*PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	made, err := privateEC(key, nil)
	return made.Private, err
}

// sign gives r and s, raw. Without a source of randomness crypto/ecdsa draws its number from the
// key and the digest (RFC 6979), so that every leg signs the same bytes.
func (k *ecPrivate) sign(input string, _ Algorithm) ([]byte, error) {
	digest := sha256.Sum256([]byte(input))
	der, err := k.key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	var parts struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &parts); err != nil {
		return nil, err
	}
	signature, ok := rawSignature(parts.R, parts.S)
	if !ok {
		return nil, errors.New("a signature of another curve")
	}
	return signature, nil
}

func (k *ecPrivate) d() []byte {
	d, err := k.key.Bytes()
	if err != nil {
		panic(err) // a key that was checked has its number
	}
	return d
}

func (k *ecPrivate) members() string { return `"d":"` + Encode64(k.d()) + `"` }

// ecPrivateKey is of RFC 5915 section 3.
type ecPrivateKey struct {
	Version    int
	PrivateKey []byte
	Curve      asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
	PublicKey  asn1.BitString        `asn1:"optional,explicit,tag:1"`
}

func (k *ecPrivate) pkcs8() []byte {
	point, err := k.key.PublicKey.Bytes()
	if err != nil {
		panic(err) // as in d
	}
	return mustMarshal(ecPrivateKey{
		Version: 1, PrivateKey: k.d(), PublicKey: asn1.BitString{Bytes: point, BitLength: 8 * len(point)},
	})
}

// parseECPrivate reads SEC 1's form, in PKCS#8 or alone. known says that the curve has been read.
func parseECPrivate(der []byte, known bool) (Key, error) {
	var parts ecPrivateKey
	rest, err := asn1.Unmarshal(der, &parts)
	switch {
	case err != nil || len(rest) > 0 || parts.Version != 1: //guard:sec1-trailing drop 2; sec1-version drop 3
		return Key{}, errPrivateDER
	case parts.Curve == nil && !known: //guard:sec1-no-curve never
		return Key{}, errCurve
	case parts.Curve != nil && !parts.Curve.Equal(oidP256): //guard:sec1-curve never
		return Key{}, errCurve
	}
	var point []byte
	if parts.PublicKey.BitLength > 0 {
		point = parts.PublicKey.RightAlign()
	}
	return newECPrivate(parts.PrivateKey, point)
}
