package generate

// areas returns the areas in the order of the pipeline (protocol.md section 3),
// then the operations around it.
func areas() []*area {
	return []*area{
		authorization(), gate(), algorithm(), issuers(), keySelection(), signatures(), times(), claims(),
		target(), bodies(), pending(), replays(), needs(), development(), folder(), keyTexts(), published(), signing(),
		scopes(), orchestrator(), engines(), misuse(),
		agents(), agentPatterns(), addresses(), trustIssuers(), trustRules(), configuring(), accessTokens(), providers(),
		accessPolicy(), fetchedKeys(), issuing(), portalTokens(), userTokens(), signIns(), serving(), exclusions(), tokenEndpoint(), commands(),
		rings(), es256(), eddsa(), ps256(), keyAlgorithm(), sealedDocuments(), registrations(), accessEngines(),
	}
}
