package abi

import (
	"encoding/json"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/engine"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/limits"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/request"
)

const (
	choiceCore     = "core"
	choiceHost     = "host"
	choiceImport   = "import"
	choiceExternal = "external"
	choiceMemory   = "memory"
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
	realm := limits.DefaultRealm
	if r.Verifier != nil {
		var p *problem.Problem
		if verifier, p = c.openVerifier(r.Verifier, &result); p != nil {
			return EngineOpenResult{}, p
		}
		realm = orDefault(r.Verifier.Realm, limits.DefaultRealm)
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

// buffers says how a host reads bodies.
func (r *EngineOpenResult) buffers(given *int) *problem.Problem {
	room, p := limits.NewRoom(r.MaxBody, given)
	r.BodyAtOnce, r.BufferAtOnce, r.BufferAsked = room.AtOnce, room.BufferAtOnce, room.BufferAsked
	return p
}

func (c *Core) policyOf(config *VerifierConfig) (request.Policy, *problem.Problem) {
	options := request.Options{
		BaseURL:       config.BaseURL,
		RequireTarget: config.RequireTarget,
		Leeway:        config.Leeway,
		ClockSkew:     config.ClockSkew,
		MaxLifetime:   config.MaxLifetime,
		MaxBody:       config.MaxBody,
		Development:   config.Development,
		Reload:        config.Reload,
		ReloadSeconds: config.ReloadSeconds,
		HostReplay:    config.Replay == choiceHost,
		Capacity:      config.ReplayCapacity,
		ReplayFloor:   config.ReplayFloor,
		ReplayLostAt:  config.ReplayLostAt,
		Algorithms:    config.Algorithms,
		Realm:         config.Realm,
	}
	if config.Replay != "" && config.Replay != choiceMemory && !options.HostReplay {
		return request.Policy{}, badConfig("replay must be memory or host")
	}
	var p *problem.Problem
	if options.RSA, p = c.rsa(config.RSA); p != nil {
		return request.Policy{}, p
	}
	return options.Policy()
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

func openSigner(c *SignerConfig) (*request.Signer, *problem.Problem) {
	by, p := signingBy("rsa of a signer", c.RSA)
	if p != nil {
		return nil, p
	}
	config := request.SignerConfig{Issuer: c.Issuer, By: by, TTL: orDefault(c.TTL, request.DefaultTTL)}
	if p := request.CheckTTL(problem.InvalidConfig, config.TTL); p != nil {
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
		return EngineKeyResult{}, problem.New(problem.UnknownKey, "the engine has no key of this name")
	}
	return EngineKeyResult{key.Algorithm(), key.PEM(), json.RawMessage(key.JWK())}, nil
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
