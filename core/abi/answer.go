package abi

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"

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

func ok(value any) []byte { return okRaw(marshal(value)) }

func okRaw(value []byte) []byte {
	answer := make([]byte, 0, len(value)+8)
	answer = append(answer, `{"ok":`...)
	answer = append(answer, value...)
	return append(answer, '}')
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

func refuseWithResponse(p *problem.Problem, realm string) []byte {
	return marshal(errorAnswer{errorBody{p.Code, p.Message, p.Log, p.Response(realm)}})
}

// appendNeed is written by hand because two of every verification pass through it.
func appendNeed(n *need.Need, ticket uint64) []byte {
	b := make([]byte, 0, 128+len(n.Input)+len(n.Signature)+len(n.Issuer)+len(n.JTI))
	b = append(b, `{"need":{"kind":`...)
	b = strictjson.AppendString(b, string(n.Kind))
	field := func(name, value string) {
		b = append(b, `,"`...)
		b = append(b, name...)
		b = append(b, `":`...)
		b = strictjson.AppendString(b, value)
	}
	// plain is for base64url and dots, which need no escaping.
	plain := func(name, value string) {
		b = append(b, `,"`...)
		b = append(b, name...)
		b = append(b, `":"`...)
		b = append(b, value...)
		b = append(b, '"')
	}
	switch n.Kind {
	case need.Keys:
		field("issuer", n.Issuer)
	case need.Claim:
		field("issuer", n.Issuer)
		field("jti", n.JTI)
		field("id", n.ID)
		b = append(b, `,"expires_at":`...)
		b = strictjson.AppendInt(b, n.ExpiresAt)
		b = append(b, `,"now":`...)
		b = appendNumber(b, n.Now)
	case need.Sign:
		plain("input", n.Input)
		plain("key", n.Key)
	case need.Check:
		plain("input", n.Input)
		plain("signature", n.Signature)
		plain("key", n.Key)
	case need.Fetch:
		b = appendFetch(b, n.Request)
	case need.Body:
		b = append(b, `,"max_bytes":`...)
		b = strictjson.AppendInt(b, int64(n.MaxBytes))
	}
	b = append(b, `},"ticket":`...)
	b = strconv.AppendUint(b, ticket, 10)
	return append(b, '}')
}

// appendFetch writes the members of the need fetch.
func appendFetch(b []byte, r *need.HTTP) []byte {
	address := "any"
	if r.Public {
		address = "public"
	}
	return append(append(b, ','), bytes.TrimSuffix(bytes.TrimPrefix(marshal(fetchNeed{
		r.Flight, r.Method, r.URL, r.Headers, r.Body, r.Redirects, address, r.MaxBytes, r.Timeout, r.Read,
	}), []byte("{")), []byte("}"))...)
}

type fetchNeed struct {
	Flight    uint64            `json:"flight"`
	Method    string            `json:"method"`
	URL       string            `json:"url"`
	Headers   map[string]string `json:"headers"`
	Body      string            `json:"body,omitempty"`
	Redirects int               `json:"redirects"`
	Address   string            `json:"address"`
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
