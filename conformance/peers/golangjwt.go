package peers

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"runtime/debug"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const golangJWTModule = "github.com/golang-jwt/jwt/v5"

// GolangJWT is github.com/golang-jwt/jwt/v5, in this process.
func GolangJWT() Peer {
	return Peer{
		Name: "golang-jwt", Version: moduleVersion(golangJWTModule),
		Tasks: []Task{VerifyJWS, VerifyJWT, SignJWS, ImportKey}, TakesWant: true, PEMOnly: true, Asker: golangJWT{},
	}
}

func moduleVersion(path string) string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == path {
			return strings.TrimPrefix(module.Version, "v")
		}
	}
	return ""
}

type golangJWT struct{}

func (golangJWT) Ask(_ context.Context, task Task, q Question) (Reply, error) {
	result, err := answerGolangJWT(task, q)
	if err != nil {
		return Reply{Refused: err.Error()}, nil
	}
	return Reply{Accepted: &result}, nil
}

func answerGolangJWT(task Task, q Question) (Result, error) {
	switch task {
	case VerifyJWS:
		return parseGolangJWT(q, jwt.WithoutClaimsValidation())
	case VerifyJWT:
		return parseGolangJWT(q, golangJWTOptions(q)...)
	case SignJWS:
		return signGolangJWT(q)
	}
	return Result{}, importGolangJWT(q)
}

// golangJWTOptions are the documented checks of the registered claims; decoding
// is as the library does it by itself.
func golangJWTOptions(q Question) []jwt.ParserOption {
	whole, fraction := math.Modf(q.Now)
	now := time.Unix(int64(whole), int64(fraction*1e9))
	options := []jwt.ParserOption{
		jwt.WithTimeFunc(func() time.Time { return now }), jwt.WithIssuedAt(),
		jwt.WithLeeway(time.Duration(q.Leeway * float64(time.Second))),
	}
	for _, claim := range q.Required {
		if claim == "exp" {
			options = append(options, jwt.WithExpirationRequired())
		}
	}
	if len(q.Audience) > 0 {
		options = append(options, jwt.WithAudience(q.Audience...))
	}
	if q.Issuer != "" {
		options = append(options, jwt.WithIssuer(q.Issuer))
	}
	return options
}

func parseGolangJWT(q Question, options ...jwt.ParserOption) (Result, error) {
	options = append(options, jwt.WithValidMethods(q.Allowed))
	claims := jwt.MapClaims{}
	token, err := jwt.NewParser(options...).ParseWithClaims(q.Token, claims, func(*jwt.Token) (any, error) {
		return publicGolangJWT(q)
	})
	if err != nil { // a token that comes beside an error is no answer (CVE-2024-51744)
		return Result{}, err
	}
	header, err := json.Marshal(token.Header)
	if err != nil {
		return Result{}, err
	}
	text, err := json.Marshal(claims)
	return Result{Header: string(header), Claims: string(text)}, err
}

// rawClaims are signed as they stand; encoding/json takes out white space.
type rawClaims struct {
	jwt.MapClaims
	text json.RawMessage
}

func (c rawClaims) MarshalJSON() ([]byte, error) {
	if !json.Valid(c.text) {
		return nil, errors.New("the payload is no JSON")
	}
	return c.text, nil
}

func signGolangJWT(q Question) (Result, error) {
	key, err := privateGolangJWT(q)
	if err != nil {
		return Result{}, err
	}
	token := jwt.NewWithClaims(jwt.GetSigningMethod(q.Alg), rawClaims{text: q.Payload})
	token.Header = map[string]any{}
	if err := json.Unmarshal([]byte(q.Header), &token.Header); err != nil {
		return Result{}, err
	}
	text, err := token.SignedString(key)
	return Result{Token: text}, err
}

func importGolangJWT(q Question) error {
	_, publicErr := publicGolangJWT(q)
	_, privateErr := privateGolangJWT(q)
	switch {
	case q.Want == "public":
		return publicErr
	case q.Want == "private" || publicErr != nil:
		return privateErr
	}
	return nil
}

// The library has a reader for each kind of key.
func publicGolangJWT(q Question) (any, error) {
	switch text := []byte(q.Key); q.Alg {
	case "ES256":
		return jwt.ParseECPublicKeyFromPEM(text)
	case "EdDSA":
		return jwt.ParseEdPublicKeyFromPEM(text)
	default:
		return jwt.ParseRSAPublicKeyFromPEM(text)
	}
}

func privateGolangJWT(q Question) (any, error) {
	switch text := []byte(q.Key); q.Alg {
	case "ES256":
		return jwt.ParseECPrivateKeyFromPEM(text)
	case "EdDSA":
		return jwt.ParseEdPrivateKeyFromPEM(text)
	default:
		return jwt.ParseRSAPrivateKeyFromPEM(text)
	}
}
