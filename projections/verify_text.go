package projections

import (
	"fmt"
	"strings"
)

// String is the verdict for people: what differs, and what was compared. That nothing differs says no more than that.
func (v Verdict) String() string {
	var w strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&w, format+"\n", args...) }
	if v.Clean() {
		line("%s at position %d: nothing that was compared differs", v.Schema, v.Position)
	} else {
		line("%s at position %d: %d rows differ", v.Schema, v.Position, v.Drift)
	}
	v.scope(line)
	for _, d := range v.Comparison.Tables {
		if d.differs() {
			text := &comparisonText{a: "the live build", b: "a projection of the log"}
			text.table(d)
			w.WriteString(text.String())
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
	s := v.Sample
	line("compared: %d rows", v.Rows)
	if len(s.Append) > 0 {
		line("  %s: the rows of %d streams, with their %d events (seed %d)", strings.Join(s.Append, ", "), s.Streams, v.Projected, s.Seed)
	}
	if s.Passed > 0 {
		line("  %d more streams were chosen and passed over: the log does not give them whole, or they are long", s.Passed)
	}
	if len(s.Identity) > 0 {
		line("  %s: all rows, with the identity, not with the log", strings.Join(s.Identity, ", "))
	}
	if len(s.Not) > 0 {
		line("not compared: %s", strings.Join(s.Not, ", "))
	}
}
