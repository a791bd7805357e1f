package jose

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
)

// edPublic is a point of edwards25519 (RFC 8032 section 5.1, RFC 8037).
type edPublic struct{ key ed25519.PublicKey }

// newEd25519 checks an encoded point. crypto/ed25519 takes every 32 bytes, and so points of small
// order, for which anybody can make signatures.
func newEd25519(point []byte) (*PublicKey, error) {
	if err := checkEdwards(point); err != nil {
		return nil, err
	}
	return newPublicKey(&edPublic{point}, EdDSA), nil
}

var (
	one       = big.NewInt(1)
	edwardsP  = new(big.Int).Sub(new(big.Int).Lsh(one, 255), big.NewInt(19))
	edwardsD  = edwardsConstant() // d of RFC 8032 section 5.1: -121665/121666
	errEdward = fmt.Errorf("%w: the bytes are no point of Ed25519", ErrWeak)
)

func edwardsConstant() *big.Int {
	d := new(big.Int).ModInverse(big.NewInt(121666), edwardsP)
	return d.Mul(d, big.NewInt(-121665)).Mod(d, edwardsP)
}

// checkEdwards decodes as RFC 8032 section 5.1.3: y below p, and a square for x.
func checkEdwards(point []byte) error {
	if len(point) != coordinateSize { //guard:ed25519-size never
		return errEdward
	}
	bytes := slices.Clone(point)
	slices.Reverse(bytes)
	sign := bytes[0] >> 7
	bytes[0] &= 0x7F
	y := new(big.Int).SetBytes(bytes)
	if y.Cmp(edwardsP) >= 0 { //guard:ed25519-canonical never
		return errEdward
	}
	mod := func(n *big.Int) *big.Int { return n.Mod(n, edwardsP) }
	square := mod(new(big.Int).Mul(y, y))
	over := mod(new(big.Int).Sub(square, one))
	under := mod(new(big.Int).Add(new(big.Int).Mul(edwardsD, square), one))
	switch root := big.Jacobi(mod(new(big.Int).Mul(over, under)), edwardsP); {
	case root < 0, root == 0 && sign == 1: //guard:ed25519-point never // or x is 0, which has no sign
		return errEdward
	}
	// Of small order are x = 0 (1 and 2), y = 0 (4), and where x^2 = -y^2 (8), which doubles to
	// y = 0: 2y^2 = 1 - d*y^4.
	eighth := new(big.Int).Mul(square, square)
	eighth.Mul(eighth, edwardsD).Add(eighth, square).Add(eighth, square).Sub(eighth, one)
	if over.Sign() == 0 || y.Sign() == 0 || mod(eighth).Sign() == 0 { //guard:ed25519-one drop 1; ed25519-four drop 2; ed25519-eight drop 3
		return fmt.Errorf("%w: the Ed25519 key is of small order, anybody can sign for it: make a new one", ErrWeak)
	}
	return nil
}

func (k *edPublic) bits() int { return curveBits }

func (k *edPublic) signatureSize() int { return ed25519.SignatureSize }

func (k *edPublic) verify(input string, signature []byte) bool {
	return len(signature) == ed25519.SignatureSize && ed25519.Verify(k.key, []byte(input), signature)
}

// members are of RFC 8037 section 2.
func (k *edPublic) members() (kty, rest string) {
	return "OKP", `"crv":"Ed25519","x":"` + Encode64(k.key) + `"`
}

func (k *edPublic) hashed() string {
	return `{"crv":"Ed25519","kty":"OKP","x":"` + Encode64(k.key) + `"}`
}

// oidEd25519 is id-Ed25519 (RFC 8410 section 3), which has no parameters.
var oidEd25519 = asn1.ObjectIdentifier{1, 3, 101, 112}

func (k *edPublic) algorithmIdentifier() algorithmIdentifier {
	return algorithmIdentifier{Algorithm: oidEd25519}
}

func (k *edPublic) bitString() []byte { return k.key }

func parseEd25519Public(point []byte) (Key, error) {
	public, err := newEd25519(point)
	return Key{Public: public}, err
}

type edPrivate struct{ key ed25519.PrivateKey }

// newEd25519Private checks the public half where it is given.
func newEd25519Private(seed, point []byte) (Key, error) {
	if len(seed) != ed25519.SeedSize { //guard:ed25519-seed never
		return Key{}, errPrivateDER
	}
	key := ed25519.NewKeyFromSeed(seed)
	own := key.Public().(ed25519.PublicKey)
	if point != nil && string(point) != string(own) { //guard:ed25519-halves never
		return Key{}, errPrivateDER
	}
	public, err := newEd25519(own)
	if err != nil {
		return Key{}, err
	}
	return Key{Public: public, Private: &PrivateKey{&edPrivate{key}, public}}, nil
}

func generateEd25519() (*PrivateKey, error) {
	seed := make([]byte, ed25519.SeedSize)
	rand.Read(seed) // never fails: crypto/rand ends the program instead
	made, err := newEd25519Private(seed, nil)
	return made.Private, err
}

func (k *edPrivate) sign(input string, _ Algorithm) ([]byte, error) {
	return ed25519.Sign(k.key, []byte(input)), nil
}

func (k *edPrivate) members() string { return `"d":"` + Encode64(k.key.Seed()) + `"` }

// pkcs8 is CurvePrivateKey (RFC 8410 section 7).
func (k *edPrivate) pkcs8() []byte { return mustMarshal(k.key.Seed()) }

func parseEd25519Private(der []byte) (Key, error) {
	var seed []byte
	if rest, err := asn1.Unmarshal(der, &seed); err != nil || len(rest) > 0 { //guard:ed25519-trailing drop 2
		return Key{}, errPrivateDER
	}
	return newEd25519Private(seed, nil)
}
