package abi

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"

	"github.com/tallystick/tallystick/core/engine"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

// marshal writes JSON without the escaping for HTML that encoding/json adds.
func marshal(value any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic(err) // answers are made of strings, numbers and slices
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func ok(value any) []byte { return appendOK(nil, marshal(value)) }

func appendOK(to, value []byte) []byte {
	to = slices.Grow(to, len(value)+8)
	to = append(to, `{"ok":`...)
	to = append(to, value...)
	return append(to, '}')
}

type errorAnswer struct {
	Error errorBody `json:"error"`
}

type errorBody struct {
	Code     problem.Code      `json:"code"`
	Message  string            `json:"message"`
	Log      string            `json:"log,omitempty"`
	Response *problem.Response `json:"response,omitempty"`
}

func refuse(p *problem.Problem) []byte {
	return marshal(errorAnswer{errorBody{Code: p.Code, Message: p.Message, Log: p.Log}})
}

func refuseWithResponse(p *problem.Problem, e *engine.Engine) []byte {
	return marshal(errorAnswer{errorBody{p.Code, p.Message, p.Log, p.Response(e.Challenge())}})
}

func appendNeed(b []byte, n *need.Need, ticket uint64) []byte {
	b = strconv.AppendUint(append(appendQuestion(b, n), `},"ticket":`...), ticket, 10)
	return append(b, '}')
}

// appendQuestion writes an answer's need, but for what closes it. By hand, because
// two of every verification pass through it.
func appendQuestion(b []byte, n *need.Need) []byte {
	b = slices.Grow(b, 128+len(n.Input)+len(n.Signature)+len(n.Issuer)+len(n.JTI))
	switch n.Kind {
	case need.Keys:
		b = strictjson.AppendString(append(b, `{"need":{"kind":"keys","issuer":`...), n.Issuer)
	case need.Claim:
		b = strictjson.AppendString(append(b, `{"need":{"kind":"claim","issuer":`...), n.Issuer)
		b = strictjson.AppendString(append(b, `,"jti":`...), n.JTI)
		b = strictjson.AppendString(append(b, `,"id":`...), n.ID)
		b = strictjson.AppendInt(append(b, `,"seconds":`...), n.Seconds)
		b = appendNumber(append(b, `,"now":`...), n.Now)
	case need.Sign: // base64url and dots need no escaping
		b = append(append(b, `{"need":{"kind":"sign","alg":"`...), n.Algorithm...)
		b = append(append(b, `","input":"`...), n.Input...)
		b = append(append(append(b, `","key":"`...), n.Key...), '"')
	case need.Check:
		b = append(append(b, `{"need":{"kind":"check","alg":"`...), n.Algorithm...)
		b = append(append(b, `","input":"`...), n.Input...)
		b = append(append(b, `","signature":"`...), n.Signature...)
		b = append(append(append(b, `","key":"`...), n.Key...), '"')
	case need.Fetch:
		b = appendFetch(append(b, `{"need":{"kind":"fetch"`...), n.Request)
	case need.Derive:
		b = append(append(b, `{"need":{"kind":"derive",`...), inner(marshal(deriveNeed(n.Derivation)))...)
	case need.Put:
		b = strictjson.AppendString(append(b, `{"need":{"kind":"put","id":`...), n.ID)
		b = strictjson.AppendInt(append(b, `,"seconds":`...), n.Seconds)
		b = strictjson.AppendString(append(b, `,"value":`...), string(n.Value))
	case need.Get, need.Take:
		b = append(append(append(b, `{"need":{"kind":"`...), n.Kind...), `","id":`...)
		b = strictjson.AppendString(b, n.ID)
	case need.Body:
		b = strictjson.AppendInt(append(b, `{"need":{"kind":"body","max_bytes":`...), int64(n.MaxBytes))
	}
	return b
}

// appendFetch writes the members of the need fetch.
func appendFetch(b []byte, r *need.HTTP) []byte {
	address := "any"
	switch {
	case r.Public:
		address = "public"
	case r.Internal:
		address = "internal"
	}
	return append(append(b, ','), inner(marshal(fetchNeed{
		r.Flight, r.Method, r.URL, r.Headers, r.Body, r.Redirects, address, r.Proxy, r.MaxBytes, r.Timeout, r.Read,
	}))...)
}

// inner returns the members of an object without its braces.
func inner(object []byte) []byte { return object[1 : len(object)-1] }

func deriveNeed(d *need.Derivation) DeriveNeed {
	return DeriveNeed{d.Secret, jose.Encode64(d.Salt), d.Iterations, d.Length}
}

type fetchNeed struct {
	Flight    uint64            `json:"flight"`
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	Body      string            `json:"body,omitempty"`
	Redirects int               `json:"redirects"`
	Address   string            `json:"address"`
	Proxy     bool              `json:"proxy,omitempty"`
	MaxBytes  int               `json:"max_bytes"`
	Timeout   float64           `json:"timeout"`
	Read      []string          `json:"read"`
}

// appendNumber writes a time without an exponent, as short as it can be.
func appendNumber(to []byte, n float64) []byte {
	if n == math.Trunc(n) {
		return strictjson.AppendInt(to, int64(n))
	}
	return strconv.AppendFloat(to, n, 'f', -1, 64)
}
