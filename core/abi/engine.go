package abi

import (
	"encoding/json"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/engine"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/request"
	"github.com/tallystick/tallystick/core/settings"
)

// Defaults and bounds of a configuration; abi.md states them for readers.
const (
	defaultMaxBuffered = 64 << 20
	bodyAtOnce         = 64 << 10
	defaultLifetime    = 60 * 60
	developmentTTL     = 6 * 60 * 60 // a development token of rotagent lives 6 hours
	maxLifetime        = 24 * 60 * 60
	defaultClockSkew   = 5
	maxReloadSeconds   = 3600
	defaultCapacity    = 1_000_000
	maxCapacity        = 10_000_000
	choiceCore         = "core"
	choiceHost         = "host"
	choiceImport       = "import"
	choiceExternal     = "external"
	choiceMemory       = "memory"
	defaultReloadAfter = 1
)

func badConfig(format string, args ...any) *problem.Problem {
	return problem.Newf(problem.InvalidConfig, format, args...)
}

func engineOpen(c *Core, r *EngineOpenRequest, _ []byte) (EngineOpenResult, *problem.Problem) {
	result := EngineOpenResult{Warnings: []authorizedkeys.Warning{}}
	if r.Access != nil {
		if r.Verifier != nil || r.Signer != nil {
			return EngineOpenResult{}, badConfig("engine.open: access stands alone, without verifier and signer")
		}
		e, p := c.openAccess(r.Access, &result)
		if p != nil {
			return EngineOpenResult{}, p
		}
		result.Engine, p = c.addEngine(e)
		return result, p
	}
	if r.Verifier == nil && r.Signer == nil {
		return EngineOpenResult{}, badConfig("engine.open needs verifier, signer or both, or access")
	}
	var verifier *request.Verifier
	var signer *request.Signer
	realm := settings.DefaultRealm
	if r.Verifier != nil {
		var p *problem.Problem
		if verifier, p = c.openVerifier(r.Verifier, &result); p != nil {
			return EngineOpenResult{}, p
		}
		realm = orDefault(r.Verifier.Realm, settings.DefaultRealm)
	}
	if r.Signer != nil {
		var p *problem.Problem
		if signer, p = openSigner(r.Signer); p != nil {
			return EngineOpenResult{}, p
		}
		result.KeyID = signer.KeyID()
	}
	number, p := c.addEngine(engine.New(verifier, signer, realm))
	result.Engine = number
	return result, p
}

func orDefault[T any](given *T, otherwise T) T {
	if given == nil {
		return otherwise
	}
	return *given
}

func (c *Core) openVerifier(config *VerifierConfig, result *EngineOpenResult) (*request.Verifier, *problem.Problem) {
	policy, p := c.policyOf(config)
	if p != nil {
		return nil, p
	}
	set, warnings, p := loadKeys(config.Files, config.Keys)
	if p != nil {
		return nil, p
	}
	result.MaxBody, result.Issuers, result.Warnings = policy.MaxBody, set.Len(), warnings
	if p := result.buffers(config.MaxBuffered); p != nil {
		return nil, p
	}
	return request.NewVerifier(policy, set)
}

// buffers divides the room for bodies. Those that come before their token was
// judged have a quarter, less where the largest body would not fit beside it: when
// strangers fill that, bodies wait for the verdict and nobody else does.
func (r *EngineOpenResult) buffers(given *int) *problem.Problem {
	room := orDefault(given, max(defaultMaxBuffered, 4*r.MaxBody))
	if p := checkBounds([]bound{{"max_buffered", float64(room), float64(max(r.MaxBody, 1)), settings.MaxBuffered}}); p != nil {
		return p
	}
	r.BodyAtOnce = min(bodyAtOnce, r.MaxBody)
	r.BufferAtOnce = min(room/4, room-r.MaxBody)
	r.BufferAsked = room - r.BufferAtOnce
	return nil
}

func (c *Core) policyOf(config *VerifierConfig) (request.Policy, *problem.Problem) {
	lifetime := float64(defaultLifetime)
	if config.Development {
		lifetime = developmentTTL
	}
	policy := request.Policy{
		BaseURL:       config.BaseURL,
		RequireTarget: config.RequireTarget,
		Forgiven:      pipeline.Tolerance{Leeway: config.Leeway, ClockSkew: orDefault(config.ClockSkew, defaultClockSkew)},
		MaxLifetime:   orDefault(config.MaxLifetime, lifetime),
		MaxBody:       orDefault(config.MaxBody, settings.DefaultMaxBody),
		Development:   config.Development,
		Reload:        config.Reload,
		ReloadSeconds: orDefault(config.ReloadSeconds, defaultReloadAfter),
		HostReplay:    config.Replay == choiceHost,
		Capacity:      orDefault(config.ReplayCapacity, defaultCapacity),
		ReplayFloor:   config.ReplayFloor,
		ReplayLostAt:  config.ReplayLostAt,
	}
	if p := checkBounds([]bound{
		{"leeway", policy.Forgiven.Leeway, 0, settings.MaxLeeway},
		{"clock_skew", policy.Forgiven.ClockSkew, 0, settings.MaxClockSkew},
		{"max_lifetime", policy.MaxLifetime, 1, maxLifetime},
		{"max_body", float64(policy.MaxBody), 0, maxBody},
		{"reload_seconds", policy.ReloadSeconds, 1, maxReloadSeconds},
		{"replay_floor", float64(policy.ReplayFloor), 0, 1 << 53},
		{"replay_lost_at", float64(policy.ReplayLostAt), 0, 1 << 53},
		{"replay_capacity", float64(policy.Capacity), 1, maxCapacity},
	}); p != nil {
		return policy, p
	}
	if config.Replay != "" && config.Replay != choiceMemory && !policy.HostReplay {
		return policy, badConfig("replay must be memory or host")
	}
	var p *problem.Problem
	if policy.RSA, p = c.rsa(config.RSA); p != nil {
		return policy, p
	}
	return policy, checkRealm(orDefault(config.Realm, settings.DefaultRealm))
}

// bound is a number and the range that it must lie in.
type bound struct {
	name            string
	value, min, max float64
}

func checkBounds(bounds []bound) *problem.Problem {
	for _, b := range bounds {
		if !(b.value >= b.min && b.value <= b.max) {
			return badConfig("%s must be from %.0f to %.0f", b.name, b.min, b.max)
		}
	}
	return nil
}

// rsa says who verifies signatures.
func (c *Core) rsa(choice string) (pipeline.RSA, *problem.Problem) {
	switch choice {
	case "", choiceCore:
		return pipeline.RSA{}, nil
	case choiceHost:
		return pipeline.RSA{Host: true}, nil
	case choiceImport:
		return pipeline.RSA{Host: true, Now: c.checkNow}, nil
	}
	return pipeline.RSA{}, badConfig("rsa must be core, host or import")
}

// signingBy says who makes signatures.
func signingBy(name, choice string) (pipeline.By, *problem.Problem) {
	switch choice {
	case "", choiceCore:
		return pipeline.ByCore, nil
	case choiceHost:
		return pipeline.ByHost, nil
	case choiceExternal:
		return pipeline.ByExternal, nil
	}
	return 0, badConfig("%s must be core, host or external", name)
}

func checkRealm(realm string) *problem.Problem {
	if err := settings.CheckRealm(realm); err != nil {
		return badConfig("realm %s", err)
	}
	return nil
}

func openSigner(c *SignerConfig) (*request.Signer, *problem.Problem) {
	by, p := signingBy("rsa of a signer", c.RSA)
	if p != nil {
		return nil, p
	}
	config := request.SignerConfig{Issuer: c.Issuer, By: by, TTL: orDefault(c.TTL, request.DefaultTTL)}
	if p := checkTTL(problem.InvalidConfig, config.TTL); p != nil {
		return nil, p
	}
	if c.PrivateKey == "" && by == pipeline.ByCore {
		return nil, badConfig("signer: private_key is missing (or rsa must be host or external)")
	}
	if c.PrivateKey != "" && c.PublicKey != "" {
		return nil, badConfig("signer: give private_key or public_key, not both")
	}
	if c.PrivateKey != "" {
		key, err := jose.OnePrivate([]byte(c.PrivateKey))
		if err != nil {
			return nil, problem.New(problem.InvalidKey, "private_key: "+err.Error())
		}
		config.Private = key
	}
	if c.PublicKey != "" {
		key, err := jose.OnePublic([]byte(c.PublicKey))
		if err != nil {
			return nil, problem.New(problem.InvalidKey, "public_key: "+err.Error())
		}
		config.Public = key.Public
	}
	return request.NewSigner(config)
}

func checkTTL(code problem.Code, ttl int64) *problem.Problem {
	if ttl < 1 || ttl > request.MaxTTL {
		return problem.Newf(code, "ttl must be from 1 to %d seconds", request.MaxTTL)
	}
	return nil
}

func (c *Core) verifier(number uint64) (*engine.Engine, *problem.Problem) {
	e, p := c.engine(number)
	if p == nil && e.Verifier == nil {
		p = problem.New(problem.InvalidArgument, "the engine was opened without a verifier")
	}
	return e, p
}

func engineFeed(c *Core, r *EngineFeedRequest, _ []byte) (EngineFeedResult, *problem.Problem) {
	if e, p := c.access(r.Engine); p == nil {
		e.Feeding.Lock()
		defer e.Feeding.Unlock()
		return c.feedAccess(e, r)
	}
	e, p := c.verifier(r.Engine)
	if p != nil {
		return EngineFeedResult{}, p
	}
	hasKeys := r.Files != nil || r.Keys != nil
	if !hasKeys && r.ReplayLostAt == 0 || r.Ring != nil || r.Clients != nil || r.Policy != nil {
		return EngineFeedResult{}, problem.New(problem.InvalidArgument,
			"engine.feed of a verifier needs files, keys or replay_lost_at")
	}
	if p := checkLostAt(r.ReplayLostAt); p != nil {
		return EngineFeedResult{}, p
	}
	set, warnings := e.Verifier.Keys(), []authorizedkeys.Warning{}
	if hasKeys {
		if set, warnings, p = loadKeys(r.Files, r.Keys); p != nil {
			return EngineFeedResult{}, p
		}
		e.Verifier.Feed(set)
	}
	e.Verifier.ReplayLost(r.ReplayLostAt)
	return EngineFeedResult{Issuers: set.Len(), Warnings: warnings}, nil
}

func checkLostAt(at int64) *problem.Problem {
	if at < 0 || at > 1<<53 {
		return problem.New(problem.InvalidArgument, "engine.feed: replay_lost_at must be seconds since 1970")
	}
	return nil
}

func engineKey(c *Core, r *EngineKeyRequest, _ []byte) (EngineKeyResult, *problem.Problem) {
	e, p := c.engine(r.Engine)
	if p != nil {
		return EngineKeyResult{}, p
	}
	var key *jose.PublicKey
	if e.Verifier != nil {
		key = e.Verifier.Keys().Key(r.Key)
	}
	if e.Access() != nil {
		key = e.Access().Key(r.Key)
	}
	if key == nil && e.Signer != nil && e.Signer.KeyID() == r.Key {
		key = e.Signer.Public()
	}
	if key == nil {
		return EngineKeyResult{}, problem.New(problem.UnknownKey, "the engine has no key with this thumbprint")
	}
	return EngineKeyResult{key.PEM(), json.RawMessage(key.JWK())}, nil
}

func engineStats(c *Core, r *EngineRequest, _ []byte) (EngineStatsResult, *problem.Problem) {
	e, p := c.engine(r.Engine)
	if p != nil {
		return EngineStatsResult{}, p
	}
	result := EngineStatsResult{Tickets: e.Tickets()}
	if e.Verifier != nil {
		keys := e.Verifier.Keys()
		result.Issuers, result.Keys = keys.Len(), keys.Keys()
		if window := e.Verifier.Window(); window != nil {
			result.Replay = ReplayStats(window.Stats())
		}
	}
	if e.Access() != nil {
		keys := e.Access().Given()
		result.Issuers, result.Keys = keys.Len(), keys.Keys()
		stats := e.Access().Stats()
		result.Access = &AccessStats{IssuerStats{stats.Issuers, stats.IssuerCapacity}, stats.Kept, stats.Verified}
		if window := e.Access().Guard().Window(); window != nil {
			result.Replay = ReplayStats(window.Stats())
		}
	}
	return result, nil
}

func engineClose(c *Core, r *EngineRequest, _ []byte) (Empty, *problem.Problem) {
	return Empty{}, c.closeEngine(r.Engine)
}
