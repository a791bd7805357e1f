package generate

// userTokens are those that a portal gives to a client for a user who signed in there.
func userTokens() *area {
	a := newArea("users", "Access tokens of people: who the user is, and which agent acts for them.")
	source := "protocol.md section 12"
	open := func(changes object) step {
		return openAccess(object{"keys": object{portalURL: alice.spki()},
			"trusted_issuers": []object{{"issuer": portalURL, "type": "portal"}}}.and(changes))
	}
	acting := func(changes object) token {
		return accessToken(object{"iss": portalURL, "sub": "google|4711", "client_id": "alice", "scope": "read",
			"aoauth": object{"mode": "user", "agent_url": portalURL + "/agents/alice"}}.with(changes))
	}
	alone := func(changes object) token {
		return acting(object{"client_id": "app", "aoauth": object{"mode": "user"}}.with(changes))
	}
	user := object{"user_id": "google|4711", "issuer_type": "user", "name": "google|4711", "agent_id": nil, "trust_labels": []string{}}
	a.accept("acting", "an agent of the portal acts for a user", source, open(nil), lets(acting(nil), nil,
		user.and(object{"source_agent": "alice", "agent_url": portalURL + "/agents/alice", "client_id": "alice", "namespace": "alice"})))
	a.accept("alone", "a user's own app calls: no agent acts", source, open(nil), lets(alone(nil), nil,
		user.and(object{"source_agent": nil, "agent_url": "", "client_id": "app", "namespace": ""})))
	a.accept("subject", "the provider's subject is any text", source, open(nil),
		lets(alone(object{"sub": "auth0|auth0|ü @bob"}), nil, object{"user_id": "auth0|auth0|ü @bob", "issuer_type": "user"}))
	a.accept("agent", "the same portal's token of an agent", source, open(nil),
		lets(acting(object{"sub": "alice", "aoauth": object{"mode": "portal", "agent_url": portalURL + "/agents/alice"}}), nil,
			object{"agent_id": "alice", "user_id": nil, "issuer_type": "portal"}))
	a.reject("mode-portal", "acting", "a user's sub is no agent's name", source, open(nil),
		keepsOut(acting(object{"aoauth": object{"mode": "portal", "agent_url": portalURL + "/agents/alice"}}), nil, "invalid_claims"))
	own := openSelf(object{"ring": ringOf(ringEntry(alice, "active", nil)), "deny": []string{"@nobody"}})
	a.accept("own", "an agent that signs its users in itself", source, own,
		lets(accessToken(object{"aud": aliceURL, "sub": "google|4711", "client_id": "app", "aoauth": object{"mode": "user"}}), nil,
			object{"user_id": "google|4711", "issuer_type": "user", "source_agent": nil, "agent_url": ""}))
	stranger := openAccess(nil)
	a.reject("of-an-agent", "acting", "who signs itself has no users for others", source, stranger,
		keepsOut(accessToken(object{"sub": "google|4711", "aoauth": object{"mode": "user"}}), nil, "invalid_claims"))
	a.reject("mode-type", "acting", "a mode that is no text is none", source, open(nil),
		keepsOut(acting(object{"aoauth": object{"mode": []string{"user"}}}), nil, "invalid_claims"))
	a.reject("agent-elsewhere", "acting", "an acting agent that is no name", source, open(nil),
		keepsOut(acting(object{"client_id": "a b"}), nil, "invalid_claims"))

	labels := acting(object{"scope": "read trust:verified namespace:production"})
	all := object{"allowed_scopes": []string{"*", "namespace:*", "trust:*"}}
	a.accept("labels", "what a user allows is no label and no namespace", source, open(all),
		lets(labels, nil, object{"scopes": []string{"read"}, "trust_labels": []string{}, "namespaces": []string{}}))

	denied := func(name, twin, says string, changes object, t token, code string) {
		a.reject(name, twin, says, source, open(changes), keepsOut(t, nil, code))
	}
	allowed := func(name, says string, changes object, t token) {
		a.accept(name, says, source, open(changes), lets(t, nil, object{"user_id": "google|4711"}))
	}
	denied("deny-acting", "acting", "a denied agent acts for nobody", object{"deny": []string{"@alice"}}, acting(nil), "issuer_denied")
	allowed("deny-other", "another agent is denied", object{"deny": []string{"@carol"}}, acting(nil))
	denied("deny-issuer", "alone", "a denied issuer has no users", object{"deny": []string{portalURL}}, alone(nil), "issuer_denied")
	allowed("deny-names", "patterns of agents mean no user", object{"deny": []string{"@google.*", "@app"}}, alone(nil))
	rules := func(rule string) object { return object{"accept_from": []string{rule}} }
	allowed("accept-everyone", "everyone is a user, too", rules("everyone"), alone(nil))
	for _, rule := range []string{"@**", "@google", "@app", "platform", "family", "#verified", portalURL + "/**"} {
		name := map[string]string{"@**": "stars", "@google": "provider", "@app": "client", "#verified": "label",
			portalURL + "/**": "url"}[rule]
		if name == "" {
			name = rule
		}
		denied("accept-"+name, "accept-everyone", "no pattern of agents means a user: "+rule, rules(rule),
			alone(object{"scope": "read trust:verified"}), "trust_denied")
	}
	allowed("accept-acting", "the agent that acts is looked at", rules("@alice"), acting(nil))
	denied("accept-another", "accept-acting", "another agent acts", rules("@carol"), acting(nil), "trust_denied")
	return a
}
