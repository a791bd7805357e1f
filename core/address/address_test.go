package address

import (
	"net/netip"
	"testing"
)

// Each address that is refused stands beside its neighbour that is not.
func TestPublic(t *testing.T) {
	for _, c := range []struct{ why, public, refused string }{
		{"this network", "1.0.0.0", "0.255.255.255"},
		{"unspecified", "1.1.1.1", "0.0.0.0"},
		{"private 10", "11.0.0.0", "10.255.255.255"},
		{"CGNAT", "100.128.0.0", "100.127.255.255"},
		{"loopback", "126.255.255.255", "127.0.0.1"},
		{"link-local", "169.253.255.255", "169.254.169.254"},
		{"private 172", "172.32.0.0", "172.31.255.255"},
		{"protocol assignments", "192.0.1.0", "192.0.0.1"},
		{"documentation 1", "192.0.3.0", "192.0.2.1"},
		{"private 192", "192.169.0.0", "192.168.255.255"},
		{"benchmarking", "198.20.0.0", "198.19.255.255"},
		{"documentation 2", "198.51.101.0", "198.51.100.1"},
		{"documentation 3", "203.0.114.0", "203.0.113.255"},
		{"multicast", "223.255.255.255", "224.0.0.1"},
		{"reserved", "223.255.255.255", "240.0.0.1"},
		{"broadcast", "8.8.8.8", "255.255.255.255"},
		{"6to4 relay", "192.88.98.1", "192.88.99.1"},
		{"v6 loopback", "2606:4700::1", "::1"},
		{"v6 unspecified", "2606:4700::1", "::"},
		{"unique local", "2606:4700::1", "fd00::1"},
		{"v6 link-local", "2606:4700::1", "fe80::1"},
		{"site-local", "2606:4700::1", "fec0::1"},
		{"v6 multicast", "2606:4700::1", "ff02::1"},
		{"not assigned", "3ffe::1", "4000::1"},
		{"v6 documentation", "2001:db7::1", "2001:db8::1"},
		{"v6 documentation 2", "3ffe:ffff::1", "3fff::1"},
		{"v6 benchmarking", "2001:200::1", "2001:2::1"},
		{"ORCHID", "2001:200::1", "2001:20::1"},
		{"Teredo", "2001:200::1", "2001:0:808:808::f7f7:f7f7"},
		{"discard", "2606:4700::1", "100::1"},
		{"mapped", "::ffff:8.8.8.8", "::ffff:127.0.0.1"},
		{"mapped in hex", "::ffff:808:808", "::ffff:7f00:1"},
		{"compatible", "2606:4700::1", "::8.8.8.8"},
		{"NAT64", "64:ff9b::8.8.8.8", "64:ff9b::10.0.0.1"},
		{"local NAT64", "64:ff9b::8.8.8.8", "64:ff9b:1::8.8.8.8"},
		{"6to4", "2002:808:808::1", "2002:a00:1::1"},
		{"zone", "2606:4700::1", "2606:4700::1%eth0"},
		{"zone of a link", "2606:4700::1", "fe80::1%1"},
	} {
		if got, err := Public(c.public); err != nil || !got {
			t.Errorf("%s: %s is not public (%v)", c.why, c.public, err)
		}
		if got, err := Public(c.refused); err != nil || got {
			t.Errorf("%s: %s is public (%v)", c.why, c.refused, err)
		}
	}
}

// What a resolver may take for an address and this package does not is an error.
func TestPublicRefusesOtherSpellings(t *testing.T) {
	if _, err := Public("127.0.0.1"); err != nil {
		t.Error(err)
	}
	for _, text := range []string{"", "127.1", "0x7f000001", "2130706433", "127.0.0.01", "[::1]", "::1 ", " ::1", "8.8.8.8:53", "example.com", "fe80::1%", "1.2.3.4.5", "::ffff:8.8.8.8/96"} {
		if _, err := Public(text); err == nil {
			t.Errorf("%q is read as an address", text)
		}
	}
}

func FuzzPublic(f *testing.F) {
	for _, seed := range []string{"8.8.8.8", "10.0.0.1", "::ffff:127.0.0.1", "2002:7f00:1::", "64:ff9b::a00:1", "fe80::1%eth0", "2001:db8::1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Public(text)
		address, parseErr := netip.ParseAddr(text)
		if (err == nil) != (parseErr == nil) {
			t.Fatalf("%q: %v, net/netip says %v", text, err, parseErr)
		}
		if a := address.Unmap(); got && (!a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsMulticast() || a.IsLinkLocalUnicast()) {
			t.Fatalf("%q is public", text)
		}
	})
}
