package projections

import (
	"fmt"
	"strings"
)

// String is the verdict for people: what differs, and what was compared. That nothing differs says no more than that.
func (v Verdict) String() string {
	var w strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&w, format+"\n", args...) }
	switch {
	case v.Clean():
		line("%s at position %d: nothing that was compared differs", v.Schema, v.Position)
	case len(v.Tables) == 0:
		line("%s at position %d: unknown, no rows were compared", v.Schema, v.Position)
	default:
		line("%s at position %d: %s", v.Schema, v.Position, v.finding())
	}
	v.scope(line)
	for _, t := range v.Tables {
		for _, o := range t.Objects {
			line("%s: %s", t.Table, o)
		}
	}
	for _, d := range v.Comparison.Tables {
		if d.Columns = nil; d.Differs() { // columns are objects
			w.WriteString(d.Text("the live build", "a projection of the log"))
		}
	}
	for _, s := range v.Sums {
		line("%s: %d rows are not what the identity gives", s.Table, s.Count)
		for _, d := range s.Differences {
			line("  %s holds [%s], computed [%s]", d.Key, d.Stored, d.Computed)
		}
	}
	return w.String()
}

// scope says what was compared, and what was not.
func (v Verdict) scope(line func(string, ...any)) {
	if v.Complete {
		line("compared: all %d rows with what the %d events of the log up to there come to; sums with their identities", v.Rows, v.Projected)
		if v.Projected != v.Events {
			line("the build has counted %d events, the log now has %d: events were deleted from the store, or skipped", v.Events, v.Projected)
		}
		return
	}
	line("compared: %d rows", v.Rows)
	if whole := v.comparedBy(HowLog); len(whole) > 0 {
		line("  %s: all rows, with what the %d events of the log up to there come to", strings.Join(whole, ", "), v.Projected)
	}
	if some := v.comparedBy(HowSample); len(some) > 0 {
		line("  %s: the rows of %d streams, with their %d events (seed %d)", strings.Join(some, ", "), v.Sample.Streams, v.Projected, v.Sample.Seed)
	}
	if v.Sample != nil && v.Sample.Passed > 0 {
		line("  %d more streams were chosen and passed over: the log does not give them whole, or they are long", v.Sample.Passed)
	}
	if sums := v.comparedBy(HowIdentity); len(sums) > 0 {
		line("  %s: all rows, with the identity, not with the log", strings.Join(sums, ", "))
	}
	if not := v.comparedBy(HowNever); len(not) > 0 {
		line("not compared: %s", strings.Join(not, ", "))
	}
}

func (v Verdict) comparedBy(how How) (tables []string) {
	for _, c := range v.Checked {
		if c.How == how {
			tables = append(tables, c.Table)
		}
	}
	return tables
}

// finding says how much differs.
func (v Verdict) finding() string {
	var parts []string
	if v.Drift > 0 {
		parts = append(parts, fmt.Sprintf("%d rows differ", v.Drift))
	}
	objects := 0
	for _, t := range v.Tables {
		objects += len(t.Objects)
	}
	if objects > 0 {
		parts = append(parts, fmt.Sprintf("%d objects are not those of schema.sql", objects))
	}
	return strings.Join(parts, ", ")
}
