package storetest

import (
	"fmt"
	"time"
)

func (r *run) oneClaims() error {
	for range r.options.IDs {
		attempts, err := r.them.race(call{Method: "claim", ID: newID(), Seconds: kept})
		if err != nil {
			return err
		}
		won, err := countTrue(attempts)
		if err != nil {
			return err
		}
		if won != 1 {
			return fmt.Errorf("of %d claimants of one id, %d were told that it was free: Claim must be one "+
				"atomic step for all processes", len(attempts), won)
		}
	}
	return nil
}

func countTrue(attempts []attempt) (count int, err error) {
	for _, each := range attempts {
		if each.Error != "" {
			return 0, fmt.Errorf("a call returned the error: %s", each.Error)
		}
		if each.True {
			count++
		}
	}
	return count, nil
}

// mustClaim claims an id that nobody has claimed.
func (r *run) mustClaim(id string, seconds int64) (attempt, error) {
	got := r.them.first(call{Method: "claim", ID: id, Seconds: seconds})
	if got.Error != "" {
		return got, fmt.Errorf("a call returned the error: %s", got.Error)
	}
	if !got.True {
		return got, fmt.Errorf("an id that nobody claimed was not free")
	}
	return got, nil
}

func (r *run) othersAreFree() error {
	id := newID()
	if _, err := r.mustClaim(id, kept); err != nil {
		return err
	}
	// They differ in one digit each.
	for at := range id {
		other := []byte(id)
		if other[at] = '0'; id[at] == '0' {
			other[at] = 'f'
		}
		if _, err := r.mustClaim(string(other), kept); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) idsAreKept() error {
	var id string
	// On a machine that is busy the second claim may come too late to tell anything.
	for range 5 {
		id = newID()
		first, err := r.mustClaim(id, 2)
		if err != nil {
			return err
		}
		time.Sleep(time.Until(first.Began.Add(1500 * time.Millisecond)))
		second := r.them.last(call{Method: "claim", ID: id, Seconds: 2})
		if second.Error != "" {
			return fmt.Errorf("a call returned the error: %s", second.Error)
		}
		if second.ended().After(first.Began.Add(2 * time.Second)) {
			continue
		}
		if second.True {
			return fmt.Errorf("an id that was claimed for 2 s was free again after 1.5 s")
		}
		break
	}
	// Then it may be free or taken, and a claim is answered.
	time.Sleep(3 * time.Second)
	if got := r.them.first(call{Method: "claim", ID: id, Seconds: 2}); got.Error != "" {
		return fmt.Errorf("a call returned the error: %s", got.Error)
	}
	return nil
}
