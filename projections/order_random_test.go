package projections_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/adapters/storetest"
	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
	"daybook/projections/projectiontest"
)

// deed is one change of a row, carried through the log as data. An event carries some of one part.
type deed struct {
	Kind string `json:"kind"` // fail, parent, clear, orphan, child, lose, sum, line
	ID   int    `json:"id"`
	A    *int   `json:"a"`
	B    *int   `json:"b"`
}

type deeds struct {
	Part string `json:"part"`
	List []deed `json:"list"`
}

type parentRow struct {
	Part string `db:"part,partition"`
	ID   int    `db:"id,key"`
	A    *int   `db:"a"`
	B    *int   `db:"b"`
}

type childRow struct {
	Part   string `db:"part,partition"`
	ID     int    `db:"id,key"`
	Parent *int   `db:"parent"`
	C      *int   `db:"c"`
}

// What pauses has no partitions.
type (
	pausedParent struct {
		Part string `db:"part,key"`
		ID   int    `db:"id,key"`
		A    *int   `db:"a"`
		B    *int   `db:"b"`
	}
	pausedChild struct {
		Part   string `db:"part,key"`
		ID     int    `db:"id,key"`
		Parent *int   `db:"parent"`
		C      *int   `db:"c"`
	}
)

// keeper is a Patch table, however its rows are tagged.
type keeper[R any] struct {
	set, remove func(R) error
	clear       func(R, string) error
}

func keep[R, S any](table *projections.PatchTable[S], as func(R) S) keeper[R] {
	return keeper[R]{
		set:    func(row R) error { return table.Set(as(row)) },
		remove: func(row R) error { return table.Remove(as(row)) },
		clear:  func(row R, column string) error { return table.Clear(as(row), column) },
	}
}

func asItIs[R any](row R) R { return row }

type countRow struct {
	Part string `db:"part,key"`
	ID   int    `db:"id,key"`
	N    int64  `db:"n"`
}

type noteRow struct {
	Stream   string `db:"stream"`
	Revision uint64 `db:"revision"`
	Part     string `db:"part"`
	Parent   *int   `db:"parent"`
	N        *int   `db:"n"`
}

// constrained is a schema with constraints, and the order in which its tables are defined.
type constrained struct {
	column                           string // b of the parents
	parents, children, counts, notes []string
	order                            []string
	parks                            bool
}

func drawConstrained(t *rapid.T) constrained {
	some := func(name string, of ...string) []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, 2, rapid.ID).Draw(t, name)
	}
	reference := func(column string) []string {
		var out []string
		for _, action := range []string{"", " ON DELETE CASCADE", " ON DELETE SET NULL (" + column + ")", " DEFERRABLE INITIALLY DEFERRED", " DEFERRABLE"} {
			out = append(out, "FOREIGN KEY (part, "+column+") REFERENCES parents"+action)
		}
		return out
	}
	return constrained{
		column: rapid.SampledFrom([]string{"b int", "b int DEFAULT 1", "b int NOT NULL DEFAULT 1", "b short", "b int, d int GENERATED ALWAYS AS (1 / (b - 2)) STORED"}).Draw(t, "column"),
		parents: some("parents", "CHECK (a >= 0)", "CHECK (a <= b)", "CHECK (num_nulls(a, b) <> 1)", "CHECK (a + id < 4)", "CHECK (b IS NOT NULL)",
			"UNIQUE (a)", "UNIQUE (a) DEFERRABLE INITIALLY DEFERRED", "UNIQUE (a, b)", "EXCLUDE USING btree (b WITH =)"),
		children: some("children", append(reference("parent"), "CHECK (c <> 2)", "UNIQUE (parent)")...),
		counts:   some("counts", "CHECK (n BETWEEN -1 AND 2)", "FOREIGN KEY (part, id) REFERENCES parents"),
		notes:    some("notes", append(reference("parent"), "CHECK (n < 3)")...),
		order:    rapid.Permutation([]string{"parents", "children", "counts", "notes"}).Draw(t, "order"),
		parks:    rapid.Bool().Draw(t, "parks"),
	}
}

func (c constrained) schema() string {
	table := func(name, columns string, constraints []string) string {
		return "CREATE TABLE " + name + " (" + strings.Join(append([]string{columns}, constraints...), ", ") + ");"
	}
	return "CREATE DOMAIN short AS int CHECK (VALUE < 2);" +
		table("parents", "part text, id int, a int DEFAULT 1, PRIMARY KEY (part, id), "+c.column, c.parents) +
		table("children", "part text, id int, parent int, c smallint, PRIMARY KEY (part, id)", c.children) +
		table("counts", "part text, id int, n bigint NOT NULL, PRIMARY KEY (part, id)", c.counts) +
		table("notes", "stream text, revision bigint, part text, parent int, n int", c.notes)
}

// define makes the projection under a name, so that there can be two of it.
func (c constrained) define(name string) projections.Definition {
	return func() *projections.Projection {
		p := projections.New(name, 1, c.schema())
		var doer doer
		for _, table := range c.order {
			switch {
			case table == "parents" && c.parks:
				doer.parents = keep(projections.Patch[parentRow](p, table), asItIs[parentRow])
			case table == "parents":
				doer.parents = keep(projections.Patch[pausedParent](p, table), func(row parentRow) pausedParent { return pausedParent(row) })
			case table == "children" && c.parks:
				doer.children = keep(projections.Patch[childRow](p, table), asItIs[childRow])
			case table == "children":
				doer.children = keep(projections.Patch[pausedChild](p, table), func(row childRow) pausedChild { return pausedChild(row) })
			case table == "counts":
				doer.counts = projections.Sum[countRow](p, table)
			case table == "notes":
				doer.notes = projections.Append[noteRow](p, table)
			}
		}
		projections.OnAll(p, doer.do)
		if c.parks {
			projections.Park(p, "parts", func(at projections.At) (string, bool) { return deedsOf(at).Part, at.Type == "Deeds" })
		}
		return p
	}
}

func deedsOf(at projections.At) (d deeds) {
	if at.Type == "Deeds" {
		_ = json.Unmarshal(at.Data, &d)
	}
	return d
}

type doer struct {
	parents  keeper[parentRow]
	children keeper[childRow]
	counts   *projections.SumTable[countRow]
	notes    *projections.AppendTable[noteRow]
}

func (d doer) do(at projections.At) error {
	all := deedsOf(at)
	var errs []error
	for _, one := range all.List {
		errs = append(errs, d.one(all.Part, one, at))
	}
	return errors.Join(errs...)
}

func (d doer) one(part string, one deed, at projections.At) error {
	parent, child := parentRow{Part: part, ID: one.ID, A: one.A, B: one.B}, childRow{Part: part, ID: one.ID, Parent: one.A, C: one.B}
	switch one.Kind {
	case "parent":
		return d.parents.set(parent)
	case "clear":
		return d.parents.clear(parent, "b")
	case "orphan":
		return d.parents.remove(parent)
	case "child":
		return d.children.set(child)
	case "lose":
		return d.children.remove(child)
	case "sum":
		n := int64(1)
		if one.A != nil {
			n = int64(*one.A)
		}
		return d.counts.Add(countRow{part, one.ID, n})
	case "note":
		return d.notes.Add(noteRow{at.Stream, at.Revision, part, one.A, one.B})
	default:
		return errSick
	}
}

// outcome is what a projection comes to: its rows, and where it stands or what waits.
type outcome struct {
	rows     []string
	position events.Position
	stands   bool
	parked   []string
}

// outcome runs a projection in batches of so many events until it is at the end of the log, or stands.
func (h *house) outcome(define projections.Definition, limit int) (out outcome) {
	h.t.Helper()
	h.limit = limit
	engine, stop := h.run(h.pool, define)
	defer stop()
	name := define().Name()
	head, err := h.store.Head(h.t.Context())
	require.NoError(h.t, err)
	var why string
	look := func() bool {
		all, err := engine.Status(h.t.Context())
		i := slices.IndexFunc(all, func(s projections.Status) bool { return s.Name == name })
		if err != nil || i < 0 {
			return false
		}
		why = all[i].Error
		out.position, out.stands = all[i].Position, strings.Contains(all[i].Error, "Deeds at deeds")
		return out.stands || out.position == head
	}
	require.Eventually(h.t, look, 30*time.Second, 5*time.Millisecond, "%s", reason{&why})
	look() // the position may have been read before it came to stand there
	parked, err := engine.Parked(h.t.Context(), name)
	require.NoError(h.t, err)
	for _, p := range parked {
		out.parked = append(out.parked, fmt.Sprint(p.Key, p.First, p.Events))
	}
	out.rows, err = projectiontest.Dump(h.t.Context(), h.pool, define().Schema())
	require.NoError(h.t, err)
	return out
}

// reason is read when it is printed.
type reason struct{ *string }

func (r reason) String() string { return *r.string }

// TestABatchMeansWhatItsEventsMean compares batches of any size with batches of one event.
func TestABatchMeansWhatItsEventsMean(t *testing.T) {
	t.Parallel()
	number := rapid.Ptr(rapid.IntRange(-1, 3), true)
	drawn := rapid.Custom(func(t *rapid.T) deed {
		return deed{
			Kind: rapid.SampledFrom([]string{"parent", "parent", "parent", "clear", "orphan", "child", "child", "lose", "sum", "sum", "note", "fail"}).Draw(t, "kind"),
			ID:   rapid.IntRange(1, 2).Draw(t, "id"), A: number.Draw(t, "a"), B: number.Draw(t, "b"),
		}
	})
	event := rapid.Custom(func(t *rapid.T) deeds {
		return deeds{rapid.SampledFrom([]string{"x", "y"}).Draw(t, "part"), rapid.SliceOfN(drawn, 1, 2).Draw(t, "list")}
	})
	h := newHouse(t)
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		if runs++; runs > 40 { // each makes two builds
			return
		}
		c := drawConstrained(rt)
		h.exec("DROP SCHEMA IF EXISTS alone_v1, together_v1 CASCADE; DELETE FROM parked_events; DELETE FROM parked_keys; " +
			"DELETE FROM checkpoints; DELETE FROM projections")
		h.pool.Reset() // what is prepared on a connection knows the types that are gone
		h.store = storetest.LendEmbedded(t)
		for _, d := range rapid.SliceOfN(event, 1, 25).Draw(rt, "events") {
			data, err := json.Marshal(d)
			require.NoError(rt, err)
			_, err = h.store.Append(t.Context(), "deeds", events.Any, []events.Proposed{{ID: id.New[id.Event](), Type: "Deeds", Data: data}})
			require.NoError(rt, err)
		}
		want := h.outcome(c.define("alone"), 1)
		got := h.outcome(c.define("together"), rapid.IntRange(2, 30).Draw(rt, "limit"))
		require.Equal(rt, want, got, c.schema())
	})
}
