package command

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/strictjson"
)

// inspection is what a text of keys holds. Of a private key it has the public half alone.
type inspection struct {
	Source    string     `json:"source"`
	Kind      string     `json:"kind"` // PEM, JWK, JWKS or discovery
	Discovery *discovery `json:"discovery,omitempty"`
	Keys      []keyInfo  `json:"keys"`
	Problems  []string   `json:"problems"`
}

// discovery is what a discovery document says of its issuer.
type discovery struct {
	Issuer        string `json:"issuer"`
	JWKSURI       string `json:"jwks_uri"`
	TokenEndpoint string `json:"token_endpoint,omitempty"`
}

type keyInfo struct {
	Private    bool           `json:"private"`
	KeyID      string         `json:"kid,omitempty"` // its own
	Thumbprint string         `json:"thumbprint,omitempty"`
	Algorithm  jose.Algorithm `json:"alg,omitempty"`
	Bits       int            `json:"bits,omitempty"`
	PublicPEM  string         `json:"public_pem,omitempty"`
	NotUsed    string         `json:"not_used,omitempty"`
	unsuitable bool           // it is well formed, and for something else
}

func (a *app) keysInspect() *cobra.Command {
	return &cobra.Command{
		Use:   "inspect FILE|URL|-",
		Short: "Show the keys of a file or a URL, and what is wrong with them",
		Long: "Show the keys of a PEM file, a JWK, a JWKS or a discovery document: id, size, and the public key " +
			"as PEM. Of a private key the public half alone is shown. A key that agents would not " +
			"use ends the command with exit code 3.",
		Example: "tallystick keys inspect https://portal.example.com/.well-known/jwks.json",
		Args:    takes(1, 1),
		RunE: func(c *cobra.Command, args []string) error {
			i, err := a.inspectKeys(c.Context(), args[0])
			if err != nil {
				return err
			}
			if err := a.show(i); err != nil {
				return err
			}
			return found(len(i.Problems) > 0)
		},
	}
}

func (a *app) inspectKeys(ctx context.Context, source string) (*inspection, error) {
	if !isURL(source) {
		in, err := a.keyText("FILE", source)
		if err != nil {
			return nil, err
		}
		i := inspectText(source, in.content)
		if slices.ContainsFunc(i.Keys, func(k keyInfo) bool { return k.Private }) {
			a.warnOfMode("FILE", source, in)
		}
		return i, nil
	}
	u, err := checkURL("URL", source)
	if err != nil {
		return nil, err
	}
	document, err := a.document(ctx, source)
	if err != nil {
		return nil, err
	}
	i := inspectText(source, document.content)
	if i.Discovery != nil {
		if i, err = a.follow(ctx, i); err != nil {
			return nil, err
		}
	}
	if u.Scheme == "http" && !isLoopback(u.Host) {
		i.problem("it comes by http: whoever is on the way can exchange the keys; use https")
	}
	return i, nil
}

// follow shows the keys that a discovery document names.
func (a *app) follow(ctx context.Context, i *inspection) (*inspection, error) {
	if issuer := strings.TrimRight(i.Discovery.Issuer, "/"); !strings.HasPrefix(i.Source, issuer+"/") {
		i.problem("its issuer is %s, whose document lies below %s/.well-known/", issuer, issuer)
	}
	if _, err := checkURL("jwks_uri", i.Discovery.JWKSURI); err != nil {
		i.problem("%s", err)
		return i, nil
	}
	document, err := a.document(ctx, i.Discovery.JWKSURI)
	if err != nil {
		return nil, err
	}
	keys := inspectText(i.Discovery.JWKSURI, document.content)
	i.Keys, i.Problems = keys.Keys, append(i.Problems, keys.Problems...)
	return i, nil
}

func (i *inspection) problem(format string, args ...any) {
	i.Problems = append(i.Problems, fmt.Sprintf(format, args...))
}

// inspectText takes a text apart, and each of its keys for itself.
func inspectText(source string, text []byte) *inspection {
	i := &inspection{Source: source, Kind: "PEM", Keys: []keyInfo{}, Problems: []string{}}
	if looksLikeJSON(text) {
		i.inspectJSON(bytes.TrimSpace(text))
	} else {
		i.inspectPEM(text)
	}
	if len(i.Problems) > 0 || i.Kind == "discovery" {
		return i
	}
	usable := 0
	for n, key := range i.Keys {
		switch {
		case key.NotUsed == "":
			usable++
		case !key.unsuitable:
			i.problem("key %d is not used: %s", n+1, key.NotUsed)
		}
	}
	if usable == 0 && len(i.Problems) == 0 {
		i.problem("it has no key that agents use: an RSA key of %d to %d bits, a P-256 or an Ed25519 key is needed",
			jose.MinBits, jose.MaxBits)
	}
	return i
}

func (i *inspection) inspectPEM(text []byte) {
	for rest := text; ; {
		block, after := pem.Decode(rest)
		if block == nil {
			break
		}
		rest = after
		i.add(pem.EncodeToMemory(block))
	}
	if _, err := jose.ParseKeys(text); err != nil && len(i.Keys) == 0 {
		i.problem("%s", err)
	} else if err != nil && usableAll(i.Keys) {
		i.problem("%s", err) // of the text as a whole, such as a block that is damaged
	}
}

func usableAll(keys []keyInfo) bool {
	for _, key := range keys {
		if key.NotUsed != "" {
			return false
		}
	}
	return true
}

func (i *inspection) inspectJSON(text []byte) {
	i.Kind = "JWK"
	if err := strictjson.CheckObject(text); err != nil {
		i.Kind = "JSON"
		i.problem("the JSON is refused: %s", err)
		return
	}
	var members struct {
		Keys          *[]json.RawMessage `json:"keys"`
		Kty           any                `json:"kty"`
		Issuer        string             `json:"issuer"`
		JWKSURI       string             `json:"jwks_uri"`
		TokenEndpoint string             `json:"token_endpoint"`
	}
	if err := json.Unmarshal(text, &members); err != nil {
		i.problem("it is no JWK, JWKS or discovery document: %s", err)
		return
	}
	switch {
	case members.Keys != nil:
		i.Kind = "JWKS"
		for _, entry := range *members.Keys {
			i.add(entry)
		}
		if len(*members.Keys) > jose.MaxKeys {
			i.problem("%d keys: at most %d are read", len(*members.Keys), jose.MaxKeys)
		}
	case members.Kty != nil:
		i.add(text)
	case members.JWKSURI != "":
		i.Kind = "discovery"
		i.Discovery = &discovery{members.Issuer, members.JWKSURI, members.TokenEndpoint}
	default:
		i.problem("it is no JWK, JWKS or discovery document: it has none of kty, keys and jwks_uri")
	}
}

// add describes one key; nothing of its private half is kept.
func (i *inspection) add(text []byte) {
	keys, err := jose.ParseKeys(text)
	if err != nil {
		i.Keys = append(i.Keys, keyInfo{NotUsed: err.Error(), unsuitable: errors.Is(err, jose.ErrUnsuitable)})
		return
	}
	key := keys[0]
	i.Keys = append(i.Keys, keyInfo{
		Private: key.Private != nil, KeyID: key.ID, Thumbprint: key.Public.Thumbprint(),
		Algorithm: key.Public.Algorithm(), Bits: key.Public.Bits(), PublicPEM: key.Public.PEM(),
	})
}

func (i *inspection) words(p *printer) {
	if len(i.Keys) == 0 && i.Discovery == nil {
		p.line("%s: no keys", i.Source)
	} else {
		p.line("%s: %s, %s", i.Source, i.Kind, plural(len(i.Keys), "key"))
	}
	if d := i.Discovery; d != nil {
		rows := [][]string{{"issuer", d.Issuer}, {"jwks_uri", d.JWKSURI}}
		if d.TokenEndpoint != "" {
			rows = append(rows, []string{"token_endpoint", d.TokenEndpoint})
		}
		p.table("  ", rows)
	}
	for n, key := range i.Keys {
		key.words(p, n+1)
	}
	for _, problem := range i.Problems {
		p.line(p.paint(red, "problem:")+" %s", problem)
	}
}

func (k keyInfo) words(p *printer, number int) {
	if k.NotUsed != "" {
		p.line("\nkey %d: not used: %s", number, k.NotUsed)
		return
	}
	half := "public"
	if k.Private {
		half = "PRIVATE (its public half is shown)"
	}
	p.line("\nkey %d: %s, %s", number, kindOf(k.Algorithm, k.Bits), half)
	rows := [][]string{{"thumbprint", k.Thumbprint}}
	if k.KeyID != "" {
		rows = append(rows, []string{"kid", k.KeyID})
	}
	p.table("  ", rows)
	p.WriteString(k.PublicPEM)
}
