package peers

import (
	"math"

	"github.com/tidwall/gjson"
)

// maxExact is the largest integer below which every integer is a float64 of its own.
const maxExact = 1 << 53

// timeClasses: exp, nbf and iat.
func timeClasses() []Class {
	notTime := because("invalid_claims", "must be a finite number of seconds")
	wrong := func(is func(gjson.Result) bool) func(Finding) bool {
		return both(notTime, func(f Finding) bool {
			_, value := f.accused()
			return is(value)
		})
	}
	numericDate := "RFC 7519 section 2: NumericDate"
	return []Class{{
		ID: "time-as-text", Side: WeRefuse, Peers: []string{pyJWT}, Source: numericDate,
		Reason: "A time is a string of digits. PyJWT turns it into a number.",
		Fits:   wrong(isText),
	}, {
		ID: "iat-null", Side: WeRefuse, Peers: []string{nodeJWT}, Source: "RFC 7519 section 4.1.6",
		Reason: "`iat` is null. jsonwebtoken looks at `iat` only with `maxAge`.",
		Fits:   wrong(func(value gjson.Result) bool { return value.Type == gjson.Null }),
	}, {
		ID: "time-out-of-range", Side: WeRefuse, Peers: everyPeer(), Source: "RFC 8259 section 6; protocol.md section 8",
		Reason: "A time is above 2^53 seconds, where a double no longer holds every integer; 1e999 is an infinity in JavaScript, and an `nbf` of 1e300 overflows Go's time, which is then in the past.",
		Fits:   wrong(func(value gjson.Result) bool { return math.Abs(value.Float()) > maxExact }),
	}, {
		ID: "iat-ahead", Side: WeRefuse, Peers: []string{joseNode, nodeJWT}, Source: "RFC 7519 section 4.1.6 leaves it open; protocol.md section 3 step 7",
		Reason: "`iat` lies in the future. jose and jsonwebtoken compare it only where a largest age is given.",
		Fits: both(because("token_not_yet_valid", ""), func(f Finding) bool {
			return f.claim("iat").Float() > f.Case.Question.Now+f.Case.Question.Leeway
		}),
	}, {
		ID: "whole-seconds-now", Side: WeRefuse, Peers: []string{joseNode}, Source: numericDate,
		Reason: "The token expired a fraction of a second ago. jose rounds the present down to whole seconds.",
		Fits: both(because("token_expired", ""), func(f Finding) bool {
			return math.Floor(f.Case.Question.Now) < f.claim("exp").Float()+f.Case.Question.Leeway
		}),
	}, {
		ID: "whole-seconds-exp", Side: PeerRefuses, Peers: []string{golang, pyJWT}, Source: numericDate,
		Reason: "The token expires within this second. golang-jwt and PyJWT round `exp` down to whole seconds, so that they refuse a fraction of a second early.",
		Fits: func(f Finding) bool {
			q, expires := f.Case.Question, f.claim("exp").Float()
			return f.Case.Task == VerifyJWT && q.Now < expires+q.Leeway && q.Now >= math.Floor(expires)+q.Leeway
		},
	}, {
		ID: "lifetime", Side: WeRefuse, Peers: everyPeer(), Source: "protocol.md section 8",
		Reason: "`exp` lies too far ahead. The core caps what a careless issuer can grant: 1 hour for requests, 24 hours for access tokens, or as configured.",
		Fits:   because("invalid_claims", "the token's lifetime"),
	}}
}
