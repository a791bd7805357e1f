package peers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
)

// Outcome is how two answers relate.
type Outcome string

// The outcomes. Every one but Agree needs a class.
const (
	Agree       Outcome = "agree"
	WeRefuse    Outcome = "we refuse, the peer accepts"
	PeerRefuses Outcome = "the peer refuses, we accept"
	ReadsOther  Outcome = "both accept and read different things"
)

// Finding is one case put to one peer.
type Finding struct {
	Case    Case    `json:"case"`
	Peer    string  `json:"peer"`
	Reply   Reply   `json:"reply"`
	Outcome Outcome `json:"outcome"`
	Detail  string  `json:"detail,omitempty"` // what differs, for the reader
	Class   string  `json:"class,omitempty"`  // id of the class that explains it
}

// putTo asks a peer and compares. An error means that the peer could not be asked.
func (c core) putTo(ctx context.Context, peer Peer, asked Case) (Finding, error) {
	reply, err := peer.Asker.Ask(ctx, asked.Task, asked.Question)
	if err != nil {
		return Finding{}, fmt.Errorf("%s: %s of %s: %w", peer.Name, asked.Task, asked.Vector, err)
	}
	if (reply.Accepted == nil) == (reply.Refused == "") {
		return Finding{}, fmt.Errorf("%s: %s of %s: the reply neither accepts nor refuses", peer.Name, asked.Task, asked.Vector)
	}
	found := Finding{Case: asked, Peer: peer.Name, Reply: reply}
	if asked.Task == SignJWS && reply.Accepted != nil {
		found.Outcome, found.Detail = c.compareSigned(asked, reply.Accepted.Token)
	} else {
		found.Outcome, found.Detail = compare(asked.Ours, reply)
	}
	return found, nil
}

func compare(ours Ours, reply Reply) (Outcome, string) {
	switch peerAccepts := reply.Accepted != nil; {
	case ours.accepts() && !peerAccepts:
		return PeerRefuses, reply.Refused
	case !ours.accepts() && peerAccepts:
		return WeRefuse, ""
	case !peerAccepts || ours.Accepted == nil:
		return Agree, ""
	}
	if detail := differs(*ours.Accepted, *reply.Accepted); detail != "" {
		return ReadsOther, detail
	}
	return Agree, ""
}

func (c core) compareSigned(asked Case, token string) (Outcome, string) {
	said, code, err := c.signedAlike(asked.Question, token)
	switch {
	case err != nil:
		return ReadsOther, err.Error()
	case code != "":
		return WeRefuse, "the core refuses what it signed: " + code
	}
	return compare(asked.Ours, Reply{Accepted: &said})
}

// differs compares what both sides say; a library that gives claims and no bytes
// is compared by claims.
func differs(ours, theirs Result) string {
	if ours.Payload != nil && theirs.Payload == nil {
		ours.Claims = string(*ours.Payload)
	}
	switch {
	case ours.Header != "" && !sameJSON(ours.Header, theirs.Header):
		return fmt.Sprintf("header %s and %s", ours.Header, theirs.Header)
	case ours.Payload != nil && theirs.Payload != nil && !bytes.Equal(*ours.Payload, *theirs.Payload):
		return fmt.Sprintf("payload %q and %q", *ours.Payload, *theirs.Payload)
	case ours.Claims != "" && theirs.Payload == nil && !sameJSON(ours.Claims, theirs.Claims):
		return fmt.Sprintf("claims %s and %s", ours.Claims, theirs.Claims)
	case ours.Thumbprint != theirs.Thumbprint:
		return fmt.Sprintf("thumbprint %s and %s", ours.Thumbprint, theirs.Thumbprint)
	case ours.Match != nil && (theirs.Match == nil || *ours.Match != *theirs.Match):
		return fmt.Sprintf("match %v and %v", *ours.Match, !*ours.Match)
	}
	return ""
}

// sameJSON compares values; numbers as JavaScript has them (RFC 8259 section 6).
func sameJSON(a, b string) bool {
	var left, right any
	return json.Unmarshal([]byte(a), &left) == nil && json.Unmarshal([]byte(b), &right) == nil && reflect.DeepEqual(left, right)
}
