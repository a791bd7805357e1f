package peers

// headerClasses: members of the header.
func headerClasses() []Class {
	extension := because(malformed, "the header has crit or b64")
	return []Class{{
		ID: "crit", Side: WeRefuse, Peers: []string{golang, joserfc, nodeJWT}, Source: "RFC 7515 section 4.1.11",
		Reason: "The header has `crit`. The core understands no extension, so it refuses every one; golang-jwt and jsonwebtoken do not look at `crit`, and joserfc takes an empty list, which the clause forbids.",
		Fits:   both(extension, func(f Finding) bool { return f.header("crit").Exists() }),
	}, {
		ID: "b64", Side: WeRefuse, Peers: everyPeer(), Source: "RFC 7797 sections 6 and 7: not with JWT",
		Reason: "The header has `b64` without `crit`, which a reader that knows the extension and one that does not take for different payloads. `b64` true says nothing, and is accepted by all libraries.",
		Fits:   extension,
	}, {
		ID: "kid-text", Side: WeRefuse, Peers: everyPeer(), Source: "RFC 7515 section 4.1.4; protocol.md section 8",
		Reason: "`kid` is empty, no string, or holds control characters. The libraries do not look at it where they are given the key.",
		Fits:   because(malformed, "the header's kid"),
	}, {
		ID: "typ", Side: WeRefuse, Peers: everyPeer(), Source: "RFC 8725 section 3.11; RFC 9449 section 4.2",
		Reason: "`typ` says that the token is of another kind, for example a DPoP proof. The libraries compare it only where they are told to (jose: the option `typ`).",
		Fits:   because(malformed, "the header's typ"),
	}}
}
