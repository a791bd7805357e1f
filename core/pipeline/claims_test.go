package pipeline

import (
	"strings"
	"testing"

	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

// claimOf reads one claim as it stands in a payload.
func claimOf(t *testing.T, value string) Claim {
	t.Helper()
	var c Claim
	object := strictjson.Read(`{"c":` + value + `}`)
	for object.Next() {
		c.Read(&object.Member)
	}
	if err := object.Err(); err != nil {
		t.Fatal(err)
	}
	return c
}

func code(p *problem.Problem) problem.Code {
	if p == nil {
		return ""
	}
	return p.Code
}

func TestClaimKinds(t *testing.T) {
	for _, c := range []struct {
		value        string
		isText, time bool
	}{
		{`"x"`, true, false},
		{`""`, true, false},
		{`1700000000`, false, true},
		{`1700000000.5`, false, true},
		{`9007199254740992`, false, true},
		{`1e300`, false, false},
		{`null`, false, false},
		{`true`, false, false},
		{`{"a":1}`, false, false},
	} {
		got := claimOf(t, c.value)
		if !got.There() || got.IsText() != c.isText || got.IsTime() != c.time || got.Raw != c.value {
			t.Errorf("%s: %+v", c.value, got)
		}
	}
	if (Claim{}).There() {
		t.Error("the zero claim is there")
	}
}

func TestCheckIssuer(t *testing.T) {
	for _, c := range []struct {
		value string
		want  problem.Code
	}{
		{`"a"`, ""},
		{`""`, problem.InvalidClaims},
		{`7`, problem.InvalidClaims},
		{`"` + strings.Repeat("x", MaxIssuer) + `"`, ""},
		{`"` + strings.Repeat("x", MaxIssuer+1) + `"`, problem.InvalidClaims},
		{`"a\u0007"`, problem.InvalidClaims},
	} {
		if got := code(CheckIssuer(claimOf(t, c.value))); got != c.want {
			t.Errorf("%.20s: %q, want %q", c.value, got, c.want)
		}
	}
	if code(CheckIssuer(Claim{})) != problem.InvalidClaims {
		t.Error("a missing issuer passes")
	}
}

func TestCheckIdentifiers(t *testing.T) {
	good := claimOf(t, `"x"`)
	for name, c := range map[string]struct {
		jti, subject Claim
		want         problem.Code
	}{
		"both":             {good, good, ""},
		"neither":          {Claim{}, Claim{}, ""},
		"a jti of 256":     {claimOf(t, `"`+strings.Repeat("x", MaxJTI)+`"`), good, ""},
		"a jti of 257":     {claimOf(t, `"`+strings.Repeat("x", MaxJTI+1)+`"`), good, problem.InvalidClaims},
		"a number as jti":  {claimOf(t, "1"), good, problem.InvalidClaims},
		"an empty subject": {good, claimOf(t, `""`), problem.InvalidClaims},
	} {
		if got := code(CheckIdentifiers(c.jti, c.subject)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestTimesInTheirOrder(t *testing.T) {
	const now = 1000
	forgiven := Tolerance{Leeway: 30, ClockSkew: 5}
	for _, c := range []struct {
		name, exp, nbf, iat string
		want                problem.Code
	}{
		{"all good", "1001", "999", "999", ""},
		{"none there", "", "", "", ""},
		{"exp within leeway", "970.5", "", "", ""},
		{"exp and leeway reached", "970", "", "", problem.TokenExpired},
		{"exp as text", `"1001"`, "", "", problem.InvalidClaims},
		{"exp as null", "null", "", "", problem.InvalidClaims},
		{"nbf within the skew", "1100", "1005", "", ""},
		{"nbf beyond the skew", "1100", "1005.1", "", problem.TokenNotYetValid},
		{"iat within the skew", "1100", "", "1005", ""},
		{"iat beyond the skew", "1100", "", "1006", problem.TokenNotYetValid},
		{"iat out of range", "1100", "", "1e300", problem.InvalidClaims},
		{"exp is looked at first", "900", "2000", "2000", problem.TokenExpired},
		{"nbf before iat", "1100", "2000", `"x"`, problem.TokenNotYetValid},
	} {
		read := func(value string) Claim {
			if value == "" {
				return Claim{}
			}
			return claimOf(t, value)
		}
		times := Times{Expires: read(c.exp), NotBefore: read(c.nbf), IssuedAt: read(c.iat)}
		if got := code(times.Check(now, forgiven)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestLifetime(t *testing.T) {
	const now, most = 1000, 60
	for _, c := range []struct {
		name     string
		exp, iat string
		want     problem.Code
	}{
		{"from iat", "1050", "990", ""},
		{"a second more", "1051", "990", problem.InvalidClaims},
		{"without iat, from now", "1060", "", ""},
		{"without iat, a second more", "1061", "", problem.InvalidClaims},
		{"without exp", "", "990", problem.InvalidClaims},
	} {
		times := Times{}
		if c.exp != "" {
			times.Expires = claimOf(t, c.exp)
		}
		if c.iat != "" {
			times.IssuedAt = claimOf(t, c.iat)
		}
		if got := code(times.CheckLifetime(now, most)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestDeadAtRoundsUp(t *testing.T) {
	for exp, want := range map[string]int64{"1000": 1030, "1000.001": 1031} {
		times := Times{Expires: claimOf(t, exp)}
		if got := times.DeadAt(30); got != want {
			t.Errorf("exp %s: %d, want %d", exp, got, want)
		}
	}
}
