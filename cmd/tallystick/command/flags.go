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
		"base_url":       {"--agent", "write --agent https://agent.example.com/my-agent, or --agent @my-agent"},
		"agent_id":       {"--agent", "write --agent https://agent.example.com/my-agent, or --agent @my-agent"},
		"allowed_scopes": {"--scope", "write --scope read"},
		"scopes":         {"--scope", "write --scope read"},
		"authority":      {"--authority", "write --authority https://portal.example.com"},
		"client_secret":  {"--client-secret", "give the file with the secret alone"},
		"client_key":     {"--client-key", "give the file with the private key"},
		"keys_dir":       {"--keys-dir", "name another folder"},
		"target":         {"--target", ""},
	}
	verifyFlags = map[string]flagOf{
		"base_url":               {"--audience", "write --audience https://agent.example.com/my-agent, or @my-agent"},
		"trusted_issuers.issuer": {"--issuer", "write --issuer https://portal.example.com"},
		"trusted_issuers.type":   {"--issuer-type", "write --issuer-type agent"},
	}
)

var indexes = regexp.MustCompile(`\[\d+\]`)

// byFlags words what was found of an option, such as "options: base_url: must be a URL: write
// base_url: …", by the flag that its value came by; false where it came by none.
func byFlags(message string, flags map[string]flagOf) (string, bool) {
	for _, source := range []string{"options: ", "configuration: "} {
		message = strings.TrimPrefix(message, source)
	}
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

// without refuses flags that a way to use a command has no use for: they would go unheard.
func without(c *cobra.Command, why string, names ...string) error {
	for _, name := range names {
		if c.Flags().Changed(name) {
			return wrongUsage("--%s is %s: leave it out", name, why)
		}
	}
	return nil
}
