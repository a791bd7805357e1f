package peers

import (
	"context"
	"fmt"
)

// Plan is one comparison.
type Plan struct {
	Cases   []Case
	Peers   []Peer
	Classes []Class
	Started func(peer string, cases int) // progress; may be nil
}

// Report is what came out, in the order of the peers and the cases.
type Report struct {
	Peers    []Peer    `json:"-"`
	Classes  []Class   `json:"-"`
	Findings []Finding `json:"findings"`
	// Unexplained differences and classes that explain nothing fail the run.
	Unexplained []Finding `json:"unexplained"`
	Stale       []string  `json:"stale"`
}

// Run puts every case to every peer that takes it. An error means that a peer
// could not be asked; differences are in the report.
func Run(ctx context.Context, plan Plan) (Report, error) {
	report := Report{Peers: plan.Peers, Classes: plan.Classes}
	call := newCore()
	for _, peer := range plan.Peers {
		taken := peer.among(plan.Cases)
		if plan.Started != nil {
			plan.Started(peer.Name, len(taken))
		}
		for _, asked := range taken {
			found, err := call.putTo(ctx, peer, asked)
			if err != nil {
				return report, err
			}
			report.Findings = append(report.Findings, found)
		}
	}
	report.explain()
	return report, nil
}

func (p Peer) among(cases []Case) []Case {
	var taken []Case
	for _, asked := range cases {
		if p.takes(asked) {
			taken = append(taken, asked)
		}
	}
	return taken
}

// explain gives every difference its class, and finds classes without any.
func (r *Report) explain() {
	used := map[string]bool{}
	for at := range r.Findings {
		found := &r.Findings[at]
		if found.Outcome == Agree {
			continue
		}
		for _, class := range r.Classes {
			if class.explains(*found) {
				found.Class = class.ID
				used[class.ID+" "+found.Peer] = true
				break
			}
		}
		if found.Class == "" {
			r.Unexplained = append(r.Unexplained, *found)
		}
	}
	for _, class := range r.Classes {
		for _, peer := range class.Peers {
			if !used[class.ID+" "+peer] {
				r.Stale = append(r.Stale, fmt.Sprintf("%s (%s)", class.ID, peer))
			}
		}
	}
}

// Failed reports whether something is unexplained or stale.
func (r *Report) Failed() bool { return len(r.Unexplained)+len(r.Stale) > 0 }
