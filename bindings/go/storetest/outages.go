package storetest

import (
	"fmt"
	"slices"
	"time"
)

func (r *run) endedContext() error {
	id := newID()
	got := r.them.first(call{Method: "claim", ID: id, Seconds: kept, Ended: true})
	if got.Error == "" {
		return fmt.Errorf("claim returned %t where its context had ended before: it must return an error", got.True)
	}
	return failure(r.them.first(call{Method: "claim", ID: id, Seconds: kept}))
}

func (r *run) hangs() error {
	if err := r.options.Pause(); err != nil {
		return fmt.Errorf("pause: %w", err)
	}
	attempts, failed := r.them.all(task{Kind: taskSpread})
	if err := r.options.Resume(); err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	if failed != nil {
		return failed
	}
	for _, each := range attempts {
		if each.Error == "" {
			return fmt.Errorf("claim returned %t while its server hung: it must return an error", each.True)
		}
	}
	if err := r.inTime(attempts); err != nil {
		return err
	}
	if _, err := r.them.all(task{Kind: taskRecover}); err != nil {
		return err
	}
	// The server may have made the claims that it did not answer.
	for _, each := range attempts {
		again := call{Method: "claim", ID: each.ID, Seconds: kept}
		free, err := countTrue([]attempt{r.them.first(again), r.them.last(again)})
		if err != nil {
			return err
		}
		if free > 1 {
			return fmt.Errorf("an id that was claimed while the server hung was free twice")
		}
	}
	return nil
}

func (r *run) restarts() error {
	ids := newIDs(2000)
	var restarted error
	attempts, err := r.them.during(task{Kind: taskLoad, IDs: ids}, func() {
		time.Sleep(load / 3)
		restarted = r.options.Restart()
	})
	if restarted != nil {
		return fmt.Errorf("restart: %w", restarted)
	}
	if err != nil {
		return err
	}
	if err := r.inTime(attempts); err != nil {
		return err
	}
	if _, err := r.them.all(task{Kind: taskRecover}); err != nil {
		return err
	}
	for _, each := range slices.Clone(attempts) {
		if each.True {
			attempts = append(attempts, r.them.first(call{Method: "claim", ID: each.ID, Seconds: kept}))
		}
	}
	return claimedOnce(attempts)
}

func claimedOnce(attempts []attempt) error {
	slices.SortFunc(attempts, func(a, b attempt) int { return a.Began.Compare(b.Began) })
	accepted := map[string]attempt{}
	for _, each := range attempts {
		if !each.True || each.Error != "" {
			continue
		}
		if before, there := accepted[each.ID]; there && each.LostAt.Before(before.Began) {
			return fmt.Errorf("an id that was claimed around the restart was free once more: what a store " +
				"forgets it must tell in LostAt")
		}
		accepted[each.ID] = each
	}
	if len(accepted) == 0 {
		return fmt.Errorf("no claim was answered")
	}
	return nil
}

func (r *run) inTime(attempts []attempt) error {
	for _, each := range attempts {
		if each.Took > 2*r.options.Timeout {
			return fmt.Errorf("a call took %v, and its timeout is %v", each.Took, r.options.Timeout)
		}
	}
	return nil
}
