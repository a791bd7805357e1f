package peers

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

// of are the classes as far as they are about one peer.
func of(peer string) []Class {
	var classes []Class
	for _, class := range Classes() {
		if slices.Contains(class.Peers, peer) {
			class.Peers = []string{peer}
			classes = append(classes, class)
		}
	}
	return classes
}

// fewSigned leaves out most of what is to be signed: it takes most of the time.
func fewSigned(cases []Case) []Case {
	signed := 0
	return slices.DeleteFunc(slices.Clone(cases), func(c Case) bool {
		if c.Task == SignJWS {
			signed++
		}
		return c.Task == SignJWS && signed > 5
	})
}

func run(t *testing.T, peer Peer, cases []Case, classes []Class) Report {
	t.Helper()
	report, err := Run(context.Background(), Plan{Cases: cases, Peers: []Peer{peer}, Classes: classes})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestGolangJWTIsExplained(t *testing.T) {
	report := run(t, GolangJWT(), collected(t), of("golang-jwt"))
	for _, found := range report.Unexplained {
		t.Errorf("%s: %s: %s (%s)", found.Case.Vector, found.Case.Task, found.Outcome, found.theirs())
	}
	for _, class := range report.Stale {
		t.Errorf("stale: %s", class)
	}
	if count := report.tally("golang-jwt", ""); count.by[Agree] < 700 {
		t.Errorf("only %d of %d cases agree", count.by[Agree], count.cases)
	}
}

func TestADifferenceWithoutAClassFails(t *testing.T) {
	without := slices.DeleteFunc(of("golang-jwt"), func(c Class) bool { return c.ID == "typ" })
	report := run(t, GolangJWT(), fewSigned(collected(t)), without)
	if !report.Failed() || len(report.Unexplained) == 0 {
		t.Fatalf("failed %v, unexplained %d", report.Failed(), len(report.Unexplained))
	}
	var said strings.Builder
	complain(&said, report)
	for _, wanted := range []string{"algorithm/typ-other", "golang-jwt", "we refuse, the peer accepts", "refused: malformed_token", "accepted"} {
		if !strings.Contains(said.String(), wanted) {
			t.Errorf("%q is not in:\n%s", wanted, said.String())
		}
	}
}

func TestAClassWithoutADifferenceFails(t *testing.T) {
	never := Class{ID: "never", Side: WeRefuse, Peers: []string{"golang-jwt"}, Fits: because("malformed_token", "no such message")}
	cases := fewSigned(collected(t))
	before := run(t, GolangJWT(), cases, of("golang-jwt"))
	after := run(t, GolangJWT(), cases, append(of("golang-jwt"), never))
	if !after.Failed() || !slices.Equal(after.Stale, append(before.Stale, "never (golang-jwt)")) {
		t.Errorf("stale %v", after.Stale)
	}
}

// wrongPeer is golang-jwt with one fault.
type wrongPeer struct {
	golangJWT
	fault func(Task, Reply) (Reply, error)
}

func (w wrongPeer) Ask(ctx context.Context, task Task, q Question) (Reply, error) {
	reply, err := w.golangJWT.Ask(ctx, task, q)
	if err != nil {
		return reply, err
	}
	return w.fault(task, reply)
}

func TestAWrongPeerIsFound(t *testing.T) {
	for name, fault := range map[string]func(Task, Reply) (Reply, error){
		"accepts every token": func(task Task, reply Reply) (Reply, error) {
			if reply.Accepted == nil && task == VerifyJWT {
				return Reply{Accepted: &Result{}}, nil
			}
			return reply, nil
		},
		"refuses every key": func(task Task, reply Reply) (Reply, error) {
			if task == ImportKey {
				return Reply{Refused: "no"}, nil
			}
			return reply, nil
		},
		"reads other claims": func(task Task, reply Reply) (Reply, error) {
			if reply.Accepted != nil && task == VerifyJWT {
				return Reply{Accepted: &Result{Claims: `{"iss":"mallory"}`}}, nil
			}
			return reply, nil
		},
		"signs something else": func(task Task, reply Reply) (Reply, error) {
			if reply.Accepted != nil && task == SignJWS {
				return Reply{Accepted: &Result{Token: reply.Accepted.Token + "A"}}, nil
			}
			return reply, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			peer := GolangJWT()
			peer.Asker = wrongPeer{fault: fault}
			if report := run(t, peer, fewSigned(collected(t)), of("golang-jwt")); len(report.Unexplained) == 0 {
				t.Error("nothing is unexplained")
			}
		})
	}
}

func TestAPeerThatCannotBeAskedIsAnError(t *testing.T) {
	broken := errors.New("gone")
	peer := GolangJWT()
	peer.Asker = wrongPeer{fault: func(Task, Reply) (Reply, error) { return Reply{}, broken }}
	one := peer.among(collected(t))[:1]
	_, err := Run(context.Background(), Plan{Cases: one, Peers: []Peer{peer}})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	peer.Asker = wrongPeer{fault: func(Task, Reply) (Reply, error) { return Reply{}, nil }}
	_, err = Run(context.Background(), Plan{Cases: one, Peers: []Peer{peer}})
	if err == nil || !strings.Contains(err.Error(), "neither accepts nor refuses") {
		t.Errorf("got %v", err)
	}
}
