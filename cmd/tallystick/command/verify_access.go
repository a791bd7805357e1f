package command

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"log/slog"
	"time"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/bindings/go/stores/memory"
	"github.com/tallystick/tallystick/core/access"
	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/trust"
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
	if _, err := checkURL("--audience", v.audience); err != nil {
		return err
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
	verdict, now := &access.Verdict{}, a.Now()
	if err != nil {
		var e *tallystick.Error
		if ctx.Err() != nil || !errors.As(err, &e) {
			return err
		}
		if !problem.Lookup(e.Code).IsVerdict() {
			return failed(exitNetwork, "nobody can judge the token now: %s (%s)", e.Message, e.Log)
		}
		verdict.Problem = problem.New(e.Code, e.Message).WithLog("%s", e.Log)
	}
	agent, p := explaining([]trust.Issuer{{Issuer: v.issuer, Type: v.issuerType}}, v)
	if p != nil {
		return wrongUsage("%s", p.Message)
	}
	j := judge(accessToken, token, now, agent.Explain(token, secondsOf(now), verdict))
	j.Verdict, j.Code, j.Message, j.Log = accepted, "", "", ""
	if p := verdict.Problem; p != nil {
		j.Verdict, j.Code, j.Message, j.Log = refused, p.Code, p.Message, p.Log
	} else {
		j.Caller = &verified{who.Name, who.AgentURL, who.Issuer, who.Scopes, who.KeyID}
	}
	return a.tell(j)
}

// anyAgent stands for the agent that a token is for, where nobody says which (RFC 2606 section 2).
const anyAgent = "https://agent.invalid"

// explaining is the agent of [app.receiver] as the core knows it: it has no keys.
func explaining(trusted []trust.Issuer, v verification) (*access.Agent, *problem.Problem) {
	all, development := []string{"*"}, isLocalURL(v.issuer)
	o := access.Options{
		BaseURL: v.audience, TrustedIssuers: trusted, Allow: []string{nobody}, AllowedScopes: &all,
		DevMode: development, Leeway: secondsGiven(v.leeway), ClockSkew: secondsGiven(v.clockSkew),
	}
	config, p := o.Config()
	if p != nil {
		return nil, p
	}
	config.VerifyOnly = true
	none, _ := authorizedkeys.FromFiles(nil)
	return access.New(config, nil, none, nil)
}

// nobody is an issuer that nobody has: an empty list would let in every issuer.
const nobody = "https://nobody.invalid"

// secondsGiven: 0 is not given, and negative is none, as in [tallystick.SkillOptions].
func secondsGiven(d time.Duration) *float64 {
	if d == 0 {
		return nil
	}
	seconds := max(d, 0).Seconds()
	return &seconds
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
		Allow:          []string{nobody}, AllowedScopes: []string{"*"},
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
