// Package address tells addresses of the internet from those of a network inside:
// an issuer that is not configured is attacker-chosen text, and its name may
// resolve to a service that only this machine reaches (SSRF).
package address

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
)

// ErrAddress is for a text that is no address.
var ErrAddress = errors.New("the address must be an IPv4 or IPv6 address in its usual spelling, without brackets and port")

// special are the blocks that are not globally reachable unicast, after the IANA
// special-purpose address registries (RFC 6890 and its updates) and RFC 5771, RFC
// 4291 for multicast. A block counts whole, though small parts of some are global
// (192.0.0.9 is PCP's anycast): no issuer lives there.
var special = lazily(
	"0.0.0.0/8",         // this network
	"10.0.0.0/8",        // private
	"100.64.0.0/10",     // shared by carriers (CGNAT)
	"127.0.0.0/8",       // loopback
	"169.254.0.0/16",    // link-local: metadata services of clouds
	"172.16.0.0/12",     // private
	"192.0.0.0/24",      // protocol assignments
	"192.0.2.0/24",      // documentation
	"192.31.196.0/24",   // AS112
	"192.52.193.0/24",   // AMT
	"192.88.99.0/24",    // 6to4 relay
	"192.168.0.0/16",    // private
	"192.175.48.0/24",   // AS112
	"198.18.0.0/15",     // benchmarking
	"198.51.100.0/24",   // documentation
	"203.0.113.0/24",    // documentation
	"224.0.0.0/4",       // multicast
	"240.0.0.0/4",       // reserved, and broadcast
	"64:ff9b:1::/48",    // NAT64 for a network's own use
	"2001::/23",         // protocol assignments: Teredo, benchmarking, ORCHID
	"2001:db8::/32",     // documentation
	"2620:4f:8000::/48", // AS112
	"3fff::/20",         // documentation
)

// global is all that is assigned for unicast on the internet (RFC 4291 section
// 2.4, IANA); loopback, link-local, site-local, unique local and multicast
// addresses lie outside.
var global = lazily("2000::/3")

var (
	nat64  = lazily("64:ff9b::/96") // RFC 6052
	sixTo4 = lazily("2002::/16")    // RFC 3056
)

// lazily reads blocks when they are first looked into: most agents never meet an
// address, and reading them is a good part of the start of the WebAssembly module.
func lazily(texts ...string) func() blocks {
	return sync.OnceValue(func() blocks {
		list := make(blocks, len(texts))
		for i, text := range texts {
			list[i] = netip.MustParsePrefix(text)
		}
		return list
	})
}

type blocks []netip.Prefix

func (b blocks) contain(address netip.Addr) bool {
	return slices.ContainsFunc(b, func(block netip.Prefix) bool { return block.Contains(address) })
}

// Public reports whether a connection to the address leaves for the internet. An
// address that embeds an IPv4 address (mapped, NAT64, 6to4) is what the embedded
// one is, since a gateway may unpack it; Teredo and IPv4-compatible addresses are
// never public, since no server has one. A zone means an interface of this machine,
// so it is not public either.
func Public(text string) (bool, error) {
	address, err := netip.ParseAddr(text)
	if err != nil {
		return false, ErrAddress
	}
	return public(address), nil
}

// Internal reports whether an address is of a network inside: RFC 1918, or unique local (RFC 4193).
// Loopback and link-local addresses are none, nor are those at which clouds have a metadata
// service, which gives away credentials. An IPv4 address that is mapped into IPv6 is what it is;
// one behind a gateway (NAT64, 6to4) is nobody's network inside.
func Internal(text string) (bool, error) {
	address, err := netip.ParseAddr(text)
	if err != nil {
		return false, ErrAddress
	}
	address = address.Unmap()                                             // one with a zone is in no block
	return inside().contain(address) && !metadata().contain(address), nil //guard:address-metadata drop 2
}

var (
	inside   = lazily("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
	metadata = lazily("fd00:ec2::/32", "fd20:ce::254/128") // of AWS, of Google Cloud
)

func public(address netip.Addr) bool {
	if address.Zone() != "" {
		return false
	}
	if embedded, there := embeddedIPv4(address); there {
		return public(embedded)
	}
	if address.Is6() && !global().contain(address) {
		return false
	}
	return !special().contain(address)
}

func embeddedIPv4(address netip.Addr) (netip.Addr, bool) {
	bytes := address.As16()
	switch {
	case address.Is4():
		return netip.Addr{}, false
	case address.Is4In6():
		return address.Unmap(), true
	case nat64().contain(address):
		return netip.AddrFrom4([4]byte(bytes[12:])), true
	case sixTo4().contain(address):
		return netip.AddrFrom4([4]byte(bytes[2:6])), true
	}
	return netip.Addr{}, false
}
