package abi

import (
	"encoding/json"
	"strings"

	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/keyring"
	"github.com/tallystick/tallystick/core/oauthclient"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/sealed"
)

func ringUpdate(_ *Core, r *RingUpdateRequest, _ []byte) (RingUpdateResult, *problem.Problem) {
	var current *keyring.Ring
	if r.Ring != nil {
		var p *problem.Problem
		if current, p = keyring.Parse(string(r.Ring)); p != nil {
			return RingUpdateResult{}, p
		}
	}
	updated, p := keyring.Update(current, keyring.Options{
		Now: r.Now, Rotate: r.Rotate, Force: r.Force, Revoke: r.Revoke, Lifetime: r.Lifetime,
		Publish: orDefault(r.Publish, keyring.DefaultPublish), Type: jose.KeyType(r.Type), Bits: r.Bits, Fresh: r.Fresh,
	})
	if p != nil {
		return RingUpdateResult{}, p
	}
	result := RingUpdateResult{Changed: updated.Changed, Missing: updated.Missing, Rotated: updated.Rotated, Retired: []string{}}
	if updated.Ring != nil {
		result.describe(updated.Ring)
	}
	return result, nil
}

func (r *RingUpdateResult) describe(described *keyring.Ring) {
	r.Ring = json.RawMessage(described.Document())
	r.Active = described.Active().ID
	if next, there := described.Next(); there {
		r.Next = next.ID
	}
	for _, key := range described.Retired() {
		r.Retired = append(r.Retired, key.ID)
	}
}

func clientSecret(_ *Core, r *ClientSecretRequest, derived []byte) (ClientSecretResult, *problem.Problem) {
	if r.Derive != "" && r.Derive != choiceCore && r.Derive != choiceHost {
		return ClientSecretResult{}, problem.New(problem.InvalidArgument, "client.secret: derive must be core or host")
	}
	if (r.Salt != nil || len(derived) > 0) && (r.Salt == nil || len(derived) == 0 || r.Secret == nil || r.Derive != choiceHost) {
		return ClientSecretResult{}, problem.New(problem.InvalidArgument, "client.secret: salt, secret and what was derived go together, with derive host")
	}
	secret := oauthclient.NewSecret()
	if r.Secret != nil {
		secret = *r.Secret
	}
	if err := oauthclient.CheckSecret(secret); err != nil {
		return ClientSecretResult{}, problem.New(problem.InvalidArgument, err.Error())
	}
	switch {
	case r.Salt != nil:
		return storedSecret(secret, *r.Salt, derived)
	case r.Derive == choiceHost:
		asked := deriveNeed(oauthclient.NewDerivation(secret, oauthclient.NewSalt()))
		return ClientSecretResult{Secret: secret, Derive: &asked}, nil
	}
	return ClientSecretResult{Secret: secret, SecretHash: oauthclient.HashSecret(secret, oauthclient.NewSalt())}, nil
}

// storedSecret makes what is stored of what the host derived.
func storedSecret(secret, salt string, derived []byte) (ClientSecretResult, *problem.Problem) {
	bytes, isBase64 := jose.Decode64(salt)
	if !isBase64 {
		return ClientSecretResult{}, problem.New(problem.InvalidArgument, "client.secret: salt must be base64url")
	}
	hash, err := oauthclient.HashDerived(bytes, derived)
	if err != nil {
		return ClientSecretResult{}, problem.New(problem.InvalidArgument, err.Error())
	}
	return ClientSecretResult{Secret: secret, SecretHash: hash}, nil
}

func documentSeal(_ *Core, r *DocumentRequest, document []byte) (DocumentResult, *problem.Problem) {
	return withDocument(r, document, sealed.Seal, problem.InvalidArgument)
}

func documentOpen(_ *Core, r *DocumentRequest, value []byte) (DocumentResult, *problem.Problem) {
	return withDocument(r, value, sealed.Open, problem.InvalidConfig)
}

// withDocument seals or opens; code is for what is wrong with the bytes.
func withDocument(
	r *DocumentRequest, in []byte, do func([]byte, string, int64, []byte) ([]byte, error), code problem.Code,
) (DocumentResult, *problem.Problem) {
	key, err := sealed.ParseKey(r.Key)
	if err != nil {
		return DocumentResult{}, problem.New(problem.InvalidArgument, err.Error())
	}
	if !isDocumentName(r.Name) || r.Version < 1 {
		return DocumentResult{}, problem.New(problem.InvalidArgument,
			"a document has a name of 1 to 200 letters, digits, dots, _ and -, and a version from 1")
	}
	out, err := do(key, r.Name, r.Version, in)
	if err != nil {
		return DocumentResult{}, problem.New(code, err.Error())
	}
	return DocumentResult{jose.Encode64(out)}, nil
}

func isDocumentName(name string) bool {
	return name != "" && len(name) <= 200 && !strings.ContainsFunc(name, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("._-",
			c))
	})
}
