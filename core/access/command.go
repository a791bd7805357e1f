package access

import (
	"math"
	"strconv"
	"strings"

	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

const (
	// maxLine bounds a command line, in bytes.
	maxLine = 20 << 10
	// shownToken is how much of a token a display shows unless asked for all: the
	// header, which says nothing that could be used.
	shownToken = 12
)

// Said is what a command gives back: data for a program, text for a person.
type Said struct {
	Data    string // JSON object
	Display string
}

// Command runs one line of a REPL (the seed's slash commands). It ends in a *Said.
func (a *Agent) Command(now float64, line string) need.Step {
	words := strings.Fields(line)
	if len(line) > maxLine || len(words) == 0 {
		return usage("a command is needed")
	}
	switch words[0] {
	case "/auth":
		return a.status(now, words[1:])
	case "/auth/token":
		return a.tokenCommand(now, words[1:])
	case "/auth/validate":
		return a.validateCommand(now, words[1:])
	case "/auth/jwks":
		return a.jwksCommand(now, words[1:])
	case "/auth/help":
		return said(`{}`, commandHelp)
	}
	return usage("there is no command " + problem.Quote(words[0]))
}

const commandHelp = `/auth                                    status and configuration
/auth/token <target> [scope …] [--show]  a token for a target; --show displays all of it
/auth/validate <token>                   who sent a token, or why it is refused
/auth/jwks                               the keys of others that are kept
/auth/help                               this text`

func usage(fault string) need.Step {
	return need.Refuse(problem.New(problem.InvalidArgument, fault+": /auth/help lists the commands"))
}

func said(data, display string) need.Step { return need.Done(&Said{data, display}) }

func (a *Agent) status(now float64, words []string) need.Step {
	if len(words) > 0 {
		return usage("/auth takes nothing more")
	}
	b := strictjson.AppendString([]byte(`{"mode":`), string(a.config.Mode))
	b = appendTextOrNull(b, "authority", a.config.Authority)
	b = appendText(b, "issuer", a.Issuer())
	b = appendText(b, "agent_id", a.config.AgentID)
	b = appendText(b, "base_url", a.config.BaseURL)
	b = appendText(b, "name", a.name)
	b = appendTextOrNull(b, "kid", a.KeyID())
	b = appendTexts(b, "allowed_scopes", a.config.AllowedScopes)
	b = appendRaw(b, "trusted_issuers", strconv.Itoa(a.config.TrustedIssuers))
	b = appendRaw(b, "clients", strconv.Itoa(a.clients.Load().Len()))
	b = appendTexts(b, "inactive", a.config.Inactive)
	b = append(appendName(b, "endpoints"), `{"discovery":`...)
	base := strings.TrimSuffix(a.config.BaseURL, "/")
	b = strictjson.AppendString(b, base+discoveryPath)
	b = appendText(b, "jwks", base+jwksPath)
	b = appendText(b, "token", base+tokenPath)
	b = append(b, '}', '}')
	key := a.KeyID()
	if key == "" {
		key = "managed by the authority"
	}
	lines := []string{
		"AOAuth status",
		"  Mode:           " + string(a.config.Mode),
		"  Issuer:         " + a.Issuer(),
		"  Agent:          " + a.config.AgentID + " (" + a.config.BaseURL + ")",
		"  Key:            " + key,
		"  Allowed scopes: " + strings.Join(a.config.AllowedScopes, ", "),
	}
	for _, feature := range a.config.Inactive {
		lines = append(lines, "  Not active:     "+feature)
	}
	return said(string(b), strings.Join(lines, "\n"))
}

func (a *Agent) tokenCommand(now float64, words []string) need.Step {
	show := false
	var plain []string
	for _, word := range words {
		switch {
		case word == "--show":
			show = true
		case strings.HasPrefix(word, "-"):
			return usage("there is no option " + problem.Quote(word))
		default:
			plain = append(plain, word)
		}
	}
	if len(plain) == 0 {
		return usage("/auth/token needs a target")
	}
	wanted := &Wanted{Now: now, Target: plain[0], Scopes: plain[1:]}
	if len(plain) == 1 {
		wanted.Scopes = nil
	}
	return followed(a.Issue(wanted), func(end need.Step) need.Step {
		if end.Problem != nil {
			return end
		}
		return sayToken(end.Result.(*Issued), show)
	})
}

func sayToken(issued *Issued, show bool) need.Step {
	b := strictjson.AppendString([]byte(`{"token":`), issued.Token)
	b = appendText(b, "audience", issued.Audience)
	b = appendText(b, "scope", issued.Scope)
	b = appendRaw(b, "expires_at", strconv.FormatInt(issued.ExpiresAt, 10))
	shown := issued.Token
	if !show {
		shown = cutToken(shown) + " (--show displays all of it)"
	}
	lines := []string{
		"Token for " + issued.Audience,
		"  Scope:   " + issued.Scope,
		"  Expires: in " + strconv.FormatInt(issued.ExpiresAt-issued.IssuedAt, 10) + " s",
		"  Token:   " + shown,
	}
	return said(string(append(b, '}')), strings.Join(lines, "\n"))
}

func cutToken(token string) string {
	if len(token) > shownToken {
		return token[:shownToken] + "…"
	}
	return token
}

func (a *Agent) validateCommand(now float64, words []string) need.Step {
	if len(words) != 1 {
		return usage("/auth/validate needs one token")
	}
	return followed(a.Verify(&Input{Now: now, Token: &words[0]}), func(end need.Step) need.Step {
		switch {
		case end.Problem == nil:
			return sayValid(end.Result.(*Accepted), now)
		case problem.Lookup(end.Problem.Code).IsVerdict(): //guard:validate-no-verdict always
			return sayInvalid(end.Problem)
		}
		return end // nobody could judge the token
	})
}

// sayInvalid: a token that is refused is the answer here, not a failure.
func sayInvalid(p *problem.Problem) need.Step {
	b := strictjson.AppendString([]byte(`{"valid":false,"code":`), string(p.Code))
	b = appendText(b, "message", p.Message)
	return said(string(append(b, '}')), "Not valid: "+p.Message+" ("+string(p.Code)+")")
}

func sayValid(accepted *Accepted, now float64) need.Step {
	data := append([]byte(`{"valid":true,"auth":`), accepted.JSON...)
	lines := []string{"Valid token"}
	strictjson.Members(string(accepted.JSON), func(name string, v strictjson.Value) bool {
		switch name {
		case "name", "agent_url", "issuer", "issuer_type":
			lines = append(lines, "  "+name+": "+v.Str)
		case "scopes":
			scopes := []string{}
			for _, s := range v.Array() {
				scopes = append(scopes, s.Str)
			}
			lines = append(lines, "  scopes: "+strings.Join(scopes, ", "))
		case "expires_at":
			lines = append(lines, "  expires: in "+strconv.FormatInt(int64(math.Floor(v.Num-now)), 10)+" s")
		}
		return true
	})
	return said(string(append(data, '}')), strings.Join(lines, "\n"))
}

func (a *Agent) jwksCommand(now float64, words []string) need.Step {
	if len(words) > 0 {
		return usage("/auth/jwks takes nothing more")
	}
	entries := a.keys.Entries(now)
	b := []byte(`{"total_entries":` + strconv.Itoa(len(entries)) + `,"entries":[`)
	lines := []string{"JWKS cache", "  Entries: " + strconv.Itoa(len(entries))}
	for i, entry := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		expires := strconv.FormatInt(int64(math.Floor(entry.ExpiresIn)), 10)
		b = append(b, `{"issuer":`...)
		b = strictjson.AppendString(b, entry.Issuer)
		b = appendText(b, "url", entry.URL)
		b = appendRaw(b, "keys", strconv.Itoa(entry.Keys))
		b = append(appendRaw(b, "expires_in", expires), '}')
		lines = append(lines, "  "+entry.URL, "    keys: "+strconv.Itoa(entry.Keys)+", expires in "+expires+" s")
	}
	return said(string(append(b, ']', '}')), strings.Join(lines, "\n"))
}
