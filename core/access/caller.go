package access

import (
	"github.com/tallystick/tallystick/core/scope"
	"github.com/tallystick/tallystick/core/strictjson"
	"github.com/tallystick/tallystick/core/trust"
)

// Caller is who sent a verified token: the seed's AuthContext.
type Caller struct {
	UserID, AgentID, SourceAgent string // "" stands for null
	Scopes, Namespaces           []string
	Issuer, IssuerType           string
	AgentURL, Name, Namespace    string
	TrustLabels                  []string
	JTI, ClientID                string // "" stands for null
	IssuedAt, ExpiresAt          string // JSON numbers; IssuedAt may be "" for null
	KeyID                        string
	Bound                        bool
	Claims                       string // JSON text
}

// Accepted is a verified token: who sent it, and the ABI's answer as JSON. The same caller may
// be of many requests: it must not be changed.
type Accepted struct {
	JSON   []byte
	Caller *Caller
}

func (r *verification) describe() *Caller {
	c := r.claims
	caller := &Caller{
		Scopes: r.granted, Namespaces: scope.Namespaces(r.granted),
		Issuer: c.issuer.Text, IssuerType: r.caller.IssuerType,
		AgentURL: r.caller.AgentURL, Name: r.caller.Name, Namespace: r.caller.Namespace,
		TrustLabels: trust.Labels(r.scopes, r.caller.Portal()),
		JTI:         c.jti.Text, ClientID: c.clientID.Text,
		IssuedAt: c.times.IssuedAt.Raw, ExpiresAt: c.times.Expires.Raw,
		KeyID: r.keyID, Bound: c.bound.There(), Claims: r.token.Payload,
	}
	if r.caller.IssuerType == trust.TypeUser {
		caller.UserID = c.subject.Text
		if e := r.caller.Entry; e == nil || e.Type == trust.TypePortal { // a portal, or this agent, signed them in
			caller.Name, caller.SourceAgent = c.subject.Text, r.caller.Name
		}
	} else {
		caller.AgentID, caller.SourceAgent = c.subject.Text, c.subject.Text
	}
	return caller
}

func (c *Caller) appendJSON(b []byte) []byte {
	b = append(b, `{"authenticated":true`...)
	for _, member := range [...]struct{ name, value string }{
		{"user_id", c.UserID}, {"agent_id", c.AgentID}, {"source_agent", c.SourceAgent},
	} {
		b = appendTextOrNull(b, member.name, member.value)
	}
	b = appendTexts(b, "scopes", c.Scopes)
	b = appendTexts(b, "namespaces", c.Namespaces)
	b = appendText(b, "issuer", c.Issuer)
	b = appendText(b, "issuer_type", c.IssuerType)
	b = appendText(b, "agent_url", c.AgentURL)
	b = appendText(b, "name", c.Name)
	b = appendText(b, "namespace", c.Namespace)
	b = appendTexts(b, "trust_labels", c.TrustLabels)
	b = appendTextOrNull(b, "jti", c.JTI)
	b = appendRaw(b, "issued_at", orNull(c.IssuedAt))
	b = appendRaw(b, "expires_at", c.ExpiresAt)
	b = appendText(b, "key_id", c.KeyID)
	b = appendTextOrNull(b, "client_id", c.ClientID)
	b = appendRaw(b, "bound", map[bool]string{false: "false", true: "true"}[c.Bound])
	b = appendRaw(b, "raw_claims", c.Claims)
	return append(b, '}')
}

func orNull(raw string) string {
	if raw == "" {
		return "null"
	}
	return raw
}

// The members after the first have a comma in front.
func appendName(b []byte, name string) []byte {
	b = append(b, ',')
	b = strictjson.AppendString(b, name)
	return append(b, ':')
}

func appendText(b []byte, name, value string) []byte {
	return strictjson.AppendString(appendName(b, name), value)
}

func appendTextOrNull(b []byte, name, value string) []byte {
	if value == "" {
		return appendRaw(b, name, "null")
	}
	return appendText(b, name, value)
}

func appendRaw(b []byte, name, value string) []byte {
	return append(appendName(b, name), value...)
}

func appendTexts(b []byte, name string, values []string) []byte {
	b = append(appendName(b, name), '[')
	for i, value := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = strictjson.AppendString(b, value)
	}
	return append(b, ']')
}
