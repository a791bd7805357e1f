package tallystick

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/tallystick/tallystick/core/digest"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/limits"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/request"
)

// SignerOptions say how requests are signed. The zero value has the defaults.
type SignerOptions struct {
	// TTL is how long a token lives, 1 s to 24 h. 0: 60 s.
	TTL time.Duration
	// SignerTimeout is how long a [crypto.Signer] such as a KMS may take, up to 50 s. 0: 10 s.
	SignerTimeout time.Duration
	// MaxBody are the bytes of a body that is signed; more is [ErrBodyTooLarge]. 0: 10 MiB.
	MaxBody int64
	// MaxAnswer are the bytes of an agent's answer that [Signer.Send] reads. 0: 10 MiB.
	MaxAnswer int64
	// Now is the clock. nil: [time.Now].
	Now func() time.Time
}

const (
	defaultSignerTimeout = 10 * time.Second
	maxSignerTimeout     = 50 * time.Second
	// maxSignings bounds the calls of a crypto.Signer that are open at one time.
	maxSignings = 64
)

// Signer signs requests as one issuer. It prints as its issuer and the key's id, never as the
// key. Safe for concurrent use.
type Signer struct {
	core      *request.Signer
	issuer    string
	key       crypto.Signer  // nil where the core signs
	algorithm jose.Algorithm // of key
	timeout   time.Duration
	maxBody   int64
	maxAnswer int64
	now       func() time.Time
	open      chan struct{}
}

// NewSigner returns a signer for an issuer, whom agents know the key as. The key is the text of a
// private key (PEM or JWK, as string or []byte), an [*rsa.PrivateKey], [*ecdsa.PrivateKey] of P-256
// or [ed25519.PrivateKey], or any [crypto.Signer] with such a key, such as a KMS: what that one signs
// is verified before it is used. RSA keys sign RS256 (PS256 where a JWK says so), P-256 keys ES256,
// and Ed25519 keys EdDSA. Errors: [ErrInvalidArgument] and [ErrInvalidKey].
func NewSigner(issuer string, key any, options SignerOptions) (*Signer, error) {
	s := &Signer{
		issuer:    issuer,
		timeout:   orDefault(options.SignerTimeout, defaultSignerTimeout),
		maxBody:   orDefault(options.MaxBody, limits.DefaultMaxBody),
		maxAnswer: orDefault(options.MaxAnswer, limits.DefaultMaxBody),
		now:       options.Now, open: make(chan struct{}, maxSignings),
	}
	if s.now == nil {
		s.now = time.Now
	}
	config := request.SignerConfig{Issuer: issuer, TTL: request.DefaultTTL}
	if err := s.check(options, &config); err != nil {
		return nil, err
	}
	if err := s.take(key, &config); err != nil {
		return nil, err
	}
	core, p := request.NewSigner(config)
	if p != nil {
		return nil, wrongOption(p)
	}
	s.core = core
	return s, nil
}

func orDefault[T comparable](given, otherwise T) T {
	var zero T
	if given == zero {
		return otherwise
	}
	return given
}

func (s *Signer) check(o SignerOptions, config *request.SignerConfig) error {
	switch {
	case s.timeout < 0 || s.timeout > maxSignerTimeout:
		return wrongArgument("SignerTimeout must be over 0 and at most %v", maxSignerTimeout)
	case !isSize(s.maxBody) || !isSize(s.maxAnswer):
		return wrongArgument("MaxBody and MaxAnswer must be from 0 to %d bytes", limits.MaxBody)
	case o.TTL%time.Second != 0:
		return wrongArgument("TTL must be whole seconds")
	case o.TTL != 0:
		config.TTL = int64(o.TTL / time.Second)
	}
	if p := request.CheckTTL(problem.InvalidArgument, config.TTL); p != nil {
		return misuse(p)
	}
	return nil
}

func isSize(bytes int64) bool { return bytes >= 0 && bytes <= limits.MaxBody }

// take reads the key, whatever form it has.
func (s *Signer) take(key any, config *request.SignerConfig) error {
	switch k := key.(type) {
	case string:
		return takeText([]byte(k), config)
	case []byte:
		return takeText(k, config)
	case *rsa.PrivateKey:
		return takeKey(k, k == nil, config)
	case *ecdsa.PrivateKey:
		return takeKey(k, k == nil, config)
	case ed25519.PrivateKey:
		return takeKey(k, len(k) != ed25519.PrivateKeySize, config)
	case crypto.Signer:
		return s.takeSigner(k, config)
	case nil:
		return wrongArgument("key is nil: give " + keyForms)
	}
	return wrongArgument("key takes "+keyForms+", not %T", key)
}

const keyForms = "a private key as PEM or JWK text or as one of Go's crypto packages, or a crypto.Signer"

func takeKey(key any, missing bool, config *request.SignerConfig) error {
	if missing {
		return wrongArgument("key is nil")
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return misuse(problem.New(problem.InvalidKey, "key: "+err.Error()))
	}
	return takeText(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), config)
}

func takeText(text []byte, config *request.SignerConfig) error {
	private, err := jose.OnePrivate(text)
	if err != nil {
		return misuse(problem.New(problem.InvalidKey, "key: "+err.Error()))
	}
	config.Private = private
	return nil
}

// publicOf asks a signer that may not be there, or not be ready.
func publicOf(key crypto.Signer) (public *jose.PublicKey, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			said := problem.Newf(problem.InvalidKey, "key: the %T panicked when it was asked for its public key", key)
			public, err = nil, misuse(said)
		}
	}()
	found := key.Public()
	der, err := x509.MarshalPKIXPublicKey(found)
	if err != nil {
		return nil, misuse(problem.Newf(problem.InvalidKey, "key: its public key is a %T: it must be an RSA, P-256 or "+
			"Ed25519 key", found))
	}
	one, err := jose.OnePublic(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	if err != nil {
		return nil, misuse(problem.New(problem.InvalidKey, "key: "+err.Error()))
	}
	return one.Public, nil
}

func (s *Signer) takeSigner(key crypto.Signer, config *request.SignerConfig) error {
	public, err := publicOf(key)
	if err != nil {
		return err
	}
	s.key, s.algorithm, config.Public, config.By = key, public.Algorithm(), public, pipeline.ByExternal
	return nil
}

// KeyID returns the RFC 7638 thumbprint of the key.
func (s *Signer) KeyID() string {
	if s == nil || s.core == nil {
		return ""
	}
	return s.core.KeyID()
}

// PublicKey returns the public key as PEM, as agents put it into their folder.
func (s *Signer) PublicKey() string {
	if s == nil || s.core == nil {
		return ""
	}
	return s.core.Public().PEM()
}

// String names issuer and key id.
func (s *Signer) String() string {
	if s == nil || s.core == nil {
		return "Signer(none)"
	}
	return fmt.Sprintf("Signer(issuer %q, key %s)", s.issuer, s.KeyID())
}

// Format is String, whatever the verb.
func (s *Signer) Format(f fmt.State, _ rune) { show(f, s) }

// Sign returns the headers that authenticate one request: Authorization. The method is as it will
// be sent, the URL absolute and as it will be sent, the body the exact bytes. Each call makes a
// new token, and a token works once. Errors: [ErrInvalidURL], [ErrBodyTooLarge], [ErrSignerFailed].
func (s *Signer) Sign(ctx context.Context, method, url string, body []byte) (http.Header, error) {
	if s == nil || s.core == nil {
		return nil, wrongArgument("this Signer was not made by NewSigner")
	}
	if int64(len(body)) > s.maxBody {
		return nil, s.tooLarge()
	}
	step := s.core.Sign(&request.Outgoing{Now: secondsOf(s.now()), Method: method, URL: url, BodySHA256: digest.Hex(body)})
	var cause error
	if step.Need != nil {
		var answer need.Answer
		answer, cause = s.signed(ctx, step.Need.Input)
		step = step.Resume(answer)
	}
	if step.Problem != nil {
		e := misuse(step.Problem)
		e.cause = cause
		return nil, e
	}
	return http.Header{"Authorization": {"Bearer " + step.Result.(*request.Signed).Token}}, nil
}

func (s *Signer) tooLarge() error {
	if s == nil || s.core == nil {
		return wrongArgument("this Signer was not made by NewSigner")
	}
	return misuse(problem.Newf(problem.BodyTooLarge, "the body is over MaxBody (%d bytes)", s.maxBody))
}

type signature struct {
	made []byte
	err  error
}

// signed asks the crypto.Signer, which knows no context: one that hangs keeps its place until it
// returns, and the call does not wait for it.
func (s *Signer) signed(ctx context.Context, input string) (need.Answer, error) {
	ctx, stop := context.WithTimeout(ctx, s.timeout)
	defer stop()
	select {
	case s.open <- struct{}{}:
	case <-ctx.Done():
		err := fmt.Errorf("%d calls of the signer are open: %w", maxSignings, ctx.Err())
		return need.Answer{HasFailed: true, Failed: err.Error()}, err
	}
	made := make(chan signature, 1)
	go func() {
		defer func() { <-s.open }()
		defer func() {
			if reason := recover(); reason != nil {
				made <- signature{err: fmt.Errorf("the signer panicked: %v", reason)}
			}
		}()
		// RSASSA-PKCS1-v1_5 uses no random bytes; nil would end some signers.
		content, hash := toSign(s.algorithm, input)
		bytes, err := s.key.Sign(rand.Reader, content, hash)
		made <- signature{bytes, err}
	}()
	select {
	case one := <-made:
		if one.err != nil {
			return need.Answer{HasFailed: true, Failed: one.err.Error()}, one.err
		}
		return need.Answer{Signature: one.made}, nil
	case <-ctx.Done():
		return need.Answer{HasFailed: true, Failed: ctx.Err().Error()}, ctx.Err()
	}
}

// toSign is what a crypto.Signer is given: a digest, and of Ed25519 the message itself.
func toSign(algorithm jose.Algorithm, input string) ([]byte, crypto.Hash) {
	if algorithm == jose.EdDSA {
		return []byte(input), crypto.Hash(0)
	}
	sum := sha256.Sum256([]byte(input))
	return sum[:], crypto.SHA256
}

// SignRequest signs a request in place: it sets the header Authorization. A body without GetBody
// is read, up to MaxBody, and put back.
func (s *Signer) SignRequest(r *http.Request) error {
	if r == nil || r.URL == nil {
		return wrongArgument("SignRequest was given no request")
	}
	body, err := s.bodyOf(r)
	if err != nil {
		return err
	}
	url, err := urlOf(r)
	if err != nil {
		return err
	}
	if r.Body != nil && r.GetBody == nil {
		setBody(r, body)
	}
	headers, err := s.Sign(r.Context(), orDefault(r.Method, http.MethodGet), url, body)
	if err != nil {
		return err
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	r.Header["Authorization"] = headers["Authorization"]
	return nil
}

// urlOf is the URL as net/http sends it: its host is the one that the agent is told.
func urlOf(r *http.Request) (string, error) {
	if r.URL.Opaque != "" || r.URL.Host == "" {
		return "", misuse(problem.New(problem.InvalidURL,
			"the request's URL must be absolute, such as https://agent.example.com/agent"))
	}
	return r.URL.Scheme + "://" + orDefault(r.Host, r.URL.Host) + r.URL.RequestURI(), nil
}

// bodyOf returns the exact bytes that will be sent.
func (s *Signer) bodyOf(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	maxBody := int64(limits.DefaultMaxBody)
	if s != nil && s.core != nil {
		maxBody = s.maxBody
	}
	if r.GetBody != nil {
		copied, err := r.GetBody()
		if err != nil {
			return nil, err
		}
		defer copied.Close()
		return readUpTo(copied, maxBody, s.tooLarge)
	}
	content, err := readUpTo(r.Body, maxBody, s.tooLarge)
	if err != nil {
		return nil, err
	}
	if err := r.Body.Close(); err != nil {
		return nil, err
	}
	return content, nil
}

func readUpTo(from io.Reader, limit int64, tooLarge func() error) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(from, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(content)) > limit {
		return nil, tooLarge()
	}
	return content, nil
}

// setBody gives a request bytes that can be sent again.
func setBody(r *http.Request, content []byte) {
	r.ContentLength = int64(len(content))
	if len(content) == 0 {
		r.Body, r.GetBody = http.NoBody, func() (io.ReadCloser, error) { return http.NoBody, nil }
		return
	}
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	r.Body, _ = r.GetBody()
}
