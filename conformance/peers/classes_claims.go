package peers

import "slices"

const invalidClaims = "invalid_claims"

// claimClasses: claims other than times.
func claimClasses() []Class {
	identifier := because(invalidClaims, "jti must be", "sub must be")
	return []Class{{
		ID: "required-claims", Side: WeRefuse, Peers: []string{golang, nodeJWT}, Source: "RFC 7519 section 4: which claims are required is the application's affair",
		Reason: "A required claim is missing. golang-jwt has an option for `exp` alone and jsonwebtoken none, so a program must look itself; jsonwebtoken accepts a token without `exp` for ever.",
		Fits: func(f Finding) bool {
			name, value := f.accused()
			return f.Case.Ours.Code == invalidClaims && !value.Exists() && slices.Contains(f.Case.Question.Required, name)
		},
	}, {
		ID: "identifier-type", Side: WeRefuse, Peers: []string{golang, joseNode, nodeJWT}, Source: "RFC 7519 sections 4.1.2 and 4.1.7",
		Reason: "`sub` or `jti` is no string. 17 and \"17\" are two users in one language and one in another.",
		Fits: both(identifier, func(f Finding) bool {
			_, value := f.accused()
			return value.Exists() && !isText(value)
		}),
	}, {
		ID: "identifier-text", Side: WeRefuse, Peers: everyPeer(), Source: "protocol.md section 8",
		Reason: "`sub` or `jti` is empty, very long, or holds NUL or control characters, which cut or split the name in C, in logs and in stores.",
		Fits:   identifier,
	}, {
		ID: "audience-unexpected", Side: WeRefuse, Peers: []string{golang, joserfc, joseNode, nodeJWT}, Source: "RFC 7519 section 4.1.3",
		Reason: "The token names an audience and the receiver has none. The clause demands a refusal; these libraries look at `aud` only where they are given an audience.",
		Fits: both(because("invalid_audience", ""), func(f Finding) bool {
			return len(f.Case.Question.Audience) == 0
		}),
	}, {
		ID: "audience-type", Side: WeRefuse, Peers: []string{joseNode, nodeJWT}, Source: "RFC 7519 section 4.1.3",
		Reason: "`aud` is an array that holds something else than strings beside this audience.",
		Fits:   because(invalidClaims, "aud must be"),
	}, {
		ID: "audience-count", Side: WeRefuse, Peers: everyPeer(), Source: "protocol.md section 2: one token, one audience",
		Reason: "`aud` has more than 64 entries: what everybody may use is bound to nobody.",
		Fits:   because(invalidClaims, "aud has too many"),
	}, {
		ID: "audience-spelling", Side: PeerRefuses, Peers: everyPeer(), Source: "RFC 3986 section 6; RFC 7519 section 2 has StringOrURI compared without transformations",
		Reason: "`aud` is another spelling of the agent's URL: capitals in the host, the default port, a slash at the end. The core compares what the URLs name, so that an issuer need not know how the agent spells itself; no other agent is accepted by it. The libraries compare texts, as RFC 7519 says.",
		Fits: func(f Finding) bool {
			audience := f.claim("aud")
			return f.Case.Task == VerifyJWT && isText(audience) && sameURL(audience.String(), f.Case.Question.Audience)
		},
	}, {
		ID: "audience-of-clients", Side: PeerRefuses, Peers: everyPeer(), Source: "Amazon Cognito Developer Guide: Understanding the access token",
		Reason: "The token has no `aud`, as Cognito's access tokens, and its issuer's entry says which clients it is taken from (`client_audience`). The libraries have no such list.",
		Fits: func(f Finding) bool {
			return slices.Contains(f.Case.Question.Required, "aud") && !f.claim("aud").Exists()
		},
	}, {
		ID: "no-access-token", Side: WeRefuse, Peers: everyPeer(), Source: "protocol.md section 11; RFC 9068 section 4; RFC 8725 section 2.8",
		Reason: "The token of a configured issuer shows no sign that it is an access token, or says that it is an ID token. A JWT library does not tell them apart.",
		Fits:   because(invalidClaims, "the token is no access token", "typ and token_use must"),
	}, {
		ID: "profile-claims", Side: WeRefuse, Peers: everyPeer(), Source: "protocol.md sections 1 and 2; RFC 6749 section 3.3; RFC 9449 section 4.2",
		Reason: "Claims of the profiles are missing or wrong: `htm`, `htu`, `content_sha256`, `query_sha256`, `scope`, `client_id`, `token_type`, `agent_path`, `aoauth`. A JWT library knows nothing of them.",
		Fits: because(invalidClaims, "content_sha256", "query_sha256", "htm ", "htu ", "jti is missing", "scope must", "client_id must", "client_id, azp, appid and cid must", "a claim that says the scopes", "token_type must",
			"agent_path", "aoauth", "sub is no agent's name"),
	}}
}
