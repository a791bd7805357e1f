package abi

import (
	"encoding/json"

	"github.com/tallystick/tallystick/core/client"
	"github.com/tallystick/tallystick/core/problem"
	"github.com/tallystick/tallystick/core/ring"
)

func ringUpdate(_ *Core, r *RingUpdateRequest, _ []byte) (RingUpdateResult, *problem.Problem) {
	var current *ring.Ring
	if r.Ring != nil {
		var p *problem.Problem
		if current, p = ring.Parse(string(r.Ring)); p != nil {
			return RingUpdateResult{}, p
		}
	}
	updated, p := ring.Update(current, ring.Options{
		Now: r.Now, Rotate: r.Rotate, Force: r.Force, Revoke: r.Revoke, Lifetime: r.Lifetime,
		Publish: orDefault(r.Publish, ring.DefaultPublish), Bits: r.Bits, Fresh: r.Fresh,
	})
	if p != nil {
		return RingUpdateResult{}, p
	}
	result := RingUpdateResult{Changed: updated.Changed, Missing: updated.Missing, Rotated: updated.Rotated, Retired: []string{}}
	if updated.Ring != nil {
		result.describe(updated.Ring)
	}
	return result, nil
}

func (r *RingUpdateResult) describe(described *ring.Ring) {
	r.Ring = json.RawMessage(described.Document())
	r.Active = described.Active().ID
	if next, there := described.Next(); there {
		r.Next = next.ID
	}
	for _, key := range described.Retired() {
		r.Retired = append(r.Retired, key.ID)
	}
}

func clientSecret(_ *Core, r *ClientSecretRequest, _ []byte) (ClientSecretResult, *problem.Problem) {
	secret := client.NewSecret()
	if r.Secret != nil {
		secret = *r.Secret
	}
	if err := client.CheckSecret(secret); err != nil {
		return ClientSecretResult{}, problem.New(problem.InvalidArgument, "client.secret: "+err.Error())
	}
	return ClientSecretResult{secret, client.HashSecret(secret, client.NewSalt())}, nil
}
