package command

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tallystick/tallystick/cmd/prose"
)

// app is one run of the tool.
type app struct {
	Host
	ctx   context.Context // of the run: its end interrupts what waits
	json  bool
	stdin string // what reads standard input; "": nothing yet
}

// Run runs the command that the arguments name and returns its exit code.
func Run(ctx context.Context, host Host, args []string) int {
	a := &app{Host: host, ctx: ctx}
	if slices.ContainsFunc(args, hasPrivateKey) {
		// Before anything reads, and quotes, it as a flag.
		return a.ended(ctx, keyAsArgument("an argument"))
	}
	for _, argument := range args {
		if name, value, given := strings.Cut(argument, "="); given && strings.HasPrefix(name, "-") && looksLikeToken(value) {
			return a.ended(ctx, wrongUsage("a token is no argument, since other users see arguments: give it as @FILE"))
		}
	}
	root := a.root()
	root.SetArgs(append([]string{}, args...)) // cobra takes nil for the process's own
	root.SetIn(host.Stdin)
	root.SetOut(host.Stdout)
	root.SetErr(host.Stderr)
	return a.ended(ctx, root.ExecuteContext(ctx))
}

func (a *app) root() *cobra.Command {
	root := a.group(&cobra.Command{
		Use:   "tallystick",
		Short: "Sign and verify the calls between AI agents",
		Long: "Tallystick signs and verifies the calls between AI agents. This tool makes and keeps " +
			"keys, signs and sends requests, and says what an agent would make of a token.",
		SilenceErrors: true,
		SilenceUsage:  true,
	})
	root.SetHelpCommand(&cobra.Command{Use: "no-help", Hidden: true}) // --help is enough
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentFlags().BoolVar(&a.json, "json", false, "write JSON to standard output; words go to standard error")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		var wrong *pflag.InvalidValueError
		if errors.As(err, &wrong) && !errors.Is(err, errTwice) {
			if wants := wanted[wrong.GetFlag().Value.Type()]; wants != "" {
				return wrongUsage("--%s: %.40q is %s", wrong.GetFlag().Name, wrong.GetValue(), wants)
			}
		}
		return wrongUsage("%.100s: see `%s --help`", err, c.CommandPath())
	})
	version := root.Flags().Bool("version", false, "show the version, as the command version does")
	grouped := root.RunE
	root.RunE = func(c *cobra.Command, args []string) error {
		if *version && len(args) == 0 {
			return a.show(thisVersion())
		}
		return grouped(c, args)
	}
	root.AddCommand(a.keys(), a.sign(), a.request(), a.token(), a.inspect(), a.verify())
	root.AddCommand(a.doctor(), a.version(), a.completion())
	wrapHelp(root)
	shortenDefaults(root)
	takeOnce(root)
	return root
}

// wanted says by the type of a flag what its value is not.
var wanted = map[string]string{
	"duration": "no duration: write it with its unit, such as 30s or 5m",
	"int":      "no whole number",
	"bool":     "neither true nor false: leave it out, the flag alone is true",
}

// shortenDefaults writes 1m0s as 1m.
func shortenDefaults(c *cobra.Command) {
	c.Flags().VisitAll(func(flag *pflag.Flag) {
		if d, err := time.ParseDuration(flag.DefValue); err == nil && flag.Value.Type() == "duration" {
			flag.DefValue = short(d)
		}
	})
	for _, inner := range c.Commands() {
		shortenDefaults(inner)
	}
}

// takeOnce has each flag refuse a second value: one of two would go unheard.
func takeOnce(c *cobra.Command) {
	for _, flags := range []*pflag.FlagSet{c.Flags(), c.PersistentFlags()} {
		flags.VisitAll(func(flag *pflag.Flag) {
			if _, several := flag.Value.(pflag.SliceValue); !several {
				flag.Value = &once{Value: flag.Value}
			}
		})
	}
	for _, inner := range c.Commands() {
		takeOnce(inner)
	}
}

var errTwice = errors.New("it is given twice: give it once")

type once struct {
	pflag.Value
	given bool
}

func (o *once) Set(text string) error {
	if o.given {
		return errTwice
	}
	o.given = true
	return o.Value.Set(text)
}

// wrapHelp lays out what --help says.
func wrapHelp(c *cobra.Command) {
	c.Long = strings.TrimSuffix(prose.Wrap(c.Long, "", ""), "\n")
	c.Example = indented(c.Example)
	for _, inner := range c.Commands() {
		wrapHelp(inner)
	}
}

const indent = "  "

func indented(text string) string {
	if text == "" {
		return ""
	}
	return indent + strings.ReplaceAll(text, "\n", "\n"+indent)
}

// nearBy is how many letters a mistyped command may differ in from one that is suggested.
const nearBy = 2

// group is a command that only holds others.
func (a *app) group(c *cobra.Command) *cobra.Command {
	c.Args = cobra.ArbitraryArgs
	c.SuggestionsMinimumDistance = nearBy
	c.RunE = func(c *cobra.Command, args []string) error {
		if slices.ContainsFunc(args, looksLikeToken) {
			return tokenAsArgument(c)
		}
		if len(args) == 0 {
			return wrongUsage("name a command: see `%s --help`", c.CommandPath())
		}
		advice := "see `" + c.CommandPath() + " --help`"
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			advice = "did you mean " + strings.Join(near, " or ") + "?"
		}
		return wrongUsage("%.40q is no command of `%s`: %s", args[0], c.CommandPath(), advice)
	}
	return c
}

// takes checks the number of arguments, which the command's usage line names.
func takes(least, most int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case slices.ContainsFunc(args, looksLikeToken):
			return tokenAsArgument(c)
		case len(args) < least:
			return wrongUsage("an argument is missing: write `%s`", c.UseLine())
		case len(args) > most:
			return wrongUsage("%s given, at most %d taken: write `%s`", plural(len(args), "argument"), most, c.UseLine())
		}
		return nil
	}
}
