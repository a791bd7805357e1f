package main

import (
	"fmt"
	"html"
	"strings"
)

// picturePath is the picture of a call on the first screen of README.md.
const picturePath = "docs/call.svg"

// pictureStyle has the colours for light and for dark pages, on which the picture lies
// without a ground of its own.
const pictureStyle = `
  text { font: 14px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
  .head { font-weight: 600 }
  .code { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
  .good { fill: #116329 }
  .bad { fill: #a40e26 }
  rect { fill: #f6f8fa; stroke: #8c959f }
  .core { fill: #ddf4ff; stroke: #0969da }
  path { fill: none; stroke: #57606a; stroke-width: 1.5 }
  marker path { fill: #57606a; stroke: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .good { fill: #56d364 }
    .bad { fill: #ff7b72 }
    rect { fill: #161b22; stroke: #6e7681 }
    .core { fill: #0c2d6b; stroke: #58a6ff }
    path { stroke: #8b949e }
    marker path { fill: #8b949e }
  }
`

// canvas collects the shapes of a picture. Lengths are pixels of its own size.
type canvas struct{ strings.Builder }

// box draws a rectangle with lines of text, of which the first is its heading. A line
// in backquotes is code.
func (c *canvas) box(class string, x, y, width, height int, lines ...string) {
	fmt.Fprintf(c, "<rect class=%q x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"6\"/>\n", class, x, y, width, height)
	for i, line := range lines {
		kind := "head"
		if i > 0 {
			kind = ""
		}
		c.text(kind, x+12, y+24+21*i, line)
	}
}

func (c *canvas) text(class string, x, y int, line string) {
	if code := strings.Trim(line, "`"); code != line {
		class, line = "code "+class, code
	}
	fmt.Fprintf(c, "<text class=%q x=\"%d\" y=\"%d\">%s</text>\n", strings.TrimSpace(class), x, y, html.EscapeString(line))
}

// arrow draws a line along an SVG path, with a head at its end.
func (c *canvas) arrow(path string) {
	fmt.Fprintf(c, "<path d=%q marker-end=\"url(#head)\"/>\n", path)
}

// picture draws a call: who signs, what is sent, what is checked, and both outcomes.
func picture() string {
	c := &canvas{}
	fmt.Fprintf(c, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 300" width="860" height="300" role="img">
<title>A call between two agents</title>
<desc>The caller signs method, URL and body. The token travels in the Authorization header. The agent
verifies form, issuer, key, signature, times, target and body, and claims the token once. Then its
own code runs and knows the caller, or the request is refused.</desc>
<style>%s</style>
<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">`+
		"<path d=\"M0 0 8 4 0 8z\"/></marker></defs>\n", pictureStyle)

	c.box("", 1, 1, 208, 230, "Caller")
	c.box("", 14, 38, 182, 62, "Your code", "method, URL, body")
	c.arrow("M105 100V138")
	c.box("core", 14, 140, 182, 78, "Tallystick signs", "who, what, until when", "an id that works once")

	c.arrow("M209 179H393")
	c.text("", 215, 150, "`POST /agent`")
	c.text("", 215, 169, "`Authorization: Bearer …`")

	c.box("", 395, 1, 464, 230, "Agent")
	c.box("core", 408, 38, 226, 180, "Tallystick verifies",
		"one token, strict form", "a known issuer and its key", "signature, then times", "method, URL, query", "the body, byte for byte", "not used before")
	c.arrow("M634 110H678")
	c.text("good", 643, 100, "yes")
	c.box("", 680, 71, 166, 78, "Your code", "knows who calls:", "`g.auth.issuer`")

	c.arrow("M521 218V262H107V233")
	c.text("bad", 222, 254, "no: 401, 403, 429, 503 …")
	c.text("", 536, 266, "The blue parts are one Go core, the same")
	c.text("", 536, 286, "in Python, Node, Go, C and WebAssembly.")
	c.WriteString("</svg>\n")
	return c.String()
}
