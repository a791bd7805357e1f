package command

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"log/slog"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/bindings/go/stores/memory"
	"github.com/tallystick/tallystick/core/problem"
)

// verified is whom an access token is from.
type verified struct {
	Name     string   `json:"name"`
	AgentURL string   `json:"agent_url,omitempty"`
	Issuer   string   `json:"issuer"`
	Scopes   []string `json:"scopes"`
	KeyID    string   `json:"kid"`
}

// runVerifyAccess verifies an access token as the agent of --audience would that trusts the issuer.
func (a *app) runVerifyAccess(ctx context.Context, v verification, args []string) error {
	switch {
	case v.issuer == "":
		return wrongUsage("--issuer is missing: name the URL of the issuer that the agent trusts")
	case v.keysDir != "" || v.method != "" || v.url != "" || v.bodyGiven || v.requireTarget:
		return wrongUsage("--audience is for access tokens, which have no --keys-dir, --method, --url, " +
			"--body and --require-target")
	}
	token, err := a.tokenOf(args)
	if err != nil {
		return err
	}
	skill, err := a.receiver(v)
	if err != nil {
		return err
	}
	defer skill.Close()
	defer a.wait(v.issuer)()
	who, err := skill.VerifyToken(ctx, token)
	j := &judgement{Verdict: accepted, Token: decode(token), Steps: []step{}, now: a.Now()}
	if err != nil {
		var e *tallystick.Error
		if ctx.Err() != nil || !errors.As(err, &e) {
			return err
		}
		if !problem.Lookup(e.Code).IsVerdict() {
			return failed(exitNetwork, "nobody can judge the token now: %s (%s)", e.Message, e.Log)
		}
		j.Verdict, j.Code, j.Message, j.Log = refused, e.Code, e.Message, e.Log
	} else {
		j.Caller = &verified{who.Name, who.AgentURL, who.Issuer, who.Scopes, who.KeyID}
	}
	if err := a.show(j); err != nil {
		return err
	}
	return found(j.Verdict == refused)
}

// receiver is an agent that trusts the issuer and signs nothing.
func (a *app) receiver(v verification) (*tallystick.Skill, error) {
	store, err := memory.New(memory.Options{})
	if err != nil {
		return nil, err
	}
	unused, err := rsa.GenerateKey(rand.Reader, defaultBits) // in place of a key ring on the disk
	if err != nil {
		return nil, err
	}
	o := tallystick.SkillOptions{
		BaseURL: v.audience, Signer: unused, Store: store, Logger: slog.New(slog.DiscardHandler),
		TrustedIssuers: []tallystick.TrustedIssuer{{Issuer: v.issuer, Type: v.issuerType}},
		// An empty list would let in every issuer; this one is nobody's (RFC 2606 section 2).
		Allow: []string{"https://nobody.invalid"}, AllowedScopes: []string{"*"},
		DevMode: isLocalURL(v.issuer), Leeway: v.leeway, ClockSkew: v.clockSkew,
	}
	if v.keys != "" {
		text, _, err := a.publicKeys("--keys", v.keys)
		if err != nil {
			return nil, err
		}
		o.Keys = map[string]string{v.issuer: string(text)}
	}
	skill, err := tallystick.NewSkill(o)
	if err != nil {
		return nil, explained("--keys: "+v.keys, verifyFlags, err)
	}
	return skill, nil
}
