package oauthclient

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/need"
)

// The stored form of a secret: name$iterations$salt$hash, the last two base64url.
const (
	hashName          = "pbkdf2-sha256"
	defaultIterations = 10_000 // secrets are random: the hash has not to make up for a weak one
	maxIterations     = 1_000_000
	hashBytes         = sha256.Size
	saltBytes         = 16
	minSalt           = 8
	maxSalt           = 64
)

// Lengths of a secret, in characters (RFC 6749 appendix A.2: printable ASCII).
const (
	MinSecret = 16
	MaxSecret = 1_024
)

type secretHash struct {
	iterations int
	salt       []byte
	hash       []byte
}

// NewSecret returns a random secret of 256 bits, base64url.
func NewSecret() string { return jose.Encode64(random(32)) }

// NewSalt returns a random salt for HashSecret.
func NewSalt() []byte { return random(saltBytes) }

func random(n int) []byte {
	bytes := make([]byte, n)
	rand.Read(bytes) // never fails: it ends the program instead
	return bytes
}

// HashSecret returns the text that is stored in place of a secret.
func HashSecret(secret string, salt []byte) string {
	h := secretHash{iterations: defaultIterations, salt: salt}
	return hashText(salt, h.of(secret))
}

// CheckSecret refuses a secret that is too short to be random, or that no client
// could send.
func CheckSecret(secret string) error {
	if len(secret) < MinSecret || !sendable(secret) {
		return fmt.Errorf("a client secret must have %d to %d characters of printable ASCII", MinSecret, MaxSecret)
	}
	return nil
}

// sendable also keeps NUL out, with which HMAC would fill a short key up: two
// secrets would be one.
func sendable(secret string) bool {
	for i := 0; i < len(secret); i++ {
		if secret[i] < 0x20 || secret[i] > 0x7E {
			return false
		}
	}
	return len(secret) <= MaxSecret
}

func (h *secretHash) of(secret string) []byte {
	hash, err := pbkdf2.Key(sha256.New, secret, h.salt, h.iterations, hashBytes)
	if err != nil {
		panic(err) // the lengths are fixed
	}
	return hash
}

// NewDerivation asks the host for what HashSecret would compute itself.
func NewDerivation(secret string, salt []byte) *need.Derivation {
	h := secretHash{iterations: defaultIterations, salt: salt}
	return h.derivation(secret)
}

func (h *secretHash) derivation(secret string) *need.Derivation {
	return &need.Derivation{Secret: secret, Salt: h.salt, Iterations: h.iterations, Length: hashBytes}
}

// HashDerived returns the text that is stored, of a NewDerivation with this salt.
func HashDerived(salt, derived []byte) (string, error) {
	if len(salt) < minSalt || len(salt) > maxSalt || len(derived) != hashBytes {
		return "", fmt.Errorf("the salt must have %d to %d bytes, what was derived %d", minSalt, maxSalt, hashBytes)
	}
	return hashText(salt, derived), nil
}

func hashText(salt, hash []byte) string {
	return hashName + "$" + strconv.Itoa(defaultIterations) + "$" + jose.Encode64(salt) + "$" + jose.Encode64(hash)
}

func parseHash(text string) (*secretHash, error) {
	malformed := errors.New("it must be pbkdf2-sha256$iterations$salt$hash: make a new client secret")
	parts := strings.Split(text, "$")
	if len(parts) != 4 || parts[0] != hashName {
		return nil, malformed
	}
	iterations, err := strconv.Atoi(parts[1])
	if err != nil || strconv.Itoa(iterations) != parts[1] {
		return nil, malformed
	}
	if iterations < defaultIterations || iterations > maxIterations {
		return nil, fmt.Errorf("its iterations must be from %d to %d", defaultIterations, maxIterations)
	}
	salt, ok1 := jose.Decode64(parts[2])
	hash, ok2 := jose.Decode64(parts[3])
	if !ok1 || !ok2 || len(salt) < minSalt || len(salt) > maxSalt || len(hash) != hashBytes { //guard:secret-salt drop 4
		return nil, malformed
	}
	return &secretHash{iterations, salt, hash}, nil
}

// checkSecret reports whether a client's secret is the given one. Every refusal
// costs as many iterations as the costliest secret of the registry, so that time
// does not tell who is registered, and who has which kind of credential.
func (r *Registry) checkSecret(c *Client, secret string) bool {
	if !sendable(secret) {
		return false
	}
	if c != nil && c.hash != nil && subtle.ConstantTimeCompare(c.hash.of(secret), c.hash.hash) == 1 {
		return true
	}
	if rest := r.decoyWork(c); rest > 0 {
		decoy := secretHash{iterations: rest, salt: make([]byte, saltBytes)}
		decoy.of(secret)
	}
	return false
}

// askSecret is checkSecret with the host's crypto: whoever is refused cost it the
// same iterations, and every attempt asks. failed ends what the host could not do.
func (r *Registry) askSecret(now float64, c *Client, secret string, end func(now float64, matches bool) need.Step, failed func(now float64, reason string) need.Step) need.Step {
	if !sendable(secret) {
		return end(now, false)
	}
	refuse := func(now float64) need.Step {
		rest := r.decoyWork(c)
		if rest == 0 { //guard:derived-decoy always
			return end(now, false)
		}
		decoy := secretHash{iterations: rest, salt: make([]byte, saltBytes)}
		return ask(decoy.derivation(secret), func(now float64, _ []byte) need.Step { return end(now, false) }, failed)
	}
	if c == nil || c.hash == nil {
		return refuse(now)
	}
	return ask(c.hash.derivation(secret), func(now float64, derived []byte) need.Step {
		if subtle.ConstantTimeCompare(derived, c.hash.hash) == 1 { //guard:derived-secret always
			return end(now, true)
		}
		return refuse(now)
	}, failed)
}

func ask(d *need.Derivation, derived func(now float64, bytes []byte) need.Step, failed func(now float64, reason string) need.Step) need.Step {
	return need.Ask(&need.Need{Kind: need.Derive, Derivation: d}, func(a need.Answer) need.Step {
		switch {
		case a.HasFailed:
			return failed(a.Now, a.Failed)
		case len(a.Content) != d.Length: //guard:derived-length never
			return need.WrongAnswer(need.Derive)
		}
		return derived(a.Now, a.Content)
	})
}

// decoyWork is what a refusal of this client (nil: nobody) still has to cost, in
// iterations.
func (r *Registry) decoyWork(c *Client) int {
	if c == nil || c.hash == nil {
		return r.work
	}
	return r.work - c.hash.iterations
}
