package generate

func addresses() *area {
	a := newArea("address", "Which addresses a stranger's issuer may have: those of the internet, none inside a network.")
	a.accept("public-v4", "an address of the internet", section6, checksAddress("8.8.8.8", true))
	a.accept("public-v6", "an address of the internet", section6, checksAddress("2606:4700::1111", true))
	specialV4(a)
	specialV6(a)
	embedded(a)
	bad := func(name, says, text string) {
		a.reject("text-"+name, "public-v4", says, "abi.md address.check", call("address.check", object{"address": text}, "", errorCode("invalid_argument")))
	}
	bad("empty", "no address", "")
	bad("name", "a name: the host resolves it first", "example.com")
	bad("short", "an address of two numbers, which resolvers read as 127.0.0.1", "127.1")
	bad("decimal", "an address written as one number", "2130706433")
	bad("hex", "an address in hex", "0x7f000001")
	bad("octal", "a leading zero, which some read as octal", "010.0.0.1")
	bad("brackets", "brackets", "[::1]")
	bad("port", "a port", "8.8.8.8:443")
	bad("space", "a space in front", " 8.8.8.8")
	return a
}

const section6 = "protocol.md section 6: at a public address"

func checksAddress(address string, public bool) step {
	return call("address.check", object{"address": address}, "", okIncludes(object{"public": public}))
}

// special names both ends of a block of the IANA special-purpose address
// registries and its neighbours that are public.
type special struct {
	name, says, source string
	inside, outside    []string
}

func (s special) add(a *area) {
	var public, refused []step
	for _, address := range s.outside {
		public = append(public, checksAddress(address, true))
	}
	for _, address := range s.inside {
		refused = append(refused, checksAddress(address, false))
	}
	a.accept(s.name+"-beside", "what lies beside: "+s.says, s.source, public...)
	a.reject(s.name, s.name+"-beside", s.says, s.source, refused...)
}

func specialV4(a *area) {
	for _, block := range []special{
		{"this-network", "this network, 0.0.0.0/8: 0.0.0.0 reaches this machine", "RFC 1122 section 3.2.1.3", []string{"0.0.0.0", "0.255.255.255"}, []string{"1.0.0.0"}},
		{"private-10", "private use, 10.0.0.0/8", "RFC 1918", []string{"10.0.0.0", "10.255.255.255"}, []string{"9.255.255.255", "11.0.0.0"}},
		{"shared", "addresses shared by carriers, 100.64.0.0/10", "RFC 6598", []string{"100.64.0.0", "100.127.255.255"}, []string{"100.63.255.255", "100.128.0.0"}},
		{"loopback", "loopback, 127.0.0.0/8", "RFC 1122 section 3.2.1.3", []string{"127.0.0.1", "127.255.255.254"}, []string{"126.255.255.255", "128.0.0.1"}},
		{"link-local", "link-local, 169.254.0.0/16: the metadata service of clouds", "RFC 3927", []string{"169.254.169.254", "169.254.0.0"}, []string{"169.253.255.255", "169.255.0.0"}},
		{"private-172", "private use, 172.16.0.0/12", "RFC 1918", []string{"172.16.0.0", "172.31.255.255"}, []string{"172.15.255.255", "172.32.0.0"}},
		{"protocol-assignments", "IETF protocol assignments, 192.0.0.0/24", "RFC 6890 section 2.1", []string{"192.0.0.0", "192.0.0.255"}, []string{"192.0.1.0"}},
		{"documentation-1", "documentation, 192.0.2.0/24", "RFC 5737", []string{"192.0.2.0", "192.0.2.255"}, []string{"192.0.1.255", "192.0.3.0"}},
		{"private-192", "private use, 192.168.0.0/16", "RFC 1918", []string{"192.168.0.0", "192.168.255.255"}, []string{"192.167.255.255", "192.169.0.0"}},
		{"benchmarking", "benchmarking, 198.18.0.0/15", "RFC 2544", []string{"198.18.0.0", "198.19.255.255"}, []string{"198.17.255.255", "198.20.0.0"}},
		{"documentation-2", "documentation, 198.51.100.0/24", "RFC 5737", []string{"198.51.100.0", "198.51.100.255"}, []string{"198.51.99.255", "198.51.101.0"}},
		{"documentation-3", "documentation, 203.0.113.0/24", "RFC 5737", []string{"203.0.113.0", "203.0.113.255"}, []string{"203.0.112.255", "203.0.114.0"}},
		{"multicast", "multicast, 224.0.0.0/4", "RFC 5771", []string{"224.0.0.1", "239.255.255.255"}, []string{"223.255.255.255"}},
		{"reserved", "reserved, 240.0.0.0/4, and broadcast", "RFC 1112 section 4; RFC 919", []string{"240.0.0.0", "255.255.255.255"}, []string{"223.255.255.254"}},
	} {
		block.add(a)
	}
}

func specialV6(a *area) {
	for _, block := range []special{
		{"v6-loopback", "loopback and the unspecified address", "RFC 4291 section 2.5", []string{"::1", "::", "0:0:0:0:0:0:0:1"}, []string{"2606:4700::1"}},
		{"v6-unique-local", "unique local, fc00::/7", "RFC 4193", []string{"fc00::1", "fdff:ffff::1"}, []string{"2a00::1"}},
		{"v6-link-local", "link-local, fe80::/10", "RFC 4291 section 2.5.6", []string{"fe80::1", "febf::1"}, []string{"2a00::2"}},
		{"v6-zone", "an address with a zone is one of this machine's links", "RFC 4007", []string{"fe80::1%eth0", "2606:4700::1%eth0"}, []string{"2606:4700::1"}},
		{"v6-site-local", "site-local, fec0::/10", "RFC 3879", []string{"fec0::1"}, []string{"2a00::3"}},
		{"v6-multicast", "multicast, ff00::/8", "RFC 4291 section 2.7", []string{"ff02::1", "ff0e::1"}, []string{"2a00::4"}},
		{"v6-documentation", "documentation, 2001:db8::/32 and 3fff::/20", "RFC 3849; RFC 9637", []string{"2001:db8::1", "2001:db8:ffff::1", "3fff::1", "3fff:fff::1"}, []string{"2001:db7::1", "2001:db9::1", "3ffe::1"}},
		{"v6-protocol-assignments", "IETF protocol assignments, 2001::/23: Teredo, benchmarking, ORCHID", "RFC 2928; RFC 4380; RFC 5180; RFC 7343", []string{"2001::1", "2001:2::1", "2001:20::1"}, []string{"2001:200::1"}},
		{"v6-discard", "discard-only, 100::/64", "RFC 6666", []string{"100::1"}, []string{"2606:4700::2"}},
		{"v6-local-nat64", "NAT64 of a network's own, 64:ff9b:1::/48", "RFC 8215", []string{"64:ff9b:1::1", "64:ff9b:1::808:808"}, []string{"64:ff9b::808:808"}},
	} {
		block.add(a)
	}
}

// embedded: an IPv6 address that a gateway unpacks is what it holds.
func embedded(a *area) {
	for _, block := range []special{
		{"mapped", "an IPv4 address mapped into IPv6", "RFC 4291 section 2.5.5.2", []string{"::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:169.254.169.254", "::ffff:a00:1"}, []string{"::ffff:8.8.8.8"}},
		{"compatible", "an IPv4-compatible address, which is deprecated", "RFC 4291 section 2.5.5.1", []string{"::127.0.0.1", "::8.8.8.8"}, []string{"2606:4700::3"}},
		{"nat64", "an IPv4 address behind NAT64", "RFC 6052", []string{"64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe"}, []string{"64:ff9b::8.8.8.8"}},
		{"6to4", "an IPv4 address in 6to4", "RFC 3056", []string{"2002:7f00:1::", "2002:a00:1::1", "2002:c0a8:101::"}, []string{"2002:808:808::1"}},
	} {
		block.add(a)
	}
}
