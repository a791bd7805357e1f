package generate

import (
	"crypto/sha256"
	"fmt"
	"strings"
)

const (
	reference = "AOAuth skill Full Configuration Reference"
	issue4    = "issue: an unknown key, a wrong type or a missing variable names the file, the key and the fix"
)

func configuring() *area {
	a := newArea("config", "The configuration: every key of the seed's reference and ours, from a file or an object.")
	configDefaults(a)
	seedReference(a)
	configKeys(a)
	configIdentity(a)
	configTypes(a)
	configTexts(a)
	configVariables(a)
	configShapes(a)
	configOptions(a)
	return a
}

// defaults is what an empty configuration means.
func defaults() object {
	return object{
		"token_ttl": 300, "allowed_scopes": []string{"read", "write"}, "trusted_issuers": []object{}, "allow": []string{}, "deny": []string{},
		"jwks_cache_ttl": 3600, "keys_dir": "~/.webagents/keys", "dev_mode": false, "leeway": 30, "clock_skew": 30, "max_lifetime": 86400,
		"max_body": 10485760, "require_binding": false, "realm": "tallystick",
	}
}

func configured(config any) object { return object{"config": config} }

func readsConfig(request, access object) step {
	return call("config.read", literal(request).(object), "", okIncludes(object{"access": literal(access)}))
}

func refusesConfig(request object) step {
	return call("config.read", literal(request).(object), "", errorCode("invalid_config"))
}

// literal keeps texts that begin with a dollar sign from being references to
// saved values.
func literal(value any) any {
	switch v := value.(type) {
	case object:
		out := object{}
		for name, member := range v {
			out[name] = literal(member)
		}
		return out
	case []object:
		return each(v)
	case []string:
		return each(v)
	case []any:
		return each(v)
	case string:
		if strings.HasPrefix(v, "$") {
			return "$" + v
		}
	}
	return value
}

func each[T any](values []T) []any {
	out := make([]any, len(values))
	for at, value := range values {
		out[at] = literal(value)
	}
	return out
}

func configDefaults(a *area) {
	a.accept("empty", "nothing configured: an agent that only verifies, with every default", "abi.md engine.open: access",
		call("config.read", configured(object{}), "", ok(object{"access": defaults(), "mode": "self-issued", "keys_dir": "~/.webagents/keys", "inactive": []object{}})))
	a.accept("empty-values", "a key without a value is as if it were not there: allow: in YAML", "abi.md config.read",
		call("config.read", configured(object{"allow": nil, "authority": nil, "token_ttl": nil}), "", okIncludes(object{"access": defaults(), "mode": "self-issued"})))
}

// documentsOf are the names of an agent's documents in a store that replicas share.
func documentsOf(baseURL string) object {
	half := sha256.Sum256([]byte(baseURL))
	return object{"ring": fmt.Sprintf("ring-%x", half[:16]), "clients": fmt.Sprintf("clients-%x", half[:16])}
}

func seedReference(a *area) {
	seed := object{
		"authority": "https://robutler.ai", "agent_id": "my-agent", "base_url": "@my-agent", "token_ttl": 300,
		"allowed_scopes":  []string{"read", "write", "namespace:*", "tools:*"},
		"trusted_issuers": []object{{"issuer": partner, "jwks_uri": partner + "/.well-known/jwks.json", "type": "agent"}},
		"allow":           []string{"@myteam/*", "@trusted-agent"}, "deny": []string{"@banned-*"},
		"google":   object{"client_id": "${GOOGLE_CLIENT_ID}", "client_secret": "${GOOGLE_CLIENT_SECRET}", "hosted_domain": "company.com"},
		"robutler": object{"client_id": "my-agent", "client_secret": "${ROBUTLER_SECRET}"},
		"keys_dir": "~/.webagents/keys", "jwks_cache_ttl": 3600,
	}
	variables := object{"GOOGLE_CLIENT_ID": "gid", "GOOGLE_CLIENT_SECRET": "gsecret", "ROBUTLER_SECRET": "rsecret"}
	access := defaults().with(seed).with(object{
		"base_url": "https://robutler.ai/agents/my-agent",
		"google":   object{"client_id": "gid", "client_secret": "gsecret", "hosted_domain": "company.com"},
		"robutler": object{"client_id": "my-agent", "client_secret": "rsecret"},
	})
	file := object{"skills": object{"auth": seed}}
	full := literal(object{"config": file, "variables": variables, "source": "auth.yaml"}).(object)
	a.accept("seed", "the seed's full reference, as its file has it", reference,
		call("config.read", full, "", ok(object{"access": access, "mode": "portal", "keys_dir": "~/.webagents/keys",
			"documents": documentsOf("https://robutler.ai/agents/my-agent"), "inactive": []object{
				{"key": "google", "reason": "sign-in through Google is not active: the key is read and has no effect"},
				{"key": "robutler", "reason": "sign-in through Robutler is not active: client_id and client_secret serve " +
					"at the authority's token endpoint only"},
			}})))
	a.accept("seed-variables", "its variables", reference, call("config.variables", literal(configured(file)).(object), "", ok(object{"names": []string{"GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET", "ROBUTLER_SECRET"}})))
	a.accept("seed-opens", "what is read is what engine.open takes", "abi.md engine.open: access",
		call("config.read", full, "", okIncludes(object{})).save("access", "ok.access"),
		call("engine.open", object{"access": "$access"}, "", okIncludes(object{"mode": "portal", "issuer": "https://robutler.ai", "agent_id": "my-agent", "base_url": "https://robutler.ai/agents/my-agent", "name": "my-agent"})))
	a.accept("seed-portal", "the seed's portal configuration", "AOAuth skill Portal Mode", call("config.read", configured(object{
		"authority": "https://robutler.ai", "agent_id": "my-agent", "allowed_scopes": []string{"read", "write", "namespace:*"}}), "", okIncludes(object{"mode": "portal",
		"access": object{"agent_id": "my-agent", "base_url": "https://robutler.ai/agents/my-agent"}})))
	a.accept("seed-self-issued", "the seed's self-issued configuration", "AOAuth skill Self-Issued Mode", call("config.read", configured(object{
		"base_url": "@my-local-agent", "allowed_scopes": []string{"read", "write"}, "allow": []string{"@myteam/*", "@trusted-agent"}, "deny": []string{"@banned-*"}}), "",
		okIncludes(object{"mode": "self-issued", "access": object{"agent_id": "my-local-agent", "base_url": "https://robutler.ai/agents/my-local-agent"}})))
	a.accept("seed-typescript", "the seed's TypeScript form, in its spelling", "AOAuth skill SDK API", readsConfig(configured(object{
		"jwksUri": "https://robutler.ai/.well-known/jwks.json", "jwksCacheTtl": 3600, "audience": "https://robutler.ai/agents/my-agent"}),
		object{"jwks_uri": "https://robutler.ai/.well-known/jwks.json", "jwks_cache_ttl": 3600, "audience": []string{"https://robutler.ai/agents/my-agent"}, "issuer": "https://robutler.ai"}))
}

// configKeys reads every key in both spellings.
func configKeys(a *area) {
	key := func(name, camel string, value, read any) {
		steps := []step{readsConfig(configured(object{name: value}), object{name: read})}
		if camel != name {
			steps = append(steps, readsConfig(configured(object{camel: value}), object{name: read}))
		}
		a.accept("key-"+strings.ReplaceAll(name, "_", "-"), name+", in Python's and in Node's spelling", reference+"; abi.md engine.open", steps...)
	}
	same := func(name, camel string, value any) { key(name, camel, value, value) }
	same("authority", "authority", portalURL)
	same("agent_id", "agentId", "bob")
	key("base_url", "baseUrl", "https://Agents.example.com:443/bob/", "https://agents.example.com/bob")
	same("token_ttl", "tokenTtl", 60)
	same("allowed_scopes", "allowedScopes", []string{"tools:*"})
	key("trusted_issuers", "trustedIssuers", []object{{"issuer": partner}}, []object{{"issuer": partner, "type": "agent"}})
	same("allow", "allow", []string{"@alice.*"})
	same("deny", "deny", []string{"https://evil.example/**"})
	same("accept_from", "acceptFrom", []string{"family", "@partner.*"})
	same("talk_to", "talkTo", object{"allow": []string{"everyone"}, "deny": []string{"@mallory"}})
	same("jwks_cache_ttl", "jwksCacheTtl", 120)
	key("google", "google", object{"clientId": "x", "clientSecret": "y", "hostedDomain": "z.example"}, object{"client_id": "x", "client_secret": "y", "hosted_domain": "z.example"})
	key("robutler", "robutler", object{"clientId": "x", "clientSecret": "y"}, object{"client_id": "x", "client_secret": "y"})
	same("client_id", "clientId", "bob")
	key("audience", "audience", []string{"a", "b"}, []string{"a", "b"})
	same("keys_dir", "keysDir", "/var/lib/keys")
	key("clients", "clients", []object{{"clientId": "x", "secretHash": secretHash, "scopes": []string{"read"}, "namespaces": []string{"production"}, "trust": []string{"verified"}, "targets": []string{"@bob"}}},
		[]object{{"client_id": "x", "secret_hash": secretHash, "scopes": []string{"read"}, "namespaces": []string{"production"}, "trust": []string{"verified"}, "targets": []string{"@bob"}}})
	same("dev_mode", "devMode", true)
	same("leeway", "leeway", 5)
	same("clock_skew", "clockSkew", 5)
	same("max_lifetime", "maxLifetime", 600)
	same("max_body", "maxBody", 1024)
	same("max_buffered", "maxBuffered", 33554432)
	same("require_binding", "requireBinding", true)
	same("realm", "realm", "my agents")
	a.accept("key-client-secret", "client_secret", "abi.md engine.open", readsConfig(configured(object{"agent_id": "bob", "client_secret": "s"}), object{"client_secret": "s"}),
		readsConfig(configured(object{"agentId": "bob", "clientSecret": "s"}), object{"client_secret": "s"}))
	a.accept("key-client-key", "client_key", "abi.md engine.open", readsConfig(configured(object{"agent_id": "bob", "client_key": bob.pkcs8()}), object{"client_key": bob.pkcs8()}))
	a.accept("key-issuer", "issuer, beside jwks_uri", "abi.md engine.open", readsConfig(configured(object{"issuer": partner, "jwks_uri": partner + "/keys"}), object{"issuer": partner}))
	a.accept("key-issuer-derived", "without issuer it is the origin of jwks_uri", "abi.md engine.open", readsConfig(configured(object{"jwks_uri": partner + "/keys"}), object{"issuer": partner}))
	a.accept("google-inactive", "a key of a feature that is not built is read and reported", "issue: accepted and reported as not active", call("config.read", configured(object{"google": object{}}), "",
		okIncludes(object{"inactive": []object{{"key": "google", "reason": "sign-in through Google is not active: the key is read and has no effect"}}})))

	unknown := func(name, says, source string, config object) {
		a.reject("unknown-"+name, "empty", says, source, refusesConfig(configured(config)))
	}
	unknown("key", "a typing error: it must not switch a check off", issue4, object{"denny": []string{"@mallory"}})
	unknown("key-case", "keys are case-sensitive", issue4, object{"Deny": []string{"@mallory"}})
	unknown("key-dashes", "a key with dashes", issue4, object{"token-ttl": 300})
	unknown("key-of-issuer", "in an entry of trusted_issuers", issue4, object{"trusted_issuers": []object{{"issuer": partner, "jwks_url": partner}}})
	unknown("key-of-google", "in google", issue4, object{"google": object{"domain": "x"}})
	unknown("key-of-robutler", "in robutler", issue4, object{"robutler": object{"secret": "x"}})
	unknown("key-of-client", "in an entry of clients", issue4, object{"clients": []object{{"client_id": "x", "secret_hash": secretHash, "scopes": []string{}, "secret": "x"}}})
	unknown("member-of-open", "what only engine.open takes is no key of a file", "abi.md engine.open", object{"replay": "host"})
	a.reject("both-spellings", "key-token-ttl", "one key in both spellings: which counts?", issue4, refusesConfig(configured(object{"token_ttl": 60, "tokenTtl": 600})))
}

func configIdentity(a *area) {
	source := "abi.md engine.open: agent_id, base_url"
	derived := func(name, says string, config, access object) {
		a.accept("identity-"+name, says, source, readsConfig(configured(config), access))
	}
	derived("id-of-url", "agent_id is the last segment of base_url", object{"base_url": "https://agents.example.com/my-bot"}, object{"agent_id": "my-bot"})
	derived("id-of-host", "or its host", object{"base_url": "https://bob.example"}, object{"agent_id": "bob.example"})
	derived("url-of-id", "base_url is agent_id resolved", object{"agent_id": "bob"}, object{"base_url": "https://robutler.ai/agents/bob"})
	derived("url-of-authority", "at the authority", object{"agent_id": "bob", "authority": portalURL}, object{"base_url": portalURL + "/agents/bob"})
	derived("both", "both given", object{"agent_id": "x", "base_url": "https://bob.example"}, object{"agent_id": "x", "base_url": "https://bob.example"})
	bad := func(name, twin, says string, config object) {
		a.reject("identity-"+name, twin, says, source, refusesConfig(configured(config)))
	}
	bad("url-user", "identity-id-of-url", "user info", object{"base_url": "https://x:y@bob.example"})
	bad("url-query", "identity-id-of-url", "a query", object{"base_url": "https://bob.example?x"})
	bad("url-bare-host", "identity-id-of-url", "a host without https://: not a name below the authority",
		object{"base_url": "bob.example"})
	bad("url-bare-name", "identity-id-of-url", "a name without @", object{"base_url": "bob"})
	bad("url-script", "identity-id-of-url", "a text that is neither", object{"base_url": "bob example"})
	bad("id-scheme", "identity-url-of-id", "a scheme with one slash", object{"agent_id": "https:/bob.example"})
	bad("id-climbs", "identity-url-of-id", "an id that climbs", object{"agent_id": "../admin"})
	bad("authority-http", "key-authority", "an authority on plain http", object{"authority": "http://portal.example"})
	bad("issuer-without-keys", "key-issuer", "issuer without jwks_uri says nothing", object{"issuer": partner})
	bad("two-credentials", "key-client-secret", "two ways to authenticate", object{"agent_id": "bob", "client_secret": "s", "client_key": bob.pkcs8()})
	bad("credential-of-nobody", "key-client-secret", "a secret without an id", object{"client_secret": "s"})
	bad("client-twice", "key-clients", "a client twice", object{"clients": []object{registered(nil), registered(nil)}})
	bad("client-without-credential", "key-clients", "a client without secret and key", object{"clients": []object{registered(object{"secret_hash": remove, "public_key": remove})}})
	bad("client-plain-secret", "key-clients", "a secret where its hash belongs", object{"clients": []object{registered(object{"secret_hash": clientSecret})}})
	bad("client-private-key", "key-clients", "a private key where the public one belongs", object{"clients": []object{registered(object{"secret_hash": remove, "public_key": alice.pkcs8()})}})
}

// configTypes gives each key a value of another type, and numbers that are too
// small or too large.
func configTypes(a *area) {
	bad := func(name, says string, config object) {
		a.reject("type-"+name, "empty", says, issue4, refusesConfig(configured(config)))
	}
	for _, name := range []string{"authority", "agent_id", "base_url", "client_id", "client_secret", "client_key", "jwks_uri", "issuer", "keys_dir", "realm"} {
		bad(strings.ReplaceAll(name, "_", "-"), name+" as a number", object{name: 1})
	}
	for _, name := range []string{"token_ttl", "jwks_cache_ttl", "leeway", "clock_skew", "max_lifetime", "max_body", "max_buffered"} {
		bad(strings.ReplaceAll(name, "_", "-"), name+" as a string: \"300\"", object{name: "300"})
	}
	for _, name := range []string{"dev_mode", "require_binding"} {
		bad(strings.ReplaceAll(name, "_", "-"), name+" as a word: YAML 1.1 read yes as true", object{name: "yes"})
	}
	for _, name := range []string{"allowed_scopes", "trusted_issuers", "allow", "deny", "accept_from", "talk_to", "clients"} {
		bad(strings.ReplaceAll(name, "_", "-"), name+" as a string: its letters are no list", object{name: "@alice"})
	}
	for _, name := range []string{"google", "robutler"} {
		bad(name, name+" as a string", object{name: "x"})
	}
	bad("audience", "audience as a number", object{"audience": 1})
	bad("entry", "a number in a list of patterns", object{"deny": []any{"@mallory", 1}})
	bad("entry-null", "null in a list of patterns", object{"deny": []any{"@mallory", nil}})
	bad("issuer-entry", "a string in trusted_issuers", object{"trusted_issuers": []string{partner}})
	bad("issuer-missing", "an entry without issuer", object{"trusted_issuers": []object{{"type": "agent"}}})
	bad("issuer-type", "another type of issuer", object{"trusted_issuers": []object{{"issuer": partner, "type": "admin"}}})

	bounds := func(name, source string, least, most any, under, over any) {
		key := strings.ReplaceAll(name, "_", "-")
		a.accept("bounds-"+key, name+" at both bounds", source, readsConfig(configured(object{name: least}), object{name: least}), readsConfig(configured(object{name: most}), object{name: most}))
		a.reject("under-"+key, "bounds-"+key, name+" below its bound", source, refusesConfig(configured(object{name: under})))
		a.reject("over-"+key, "bounds-"+key, name+" above its bound", source, refusesConfig(configured(object{name: over})))
	}
	source := "abi.md engine.open: access"
	bounds("token_ttl", source, 1, 86400, 0, 86401)
	bounds("jwks_cache_ttl", source, 1, 604800, 0, 604801)
	bounds("leeway", source, 0, 300, -1, 301)
	bounds("clock_skew", source, 0, 300, -1, 301)
	bounds("max_lifetime", source, 1, 604800, 0, 31622400)
	bounds("max_body", source, 0, 67108864, -1, 67108865)
	bounds("max_buffered", source, 1, 1<<40, 0, 1<<40+1)
	a.reject("fraction-of-ttl", "bounds-token-ttl", "a lifetime of half a second", source, refusesConfig(configured(object{"token_ttl": 0.5})))
	a.reject("huge-number", "bounds-token-ttl", "1e300", traps, call("config.read", configured(object{"token_ttl": 1e300}), "", errorCode("invalid_config")))
}

func configTexts(a *area) {
	bad := func(name, twin, says string, config object) {
		a.reject("text-"+name, twin, says, section5+"; "+issue4, refusesConfig(configured(config)))
	}
	bad("empty", "key-authority", "an empty authority, which an unset variable leaves", object{"authority": ""})
	bad("empty-pattern", "key-deny", "an empty pattern", object{"deny": []string{""}})
	bad("pattern-bare", "key-deny", "a host without https://, which is a name of another agent",
		object{"deny": []string{"evil.example"}})
	bad("pattern", "key-deny", "a pattern that is none", object{"deny": []string{"@***"}})
	bad("scope", "key-allowed-scopes", "two scopes in one entry", object{"allowed_scopes": []string{"read write"}})
	bad("rule", "key-accept-from", "a rule that is none", object{"accept_from": []string{"friends"}})
	bad("line-break", "key-realm", "a line break in a text", object{"realm": "a\r\nSet-Cookie: x"})
	bad("realm-quote", "key-realm", "a quote in the realm", object{"realm": `a"b`})
	for _, fault := range realmFaults {
		bad("realm-"+fault.name, "key-realm", fault.says, object{"realm": fault.realm})
	}
	configNames(bad)
	bad("keys-http", "key-issuer", "keys by plain http: who is on the way could replace them", object{"jwks_uri": "http://partner.example/keys"})
	bad("client-key-public", "key-client-key", "a public key where the private one belongs", object{"agent_id": "bob", "client_key": bob.spki()})
	bad("client-key-roca", "key-client-key", "a private key with the ROCA fingerprint", object{"agent_id": "bob", "client_key": roca.pkcs8()})
	bad("client-key-weak", "key-client-key", "a private key of 1024 bits", object{"agent_id": "bob", "client_key": weak.pkcs8()})
}

// configNames: what becomes part of a header, a form or a scope has its alphabet
// (RFC 6749 appendix A.1 and section 3.3).
func configNames(bad func(name, twin, says string, config object)) {
	entry := func(changes object) object {
		return object{"clients": []object{object{"client_id": "x", "secret_hash": secretHash, "scopes": []string{"read"}}.with(changes)}}
	}
	for _, fault := range [][3]string{{"delete", "the control character DEL", "a\x7fb"}, {"non-ascii", "a letter outside ASCII", "é"}, {"long", "257 characters", strings.Repeat("c", 257)}} {
		bad("client-id-"+fault[0], "key-client-id", fault[1]+" in client_id", object{"client_id": fault[2]})
		bad("robutler-id-"+fault[0], "key-robutler", fault[1]+" in robutler.client_id", object{"robutler": object{"client_id": fault[2]}})
		bad("registered-id-"+fault[0], "key-clients", fault[1]+" in the client_id of a client", entry(object{"client_id": fault[2]}))
	}
	for _, fault := range [][3]string{{"space", "two scopes in one word", "a b"}, {"star", "a star, which is a pattern", "a*"}, {"quote", "a quote", `a"b`}, {"non-ascii", "a letter outside ASCII", "é"}, {"long", "257 characters", strings.Repeat("w", 257)}} {
		bad("namespace-"+fault[0], "key-clients", fault[1]+" in a namespace", entry(object{"namespaces": []string{fault[2]}}))
		bad("label-"+fault[0], "key-clients", fault[1]+" in a trust label", entry(object{"trust": []string{fault[2]}}))
	}
}

func configVariables(a *area) {
	source := "AOAuth skill: \"${GOOGLE_CLIENT_ID}\"; " + issue4
	with := func(value any, variables object) object {
		return object{"config": object{"realm": value}, "variables": variables}
	}
	reads := func(name, says, value string, variables object, realm string) {
		a.accept("variable-"+name, says, source, readsConfig(with(value, variables), object{"realm": realm}))
	}
	bad := func(name, twin, says, value string, variables object) {
		a.reject("variable-"+name, "variable-"+twin, says, source, refusesConfig(with(value, variables)))
	}
	reads("whole", "a text that is a variable", "${NAME}", object{"NAME": "x"}, "x")
	reads("inside", "a variable inside a text", "my ${NAME} agents", object{"NAME": "x"}, "my x agents")
	reads("two", "two variables", "${A}-${B}", object{"A": "x", "B": "y"}, "x-y")
	reads("once", "a value is not read again: what it holds is no variable", "${A}", object{"A": "${B}", "B": "secret"}, "${B}")
	reads("escaped", "$${ is a literal ${", "$${NAME}", object{"NAME": "x"}, "${NAME}")
	reads("dollar", "a $ alone is a $", "5 $ a month", object{}, "5 $ a month")
	bad("missing", "whole", "a variable that is not set", "${NAME}", object{})
	bad("empty", "whole", "a variable that is empty: a secret that is empty opens doors", "${NAME}", object{"NAME": ""})
	bad("other-case", "whole", "names are case-sensitive", "${name}", object{"NAME": "x"})
	bad("open", "whole", "a brace that does not close", "${NAME", object{"NAME": "x"})
	bad("no-name", "whole", "no name", "${}", object{"": "x"})
	bad("default", "whole", "a shell's default value is no name", "${NAME:-x}", object{"NAME": "x"})
	bad("line-break", "whole", "a line break in the value", "${NAME}", object{"NAME": "x\r\ny"})
	a.reject("variable-in-key", "variable-whole", "a key is no text: nothing is replaced in it", source, refusesConfig(object{"config": object{"${NAME}": "x"}, "variables": object{"NAME": "realm"}}))
	a.reject("variable-is-no-json", "variable-whole", "a value never becomes JSON: \"] stays text", source, refusesConfig(object{"config": object{"deny": []string{"${NAME}"}}, "variables": object{"NAME": `@x"],"dev_mode":true,"allow":["`}}))
	a.reject("variable-of-number", "bounds-token-ttl", "a number may not come out of a variable", source, refusesConfig(object{"config": object{"token_ttl": "${TTL}"}, "variables": object{"TTL": "300"}}))
	names := func(name, says string, config any, expect []string) {
		a.accept("names-"+name, says, "abi.md config.variables", call("config.variables", literal(configured(config)).(object), "", ok(object{"names": expect})))
	}
	names("sorted", "sorted, each once, at any depth", object{"realm": "${B}${A}", "google": object{"client_id": "${A}"}, "deny": []string{"@${C}"}}, []string{"A", "B", "C"})
	names("none", "none", object{"realm": "$x $${NO}"}, []string{})
	names("of-other-skills", "the variables of other skills are not ours to read", object{"skills": object{"auth": object{"realm": "${A}"}, "mail": object{"password": "${MAIL_PASSWORD}"}}}, []string{"A"})
}

func configShapes(a *area) {
	source := "AOAuth skill: skills: auth:"
	file := func(auth any) object {
		return configured(object{"skills": object{"auth": auth, "other": 1}, "name": "my agent"})
	}
	a.accept("file", "the file's shape, beside other skills and keys", source, readsConfig(file(object{"token_ttl": 60}), object{"token_ttl": 60}))
	a.accept("file-empty", "auth: without keys", source, readsConfig(file(nil), defaults()))
	for _, written := range []string{"deny", "acceptFrom", "base_url"} {
		a.reject("file-beside-"+strings.ToLower(strings.ReplaceAll(written, "_", "-")), "file",
			written+" beside skills, where nothing reads it", source,
			refusesConfig(configured(object{"skills": object{"auth": object{"token_ttl": 60}},
				written: []string{"@mallory"}})))
	}
	a.reject("file-without-auth", "file", "skills without auth", source, refusesConfig(configured(object{"skills": object{"other": 1}})))
	a.reject("file-auth-list", "file", "auth as a list", source, refusesConfig(file([]object{})))
	a.reject("file-skills-list", "file", "skills as a list", source, refusesConfig(configured(object{"skills": []string{"auth"}})))
	a.reject("config-list", "empty", "a configuration that is a list", source, refusesConfig(configured([]object{})))
	a.reject("config-string", "empty", "a configuration that is a text", source, refusesConfig(configured("auth.yaml")))
	a.reject("config-missing", "empty", "no configuration", "abi.md config.read", call("config.read", object{}, "", errorCode("invalid_argument")))
	a.reject("config-key-twice", "empty", "a key twice: readers differ in which counts", "abi.md, The call: request is strict",
		callText("config.read", `{"config":{"deny":["@mallory"],"deny":[]}}`, errorCode("invalid_argument")))
}

func configOptions(a *area) {
	source := "abi.md config.read: options override config"
	both := object{"config": object{"token_ttl": 60, "realm": "file"}, "options": object{"token_ttl": 120}}
	a.accept("options", "an option overrides the file, the rest of the file stays", source, readsConfig(both, object{"token_ttl": 120, "realm": "file"}))
	a.accept("options-camel-case", "in Node's spelling", source, readsConfig(both.with(object{"options": object{"tokenTtl": 120}}), object{"token_ttl": 120}))
	a.accept("options-literal", "an option is code: nothing is replaced in it", source, readsConfig(both.with(object{"options": object{"realm": "${NAME}"}}), object{"realm": "${NAME}"}))
	a.reject("options-unknown", "options", "an unknown option", source, refusesConfig(both.with(object{"options": object{"token_tl": 120}})))
	a.reject("options-type", "options", "a wrong type", source, refusesConfig(both.with(object{"options": object{"token_ttl": "120"}})))
	host := object{"host_options": object{"key_bits": "key_bits", "bits": "key_bits"}}
	a.accept("options-of-host", "the host says which options are its own", source,
		readsConfig(both.with(host), object{"token_ttl": 120}))
	a.reject("options-of-host-in-config", "options-of-host", "one of them in a configuration", source,
		refusesConfig(configured(object{"key_bits": 2048}).with(host)))
	a.reject("options-of-host-in-file", "options-of-host", "or in a file, in the other spelling", source,
		refusesConfig(configured(object{"skills": object{"auth": object{"keyBits": 2048}}}).with(host)))
	authority := object{"config": object{}, "authority": true}
	a.accept("authority-documents", "the names of its documents follow from its URL", "abi.md config.read",
		call("config.read", authority.with(object{"options": object{"base_url": portalURL}}), "",
			okIncludes(object{"documents": documentsOf(portalURL)})))
	a.accept("authority-url", "an authority is named by its URL", source,
		readsConfig(authority.with(object{"options": object{"base_url": portalURL}}), object{"base_url": portalURL}))
	a.reject("authority-name", "authority-url", "not by a name below another one", source,
		refusesConfig(authority.with(object{"options": object{"base_url": "@portal"}})))
	a.reject("authority-of-authority", "authority-url", "it has no authority of its own", source,
		refusesConfig(authority.with(object{"options": object{"base_url": portalURL, "authority": partner}})))
	a.reject("authority-of-others-keys", "authority-url", "nor the keys of another one", source,
		refusesConfig(authority.with(object{"options": object{"base_url": portalURL,
			"jwks_uri": partner + "/keys"}})))
	a.reject("authority-missing", "authority-url", "nor by nothing", source, refusesConfig(authority))
	a.reject("options-do-not-mend", "options", "an error in the file stays one", source, refusesConfig(object{"config": object{"token_ttl": "x"}, "options": object{"token_ttl": 120}}))
}
