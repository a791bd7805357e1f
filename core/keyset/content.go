package keyset

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tallystick/tallystick/core/authorizedkeys"
	"github.com/tallystick/tallystick/core/jose"
	"github.com/tallystick/tallystick/core/need"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/strictjson"
)

// Bounds of what is kept of an answer, in keys and in bytes.
const (
	maxKeys  = jose.MaxKeys
	maxETag  = 256
	maxKeyID = 256
)

// content is what an answer said. Exactly one of fault, elsewhere, unchanged,
// set and located is there.
type content struct {
	fault     string // for the log; text of the answer is in it quoted only
	elsewhere bool   // the server has no such document
	unchanged bool
	set       *set
	located   *location
	lifetime  float64
}

// set is a JWKS as far as it is used.
type set struct {
	issuer authorizedkeys.Issuer
	url    string
	etag   string
	until  float64
	note   string // what was passed over
}

func (s *set) holds(name string) bool {
	return slices.ContainsFunc(s.issuer.Keys, func(k jose.Key) bool { return k.Public.Name() == name })
}

// location is where an issuer has its documents.
type location struct {
	url      string
	others   []string // to be tried where url has none
	endpoint string   // token endpoint, "" with a fault
	fault    string
	people   Endpoints // where users sign in
	until    float64
}

func faulty(format string, args ...any) content { return content{fault: fmt.Sprintf(format, args...)} }

// read makes sense of an answer; the content's bytes are not kept.
func (p *pending) read(s Source, ttl float64, a need.Answer) content {
	if a.HasFailed {
		return faulty("%s", problem.Quote(a.Failed))
	}
	switch status := a.Status; {
	case status == 304 && p.request.etag != "":
		return content{unchanged: true, lifetime: lifetime(a.Headers["cache-control"], ttl)}
	case status == 408 || status == 425 || status == 429: // asks for patience, says nothing of the document
		return faulty("status %d", status)
	case status >= 400 && status < 500:
		return content{elsewhere: true, fault: fmt.Sprintf("status %d", status)}
	case p.stage == metadata && (status >= 300 && status < 400 || status == 200 && !isJSON(a.Headers["content-type"])):
		// The root of the server may be another's than the issuer's, with a page for every path.
		return content{elsewhere: true, fault: "no document"}
	case status >= 300 && status < 400:
		return faulty("status %d: a redirect that may not be followed", status)
	case status != 200:
		return faulty("status %d", status)
	case !isJSON(a.Headers["content-type"]):
		return faulty("content type %s is not JSON", problem.Quote(a.Headers["content-type"]))
	case len(a.Content) > maxBytes:
		return faulty("over %d bytes", maxBytes)
	}
	c := content{}
	if p.stage == keys {
		c = readKeys(s, string(a.Content))
	} else {
		c = readDiscovery(s, string(a.Content))
	}
	c.lifetime = lifetime(a.Headers["cache-control"], ttl)
	if c.set != nil {
		c.set.url, c.set.etag = p.request.url, validETag(a.Headers["etag"])
	}
	return c
}

// isJSON takes application/json and the structured suffix (RFC 6839 section 3.1).
func isJSON(contentType string) bool {
	name, _, _ := strings.Cut(contentType, ";")
	name = strings.ToLower(strings.TrimSpace(name))
	subtype, ok := strings.CutPrefix(name, "application/")
	return ok && (subtype == "json" || strings.HasSuffix(subtype, "+json"))
}

// validETag keeps an entity-tag that may be sent back (RFC 9110 section 8.8.3).
func validETag(tag string) string {
	inside, ok := strings.CutPrefix(strings.TrimPrefix(tag, "W/"), `"`)
	inside, ok2 := strings.CutSuffix(inside, `"`)
	if !ok || !ok2 || len(tag) > maxETag {
		return ""
	}
	for i := 0; i < len(inside); i++ {
		if c := inside[i]; c <= 0x20 || c >= 0x7F || c == '"' { //guard:etag-characters never
			return ""
		}
	}
	return strings.Clone(tag)
}

// readDiscovery reads the members that are needed. The issuer must be the very
// one that was asked (RFC 8414 section 3.3): else one could speak for another.
func readDiscovery(s Source, text string) content {
	var issuer, jwks, token strictjson.Value
	people := Endpoints{}
	err := strictjson.ReadObject(text, func(name string, v strictjson.Value) {
		switch name {
		case "issuer":
			issuer = v
		case "jwks_uri":
			jwks = v
		case "token_endpoint":
			token = v
		default:
			people.read(name, v)
		}
	})
	switch {
	case err != nil:
		return faulty("the discovery document is refused: %s", err)
	case !strictjson.IsString(issuer) || issuer.Str != s.Issuer:
		return faulty("the discovery document is of issuer %s", problem.Quote(issuer.Str))
	case !jwks.Exists() && s.Authority:
		// RFC 8414 section 2 demands no jwks_uri, and whoever wants a token needs none.
		l := s.elsewhere()
		l.readEndpoint(s, token)
		return content{located: l}
	case !strictjson.IsString(jwks):
		return faulty("the discovery document has no jwks_uri")
	}
	if err := s.checkURL(jwks.Str); err != nil && s.Internal {
		return faulty("jwks_uri %s of the discovery document is refused: %s: internal_http is for the discovery "+
			"document and the entry's own jwks_uri: write jwks_uri", problem.Quote(jwks.Str), err)
	} else if err != nil {
		return faulty("jwks_uri %s is refused: %s", problem.Quote(jwks.Str), err)
	}
	l := &location{url: strings.Clone(jwks.Str), people: people}
	l.readEndpoint(s, token)
	if s.checkURL(l.people.Authorization) != nil { //guard:endpoints-authorization never
		l.people.Authorization = ""
	}
	l.people.Token = l.endpoint
	return content{located: l}
}

// Endpoints are where an OpenID provider signs users in (OpenID Connect Discovery section 3).
type Endpoints struct {
	Authorization string // "": none that may be asked
	Token         string // "": none that may be asked
	SaysIssuer    bool   // RFC 9207 section 3: its answers have iss
	SecretInForm  bool   // it does not take client_secret_basic
}

func (e *Endpoints) read(name string, v strictjson.Value) {
	switch name {
	case "authorization_endpoint":
		e.Authorization = strings.Clone(v.Str)
	case "authorization_response_iss_parameter_supported":
		e.SaysIssuer = v.Raw == "true"
	case "token_endpoint_auth_methods_supported":
		basic, post := false, false
		for _, method := range v.Array() {
			basic = basic || method.Str == "client_secret_basic"
			post = post || method.Str == "client_secret_post"
		}
		e.SecretInForm = post && !basic
	}
}

// readEndpoint: without a usable token endpoint the keys still are good.
func (l *location) readEndpoint(s Source, token strictjson.Value) {
	if !s.Authority {
		return
	}
	l.endpoint = ""
	if !strictjson.IsString(token) {
		l.fault = "the discovery document has no token_endpoint"
		return
	}
	if err := s.checkURL(token.Str); err != nil {
		l.fault = fmt.Sprintf("token_endpoint %s is refused: %s", problem.Quote(token.Str), err)
		return
	}
	l.endpoint = strings.Clone(token.Str)
}

// elsewhere is where the keys may be without a discovery document.
func (s Source) elsewhere() *location {
	l := &location{url: s.below(pathKeys)}
	if s.Authority {
		l.others, l.endpoint = []string{s.below(pathPortalKeys)}, s.below(pathToken)
	}
	return l
}

// readKeys reads a JWKS (RFC 7517 section 5). Keys that are of no use are passed
// over; a set without one that is says that its issuer has no keys.
func readKeys(source Source, text string) content {
	var list strictjson.Value
	if err := strictjson.ReadObject(text, func(name string, v strictjson.Value) {
		if name == "keys" {
			list = v
		}
	}); err != nil {
		return faulty("the JWKS is refused: %s", err)
	}
	if !list.IsArray() {
		return faulty("the JWKS has no array of keys")
	}
	entries := list.Array()
	if len(entries) > maxKeys {
		return faulty("%d keys in the JWKS: at most %d are read", len(entries), maxKeys)
	}
	s, others, private := &set{}, 0, 0
	for _, entry := range entries {
		key, fit, secret := readKey(entry)
		switch {
		case source.ofAnotherTenant(entry): //guard:keys-tenant never
			others++
		case fit:
			s.issuer.Keys = append(s.issuer.Keys, key)
		case secret:
			private++
		default:
			others++
		}
	}
	s.note = note(others, private)
	return content{set: s}
}

func note(others, private int) string {
	notes := []string{}
	if private > 0 {
		notes = append(notes, fmt.Sprintf("%d published with their private half: not used", private))
	}
	if others > 0 {
		notes = append(notes, fmt.Sprintf("%d not RSA keys of 2048 to 8192 bits, P-256 or Ed25519 keys for signatures: not used", others))
	}
	return strings.Join(notes, "; ")
}

// ofAnotherTenant: a provider of many tenants may say in a key whose tokens it signs, as Entra does,
// with {tenantid} where each tenant's are meant.
func (s Source) ofAnotherTenant(entry strictjson.Value) bool {
	if s.KeyTenant == "" || !entry.IsObject() {
		return false
	}
	others := false
	strictjson.Members(entry.Raw, func(name string, v strictjson.Value) bool {
		if name == "issuer" {
			issuer := strings.ReplaceAll(v.Str, "{tenantid}", s.KeyTenant)
			others = !strictjson.IsString(v) || !strings.Contains(issuer+"/", "/"+s.KeyTenant+"/")
		}
		return true
	})
	return others
}

// readKey reads one entry. What has private members is everybody's key by now.
// They are looked for first: checking a private key costs more than it is worth.
func readKey(entry strictjson.Value) (key jose.Key, fit, private bool) {
	if !entry.IsObject() {
		return key, false, false
	}
	nested := false
	strictjson.Members(entry.Raw, func(name string, _ strictjson.Value) bool {
		switch name {
		case "d", "p", "q", "dp", "dq", "qi", "oth", "k":
			private = true
		case "keys": // jose would read it as a set of its own
			nested = true
		}
		return true
	})
	if private || nested {
		return key, false, private
	}
	keys, err := jose.ParseKeys([]byte(entry.Raw))
	if err != nil || len(keys) != 1 || len(keys[0].ID) > maxKeyID {
		return key, false, false
	}
	key = keys[0]
	key.ID = strings.Clone(key.ID) // else it keeps the whole text in memory
	return key, true, false
}
