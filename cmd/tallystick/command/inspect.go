package command

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/request"
	"github.com/tallystick/tallystick/core/trust"
)

func (a *app) inspect() *cobra.Command {
	return &cobra.Command{
		Use:   "inspect [@FILE]",
		Short: "Show what a token says, without verifying it, and what an agent would refuse",
		Long: "Show what a token says, and which of its claims an agent would refuse, in the order in which an " +
			"agent decides: one that takes access tokens of its issuer, where the token has an audience or " +
			"scopes, else one that takes signed requests. Nothing is verified: anybody can write such a token. " +
			"The token comes from standard input or a file, and is never shown whole.",
		Example: "tallystick inspect @token.txt",
		Args:    takes(0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			token, err := a.tokenOf(args)
			if err != nil {
				return err
			}
			if d := decode(token); d.isAccessToken() {
				return a.explainAccess(token)
			}
			none, _ := authorizedkeys.FromFiles(nil)
			return a.explain(token, none, request.Options{}, request.Input{}, request.Given{})
		},
	}
}

// explain shows what each step of the pipeline says of a token.
func (a *app) explain(
	token string, keys *authorizedkeys.Set, o request.Options, in request.Input, given request.Given,
) error {
	policy, p := o.Policy()
	if p != nil {
		return wrongUsage("%s", p.Message)
	}
	verifier, p := request.NewVerifier(policy, keys)
	if p != nil {
		return wrongUsage("%s", p.Message)
	}
	now := a.Now()
	in.Now, in.Authorization = secondsOf(now), []string{"Bearer " + token}
	return a.tell(judge(signedRequest, token, now, verifier.Explain(in, given)))
}

// scopeClaims are the claims in which providers write scopes: which of them an agent reads, the
// entry of its issuer says.
var scopeClaims = []string{"scope", "scp", "roles", "permissions", "realm_access.roles"}

// explainAccess shows what the claims of an access token say, whoever they are for, to an agent that
// reads of them what it may.
func (a *app) explainAccess(token string) error {
	v := verification{audience: anyAgent, issuer: issuerIn(token)}
	d := decode(token)
	entry := trust.Issuer{Issuer: v.issuer, Type: trust.TypePortal, ScopeClaims: scopeClaims}
	if client := d.client(); !d.hasClaim("aud") && client != "" {
		entry.ClientAudience = []string{client}
	}
	agent, p := explaining([]trust.Issuer{entry}, v)
	if p != nil { // whoever it names is no issuer that can be trusted
		if agent, p = explaining(nil, v); p != nil {
			return failed(exitInternal, "%s", p.Message)
		}
	}
	now := a.Now()
	return a.tell(judge(accessToken, token, now, agent.Explain(token, secondsOf(now), nil)))
}

// tell shows a judgement; a token that is refused is something found.
func (a *app) tell(j *judgement) error {
	if err := a.show(j); err != nil {
		return err
	}
	return found(j.Verdict == refused)
}

func secondsOf(t time.Time) float64 { return float64(t.UnixNano()) / float64(time.Second) }
