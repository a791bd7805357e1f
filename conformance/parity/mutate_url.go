package parity

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// urlMutators change URLs, paths and addresses to spellings that mean the same to
// some readers and not to others.
var urlMutators = []mutator{
	{name: "url-host", weight: 24, fits: isURL, value: changeHost},
	{name: "url-path", weight: 16, fits: isPath, value: changePath},
	{name: "url-escape", weight: 14, fits: isPath, value: percentEscape},
	{name: "url-form", weight: 16, fits: isURL, value: changeForm},
	{name: "address", weight: 12, fits: isAddress, value: changeAddress},
}

func isURL(s site) bool { return anyText(s) && strings.Contains(s.node().text, "://") }

func isPath(s site) bool {
	return anyText(s) && strings.Contains(s.node().text, "/") && len(s.node().text) < 500 && !isJSON(s.node().text)
}

func isAddress(s site) bool { return anyText(s) && s.name == "address" }

var hosts = []string{
	"alice.example", "ALICE.example", "alice.example.", "alice..example", ".example", "alice_x.example", "-a.example", "xn--bcher-kva.example", "bücher.example", "b\u00fc\u0063her.example",
	"ａlice.example", "alice。example", "alice.example:443", "alice.example:0443", "alice.example:", "alice.example:80", "alice.example:65536", "alice.example:-1", "alice.example:４４３", "u@alice.example",
	"u:p@alice.example", "@alice.example", "evil.example\\@alice.example", "evil.example#@alice.example", "alice.example%2eevil", "alice%00.example", "127.0.0.1", "127.1", "0x7f.1", "2130706433",
	"0177.0.0.1", "localhost", "LOCALHOST", "localhost.", "[::1]", "[::1]:443", "[::ffff:127.0.0.1]", "[::1%25eth0]", "[::1", "::1", "1.2.3.4.5", "256.1.1.1", "1.2.3.04", "alice.example ", "", "a b",
	strings.Repeat("a", 63) + ".example", strings.Repeat("a", 64) + ".example", strings.Repeat("a.", 127) + "e", "com", "co.uk", "alice.example;x", "alice.example,x", "*.example",
}

func changeHost(r *rand.Rand, s site) bool {
	scheme, rest, _ := strings.Cut(s.node().text, "://")
	host, path := rest, ""
	if end := strings.IndexAny(rest, "/?# "); end >= 0 {
		host, path = rest[:end], rest[end:]
	}
	changed := pick(r, []string{
		pick(r, hosts), pick(r, hosts), pick(r, hosts), strings.ToUpper(host), host + ".", host + ":443", host + ":80", host + ":", "x@" + host, "www." + host, host + ".evil.example",
	})
	return s.setText(scheme + "://" + changed + path)
}

func changeForm(r *rand.Rand, s site) bool {
	text := s.node().text
	scheme, rest, _ := strings.Cut(text, "://")
	return s.setText(pick(r, []string{
		strings.ToUpper(scheme) + "://" + rest, "http://" + rest, "ftp://" + rest, "file:///" + rest, "javascript:" + rest, "//" + rest, scheme + ":" + rest, scheme + ":/" + rest,
		scheme + ":///" + rest, scheme + ":\\\\" + rest, " " + text, text + " ", text + "?", text + "#", text + "?a=b", text + "#x", text + "/", text + "//", strings.TrimSuffix(text, "/"), text + "\n",
		"h\tttps://" + rest, rest, text + "?a=" + text, text + "\\", text + "/..", text + "/.", text + ";x=y", text + "/%2e%2e", text + "\x00",
	}))
}

func changePath(r *rand.Rand, s site) bool {
	text := s.node().text
	at := strings.LastIndexByte(text, '/')
	if r.IntN(2) == 0 {
		at = strings.IndexByte(text, '/')
	}
	piece := pick(r, []string{"/", "/.", "/..", "/x/..", "/%2e", "/%2E%2E", "/%2f", "/;", "/%00", "/\\", "/ ", "/%20", "/+", "/é", "/%C3%A9", "/%c3%a9", "/%e9", "/\u00ff", "/~", "/%7E", "/*", "/%", "/%2", "/?", "/#"})
	return s.setText(text[:at] + piece + text[at:])
}

// percentEscape spells one character as an escape.
func percentEscape(r *rand.Rand, s site) bool {
	text := s.node().text
	at, after := place(r, text)
	if at == after {
		at = len(text) - 1
	}
	format := pick(r, []string{"%%%02x", "%%%02X", "%%25%02x", "%%u00%02x"})
	return s.setText(text[:at] + fmt.Sprintf(format, text[at]) + text[at+1:])
}

func changeAddress(r *rand.Rand, s site) bool {
	text := s.node().text
	return s.setText(pick(r, []string{
		"::ffff:" + text, "::" + text, "64:ff9b::" + text, "2002:7f00:1::", "[" + text + "]", text + "%eth0", text + ":80", text + ".", "0" + text, strings.ToUpper(text), " " + text, text + "/32",
		"0.0.0.0", "10.0.0.1", "100.64.0.1", "169.254.169.254", "172.16.0.1", "172.32.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "8.8.8.8", "::", "::1", "fe80::1",
		"fc00::1", "ff02::1", "2001:db8::1", "2606:4700::1111", "1.2.3", "0x8.8.8.8", "8.8.8.8\x00", "٨.8.8.8", "::ffff:0:8.8.8.8", "64:ff9b:1::8.8.8.8", "3fff::1", "5f00::1", "2001:4:112::", "100::1",
	}))
}
