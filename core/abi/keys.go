package abi

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/digest"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/scope"
)

func version(*Core, *Empty, []byte) (VersionResult, *problem.Problem) {
	return VersionResult{Version: Release, ABI: Version, Operations: Operations()}, nil
}

func keyGenerate(_ *Core, r *KeyGenerateRequest, _ []byte) (KeyGenerateResult, *problem.Problem) {
	if r.Bits != nil && *r.Bits == 0 {
		return KeyGenerateResult{}, problem.New(problem.InvalidArgument, "key.generate: bits 0 is no size: leave bits out")
	}
	key, err := jose.GenerateType(jose.KeyType(orDefault(r.Type, string(jose.TypeRSA))), orDefault(r.Bits, 0))
	if err != nil {
		return KeyGenerateResult{}, problem.New(problem.InvalidArgument, err.Error())
	}
	public := key.Public()
	return KeyGenerateResult{
		Alg: public.Algorithm(), Bits: public.Bits(), Kid: public.Thumbprint(),
		PrivatePEM: key.PEM(), PublicPEM: public.PEM(),
		PrivateJWK: json.RawMessage(key.JWK()), PublicJWK: json.RawMessage(public.JWK()),
	}, nil
}

func keyInspect(_ *Core, r *KeyInspectRequest, _ []byte) (KeyInspectResult, *problem.Problem) {
	text, p := plainText(r)
	if p != nil {
		return KeyInspectResult{}, p
	}
	keys, err := jose.ParseKeys(text)
	if err != nil {
		return KeyInspectResult{}, problem.New(problem.InvalidKey, err.Error())
	}
	result := KeyInspectResult{Keys: []InspectedKey{}}
	for _, key := range keys {
		inspected, p := inspect(key, r)
		if p != nil {
			return KeyInspectResult{}, p
		}
		result.Keys = append(result.Keys, inspected)
	}
	return result, nil
}

func plainText(r *KeyInspectRequest) ([]byte, *problem.Problem) {
	switch r.Want {
	case "", "private", "public":
	default:
		return nil, problem.New(problem.InvalidArgument, "key.inspect: want must be private or public")
	}
	switch r.Encoding {
	case "":
		return []byte(r.Text), nil
	case "base64":
		text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(r.Text))
		if err != nil {
			return nil, problem.New(problem.InvalidKey, "not base64: expected the base64 of a PEM text on one line")
		}
		return text, nil
	}
	return nil, problem.New(problem.InvalidArgument, "key.inspect: encoding must be base64 or left out")
}

func inspect(key jose.Key, r *KeyInspectRequest) (InspectedKey, *problem.Problem) {
	kind := "public"
	if key.Private != nil {
		kind = "private"
	}
	if r.Want != "" && r.Want != kind {
		return InspectedKey{}, problem.Newf(problem.InvalidKey, "a %s key, expected a %s one", kind, r.Want)
	}
	inspected := InspectedKey{
		Kind: kind, Alg: key.Public.Algorithm(), Bits: key.Public.Bits(), Kid: key.Public.Thumbprint(), KeyID: key.ID,
		PublicPEM: key.Public.PEM(), PublicPKCS1: key.Public.PKCS1(), PublicJWK: json.RawMessage(key.Public.JWK()),
	}
	if key.Private == nil || !r.IncludePrivate {
		return inspected, nil
	}
	inspected.PrivatePEM, inspected.PrivatePKCS1 = key.Private.PEM(), key.Private.PKCS1()
	inspected.PrivateJWK = json.RawMessage(key.Private.JWK())
	return inspected, nil
}

func keysLoad(_ *Core, r *KeysLoadRequest, _ []byte) (KeysLoadResult, *problem.Problem) {
	set, warnings, p := loadKeys(r.Files, r.Keys)
	if p != nil {
		return KeysLoadResult{}, p
	}
	result := KeysLoadResult{Issuers: map[string][]LoadedKey{}, Warnings: warnings}
	set.Issuers(func(name string, issuer authorizedkeys.Issuer) {
		for _, key := range issuer.Keys {
			result.Issuers[name] = append(result.Issuers[name], LoadedKey{
				Kid: key.Public.Thumbprint(), KeyID: key.ID, Alg: key.Public.Algorithm(), Bits: key.Public.Bits(),
				PublicPEM: key.Public.PEM(), PublicJWK: json.RawMessage(key.Public.JWK()),
			})
		}
	})
	return result, nil
}

// loadKeys reads a folder's content or texts by issuer; neither means no keys.
func loadKeys(
	files []authorizedkeys.File, texts map[string]string,
) (*authorizedkeys.Set, []authorizedkeys.Warning, *problem.Problem) {
	switch {
	case files != nil && texts != nil:
		return nil, nil, problem.New(problem.InvalidConfig, "give files or keys, not both")
	case len(files) > authorizedkeys.MaxFiles || len(texts) > authorizedkeys.MaxFiles:
		return nil, nil, problem.Newf(problem.InvalidConfig, "at most %d files or issuers are read", authorizedkeys.MaxFiles)
	case texts == nil:
		set, warnings := authorizedkeys.FromFiles(files)
		return set, warnings, nil
	}
	set, err := authorizedkeys.FromTexts(texts)
	if err != nil {
		return nil, nil, problem.New(problem.InvalidKey, err.Error())
	}
	return set, []authorizedkeys.Warning{}, nil
}

func jwsSign(_ *Core, r *JWSSignRequest, body []byte) (JWSSignResult, *problem.Problem) {
	key, err := jose.OnePrivate([]byte(r.PrivateKey))
	if err != nil {
		return JWSSignResult{}, problem.New(problem.InvalidKey, "private_key: "+err.Error())
	}
	header := []byte(`{"alg":"` + string(key.Public().Algorithm()) + `","typ":"JWT"}`)
	if r.Header != nil {
		header = r.Header
		if p := jose.CheckSigningHeader(header, key.Public()); p != nil {
			return JWSSignResult{}, p
		}
	}
	input := jose.SigningInput(header, body)
	signature, p := jose.Sign(input, key)
	if p != nil {
		return JWSSignResult{}, p
	}
	token := input + "." + jose.Encode64(signature)
	if len(token) > jose.MaxToken {
		return JWSSignResult{}, problem.Newf(problem.InvalidArgument, "the token would be over %d bytes", jose.MaxToken)
	}
	return JWSSignResult{token}, nil
}

func jwsVerify(_ *Core, r *JWSVerifyRequest, _ []byte) (JWSVerifyResult, *problem.Problem) {
	key, err := jose.OnePublic([]byte(r.Key))
	if err != nil {
		return JWSVerifyResult{}, problem.New(problem.InvalidKey, "key: "+err.Error())
	}
	token, p := jose.Parse(r.Token)
	if p != nil {
		return JWSVerifyResult{}, p
	}
	search := pipeline.KeySearch{Token: token, Found: func(string) need.Step { return need.Done(nil) }}
	if p := search.Among([]*jose.PublicKey{key.Public}).Problem; p != nil {
		return JWSVerifyResult{}, p
	}
	return JWSVerifyResult{json.RawMessage(token.Header), jose.Encode64([]byte(token.Payload))}, nil
}

func digestBody(_ *Core, _ *Empty, body []byte) (DigestBodyResult, *problem.Problem) {
	return DigestBodyResult{digest.Hex(body), digest.Field(body)}, nil
}

func scopeMatch(_ *Core, r *ScopeMatchRequest, _ []byte) (ScopeMatchResult, *problem.Problem) {
	if err := scope.CheckPattern(r.Pattern); err != nil {
		return ScopeMatchResult{}, problem.New(problem.InvalidArgument, err.Error())
	}
	scopes, err := scope.Parse(r.Scope)
	if err != nil || len(scopes) != 1 {
		return ScopeMatchResult{}, problem.New(problem.InvalidClaims, "scope must be one scope of printable ASCII without space, \" and \\")
	}
	return ScopeMatchResult{scope.Match(r.Pattern, r.Scope)}, nil
}

func scopeFilter(_ *Core, r *ScopeFilterRequest, _ []byte) (ScopeFilterResult, *problem.Problem) {
	if len(r.Allowed) > scope.MaxPatterns {
		return ScopeFilterResult{}, problem.Newf(problem.InvalidArgument, "at most %d patterns", scope.MaxPatterns)
	}
	for _, pattern := range r.Allowed {
		if err := scope.CheckPattern(pattern); err != nil {
			return ScopeFilterResult{}, problem.New(problem.InvalidArgument, err.Error())
		}
	}
	if len(r.Scope) > jose.MaxToken {
		return ScopeFilterResult{}, problem.New(problem.InvalidClaims, "the scope is over 16384 bytes")
	}
	scopes, err := scope.Parse(r.Scope)
	if err != nil {
		return ScopeFilterResult{}, problem.New(problem.InvalidClaims, err.Error())
	}
	granted := scope.Filter(scopes, r.Allowed)
	return ScopeFilterResult{granted, scope.Namespaces(granted)}, nil
}
