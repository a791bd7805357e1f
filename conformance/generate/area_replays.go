package generate

import "fmt"

const (
	step14 = "protocol.md section 3 step 14"
	replay = "rotagent error table; " + step14
)

func replays() *area {
	a := newArea("replay", "A token works once: the core's own bounded window.")
	once := sign(alice, rotagentClaims())
	numbered := func(n int) token { return claim("jti", fmt.Sprintf("jti-%d", n)) }

	a.accept("two-tokens", "two tokens with different jtis", replay, open(nil), accepted(numbered(1), nil), accepted(numbered(2), nil))
	a.reject("same-token", "two-tokens", "the same token again", replay, open(nil), accepted(once, nil), refused(once, nil, "replay_detected"))
	a.reject("same-token-often", "two-tokens", "the same token ten times", replay, open(nil), accepted(once, nil), refused(once, nil, "replay_detected").times(10))
	a.reject("same-jti-new-token", "two-tokens", "another token with the same jti", replay, open(nil), accepted(once, nil),
		refused(claim("exp", now+61), nil, "replay_detected"))
	a.accept("same-jti-other-issuer", "the same jti of another issuer", "protocol.md section 3: keyed by issuer and jti", open(object{"keys": object{"alice": alice.spki(), "bob": bob.spki()}}),
		accepted(once, nil), accepted(sign(bob, rotagentClaims().with(object{"iss": "bob"})), nil))
	notConfused(a)
	refusalBurnsNothing(a, once)
	clock(a, once)
	capacity(a, numbered)
	lostWindow(a, once)
	engineOfItsOwn(a, once)
	return a
}

// notConfused: (issuer, jti) pairs whose concatenations are equal are two pairs.
func notConfused(a *area) {
	both := object{"keys": object{"ab": alice.spki(), "a": alice.spki()}}
	a.accept("pair-not-concatenated", "issuer ab with jti c and issuer a with jti bc are different", "protocol.md section 3: keyed by issuer and jti", open(both),
		accepted(sign(alice, rotagentClaims().with(object{"iss": "ab", "jti": "c"})), nil),
		accepted(sign(alice, rotagentClaims().with(object{"iss": "a", "jti": "bc"})), nil))
}

func refusalBurnsNothing(a *area, once token) {
	source := "protocol.md section 3: replay, last"
	bodyFirst := func(code string) step { return refused(once, object{"body": "x"}, code) }
	a.reject("refusal-burns-nothing", "two-tokens", "a request refused for its body leaves the jti unused", source, open(nil),
		bodyFirst("body_tampered"), accepted(once, nil))
	forged := sign(mallory, rotagentClaims())
	a.reject("forgery-burns-nothing", "two-tokens", "a forged token with the same jti leaves it unused", source, open(nil),
		refused(forged, nil, "invalid_signature"), accepted(once, nil))
	a.reject("order-body-before-replay", "two-tokens", "used and changed: the body is judged first", source, open(nil),
		accepted(once, nil), bodyFirst("body_tampered"))
}

// lostWindow: a token of this area expires at now+60.
func lostWindow(a *area, once token) {
	source := "abi.md engine.open, replay_floor; protocol.md section 8: refuse rather than forget"
	a.accept("after-lost-window", "the token expires later than anything that the lost window held", source, open(object{"replay_floor": now + 59}), accepted(once, nil))
	a.reject("before-lost-window", "after-lost-window", "the token may have been used in the lost window", source, open(object{"replay_floor": now + 60}), refused(once, nil, "replay_store_unavailable"))
	lenient := func(floor int) step { return open(object{"replay_floor": floor, "leeway": 10}) }
	a.accept("after-lost-window-leeway", "the same with leeway", source, lenient(now+59), accepted(once, nil))
	a.reject("before-lost-window-leeway", "after-lost-window-leeway", "the floor is an exp: leeway does not lift a used token above it", source, lenient(now+60), refused(once, nil, "replay_store_unavailable"))
}

func clock(a *area, once token) {
	a.reject("until-last-moment", "two-tokens", "used, and again in the last moment of its life", replay, open(nil),
		accepted(once, nil), refused(once, at(now+59), "replay_detected"))
	a.reject("within-leeway", "two-tokens", "kept until exp and leeway", "protocol.md section 3: kept until exp + leeway", open(object{"leeway": 30}),
		accepted(once, nil), refused(once, at(now+89), "replay_detected"))
	later := claim("exp", now+3000).renamed("jti-later")
	a.reject("clock-stepped-back", "two-tokens", "a clock that steps back reopens nothing: its entry was forgotten in the meantime", traps, open(nil),
		accepted(once, nil), accepted(later, at(now+2000)), refused(once, at(now+1), "replay_detected"))
	a.reject("clock-stepped-back-at-once", "two-tokens", "a clock that steps back within the life of the token", traps, open(nil),
		accepted(once, at(now+50)), refused(once, at(now+1), "replay_detected"))
}

// renamed signs the token anew with another jti.
func (t token) renamed(jti string) token {
	return sign(alice, parsed(t.payload).with(object{"jti": jti}))
}

func capacity(a *area, numbered func(int) token) {
	source := traps + ": a full window refuses new requests rather than forget live ones"
	two := object{"replay_capacity": 2}
	a.accept("capacity-not-reached", "a window of two holds two", source, open(two), accepted(numbered(1), nil), accepted(numbered(2), nil))
	a.reject("capacity-full", "capacity-not-reached", "a window of two refuses the third", source, open(two),
		accepted(numbered(1), nil), accepted(numbered(2), nil), refused(numbered(3), nil, "replay_store_unavailable"))
	a.reject("capacity-keeps-live", "capacity-not-reached", "a full window still knows what it holds", source, open(two),
		accepted(numbered(1), nil), accepted(numbered(2), nil), refused(numbered(1), nil, "replay_detected"))
	fresh := sign(alice, rotagentClaims().with(object{"jti": "jti-3", "iat": now + 100, "exp": now + 160}))
	a.reject("capacity-freed", "capacity-not-reached", "what expired makes room again", source, open(two),
		accepted(numbered(1), nil), accepted(numbered(2), nil), refused(numbered(3), nil, "replay_store_unavailable"), accepted(fresh, at(now+100)))
}

func engineOfItsOwn(a *area, once token) {
	a.accept("engine-of-its-own", "each engine has a window of its own", "abi.md engine.open: replay", open(nil), accepted(once, nil), open(nil), accepted(once, nil))
	a.accept("stats", "the window tells how full it is", "abi.md engine.stats", open(object{"replay_capacity": 10}), accepted(once, nil),
		call("engine.stats", object{"engine": "$engine"}, "", okIncludes(object{"issuers": 1, "keys": 1, "tickets": 0, "replay": object{"live": 1, "capacity": 10}})))
}
