package command

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/limits"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/request"
	"github.com/tallystick/tallystick/core/trust"
)

// verification is what verify was told.
type verification struct {
	keys, keysDir, issuer string
	method, url, body     string
	bodyGiven             bool
	audience, issuerType  string // of an access token
	preset, config        string // instead of issuer
	requireTarget         bool
	leeway, clockSkew     time.Duration
}

func (a *app) verify() *cobra.Command {
	v := verification{}
	c := &cobra.Command{
		Use:   "verify [@FILE]",
		Short: "Verify a token with a key or a folder of keys, as an agent would",
		Long: "Verify a token of a signed request with a caller's key or a folder of keys, as an agent would, and " +
			"say what is wrong with it in the order in which an agent decides. Method and URL, and the body, are " +
			"compared where they are given. Whether the token was used before only the agent knows. With --audience " +
			"an access token is verified instead, with the keys of --keys or those that its issuer publishes; with " +
			"--config as the agent of that configuration would. The token " +
			"comes from standard input or a file, and is never shown whole.",
		Example: "tallystick verify @token.txt --keys-dir authorized_keys \\\n" +
			"  --method POST --url https://agent.example.com/agent --body @query.json",
		Args: takes(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			v.bodyGiven = c.Flags().Changed("body")
			if err := v.checkTimes(); err != nil {
				return err
			}
			if v.config != "" {
				return a.runVerifyConfig(c, v.config, args)
			}
			if v.audience != "" {
				v.leeway = forgiven(v.leeway, c.Flags().Changed("leeway"))
				v.clockSkew = forgiven(v.clockSkew, c.Flags().Changed("clock-skew"))
				return a.runVerifyAccess(c.Context(), v, args)
			}
			for _, name := range []string{"issuer-type", "preset"} {
				if c.Flags().Changed(name) {
					return wrongUsage("--%s is for access tokens: give --audience, too", name)
				}
			}
			return a.runVerify(v, args)
		},
	}
	flags := c.Flags()
	flags.StringVar(&v.keys, "keys", "", "the caller's public key: a `FILE` with PEM, a JWK or a JWKS")
	flags.StringVar(&v.keysDir, "keys-dir", "", "an agent's folder `DIR` of callers' public keys")
	flags.StringVar(&v.issuer, "issuer", "", "with --keys: whose key it is, an `ID` (default: whom the token names); "+
		"with --audience: the URL of the issuer that is trusted")
	flags.StringVar(&v.audience, "audience", "", "verify an access token for the agent with this `URL`, or for what its "+
		"issuer calls it; with --preset cognito the app client's id")
	flags.StringVar(&v.preset, "preset", "", "with --audience: the identity provider that is trusted, as "+
		presetForm)
	flags.StringVar(&v.config, "config", "", "verify an access token for the agent with the configuration in `FILE`, "+
		"JSON (.json) or YAML")
	flags.StringVar(&v.issuerType, "issuer-type", "agent", "with --audience: what the issuer is, a `TYPE` of agent, "+
		"portal and user")
	flags.StringVar(&v.method, "method", "", "the request's `METHOD`; with --url")
	flags.StringVar(&v.url, "url", "", "the request's `URL`, as its client sees it; with --method")
	flags.StringVar(&v.body, "body", "", "the request's body: `@FILE|-|TEXT`")
	flags.BoolVar(&v.requireTarget, "require-target", false, "refuse a token that names no method and "+
		"URL, as the agent's option does")
	flags.DurationVar(&v.leeway, "leeway", 0, "forgive this `DURATION` after exp, up to 5m; with --audience "+
		"30s where it is not given")
	flags.DurationVar(&v.clockSkew, "clock-skew", 5*time.Second, "forgive iat and nbf this `DURATION` in the "+
		"future, up to 5m; with --audience 30s where it is not given")
	completes(c, "issuer-type", trust.TypeAgent, trust.TypePortal, trust.TypeUser)
	return c
}

// forgiven is an option of access tokens: 0 is their default there, and negative is none.
func forgiven(d time.Duration, given bool) time.Duration {
	switch {
	case !given:
		return 0
	case d == 0:
		return -1
	}
	return d
}

func (v *verification) checkTimes() error {
	if err := checkDuration("--leeway", v.leeway, 0, limits.MaxLeeway*time.Second); err != nil {
		return err
	}
	return checkDuration("--clock-skew", v.clockSkew, 0, limits.MaxClockSkew*time.Second)
}

func (a *app) runVerify(v verification, args []string) error {
	switch {
	case v.keys != "" && v.keysDir != "":
		return wrongUsage("give --keys or --keys-dir, not both")
	case v.keys == "" && v.keysDir == "":
		return wrongUsage("give the caller's key by --keys FILE, or the agent's folder by --keys-dir DIR; " +
			"`tallystick inspect` needs neither")
	case v.issuer != "" && v.keys == "":
		return wrongUsage("--issuer says whose key --keys is; a folder says it by its files' names")
	case (v.method == "") != (v.url == ""):
		return wrongUsage("give --method and --url together")
	}
	options := request.Options{RequireTarget: v.requireTarget, Leeway: v.leeway.Seconds()}
	skew, most := v.clockSkew.Seconds(), limits.MaxBody
	options.ClockSkew, options.MaxBody = &skew, &most
	in, given := request.Input{}, request.Given{Keys: true}
	if v.url != "" {
		u, err := checkURL("--url", v.url)
		if err != nil {
			return err
		}
		in.Received = pipeline.Received{Method: v.method, Path: u.Path, Query: u.Query}
		options.BaseURL, given.Target = u.Origin, true
	}
	token, err := a.tokenOf(args)
	if err != nil {
		return err
	}
	content, err := a.bodyOf(v.body, v.bodyGiven)
	if err != nil {
		return err
	}
	in.Body.Bytes, given.Body = content.content, content.given
	keys, err := a.keysFor(v, token)
	if err != nil {
		return err
	}
	return a.explain(token, keys, options, in, given)
}

// keysFor are the keys that the agent would have.
func (a *app) keysFor(v verification, token string) (*authorizedkeys.Set, error) {
	if v.keysDir != "" {
		f, err := readFolder(v.keysDir)
		if err != nil {
			return nil, err
		}
		for _, problem := range f.problems {
			a.say("%s: %s", v.keysDir, problem.Message)
		}
		return f.set, nil
	}
	text, _, err := a.publicKeys("--keys", v.keys)
	if err != nil {
		return nil, err
	}
	issuer := v.issuer
	if issuer == "" {
		issuer = issuerIn(token)
	}
	set, err := authorizedkeys.FromTexts(map[string]string{issuer: string(text)})
	if err != nil {
		return nil, unusable("--keys: %s", err)
	}
	return set, nil
}

// issuerIn is whom a token names; a name that nobody has where it names nobody.
func issuerIn(token string) string {
	_, claims, _ := partsOf(token)
	for _, m := range membersOf(claims) {
		if m.name == "iss" && m.text != "" {
			return m.text
		}
	}
	return "?"
}
