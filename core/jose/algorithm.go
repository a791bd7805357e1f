package jose

import "slices"

// Algorithm is a JWS algorithm, as a header names it. A key is good for one: RSA for RS256, or
// PS256 where its JWK says so, P-256 for ES256 and Ed25519 for EdDSA (RFC 7518 section 3.1, RFC
// 8037 section 3.1). A header never chooses: it must name its key's.
type Algorithm string

// The algorithms. EdDSA is written; its other name, Ed25519 (RFC 9864), is read.
const (
	RS256 Algorithm = "RS256"
	PS256 Algorithm = "PS256"
	ES256 Algorithm = "ES256"
	EdDSA Algorithm = "EdDSA"

	ed25519Name = "Ed25519"
)

// Algorithms are all that are signed or accepted.
func Algorithms() []Algorithm { return []Algorithm{RS256, PS256, ES256, EdDSA} }

// algorithmNamed returns what a header or a JWK names, "" where it is none of ours.
func algorithmNamed(name string) Algorithm {
	switch name {
	case string(RS256):
		return RS256
	case string(PS256):
		return PS256
	case string(ES256):
		return ES256
	case string(EdDSA), ed25519Name:
		return EdDSA
	}
	return ""
}

// Words name the algorithm for people.
func (a Algorithm) Words() string {
	switch a {
	case PS256:
		return "RSASSA-PSS with SHA-256 and a salt of 32 bytes"
	case ES256:
		return "ECDSA on P-256 with SHA-256"
	case EdDSA:
		return "Ed25519"
	}
	return "RSASSA-PKCS1-v1_5 with SHA-256"
}

// CheckAlgorithm refuses what no key is good for; ok is the algorithm's name as it is written.
func CheckAlgorithm(name string) (Algorithm, bool) {
	a := Algorithm(name)
	return a, slices.Contains(Algorithms(), a)
}
