package peers

import (
	"fmt"
	"strings"

	"github.com/tallystick/tallystick/cmd/prose"
)

// mostExamples is how many vectors are named for a class.
const mostExamples = 3

const introduction = `# Peers: where other libraries agree, and where they do not

Written by ` + "`make peers`" + `, not by hand. Every question below is taken from the conformance vectors and
put to this project's core and to the libraries: the same token with the same key, restricted to the
algorithm that this key is good for or to those that the vector takes, at the same time, with the
leeway, audience, issuer and required claims of the vector as far as the library's interface takes
them; otherwise the library is used with its defaults. Compared are accepted or refused, and what
was read: payload bytes where the library gives them, else header and claims.

- A token that the core refuses later than any JWT library could (target, body digest, scope, trust,
  replay) must be accepted by a peer.
- Tokens that the core signs are verified by all peers. What peers sign from the headers and
  payloads of accepted tokens, the core verifies, and signs to the same bytes (RS256 and EdDSA; the
  libraries draw a number for ES256, and a salt belongs to PS256).
- Patterns are compared with Python's ` + "`fnmatch.fnmatchcase`" + ` only where both grammars mean the same
  by definition.
- A question that several vectors ask counts once. A difference without a class below fails the run,
  and so does a class without a difference.

A class is information about a library's defaults for those who use it, not a claim that the library
is wrong.
`

// Markdown writes PEERS.md: the same findings give the same bytes.
func (r *Report) Markdown() string {
	var out strings.Builder
	out.WriteString(introduction)
	r.versions(&out)
	r.counts(&out)
	r.classes(&out)
	return out.String()
}

func (r *Report) versions(out *strings.Builder) {
	out.WriteString("\n## Versions\n\n| peer | version |\n| --- | --- |\n")
	for _, peer := range r.Peers {
		fmt.Fprintf(out, "| %s | %s |\n", peer.Name, peer.Version)
	}
}

func (r *Report) counts(out *strings.Builder) {
	out.WriteString("\n## Counts\n\n")
	out.WriteString(prose.Wrap("We refuse: and the peer accepts. It refuses: and we accept. Reads other: both accept, and read different things.", "", ""))
	out.WriteString("\n| peer | task | cases | agree | we refuse | it refuses | reads other |\n")
	out.WriteString("| --- | --- | ---: | ---: | ---: | ---: | ---: |\n")
	for _, peer := range r.Peers {
		total := r.tally(peer.Name, "")
		for _, task := range Tasks() {
			if count := r.tally(peer.Name, task); count.cases > 0 {
				fmt.Fprintf(out, "| %s | %s | %s |\n", peer.Name, task, count)
			}
		}
		fmt.Fprintf(out, "| **%s** | **all** | %s |\n", peer.Name, total)
	}
	r.composition(out)
}

// composition says what the tokens of jwt.verify are: agreement over good tokens
// alone, or over bad ones alone, would say little.
func (r *Report) composition(out *strings.Builder) {
	var accepted, refused, later int
	for _, found := range r.Findings {
		switch ours := found.Case.Ours; {
		case found.Peer != r.Peers[0].Name || found.Case.Task != VerifyJWT:
		case ours.Later:
			later++
		case ours.accepts():
			accepted++
		default:
			refused++
		}
	}
	said := fmt.Sprintf("Of the tokens of %s the core accepts %d, refuses %d for what a JWT library decides too, and refuses %d later.", VerifyJWT, accepted, refused, later)
	out.WriteString("\n" + prose.Wrap(said, "", ""))
}

type tally struct {
	cases int
	by    map[Outcome]int
}

func (t tally) String() string {
	return fmt.Sprintf("%d | %d | %d | %d | %d", t.cases, t.by[Agree], t.by[WeRefuse], t.by[PeerRefuses], t.by[ReadsOther])
}

// tally counts the findings of a peer, of one task or ("") of all.
func (r *Report) tally(peer string, task Task) tally {
	count := tally{by: map[Outcome]int{}}
	for _, found := range r.Findings {
		if found.Peer == peer && (task == "" || found.Case.Task == task) {
			count.cases++
			count.by[found.Outcome]++
		}
	}
	return count
}

func (r *Report) classes(out *strings.Builder) {
	for _, side := range []Outcome{WeRefuse, PeerRefuses, ReadsOther} {
		fmt.Fprintf(out, "\n## %s%s\n", strings.ToUpper(string(side[:1])), side[1:])
		for _, class := range r.Classes {
			if class.Side == side {
				r.class(out, class)
			}
		}
	}
}

func (r *Report) class(out *strings.Builder, class Class) {
	fmt.Fprintf(out, "\n### %s\n\n%s\n", class.ID, prose.Wrap(class.Reason, "", ""))
	item := func(text string) { out.WriteString(prose.Wrap(text, "- ", "  ")) }
	item("Source: " + class.Source)
	var examples, peers []string
	for _, peer := range class.Peers {
		count := 0
		for _, found := range r.Findings {
			if found.Class != class.ID || found.Peer != peer {
				continue
			}
			count++
			examples = addExample(examples, found.Case.Vector)
		}
		peers = append(peers, fmt.Sprintf("%s %d", peer, count))
	}
	item("Cases: " + strings.Join(peers, ", "))
	item("For example: " + strings.Join(examples, ", "))
}

func addExample(examples []string, name string) []string {
	for _, there := range examples {
		if there == "`"+name+"`" {
			return examples
		}
	}
	if len(examples) == mostExamples {
		return examples
	}
	return append(examples, "`"+name+"`")
}
