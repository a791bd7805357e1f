package command

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/core/limits"
	"github.com/tallystick/tallystick/core/request"
)

// outgoing is a request as the command line describes it.
type outgoing struct {
	method, url string
	key, issuer string
	body        string
	ttl         time.Duration
}

// flags are those of sign and of request.
func (o *outgoing) flags(c *cobra.Command) {
	flags := c.Flags()
	flags.StringVar(&o.key, "key", "", "the private key: a `FILE` with PEM or a JWK, or - for standard input")
	flags.StringVar(&o.issuer, "issuer", "", "who signs: the `ID` that the agent knows the key by")
	flags.StringVar(&o.body, "body", "", "the exact body: `@FILE|-|TEXT`")
	flags.DurationVar(&o.ttl, "ttl", time.Minute, "how long the token lives: a `DURATION` of 1s to 24h")
}

// prepare reads key and body.
func (a *app) prepare(c *cobra.Command, o *outgoing, args []string) (*tallystick.Signer, body, error) {
	o.method, o.url = args[0], args[1]
	if upper := strings.ToUpper(o.method); upper != o.method {
		return nil, body{}, wrongUsage("METHOD: methods are case-sensitive: write %s", upper)
	}
	if strings.ContainsFunc(o.method, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(notInNames, r) }) ||
		o.method == "" {
		return nil, body{}, wrongUsage("METHOD: %.40q is no HTTP method: write one such as POST", o.method)
	}
	if _, err := checkURL("URL", o.url); err != nil {
		return nil, body{}, err
	}
	switch {
	case o.key == "":
		return nil, body{}, wrongUsage("--key is missing: name the file of your private key, which " +
			"`tallystick keys new` makes")
	case o.issuer == "":
		return nil, body{}, wrongUsage("--issuer is missing: say by which name the agent knows the key")
	}
	if err := o.check(c.Flags().Changed("body")); err != nil {
		return nil, body{}, err
	}
	key, err := a.keyText("--key", o.key)
	if err != nil {
		return nil, body{}, err
	}
	content, err := a.bodyOf(o.body, c.Flags().Changed("body"))
	if err != nil {
		return nil, body{}, err
	}
	options := tallystick.SignerOptions{TTL: o.ttl, MaxBody: limits.MaxBody}
	signer, err := tallystick.NewSigner(o.issuer, key.content, options)
	if err != nil {
		return nil, body{}, explained("--key: "+o.key, requestFlags, err)
	}
	a.warnOfMode("--key", o.key, key)
	return signer, content, nil
}

const maxTTL = request.MaxTTL * time.Second

// check refuses what can be signed and not be sent.
func (o *outgoing) check(hasBody bool) error {
	switch {
	case o.method == http.MethodConnect:
		return wrongUsage("METHOD: CONNECT asks a proxy for a tunnel and has no URL: " +
			"sign the request that goes through it")
	case o.method == http.MethodTrace && hasBody:
		return wrongUsage("--body: a TRACE request has no body (RFC 9110): leave it out, or use another method")
	case o.ttl%time.Second != 0:
		return wrongUsage("--ttl must be whole seconds, such as --ttl 30s")
	}
	return checkDuration("--ttl", o.ttl, time.Second, maxTTL)
}

// signedHeaders are what sign makes.
type signedHeaders struct {
	Headers map[string]string `json:"headers"`
	KeyID   string            `json:"kid"`
	Expires time.Time         `json:"expires_at"`
	Curl    string            `json:"curl,omitempty"`
}

func (s *signedHeaders) words(p *printer) {
	if s.Curl != "" {
		p.WriteString(s.Curl + "\n")
		return
	}
	p.line("Authorization: %s", s.Headers["Authorization"])
}

func (a *app) sign() *cobra.Command {
	o := outgoing{}
	var curl bool
	c := &cobra.Command{
		Use:   "sign METHOD URL --key FILE --issuer ID",
		Short: "Sign a request, and write its header or a whole curl line",
		Long: "Sign a request, and write the Authorization header, or with --curl the line of a shell that sends " +
			"it, which gives curl (7.55 or newer) the header on standard input: other users see its arguments. The " +
			"token is good for this request alone, once, until it expires. Method, URL and body must be sent as " +
			"they were signed.",
		Example: "tallystick sign POST https://agent.example.com/agent \\\n" +
			"  --key keys/orchestrator.pem --issuer orchestrator --body @query.json --curl",
		Args: takes(2, 2),
		RunE: func(c *cobra.Command, args []string) error { return a.runSign(c, &o, args, curl) },
	}
	o.flags(c)
	c.Flags().BoolVar(&curl, "curl", false, "write a line with curl that sends the request")
	return c
}

func (a *app) runSign(c *cobra.Command, o *outgoing, args []string, curl bool) error {
	signer, content, err := a.prepare(c, o, args)
	if err != nil {
		return err
	}
	headers, err := signer.Sign(c.Context(), o.method, o.url, content.content)
	if err != nil {
		return explained("--key: "+o.key, requestFlags, err)
	}
	signed := &signedHeaders{
		Headers: map[string]string{"Authorization": headers.Get("Authorization")},
		KeyID:   signer.KeyID(), Expires: a.Now().Add(o.ttl).UTC().Truncate(time.Second),
	}
	if curl {
		if signed.Curl, err = curlLine(o, content, headers); err != nil {
			return err
		}
	}
	a.say("good for this request alone, once, for %s", span(o.ttl))
	if o.ttl > request.DefaultLifetime*time.Second {
		a.say("agents take %s at most, unless their max_lifetime says otherwise", span(request.DefaultLifetime*time.Second))
	}
	return a.show(signed)
}

// drivesTerminal: a control character, or one that has a terminal show a text in another order.
func drivesTerminal(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }

// isText: it can stand in a line for a shell, where nobody sees an escape.
func isText(text []byte) bool {
	unsafe := func(r rune) bool { return drivesTerminal(r) && r != '\n' && r != '\t' }
	return utf8.Valid(text) && !bytes.ContainsFunc(text, unsafe)
}

// maxInLine is what one argument may have on every system, in bytes, with room for quotes.
const maxInLine = 64 << 10

// curlLine is a line of a POSIX shell that sends the exact request.
func curlLine(o *outgoing, content body, headers http.Header) (string, error) {
	words := []string{"curl"}
	switch {
	case o.method == http.MethodHead && content.given:
		return "", wrongUsage("--curl: curl sends no body with HEAD: leave out --body, or use `tallystick request`")
	case o.method == http.MethodHead:
		words = append(words, "--head") // curl would wait for a body
	case o.method != http.MethodGet || content.given:
		words = append(words, "-X", o.method)
	}
	if strings.ContainsAny(o.url, "[]{}") {
		words = append(words, "--globoff")
	}
	words = append(words, o.url, "-H", "@-")
	if content.given {
		words = append(words, "-H", "Content-Type: "+contentType(content.content))
		switch {
		case !utf8.ValidString(content.file) || strings.ContainsFunc(content.file, drivesTerminal):
			return "", wrongUsage("--curl cannot write the name %+q into a line, since it has control characters: "+
				"give the file another name", content.file)
		case content.file != "":
			words = append(words, "--data-binary", "@"+content.file)
		case len(content.content) > maxInLine:
			return "", wrongUsage("--curl cannot write a body of over %d bytes into a line: give it as --body @FILE", maxInLine)
		case !isText(content.content):
			return "", wrongUsage("--curl cannot write a body with control characters into a line: give it as --body @FILE")
		default:
			words = append(words, "--data-raw", string(content.content))
		}
	}
	for i, word := range words {
		words[i] = quoteForShell(word)
	}
	// Of curl, other users see the arguments; echo is part of every shell, and this text is the
	// same in all of them: it has no backslash.
	header := quoteForShell("Authorization: " + headers.Get("Authorization"))
	return "echo " + header + " | " + strings.Join(words, " "), nil
}

// contentType of a body whose type nobody named.
func contentType(content []byte) string {
	if json.Valid(content) {
		return "application/json"
	}
	return "application/octet-stream"
}
