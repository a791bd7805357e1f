package tallystick

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/tallystick/tallystick/core/authorization"
	"github.com/tallystick/tallystick/core/need"
)

// providersOf are the providers in one order. What waits for a browser lies in the store.
func providersOf(o *AuthorityOptions) ([]authorization.Provider, error) {
	var providers []authorization.Provider
	for _, name := range slices.Sorted(maps.Keys(o.Providers)) {
		p := o.Providers[name]
		providers = append(providers, authorization.Provider{
			Name: name, Issuer: p.Issuer, ClientID: p.ClientID, ClientSecret: p.ClientSecret, HostedDomain: p.HostedDomain,
		})
	}
	if _, keepsValues := o.Store.(ValueStore); providers != nil && !keepsValues {
		return nil, wrongArgument("Store: Providers need one with Put, Get and Take (a ValueStore), as those of this package are")
	}
	return providers, nil
}

// value keeps or gives a value of the store. Each call has the time of a claim.
func (s *storeClaims) value(ctx context.Context, n *need.Need) need.Answer {
	store, ok := s.store.(ValueStore)
	if !ok { // providersOf has refused it
		return need.Answer{HasFailed: true, Failed: s.setting + " keeps no values"}
	}
	if s.open.Add(1) > maxClaims {
		s.open.Add(-1)
		return need.Answer{HasFailed: true, Failed: fmt.Sprintf("%d claims wait for it", maxClaims)}
	}
	ctx, stop := context.WithTimeout(ctx, claimTimeout)
	answered := make(chan need.Answer, 1)
	go func() {
		defer stop()
		defer s.open.Add(-1)
		defer func() {
			if reason := recover(); reason != nil {
				answered <- failedValue(s.panicked(reason))
			}
		}()
		answered <- askValue(ctx, store, n)
	}()
	answer, err := firstOf(ctx, answered)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		answer = failedValue(fmt.Errorf("%s: it did not answer within %v", s.setting, claimTimeout))
	case err != nil: // the caller went away: that says nothing of the store
		return failedValue(fmt.Errorf("%s: the request ended", s.setting))
	}
	if answer.HasFailed {
		s.trouble.failed(answer.Failed)
		return answer
	}
	s.trouble.over()
	return answer
}

// firstOf waits for an answer, which counts also where ctx ended at the same time.
func firstOf(ctx context.Context, answered <-chan need.Answer) (need.Answer, error) {
	select {
	case answer := <-answered:
		return answer, nil
	case <-ctx.Done():
	}
	select {
	case answer := <-answered:
		return answer, nil
	default:
		return need.Answer{}, ctx.Err()
	}
}

func askValue(ctx context.Context, store ValueStore, n *need.Need) need.Answer {
	if n.Kind == need.Put {
		if err := store.Put(ctx, n.ID, n.Value, n.Seconds); err != nil {
			return failedValue(err)
		}
		return need.Answer{}
	}
	ask := store.Get
	if n.Kind == need.Take {
		ask = store.Take
	}
	value, there, err := ask(ctx, n.ID)
	switch {
	case err != nil:
		return failedValue(err)
	case !there:
		return need.Answer{}
	}
	return need.Answer{Content: value}
}

func failedValue(err error) need.Answer { return need.Answer{HasFailed: true, Failed: err.Error()} }
