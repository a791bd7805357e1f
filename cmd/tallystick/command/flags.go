package command

import (
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// flagOf is the flag that an option of the package came by, and what to give there.
type flagOf struct{ name, fix string }

var (
	requestFlags = map[string]flagOf{
		"Issuer": {"--issuer", ""}, "issuer": {"--issuer", ""}, "method": {"METHOD", ""}, "url": {"URL", ""},
	}
	tokenFlags = map[string]flagOf{
		"BaseURL":       {"--agent", "write --agent https://agent.example.com/my-agent, or --agent @my-agent"},
		"AgentID":       {"--agent", "write --agent https://agent.example.com/my-agent, or --agent @my-agent"},
		"AllowedScopes": {"--scope", "write --scope read"},
		"scopes":        {"--scope", "write --scope read"},
		"Authority":     {"--authority", "write --authority https://portal.example.com"},
		"ClientSecret":  {"--client-secret", "give the file with the secret alone"},
		"ClientKey":     {"--client-key", "give the file with the private key"},
		"KeysDir":       {"--keys-dir", "name another folder"},
		"target":        {"--target", ""},
	}
	verifyFlags = map[string]flagOf{
		"BaseURL":               {"--audience", "write --audience https://agent.example.com/my-agent, or @my-agent"},
		"TrustedIssuers.Issuer": {"--issuer", "write --issuer https://portal.example.com"},
		"TrustedIssuers.Type":   {"--issuer-type", "write --issuer-type agent"},
	}
)

var indexes = regexp.MustCompile(`\[\d+\]`)

// byFlags words what was found of an option, such as "BaseURL: must be a URL: write BaseURL: …",
// by the flag that its value came by; false where it came by none.
func byFlags(message string, flags map[string]flagOf) (string, bool) {
	message = strings.TrimPrefix(message, "configuration: ")
	end := strings.IndexAny(message, " :")
	if end < 0 {
		return message, false
	}
	flag, known := flags[indexes.ReplaceAllString(message[:end], "")]
	if !known {
		return message, false
	}
	says, _, _ := strings.Cut(message[end:], ": write ")
	if flag.fix != "" {
		says += ": " + flag.fix
	}
	return flag.name + says, true
}

// completes has the shell complete a flag by what can stand there. That the flag exists is a test's.
func completes(c *cobra.Command, flag string, values ...string) {
	known := cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
	if err := c.RegisterFlagCompletionFunc(flag, known); err != nil {
		panic(err)
	}
}

// without refuses flags that a way to use a command has no use for: they would go unheard.
func without(c *cobra.Command, why string, names ...string) error {
	for _, name := range names {
		if c.Flags().Changed(name) {
			return wrongUsage("--%s is %s: leave it out", name, why)
		}
	}
	return nil
}
