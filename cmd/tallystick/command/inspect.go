package command

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/request"
)

func (a *app) inspect() *cobra.Command {
	return &cobra.Command{
		Use:   "inspect [@FILE]",
		Short: "Show what a token says, without verifying it, and what an agent would refuse",
		Long: "Show what a token says, and which of its claims an agent of signed requests would refuse, in the " +
			"order in which an agent decides. Nothing is verified: anybody can write such a token. The token " +
			"comes from standard input or a file, and is never shown whole.",
		Example: "tallystick inspect @token.txt",
		Args:    takes(0, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			token, err := a.tokenOf(args)
			if err != nil {
				return err
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
	in.Now, in.Authorization = float64(now.UnixNano())/float64(time.Second), []string{"Bearer " + token}
	j := judge(token, now, verifier.Explain(in, given))
	if err := a.show(j); err != nil {
		return err
	}
	return found(j.Verdict == refused)
}
