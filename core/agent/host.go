package agent

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/tallystick/tallystick/core/weburl"
)

const (
	maxHost  = 253 // RFC 1035 section 2.3.4, without the dot at the end
	maxLabel = 63
)

// host is a host name or an IP literal in its one spelling.
type host struct {
	text    string // an IPv6 address in its brackets
	literal bool
	address netip.Addr // of a literal
}

// readHost takes DNS names and IP literals. What a resolver may read as an address
// though it does not look like one ("127.1", "0x7f000001", "2130706433") is an
// error, and so are empty labels: "a.example." is a second spelling of "a.example".
func readHost(text string) (host, error) {
	text = strings.ToLower(text)
	bare, v6 := strings.CutPrefix(text, "[")
	bare = strings.TrimSuffix(bare, "]")
	if address, err := netip.ParseAddr(bare); err == nil && v6 == address.Is6() && address.Zone() == "" {
		if v6 {
			return host{"[" + address.String() + "]", true, address}, nil
		}
		return host{address.String(), true, address}, nil
	}
	if v6 || endsInNumber(text) {
		return host{}, errors.New("the URL's host is not an IP address in its usual spelling")
	}
	if len(text) > maxHost {
		return host{}, errors.New("the URL's host is over 253 bytes")
	}
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > maxLabel {
			return host{}, errors.New("the URL's host has a label that is empty (a dot too many) or over 63 bytes")
		}
	}
	return host{text: text}, nil
}

// endsInNumber is how browsers tell addresses from names (WHATWG URL, "ends in a
// number checker"): no top-level domain is numeric.
func endsInNumber(text string) bool {
	last := strings.TrimSuffix(text, ".")
	last = last[strings.LastIndexByte(last, '.')+1:]
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// loopback is decided by the text alone, since the core resolves no names: the
// name "localhost" itself (RFC 6761 section 6.3) and the loopback addresses.
func (h host) loopback() bool {
	return h.text == "localhost" || h.literal && h.address.IsLoopback()
}

// privateSuffixes are names that resolve inside a network only: RFC 6761, RFC
// 6762, RFC 8375 and ICANN's reservation of .internal.
var privateSuffixes = []string{"localhost", "local", "internal", "home.arpa"}

// public reports whether the host may be a stranger's on the internet. The host
// that fetches still checks every address that the name resolves to.
func (h host) public() bool {
	if h.literal || !strings.Contains(h.text, ".") {
		return false
	}
	for _, suffix := range privateSuffixes {
		if h.text == suffix || strings.HasSuffix(h.text, "."+suffix) {
			return false
		}
	}
	return true
}

// OnLoopback reports whether a URL's host is this machine: localhost, 127.0.0.0/8
// or [::1]. What is no http(s) URL is not.
func OnLoopback(url string) bool {
	u, err := weburl.Parse(url)
	if err != nil {
		return false
	}
	h, err := readHost(u.Host)
	return err == nil && h.loopback()
}

// CheckStranger says why an issuer that is not configured may not be asked for its
// keys, or nil. Its text was chosen by whoever made the token, so there is one
// spelling for each issuer and none for a host inside the own network: https, a
// public DNS name, canonical. With devMode, http and https on loopback pass too.
func CheckStranger(issuer string, devMode bool) error {
	l, err := locate(issuer)
	switch {
	case err != nil:
		return err
	case l.text() != issuer:
		return errors.New("the issuer is not in its canonical spelling (lower-case scheme and host, no default port, no slash or dot at the end)")
	case devMode && l.host.loopback():
		return nil
	case l.scheme != "https":
		return errors.New("the issuer is not on https (http is taken on loopback with dev_mode only)")
	case !l.host.public():
		return errors.New("the issuer's host is an IP address or a name inside a network (configure it as a trusted issuer)")
	}
	return nil
}
