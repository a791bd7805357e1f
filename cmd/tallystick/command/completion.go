package command

import (
	"bytes"
	"io"

	"github.com/spf13/cobra"
)

type completionScript struct {
	Shell  string `json:"shell"`
	Script string `json:"script"`
}

func (c completionScript) words(p *printer) { p.WriteString(c.Script) }

func (a *app) completion() *cobra.Command {
	return &cobra.Command{
		Use:       "completion bash|zsh|fish",
		Short:     "Write the completion script of a shell",
		Long:      "Write the completion script of a shell to standard output, for the shell to read when it starts.",
		Example:   "source <(tallystick completion bash)",
		Args:      takes(1, 1),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(c *cobra.Command, args []string) error {
			writers := map[string]func(io.Writer) error{
				"bash": func(w io.Writer) error { return c.Root().GenBashCompletionV2(w, true) },
				"zsh":  c.Root().GenZshCompletion,
				"fish": func(w io.Writer) error { return c.Root().GenFishCompletion(w, true) },
			}
			write, known := writers[args[0]]
			if !known {
				return wrongUsage("there is no completion for %q: choose bash, zsh or fish", args[0])
			}
			var script bytes.Buffer
			if err := write(&script); err != nil {
				return err
			}
			return a.show(completionScript{args[0], script.String()})
		},
	}
}
