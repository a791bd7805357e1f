package parity

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/tidwall/gjson"
)

// Tally counts how far cases came: what their last call was answered.
type Tally struct {
	ends    map[string]int
	randoms map[string]int // by the name of the vector
}

func (t *Tally) count(made Case, answered played) {
	if t.ends == nil {
		t.ends, t.randoms = map[string]int{}, map[string]int{}
	}
	if answered.isRandom() {
		t.randoms[made.Base.Name]++
		return
	}
	t.ends[ending(answered.answers[reference])]++
}

func (t Tally) random() (sum int) {
	for _, times := range t.randoms {
		sum += times
	}
	return sum
}

func ending(answers [][]byte) string {
	if len(answers) == 0 {
		return "no call could be made"
	}
	last := answers[len(answers)-1]
	if code := gjson.GetBytes(last, "error.code"); code.Exists() {
		return code.String()
	}
	if kind := gjson.GetBytes(last, "need.kind"); kind.Exists() {
		return "need " + kind.String()
	}
	return "ok"
}

// write shows the counts, the most frequent first.
func (t Tally) write(out io.Writer) {
	fmt.Fprintf(out, "%8s  last answer\n", "cases")
	writeCounts(out, t.ends)
	if len(t.randoms) > 0 {
		fmt.Fprintf(out, "%8s  not compared, because two equal cores differ: made from\n", "")
		writeCounts(out, t.randoms)
	}
}

func writeCounts(out io.Writer, counts map[string]int) {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	for _, name := range names {
		fmt.Fprintf(out, "%8d  %s\n", counts[name], name)
	}
}
