package authorization

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/weburl"
)

// style is all that the pages look like: no script, no font, no picture of others.
const style = `:root{color-scheme:light dark;--ink:#1b1f24;--paper:#fff;--quiet:#57606a;--line:#8c959f;--act:#0a53be;--on:#fff}` +
	`@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--paper:#0d1117;--quiet:#9da7b3;--line:#6e7681;--act:#79b8ff;--on:#0d1117}}` +
	`*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}` +
	`main{max-width:28rem;margin:0 auto;padding:2rem 1rem}h1{font-size:1.5rem;line-height:1.25;margin:0 0 1rem}` +
	`p,ul,dl{margin:0 0 1rem}ul{padding-left:1.25rem}dt{color:var(--quiet)}dd{margin:0 0 .5rem;overflow-wrap:anywhere}` +
	`code{font:.95em ui-monospace,monospace;overflow-wrap:anywhere}` +
	`label{display:block;margin:0 0 .25rem}input:not([type=hidden]){display:block;width:100%;margin:0 0 .75rem;padding:.75rem 1rem;` +
	`border:1px solid var(--line);border-radius:.5rem;background:transparent;color:inherit;font:inherit;letter-spacing:.1em}` +
	`a.button,button{display:block;width:100%;margin:0 0 .75rem;padding:.75rem 1rem;border:1px solid var(--line);border-radius:.5rem;` +
	`background:transparent;color:inherit;font:inherit;text-align:center;text-decoration:none;cursor:pointer}` +
	`button.act,a.act{background:var(--act);border-color:var(--act);color:var(--on)}` +
	`:focus-visible{outline:3px solid var(--act);outline-offset:2px}`

var styleHash = func() string {
	sum := sha256.Sum256([]byte(style))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}()

// escape makes a text safe between tags and inside of quoted attributes. Every text of a page that
// is not a constant goes through it.
func escape(text string) string {
	var b strings.Builder
	for _, c := range text {
		switch c {
		case '&':
			b.WriteString("&amp;")
		case '<':
			b.WriteString("&lt;")
		case '>':
			b.WriteString("&gt;")
		case '"':
			b.WriteString("&#34;")
		case '\'':
			b.WriteString("&#39;")
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// page is an answer for a person. sendsTo are the places that its form may lead to: browsers hold a
// form's redirects to it, too.
func page(status int, title, content string, sendsTo ...string) *problem.Response {
	action := "'none'"
	if sendsTo != nil {
		action = strings.Join(sendsTo, " ")
	}
	return &problem.Response{
		Status: status,
		Headers: map[string]string{
			"content-type": "text/html; charset=utf-8", "cache-control": "no-store",
			"content-security-policy": "default-src 'none'; style-src " + styleHash + "; form-action " + action +
				"; frame-ancestors 'none'; base-uri 'none'",
			"x-frame-options": "DENY", "x-content-type-options": "nosniff", "referrer-policy": "same-origin",
			"cross-origin-opener-policy": "same-origin",
		},
		Body: `<!doctype html><html lang="en"><head><meta charset="utf-8">` +
			`<meta name="viewport" content="width=device-width,initial-scale=1"><title>` + escape(title) + `</title><style>` +
			style + `</style></head><body><main><h1>` + escape(title) + `</h1>` + content + `</main></body></html>`,
	}
}

// errorPage says what went wrong and what a person can do. Nothing of the request is in it.
func errorPage(status int, title, says string) *problem.Response {
	return page(status, title, "<p>"+escape(says)+"</p>")
}

func (s *Server) signInPage(flowID string) *problem.Response {
	var b strings.Builder
	b.WriteString("<p>Choose who knows you. You come back here to decide what is allowed.</p>")
	for _, p := range s.providers {
		b.WriteString(`<a class="button" href="` + escape(s.own(PathAuthorize)+"?"+query("flow", flowID, "provider", p.Name)) +
			`">Sign in with ` + escape(p.title()) + `</a>`)
	}
	return page(200, "Sign in", b.String())
}

func (s *Server) consentPage(flowID string, f *flow) *problem.Response {
	var b strings.Builder
	who := f.User.Name
	if f.User.Email != "" && who != "" {
		who += " (" + f.User.Email + ")"
	} else if who == "" {
		who = f.User.Email
	}
	if who == "" {
		who = f.User.ID()
	}
	b.WriteString("<dl><dt>Who asks</dt><dd><strong>" + escape(f.Client) + "</strong></dd>" +
		"<dt>For whom it may act</dt><dd>" + escape(who) + "</dd>" +
		"<dt>Where</dt><dd>" + escape(f.Target) + "</dd>")
	sendsTo := []string{"'self'"}
	if f.Device != "" {
		b.WriteString("<dt>The code that your device shows</dt><dd><strong>" + escape(f.Code) + "</strong></dd></dl>")
	} else {
		b.WriteString("<dt>You go on at</dt><dd>" + escape(destination(f.Redirect)) + "</dd></dl>")
		// What the client's own address leads on to, such as another host of it, counts as well.
		sendsTo = append(sendsTo, "https:", destination(f.Redirect))
	}
	if len(f.Scopes) == 0 {
		b.WriteString("<p>It asks for no permission beyond knowing that it is you.</p>")
	} else {
		b.WriteString("<p>What it may do:</p><ul>")
		for _, scope := range f.Scopes {
			b.WriteString("<li>" + scopeWords(scope) + "</li>")
		}
		b.WriteString("</ul>")
	}
	b.WriteString(`<form method="post" action="` + escape(s.own(PathAuthorize)) + `">` +
		`<input type="hidden" name="flow" value="` + escape(flowID) + `">` +
		`<input type="hidden" name="csrf" value="` + escape(f.CSRF) + `">` +
		`<button class="act" name="decision" value="allow">Allow</button>` +
		`<button name="decision" value="deny">Do not allow</button></form>` +
		`<p>Allow it only if you have just begun this yourself.</p>`)
	return page(200, "Allow access?", b.String(), sendsTo...)
}

// scopeWords explains the scopes of OpenID Connect; others are the agents' own words.
func scopeWords(scope string) string {
	switch scope {
	case "openid":
		return "know that it is you"
	case "profile":
		return "know your name"
	case "email":
		return "know your e-mail address"
	}
	return "<code>" + escape(scope) + "</code>"
}

// destination is a redirect URI as form-action names it: an origin, or a scheme of an app's own.
func destination(redirect string) string {
	if u, err := weburl.Parse(redirect); err == nil {
		return u.Origin
	}
	scheme, _, _ := strings.Cut(redirect, ":")
	return scheme + ":"
}

// own is the URL of an endpoint.
func (s *Server) own(path string) string { return s.host.Issuer() + path }

// query writes pairs of names and values, but those without a value.
func query(pairs ...string) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('&')
		}
		b.WriteString(weburl.EncodeForm(pairs[i]) + "=" + weburl.EncodeForm(pairs[i+1]))
	}
	return b.String()
}

// redirect leads the browser on; 303 makes it a GET.
func redirect(to string) *problem.Response {
	return &problem.Response{Status: 303, Headers: map[string]string{
		"location": to, "cache-control": "no-store", "referrer-policy": "no-referrer",
		"content-security-policy": "default-src 'none'; frame-ancestors 'none'",
	}}
}
