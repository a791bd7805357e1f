// Package proxy reads what an environment says of proxies (HTTPS_PROXY, NO_PROXY), the same in every
// language. Only a fetch whose need allows a proxy asks.
package proxy

import (
	"encoding/base64"
	"errors"
	"net/netip"
	"strings"

	"github.com/tallystick/tallystick/core/weburl"
)

// Environment has the values of the variables; "" for one that is not set.
type Environment struct {
	HTTPSProxy string // of https_proxy, or HTTPS_PROXY
	NoProxy    string // of no_proxy, or NO_PROXY
}

// Proxy is one that speaks CONNECT (RFC 9110 section 9.3.6). The zero Proxy is none.
type Proxy struct {
	URL string // scheme, host and port; "": connect without a proxy
	// Authorization is the value of Proxy-Authorization, a secret; "" for none.
	Authorization string
}

const (
	// maxNames bounds the entries of NO_PROXY that are looked at, maxText each variable, in bytes.
	maxNames = 1000
	maxText  = 16 << 10
)

// ErrProxy is for a value that is no proxy's URL. It quotes nothing: the URL may hold a password.
var ErrProxy = errors.New("HTTPS_PROXY is not the URL of a proxy: write http://host:port or " +
	"https://host:port (a user and password before the host are percent-encoded)")

// Choose says by which proxy an https URL is to be fetched. Every other URL, and every name of this
// machine, is reached without one. A variable that cannot be read is an error: to go past a proxy
// that is wanted would be worse.
func Choose(target string, environment Environment) (Proxy, error) {
	if len(environment.HTTPSProxy) > maxText || len(environment.NoProxy) > maxText {
		return Proxy{}, errors.New("HTTPS_PROXY and NO_PROXY may have 16384 bytes each")
	}
	u, err := weburl.Parse(target)
	if err != nil {
		return Proxy{}, err
	}
	if environment.HTTPSProxy == "" || u.Scheme != "https" || isOwn(u.Host) { //guard:proxy-https drop 2; proxy-loopback drop 3
		return Proxy{}, nil
	}
	if environment.excludes(u) { //guard:proxy-excluded never
		return Proxy{}, nil
	}
	return read(environment.HTTPSProxy)
}

func isOwn(host string) bool {
	name := strings.TrimSuffix(host, ".")
	if name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && address.Unmap().IsLoopback()
}

// read takes a URL, or host:port alone.
func read(text string) (Proxy, error) {
	text = strings.TrimSpace(text)
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	scheme, rest, _ := strings.Cut(text, "://")
	authorization := ""
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		user, password, _ := strings.Cut(rest[:at], ":")
		name, fits := unescape(user)
		secret, fitsToo := unescape(password)
		if !fits || !fitsToo || strings.Contains(name, ":") {
			return Proxy{}, ErrProxy
		}
		authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+secret))
		rest = rest[at+1:]
	}
	u, err := weburl.Parse(scheme + "://" + rest)
	if err != nil || u.Path != "/" || u.HasQuery || u.HasFragment { //guard:proxy-url drop 2 3 4
		return Proxy{}, ErrProxy
	}
	port := u.Port
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return Proxy{URL: u.Scheme + "://" + u.Host + ":" + port, Authorization: authorization}, nil
}

// unescape undoes percent-encoding; a control character would end a header.
func unescape(text string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '%' {
			if i+2 >= len(text) {
				return "", false
			}
			high, low := hexValue(text[i+1]), hexValue(text[i+2])
			if high < 0 || low < 0 {
				return "", false
			}
			c = byte(high<<4 | low)
			i += 2
		}
		if c < 0x20 || c == 0x7F { //guard:proxy-control never
			return "", false
		}
		b.WriteByte(c)
	}
	return b.String(), true
}

func hexValue(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// excludes reads NO_PROXY as curl and Go do: names with all that is below them, addresses and blocks
// of addresses, each with a port where it has one; "*" is everything.
func (e Environment) excludes(u weburl.URL) bool {
	host := strings.TrimSuffix(strings.Trim(u.Host, "[]"), ".")
	port := u.Port
	if port == "" {
		port = "443"
	}
	address, err := netip.ParseAddr(host)
	isAddress := err == nil
	names := strings.FieldsFunc(strings.ToLower(e.NoProxy), func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
	for _, name := range names[:min(len(names), maxNames)] {
		if name == "*" {
			return true
		}
		if block, err := netip.ParsePrefix(name); err == nil {
			if isAddress && block.Contains(address.Unmap()) { //guard:proxy-block always
				return true
			}
			continue
		}
		name, wanted := withPort(name)
		if wanted != "" && wanted != port { //guard:proxy-port never
			continue
		}
		if listed, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
			if isAddress && listed == address {
				return true
			}
			continue
		}
		if !isAddress && isBelow(host, name) {
			return true
		}
	}
	return false
}

func withPort(name string) (host, port string) {
	colon := strings.LastIndexByte(name, ':')
	if colon < 0 || strings.Contains(name[:colon], ":") && !strings.HasSuffix(name[:colon], "]") {
		return name, ""
	}
	return name[:colon], name[colon+1:]
}

// isBelow: "example.com" is itself and all below it; ".example.com" and "*.example.com" are what is
// below.
func isBelow(host, name string) bool {
	name = strings.TrimSuffix(strings.TrimPrefix(name, "*"), ".")
	if below, found := strings.CutPrefix(name, "."); found {
		return below != "" && strings.HasSuffix(host, "."+below)
	}
	return name != "" && (host == name || strings.HasSuffix(host, "."+name))
}
