package generate

const (
	fetching = "protocol.md section 6: only https, at a public address"
	order5   = section5 + ": deny, trusted issuers, allow, empty allow list = open, else refuse"
)

const (
	partner   = "https://partner.example"
	portalURL = "https://portal.example"
)

func trustIssuers() *area {
	a := newArea("trust", "Who the caller is, derived from what its issuer may speak for, and whether its issuer may come in.")
	decisions(a)
	identities(a)
	believed(a)
	strangers(a)
	denyLists(a)
	issuerConfigs(a)
	return a
}

// selfClaims are those of an agent that signs for itself.
func selfClaims(url string) object {
	return object{"iss": url, "sub": "x", "aoauth": object{"agent_url": url}}
}

func decides(config, claims, expect object) step {
	return call("trust.issuer", config.with(object{"claims": claims}), "", okIncludes(expect))
}

func decisions(a *area) {
	decision := func(name, says string, config object, word string) {
		a.accept(name, says, order5, decides(config, selfClaims(partner), object{"decision": word}))
	}
	no := func(name, twin, says string, config object, word string) {
		a.reject(name, twin, says, order5, decides(config, selfClaims(partner), object{"decision": word}))
	}
	trusted := []object{{"issuer": partner}}
	decision("open", "without an allow list everyone who is not denied may come", object{}, "open")
	decision("open-empty", "an empty allow list is none", object{"allow": []string{}}, "open")
	decision("trusted", "an issuer that is configured", object{"trusted_issuers": trusted}, "trusted")
	decision("trusted-before-allow", "it needs no place on the allow list", object{"trusted_issuers": trusted, "allow": []string{"@alice"}}, "trusted")
	decision("allowed-by-url", "a URL on the allow list", object{"allow": []string{partner}}, "allowed")
	decision("allowed-by-name", "a name on the allow list", object{"allow": []string{"@example.partner"}}, "allowed")
	decision("allowed-by-star", "a star on the allow list", object{"allow": []string{"https://*.example"}}, "allowed")
	no("refused", "allowed-by-url", "an allow list without it", object{"allow": []string{"https://other.example"}}, "refused")
	no("allow-is-exact", "allowed-by-url", "an allow list covers nothing below", object{"allow": []string{"@example"}}, "refused")
	no("denied", "open", "a deny list that has it", object{"deny": []string{partner}}, "denied")
	no("denied-before-trusted", "trusted", "deny goes before trusted issuers", object{"deny": []string{partner}, "trusted_issuers": trusted}, "denied")
	no("denied-before-allow", "allowed-by-url", "deny goes before allow", object{"deny": []string{"@example.partner"}, "allow": []string{partner}}, "denied")
	authority := object{"authority": partner, "deny": []string{partner}}
	no("denied-authority", "trusted", "deny goes before the authority", authority, "denied")
	a.accept("authority", "the authority is a trusted portal", order5, decides(object{"authority": portalURL}, object{"iss": portalURL, "sub": "bob"},
		object{"decision": "trusted", "issuer_type": "portal", "name": "bob", "namespace": "bob", "agent_url": portalURL + "/bob"}))
	a.reject("issuer-is-compared-exactly", "trusted", "an issuer that begins like a trusted one", order5,
		decides(object{"trusted_issuers": trusted, "allow": []string{"@nobody"}}, selfClaims(partner+".evil.example"), object{"decision": "refused"}))
}

func identities(a *area) {
	who := func(name, says, source string, config, claims, expect object) {
		a.accept(name, says, source, decides(config, claims, expect))
	}
	portal := object{"trusted_issuers": []object{{"issuer": portalURL, "type": "portal"}}}
	users := object{"trusted_issuers": []object{{"issuer": portalURL, "type": "user"}}}
	who("identity-of-seed", "the seed's aoauth.agent_url", "AOAuth skill JWT token structure", object{}, object{"iss": partner, "sub": "bot", "aoauth": object{"mode": "self", "agent_url": partner + "/agents/bot"}},
		object{"issuer_type": "agent", "agent_url": partner + "/agents/bot", "name": "example.partner.agents.bot", "namespace": "example.partner"})
	who("identity-of-path", "AOAuth 1.0: iss + agent_path + / + sub", section2, object{}, object{"iss": partner, "sub": "bot", "agent_path": "/agents"},
		object{"agent_url": partner + "/agents/bot", "name": "example.partner.agents.bot"})
	who("identity-of-sub", "neither: iss + / + sub", section2, object{}, object{"iss": partner, "sub": "bot"}, object{"agent_url": partner + "/bot"})
	who("identity-url-first", "aoauth.agent_url goes before agent_path", section2, object{}, object{"iss": partner, "sub": "bot", "agent_path": "/agents", "aoauth": object{"agent_url": partner + "/x"}},
		object{"agent_url": partner + "/x"})
	who("identity-of-issuer", "an agent that is its issuer", section2, object{}, selfClaims(partner+"/bob"), object{"agent_url": partner + "/bob", "name": "example.partner.bob"})
	who("identity-of-portal", "a portal's agents are named by their sub", section5, portal, object{"iss": portalURL, "sub": "alice", "agent_path": "/agents"},
		object{"issuer_type": "portal", "name": "alice", "namespace": "alice", "agent_url": portalURL + "/agents/alice"})
	who("identity-of-portal-elsewhere", "an agent_url that a portal cannot speak for is not believed", section2, portal,
		object{"iss": portalURL, "sub": "alice", "agent_path": "/agents", "aoauth": object{"agent_url": "https://alice.example"}}, object{"name": "alice", "agent_url": portalURL + "/agents/alice"})
	who("identity-of-user", "an issuer of users", "AOAuth skill AuthContext: issuer_type", users, object{"iss": portalURL, "sub": "auth0|17"},
		object{"issuer_type": "user", "agent_url": portalURL + "/auth0%7C17"})
	who("identity-of-portal-child", "a portal's dotted name", section5, portal, object{"iss": portalURL, "sub": "alice.bot"}, object{"name": "alice.bot", "namespace": "alice"})
	who("identity-of-portal-domain", "a portal's name that begins with a domain", section5+": namespace", portal, object{"iss": portalURL, "sub": "com.acme.bot"}, object{"namespace": "com.acme"})
}

// believed: an issuer speaks for its own URLs, whatever its tokens claim.
func believed(a *area) {
	lies := func(name, twin, says string, claims object) {
		a.reject("believed-"+name, twin, says, section2+": believed only when it lies under iss",
			call("trust.issuer", object{"claims": claims}, "", errorCode("invalid_claims")))
	}
	evil := "https://evil.example"
	claims := func(url string) object {
		return object{"iss": evil, "sub": "alice", "aoauth": object{"agent_url": url}}
	}
	lies("not-elsewhere", "identity-of-seed", "an agent_url of another host", claims(partner+"/alice"))
	lies("not-host-suffix", "identity-of-seed", "a host that begins with the issuer's", claims(evil+".partner.example"))
	lies("not-subdomain", "identity-of-seed", "a subdomain of the issuer's", claims("https://x.evil.example"))
	lies("not-user", "identity-of-seed", "the issuer as user info of another host", claims(evil+"@partner.example"))
	lies("not-port", "identity-of-seed", "another port of the host", claims(evil+":8443/alice"))
	lies("not-http", "identity-of-seed", "plain http", claims("http://evil.example/alice"))
	lies("not-up", "identity-of-seed", "dot segments", claims(evil+"/a/../b"))
	lies("not-sibling", "identity-of-issuer", "an issuer below a path speaks for no sibling", object{"iss": evil + "/a", "sub": "x", "aoauth": object{"agent_url": evil + "/ab"}})
	path := func(name, says, path string) {
		lies(name, "identity-of-path", says, object{"iss": evil, "sub": "alice", "agent_path": path})
	}
	path("path-host", "an agent_path that would continue the host", ".partner.example")
	path("path-user", "an agent_path that would make the issuer user info", "@partner.example")
	path("path-port", "an agent_path that would be a port", ":8443")
	path("path-up", "an agent_path that climbs", "/agents/..")
	path("path-up-encoded", "the same percent-encoded", "/agents/%2e%2e")
	path("path-query", "an agent_path with a query", "/agents?x=")
	path("path-slashes", "an agent_path that begins with two slashes", "//partner.example")
	sub := func(name, says, sub string) {
		lies(name, "identity-of-sub", says, object{"iss": evil, "sub": sub})
	}
	sub("sub-up", "a sub that climbs", "../x")
	sub("sub-query", "a sub with a query", "alice?x")
	sub("sub-empty-segment", "a sub that begins with a slash", "/alice")
	a.reject("believed-not-alice", "identity-of-portal", "nobody on evil.example is @alice", section5+": nobody on evil.example can be @alice",
		decides(object{"allow": []string{"@alice"}}, object{"iss": evil, "sub": "alice", "agent_path": "/agents"}, object{"decision": "refused", "name": "example.evil.agents.alice"}))
	a.reject("believed-not-alice-by-path", "identity-of-portal", "nor by the last segment of its URL", section5+": nobody on evil.example can be @alice",
		decides(object{"allow": []string{"@alice", "@*"}}, selfClaims(evil+"/agents/alice"), object{"decision": "refused"}))
	a.reject("believed-not-agent-issuer", "identity-of-portal", "a trusted issuer of type agent names nobody alice", section5,
		decides(object{"trusted_issuers": []object{{"issuer": evil}}, "deny": []string{"@example.evil.alice"}}, object{"iss": evil, "sub": "alice"}, object{"decision": "denied"}))
}

// strangers: iss is text that an attacker chose, and the host would go there.
func strangers(a *area) {
	a.accept("stranger", "an issuer on https with a public name", fetching, decides(object{}, selfClaims(partner), object{"decision": "open"}))
	a.accept("stranger-port", "another port", fetching, decides(object{}, selfClaims(partner+":8443"), object{"decision": "open", "name": "example.partner.:8443"}))
	a.accept("stranger-path", "an issuer below a path", fetching, decides(object{}, selfClaims(partner+"/agents/bob"), object{"decision": "open"}))
	refused := func(name, says, iss string) {
		a.reject("stranger-"+name, "stranger", says, fetching+"; issue: iss at a private address", decides(object{}, object{"iss": iss, "sub": "x"}, object{"decision": "refused"}))
	}
	refused("http", "plain http", "http://partner.example")
	refused("loopback", "a loopback address", "https://127.0.0.1")
	refused("loopback-v6", "an IPv6 loopback address", "https://[::1]")
	refused("localhost", "localhost", "https://localhost:8443")
	refused("private", "a private address", "https://10.0.0.5")
	refused("metadata", "the metadata service of clouds", "https://169.254.169.254")
	refused("address", "a public address: no name vouches for it", "https://8.8.4.4")
	refused("one-label", "a name inside a network", "https://intranet")
	refused("internal", "a name of a reserved inner domain", "https://keys.internal")
	refused("local", "a name of a link", "https://printer.local")
	refused("user", "user info", "https://alice@partner.example")
	refused("upper-case", "an upper-case host: one spelling, one issuer", "https://Partner.example")
	refused("dot-at-end", "a dot at the host's end", "https://partner.example.")
	refused("slash-at-end", "a slash at the end", "https://partner.example/")
	refused("default-port", "the scheme's own port", "https://partner.example:443")
	refused("query", "a query", "https://partner.example?x")
	refused("fragment", "a fragment", "https://partner.example#x")
	refused("decimal", "an address written as one number", "https://2130706433")
	refused("no-url", "no URL", "alice")
	refused("empty", "nothing", "")
	refused("scheme", "another scheme", "file:///etc/passwd")

	development := object{"dev_mode": true}
	a.accept("stranger-in-development", "dev_mode: plain http on loopback", "protocol.md section 6: only on loopback in development mode",
		decides(development, selfClaims("http://localhost:8000/bob"), object{"decision": "open"}), decides(development, selfClaims("http://127.0.0.1:8000/bob"), object{"decision": "open"}))
	a.reject("stranger-in-production", "stranger-in-development", "without dev_mode", "protocol.md section 6: only on loopback in development mode",
		decides(object{}, selfClaims("http://localhost:8000/bob"), object{"decision": "refused"}))
	a.reject("stranger-in-development-elsewhere", "stranger-in-development", "dev_mode opens loopback and nothing else", "protocol.md section 6: only on loopback in development mode",
		decides(development, object{"iss": "http://partner.example", "sub": "x"}, object{"decision": "refused"}), decides(development, object{"iss": "https://10.0.0.5", "sub": "x"}, object{"decision": "refused"}),
		decides(development, object{"iss": "http://localhost.evil.example", "sub": "x"}, object{"decision": "refused"}))
}

func denyLists(a *area) {
	source := "issue: a deny list against Name, name., children; " + section5
	portal := object{"trusted_issuers": []object{{"issuer": portalURL, "type": "portal"}}, "deny": []string{"@mallory", "@banned-*", "https://evil.example"}}
	of := func(sub string) object { return object{"iss": portalURL, "sub": sub} }
	spared := func(name, says string, claims object) {
		a.accept("deny-spares-"+name, says, source, decides(portal, claims, object{"decision": "trusted"}))
	}
	denied := func(name, twin, says string, claims object) {
		a.reject("deny-"+name, "deny-spares-"+twin, says, source, decides(portal, claims, object{"decision": "denied"}))
	}
	spared("others", "a name that is not on the list", of("malloryx"))
	spared("parents", "a name that ends like one", of("good.mallory"))
	denied("name", "others", "a name", of("mallory"))
	denied("upper-case", "others", "in another case", of("Mallory"))
	for _, look := range [][2]string{{"dot-at-end", "mallory."}, {"slash-at-end", "mallory/"}, {"two-dots", "mallory..bot"}} {
		a.reject("deny-"+look[0], "deny-spares-others", "a look-alike that is no agent's name is refused whatever the list says: "+look[1], source,
			call("trust.issuer", portal.with(object{"claims": of(look[1])}), "", errorCode("invalid_claims")))
	}
	denied("child", "parents", "a child", of("mallory.bot"))
	denied("grandchild", "parents", "a grandchild", of("mallory.bot.one"))
	denied("star", "others", "by a star", of("banned-bob.bot"))
	a.accept("deny-spares-other-hosts", "another host than the denied one", source, decides(object{"deny": []string{"https://evil.example"}}, selfClaims("https://evil.example.org"), object{"decision": "open"}))
	host := func(name, says, iss string) {
		a.reject("deny-host-"+name, "deny-spares-other-hosts", says, source, decides(object{"deny": []string{"https://evil.example"}}, selfClaims(iss), object{"decision": "denied"}))
	}
	host("itself", "the host", "https://evil.example")
	host("agents", "its agents", "https://evil.example/agents/alice")
	host("ports", "its other ports", "https://evil.example:8443")
	whole := object{"deny": []string{"https://evil.example/**", "@example.worse.bob"}}
	a.accept("deny-ports-spare-others", "a port of another host", source, decides(whole, selfClaims("https://evil.example.org:8443"), object{"decision": "open"}))
	for _, port := range [][3]string{{"url", "a port does not help against a pattern of paths", "https://evil.example:8443/bob"}, {"name", "nor against a name", "https://worse.example:8443/bob"}} {
		a.reject("deny-port-"+port[0], "deny-ports-spare-others", port[1], source, decides(whole, selfClaims(port[2]), object{"decision": "denied"}))
	}
	host("http", "by http", "http://evil.example")
	host("dot", "with a dot at its end", "https://evil.example.")
	host("upper-case", "in upper case", "https://EVIL.example")
	host("user", "behind user info", "https://x@evil.example")
	a.reject("deny-resolved-name", "open", "@bob denies the agent that @bob resolves to, whoever signs its tokens", section5+"; "+section2,
		decides(object{"authority": portalURL, "deny": []string{"@bob"}}, selfClaims(portalURL+"/agents/bob"), object{"decision": "denied"}))
}

func issuerConfigs(a *area) {
	bad := func(name, says string, config object) {
		a.reject("config-"+name, "trusted", says, "abi.md engine.open: trusted_issuers", call("trust.issuer", config.with(object{"claims": selfClaims(partner)}), "", errorCode("invalid_config")))
	}
	issuer := func(iss string) object { return object{"trusted_issuers": []object{{"issuer": iss}}} }
	a.accept("config-loopback", "a configured issuer may be on loopback by http", "protocol.md section 6", decides(issuer("http://localhost:8000"), selfClaims("http://localhost:8000"), object{"decision": "trusted"}))
	a.accept("config-private", "a configured issuer may be at a private address", "protocol.md section 6", decides(issuer("https://10.0.0.5"), selfClaims("https://10.0.0.5"), object{"decision": "trusted"}))
	a.accept("config-slash", "a configured issuer may end in a slash, as Auth0's do", "RFC 8414 section 2", decides(issuer(partner+"/"), object{"iss": partner + "/", "sub": "bob"}, object{"decision": "trusted", "agent_url": partner + "/bob"}))
	bad("http", "plain http elsewhere: keys that anybody on the network can replace", issuer("http://partner.example"))
	bad("user", "user info", issuer("https://x@partner.example"))
	bad("upper-case", "an upper-case host, which no token would have", issuer("https://Partner.example"))
	bad("twice", "an issuer twice", object{"trusted_issuers": []object{{"issuer": partner}, {"issuer": partner, "type": "portal"}}})
	bad("type", "another type", object{"trusted_issuers": []object{{"issuer": partner, "type": "god"}}})
	bad("authority-type", "the authority as an issuer of type agent", object{"authority": partner, "trusted_issuers": []object{{"issuer": partner, "type": "agent"}}})
	bad("allow", "an allow pattern that is none", object{"allow": []string{"@***"}})
	bad("deny", "a deny pattern that is none: it must not be passed over", object{"deny": []string{"@mallory", ""}})
	bad("authority", "an authority that is no URL", object{"authority": "portal"})
}
