package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	tallystick "github.com/tallystick/tallystick/bindings/go"
	"github.com/tallystick/tallystick/conformance"
	"github.com/tallystick/tallystick/core/abi"
)

// GoHostSource is the leg "go-host": the Go package as a program uses it, without the ABI. It
// plays the vectors that verify requests with keys that were given, in every form that a
// request of net/http has.
func GoHostSource() Source {
	return Source{Name: "go-host", Plays: goHostPlays, Open: func(context.Context) (Leg, error) {
		return &goHost{verifiers: map[uint64]*hostVerifier{}}, nil
	}}
}

// What the package has of the two requests. Where used tokens are remembered, and who does RSA,
// is not its user's to say.
var (
	goHostVerifier = []string{
		"keys", "base_url", "development", "clock_skew", "leeway", "max_body", "require_target", "max_lifetime", "realm",
		"algorithms",
	}
	goHostRequest = []string{"engine", "now", "authorization", "method", "path", "query", "mount"}
)

// lastNow is the latest time that a time.Time of nanoseconds has, in seconds since 1970.
const lastNow = math.MaxInt64 / 1e9

func goHostPlays(vector conformance.Vector) bool {
	verifies := false
	for _, step := range vector.Steps {
		request := gjson.ParseBytes(step.Request)
		switch {
		case step.RequestText != nil || step.Expect.Need != nil || step.Op != "engine.open" && step.Op != "request.verify":
			return false
		case step.Op == "engine.open":
			verifier := request.Get("verifier")
			if step.Expect.Error != "" || len(request.Map()) != 1 || !hasOnly(verifier, goHostVerifier) ||
				!verifier.Get("keys").Exists() {
				return false
			}
		default:
			verifies = true
			refused := step.Expect.Error == "invalid_argument" || step.Expect.Error == "malformed_request"
			if refused || !hasOnly(request, goHostRequest) || !playableNow(request.Get("now")) {
				return false
			}
		}
	}
	return verifies
}

func playableNow(now gjson.Result) bool {
	return now.Type == gjson.Number && now.Num >= 0 && now.Num < lastNow
}

func hasOnly(object gjson.Result, members []string) bool {
	if !object.IsObject() {
		return false
	}
	for name := range maps.Keys(object.Map()) {
		if !slices.Contains(members, name) {
			return false
		}
	}
	return true
}

// goHost holds the verifiers of one leg by the number of their engine.
type goHost struct {
	verifiers map[uint64]*hostVerifier
}

type hostVerifier struct {
	*tallystick.Verifier
	now time.Time
}

// onceStore is a store of a program's own.
type onceStore struct {
	lock sync.Mutex
	used map[string]bool
}

func (s *onceStore) Claim(_ context.Context, id string, _ int64) (bool, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	free := !s.used[id]
	s.used[id] = true
	return free, nil
}

func (g *goHost) Close() error { return nil }

func (g *goHost) Call(ctx context.Context, call Call) ([]byte, error) {
	switch call.Op {
	case "version":
		return abi.New().Call(call.Op, call.Request, nil), nil
	case "engine.open":
		return g.open(call.Request)
	case "engine.close":
		delete(g.verifiers, gjson.GetBytes(call.Request, "engine").Uint())
		return []byte(`{"ok":{}}`), nil
	case "request.verify":
		return g.verify(ctx, call)
	}
	return nil, fmt.Errorf("go-host has no %s", call.Op)
}

func (g *goHost) open(request []byte) ([]byte, error) {
	var open struct {
		Verifier struct {
			Keys          map[string]string
			BaseURL       string   `json:"base_url"`
			RequireTarget bool     `json:"require_target"`
			Development   bool     `json:"development"`
			Leeway        float64  `json:"leeway"`
			ClockSkew     *float64 `json:"clock_skew"`
			MaxLifetime   float64  `json:"max_lifetime"`
			MaxBody       *int64   `json:"max_body"`
			Realm         string
			Algorithms    []string
		}
	}
	if err := json.Unmarshal(request, &open); err != nil {
		return nil, err
	}
	o, host := open.Verifier, &hostVerifier{}
	options := tallystick.VerifierOptions{
		Keys: o.Keys, BaseURL: o.BaseURL, RequireTarget: o.RequireTarget, Realm: o.Realm, Algorithms: o.Algorithms,
		Leeway: seconds(o.Leeway), MaxLifetime: seconds(o.MaxLifetime), DevMode: tallystick.Production,
		Store: &onceStore{used: map[string]bool{}}, Logger: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return host.now },
	}
	if o.Development {
		options.DevMode = tallystick.Development
	}
	if o.ClockSkew != nil {
		options.ClockSkew = orNone(seconds(*o.ClockSkew))
	}
	if o.MaxBody != nil {
		options.MaxBody = orNone(*o.MaxBody)
	}
	var err error
	if host.Verifier, err = tallystick.NewVerifier(options); err != nil {
		return nil, err
	}
	number := uint64(len(g.verifiers) + 1)
	for g.verifiers[number] != nil {
		number++
	}
	g.verifiers[number] = host
	// The rest of the answer is for hosts of the ABI.
	answer := abi.New().Call("engine.open", request, nil)
	return bytes.Replace(answer, []byte(`"engine":1,`), fmt.Appendf(nil, `"engine":%d,`, number), 1), nil
}

func seconds(s float64) time.Duration { return time.Duration(math.Round(s * 1e9)) }

// orNone is how the package's options say 0, which stands for the default.
func orNone[T ~int64](n T) T {
	if n == 0 {
		return -1
	}
	return n
}

func (g *goHost) verify(ctx context.Context, call Call) ([]byte, error) {
	var r struct {
		Engine              uint64
		Now                 float64
		Authorization       []string
		Method, Path, Query string
		Mount               string
	}
	if err := json.Unmarshal(call.Request, &r); err != nil {
		return nil, err
	}
	host := g.verifiers[r.Engine]
	if host == nil {
		return nil, fmt.Errorf("go-host has no verifier %d", r.Engine)
	}
	host.now = time.Unix(0, int64(math.Round(r.Now*1e9)))
	caller, err := host.Verify(ctx, tallystick.Request{
		Authorization: r.Authorization, Method: latin1(r.Method), Path: latin1(r.Path),
		Query: latin1(r.Query), Mount: latin1(r.Mount), Body: call.Body,
	})
	if err != nil {
		return refusal(err)
	}
	return fmt.Appendf(nil, `{"ok":{"key_id":%q,"development":%v,"claims":%s}}`,
		caller.KeyID, caller.Development, caller.ClaimsText()), nil
}

func refusal(err error) ([]byte, error) {
	var e *tallystick.Error
	if !errors.As(err, &e) {
		return nil, err
	}
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoded := encoder.Encode(map[string]any{"error": struct {
		Code     tallystick.Code      `json:"code"`
		Message  string               `json:"message"`
		Log      string               `json:"log,omitempty"`
		Response *tallystick.Response `json:"response,omitempty"`
	}{e.Code, e.Message, e.Log, e.Response}})
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), encoded
}

// latin1 is the bytes of a text that has one character for each.
func latin1(text string) string {
	b := make([]byte, 0, len(text))
	for _, r := range text {
		b = append(b, byte(r))
	}
	return string(b)
}
