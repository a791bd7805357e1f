package command

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/bindings/go/stores/memory"
	"github.com/tallystick/tallystick/bindings/go/yamlconfig"
	"github.com/tallystick/tallystick/core/access"
	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/trust"
)

// verified is whom an access token is from.
type verified struct {
	Name     string   `json:"name"`
	UserID   string   `json:"user_id,omitempty"`
	ClientID string   `json:"client_id,omitempty"`
	AgentURL string   `json:"agent_url,omitempty"`
	Issuer   string   `json:"issuer"`
	Scopes   []string `json:"scopes"`
	KeyID    string   `json:"kid"`
}

// runVerifyAccess verifies an access token as the agent of --audience would that trusts the issuer.
func (a *app) runVerifyAccess(ctx context.Context, v verification, args []string) error {
	switch {
	case v.preset != "" && (v.issuer != "" || v.issuerType != "agent"):
		return wrongUsage("--preset says who the issuer is: leave out --issuer and --issuer-type")
	case v.preset == "" && v.issuer == "":
		return wrongUsage("--issuer is missing: name the URL of the issuer that the agent trusts, or a --preset")
	case v.keysDir != "" || v.method != "" || v.url != "" || v.bodyGiven || v.requireTarget:
		return wrongUsage("--audience is for access tokens, which have no --keys-dir, --method, --url, " +
			"--body and --require-target")
	}
	trusted, err := v.trusted()
	if err != nil {
		return err
	}
	token, err := a.tokenOf(args)
	if err != nil {
		return err
	}
	skill, err := a.receiver(trusted, v)
	if err != nil {
		return err
	}
	defer skill.Close()
	agent, p := explaining([]trust.Issuer{trusted}, v)
	if p != nil {
		return wrongUsage("%s", p.Message)
	}
	defer a.wait(namesOf(trusted)[0])()
	return a.verifyBy(ctx, skill, agent, token)
}

// trusted is the entry of the issuer. A provider calls the agent by any name, so that its URL is
// nobody's then.
func (v *verification) trusted() (trust.Issuer, error) {
	if v.preset == "" {
		entry := trust.Issuer{Issuer: v.issuer, Type: v.issuerType}
		switch _, err := checkURL("--audience", v.audience); {
		case strings.HasPrefix(v.audience, "@"), strings.HasPrefix(v.audience, "http") && err != nil:
			return entry, wrongUsage("--audience: write the agent's URL, or what the issuer calls it, such as api://orders")
		case err != nil: // what a provider calls the agent
			entry.Audience, v.audience = []string{v.audience}, anyAgent
		}
		return entry, nil
	}
	p, err := presetOf(v.preset)
	if err != nil {
		return trust.Issuer{}, err
	}
	entry := trustedPreset(p, v.audience)
	v.audience = anyAgent
	return entry, nil
}

// verifyBy shows what a skill says of a token, and what the core of the same configuration finds in it.
func (a *app) verifyBy(ctx context.Context, skill *tallystick.Skill, agent *access.Agent, token string) error {
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
		if e.Code == problem.WrongTarget {
			return unusable("the token is bound to one request, and its agent alone can judge it, together with that " +
				"request: `tallystick inspect` shows what it says")
		}
		verdict.Problem = problem.New(e.Code, e.Message).WithLog("%s", e.Log)
	}
	j := judge(accessToken, token, now, agent.Explain(token, secondsOf(now), verdict))
	j.Verdict, j.Code, j.Message, j.Log = accepted, "", "", ""
	if p := verdict.Problem; p != nil {
		j.Verdict, j.Code, j.Message, j.Log = refused, p.Code, p.Message, p.Log
	} else {
		j.Caller = &verified{
			who.Name, who.UserID, who.ClientID, who.AgentURL, who.Issuer, who.Scopes, who.KeyID,
		}
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
	return withoutKeys(config)
}

func withoutKeys(config access.Config) (*access.Agent, *problem.Problem) {
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
func (a *app) receiver(trusted trust.Issuer, v verification) (*tallystick.Skill, error) {
	o, err := verifyOnly(true)
	if err != nil {
		return nil, err
	}
	o.BaseURL, o.Allow, o.AllowedScopes = v.audience, []string{nobody}, []string{"*"}
	o.DevMode, o.Leeway, o.ClockSkew = isLocalURL(v.issuer), v.leeway, v.clockSkew
	o.TrustedIssuers = []tallystick.TrustedIssuer{{
		Issuer: trusted.Issuer, Type: trusted.Type, Preset: (*tallystick.Preset)(trusted.Preset),
		Audience: trusted.Audience, ClientAudience: trusted.ClientAudience,
	}}
	if v.keys != "" {
		text, _, err := a.publicKeys("--keys", v.keys)
		if err != nil {
			return nil, err
		}
		o.Keys = map[string]string{}
		for _, issuer := range namesOf(trusted) {
			o.Keys[issuer] = string(text)
		}
	}
	skill, err := tallystick.NewSkill(o)
	if err != nil {
		return nil, explained("--keys: "+v.keys, verifyFlags, err)
	}
	return skill, nil
}

// verifyOnly are the options of a skill that makes nothing on the disk, where it would sign itself.
func verifyOnly(signs bool) (tallystick.SkillOptions, error) {
	store, err := memory.New(memory.Options{})
	if err != nil {
		return tallystick.SkillOptions{}, err
	}
	o := tallystick.SkillOptions{Store: store, Logger: slog.New(slog.DiscardHandler), YAML: yamlconfig.ToJSON}
	if signs {
		unused, err := rsa.GenerateKey(rand.Reader, defaultBits) // in place of a key ring on the disk
		if err != nil {
			return o, err
		}
		o.Signer = unused
	}
	return o, nil
}

// runVerifyConfig verifies an access token as the agent of a configuration would.
func (a *app) runVerifyConfig(c *cobra.Command, path string, args []string) error {
	if err := without(c, "for an agent without a configuration", "audience", "issuer", "issuer-type", "preset", "keys",
		"keys-dir", "method", "url", "body", "require-target", "leeway", "clock-skew"); err != nil {
		return err
	}
	config, compiled, err := a.configured(path)
	if err != nil {
		return err
	}
	token, err := a.tokenOf(args)
	if err != nil {
		return err
	}
	agent, p := withoutKeys(compiled)
	if p != nil {
		return unusable("%s: %s", path, p.Message)
	}
	o, err := verifyOnly(config.Authority == "" && config.AgentID != "")
	if err != nil {
		return err
	}
	skill, err := tallystick.SkillFromFile(path, o)
	if err != nil {
		return unusable("%s", wordsOf(err))
	}
	defer skill.Close()
	defer a.wait("the issuers of " + path)()
	return a.verifyBy(c.Context(), skill, agent, token)
}
