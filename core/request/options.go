package request

import (
	"github.com/tallystick/tallystick/core/limits"
	"github.com/tallystick/tallystick/core/pipeline"
	"github.com/tallystick/tallystick/core/problem"
)

// Defaults and bounds of a policy, in seconds; those of sizes are settings'.
const (
	DefaultLifetime      = 60 * 60
	developmentLifetime  = 6 * 60 * 60 // a development token of rotagent lives 6 hours
	maxLifetime          = 24 * 60 * 60
	defaultClockSkew     = 5
	defaultReloadSeconds = 1
	maxReloadSeconds     = 3600
	maxTime              = 1 << 53
)

// Options are a policy as a host's user gives it. Pointers tell "not given" from zero.
type Options struct {
	BaseURL       string
	RequireTarget bool
	Leeway        float64
	ClockSkew     *float64
	MaxLifetime   *float64
	MaxBody       *int
	Development   bool
	Reload        bool
	ReloadSeconds *float64
	HostReplay    bool
	Capacity      *int
	ReplayFloor   int64
	ReplayLostAt  int64
	RSA           pipeline.RSA
	Algorithms    []string // nil: all
	Realm         *string
}

// Policy returns the policy, or what is wrong with it.
func (o *Options) Policy() (Policy, *problem.Problem) {
	lifetime := float64(DefaultLifetime)
	if o.Development {
		lifetime = developmentLifetime
	}
	policy := Policy{
		BaseURL:       o.BaseURL,
		RequireTarget: o.RequireTarget,
		Forgiven:      pipeline.Tolerance{Leeway: o.Leeway, ClockSkew: given(o.ClockSkew, defaultClockSkew)},
		MaxLifetime:   given(o.MaxLifetime, lifetime),
		MaxBody:       given(o.MaxBody, limits.DefaultMaxBody),
		Development:   o.Development,
		Reload:        o.Reload,
		ReloadSeconds: given(o.ReloadSeconds, defaultReloadSeconds),
		HostReplay:    o.HostReplay,
		Capacity:      given(o.Capacity, limits.DefaultReplayCapacity),
		ReplayFloor:   o.ReplayFloor,
		ReplayLostAt:  o.ReplayLostAt,
		RSA:           o.RSA,
		Realm:         given(o.Realm, limits.DefaultRealm),
	}
	var err error
	if policy.Algorithms, err = pipeline.NewAllowed(o.Algorithms); err != nil {
		return Policy{}, problem.Newf(problem.InvalidConfig, "algorithms: %s", err)
	}
	return policy, policy.check()
}

func (p *Policy) check() *problem.Problem {
	if wrong := limits.CheckBounds(
		limits.In("leeway", p.Forgiven.Leeway, 0, limits.MaxLeeway, limits.Seconds),
		limits.In("clock_skew", p.Forgiven.ClockSkew, 0, limits.MaxClockSkew, limits.Seconds),
		limits.In("max_lifetime", p.MaxLifetime, 1, maxLifetime, limits.Seconds),
		limits.In("max_body", float64(p.MaxBody), 0, limits.MaxBody, limits.Bytes),
		limits.In("reload_seconds", p.ReloadSeconds, 1, maxReloadSeconds, limits.Seconds),
		limits.In("replay_floor", float64(p.ReplayFloor), 0, maxTime, limits.Seconds),
		limits.In("replay_lost_at", float64(p.ReplayLostAt), 0, maxTime, limits.Seconds),
		limits.In("replay_capacity", float64(p.Capacity), 1, limits.MaxReplayCapacity, limits.Tokens),
	); wrong != nil {
		return wrong
	}
	if err := limits.CheckRealm(p.Realm); err != nil {
		return problem.Newf(problem.InvalidConfig, "realm %s", err)
	}
	return nil
}

func given[T any](value *T, otherwise T) T {
	if value == nil {
		return otherwise
	}
	return *value
}
