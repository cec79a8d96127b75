package experiments

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// searched has the runs of the searches.
func (t *table) searched() string {
	var b strings.Builder
	for i := range t.entries {
		e := &t.entries[i]
		if e.Search == 0 {
			continue
		}
		if b.Len() == 0 {
			b.WriteString("\nSearch (one seed; the best by score, then by loss, is the row's):\n\n" + line("row", "tried", "steps", "score, %", "held-out loss") + rule(5))
		}
		b.WriteString(line(joined(e.Group, " ", e.Row), tried(e.Params), strconv.Itoa(e.Steps), e.scoreText(), e.lossText()))
	}
	return b.String()
}

func tried(values map[string]any) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(values)) {
		parts = append(parts, fmt.Sprintf("%s %v", k, values[k]))
	}
	return strings.Join(parts, ", ")
}

func (e *Record) scoreText() string {
	if s := e.final().Score; s != nil && e.Error == "" {
		return fmt.Sprintf("%.1f", 100**s)
	}
	return "–"
}

func (e *Record) lossText() string {
	if e.Error != "" {
		return e.Error
	}
	return fmt.Sprintf("%.4f", e.final().Loss)
}

// notes say what is missing, what failed, and where the figures are from.
func (t *table) notes() string {
	var b strings.Builder
	if len(t.missing) > 0 {
		b.WriteString("\nNot run:\n\n")
		for _, m := range t.missing {
			fmt.Fprintf(&b, "- %s: %s\n", strings.Join(m.rows, ", "), m.why)
		}
	}
	var from []string
	for _, e := range t.entries {
		if e.Error != "" && e.Search == 0 {
			fmt.Fprintf(&b, "\n%s, seed %d, failed: %s\n", e.Row, e.Seed, e.Error)
		}
		commit := e.Commit
		if commit == "" {
			commit = "unknown"
		}
		from = append(from, fmt.Sprintf("%s, kernel %s, %d threads, commit %s", e.Machine, e.Kernel, e.Threads, commit))
	}
	slices.Sort(from)
	for _, f := range slices.Compact(from) {
		fmt.Fprintf(&b, "\nMeasured on %s.\n", f)
	}
	return b.String()
}
