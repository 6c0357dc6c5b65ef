package projections

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"daybook/events"
	"daybook/projections/tables"
)

// Sample tells what a sampled verification compared, and what it did not.
type Sample struct {
	Seed     uint64   `json:"seed"`
	Streams  int      `json:"streams"`          // that were projected anew
	Passed   int      `json:"passed,omitempty"` // that were chosen and passed over: the log does not give them whole, or they are long
	Append   []string `json:"append"`           // tables whose rows of these streams were compared
	Identity []string `json:"identity"`         // tables that were compared with their identities, whole
	Not      []string `json:"not,omitempty"`    // tables that were not compared
}

// No more than this is held in memory and projected for a sample. A stream that is longer is passed over. So more streams
// cannot be asked for, either: see the maximum of api.VerifyProjection.
const sampledEvents = 20_000

// sampling chooses streams.
type sampling struct {
	*verifier

	tx      pgx.Tx
	at      events.Position
	random  *rand.Rand
	sample  *Sample
	records []events.Record
	seen    map[string]bool // by stream: whether it is in the sample
}

// compareSome compares the Append rows of some streams, and the sums with their identities.
func (v *verifier) compareSome(ctx context.Context) error {
	v.verdict.Sample = v.plan()
	s, err := v.scratch(ctx, func(t table) bool { _, is := t.(*appendRows); return is })
	if err != nil {
		return err
	}
	defer s.discard(ctx)
	return v.inSnapshot(ctx, func(tx pgx.Tx, at checkpoint) error {
		if err := v.compareObjects(ctx, tx, s); err != nil {
			return err
		}
		if len(v.verdict.Sample.Append) > 0 {
			m := &sampling{
				verifier: v, tx: tx, at: at.position, sample: v.verdict.Sample, seen: map[string]bool{},
				random: rand.New(rand.NewPCG(v.options.Seed, 0)), //nolint:gosec // a sample that can be drawn again
			}
			if err := m.run(ctx, s); err != nil {
				return err
			}
		}
		for _, name := range v.verdict.Sample.Identity {
			var rows int64
			if err := tx.QueryRow(ctx, "SELECT count(*) FROM "+pgx.Identifier{v.live.schema(), name}.Sanitize()).Scan(&rows); err != nil {
				return fmt.Errorf("counting the rows of %s: %w", name, err)
			}
			v.checked(name, rows, HowIdentity)
		}
		return v.compareSums(ctx, tx)
	})
}

// plan says how each table is compared.
func (v *verifier) plan() *Sample {
	out := &Sample{Seed: v.options.Seed, Append: []string{}, Identity: []string{}}
	for _, t := range v.p.tables {
		_, appends := t.(*appendRows)
		switch {
		case !sampled(t):
			out.Not = append(out.Not, t.tableName())
		case appends:
			out.Append = append(out.Append, t.tableName())
		default:
			out.Identity = append(out.Identity, t.tableName())
		}
	}
	return out
}

// sampled tells which tables a sampled verification compares.
func sampled(t table) bool {
	switch t := t.(type) {
	case *appendRows:
		return len(t.of.handed) == 0 // or else what was read on the way may be of any stream
	case *sumRows:
		return t.identity != ""
	}
	return false
}

func (m *sampling) run(ctx context.Context, s *scratch) error {
	if err := m.choose(ctx); err != nil || m.sample.Streams == 0 {
		return err
	}
	slices.SortFunc(m.records, func(a, b events.Record) int { return cmp.Compare(a.Position, b.Position) })
	for batch := range slices.Chunk(m.records, scratchEvents) {
		if err := s.step(ctx, batch); err != nil {
			return err
		}
	}
	only, err := m.filters(ctx, s)
	if err != nil {
		return err
	}
	return m.compareRows(ctx, m.tx, s, only, HowSample)
}

// choose draws streams by rows, which finds those that were changed and added, and by places in the log, which finds
// those whose rows are missing. Long streams and wide ones are drawn more often, as they have more rows to be wrong.
func (m *sampling) choose(ctx context.Context) error {
	for _, name := range m.sample.Append {
		streams, err := m.stored(ctx, name)
		if err != nil {
			return fmt.Errorf("choosing rows of %s: %w", name, err)
		}
		for _, stream := range streams {
			if err = m.take(ctx, stream); err != nil {
				return err
			}
		}
	}
	for range m.options.Sample {
		r, err := m.engine.next(ctx, events.Position(m.random.Uint64N(max(uint64(m.at), 1))))
		if err != nil {
			return err
		}
		if r == nil || r.Position > m.at {
			continue
		}
		if err = m.take(ctx, r.Stream); err != nil {
			return err
		}
	}
	return nil
}

// stored draws streams from a table, page by page: as many pages as it takes for every one to give a stream, and a few
// more. Rows of one page are of neighbours in the log.
func (m *sampling) stored(ctx context.Context, name string) ([]string, error) {
	t := pgx.Identifier{m.live.schema(), name}
	var pages int64
	err := m.tx.QueryRow(ctx, "SELECT pg_relation_size($1::regclass) / current_setting('block_size')::bigint", t.Sanitize()).Scan(&pages)
	if err != nil {
		return nil, err
	}
	percent := min(100, 100*float64(2*m.options.Sample)/float64(max(pages, 1)))
	typ, err := m.streamType(ctx, name)
	if err != nil {
		return nil, err
	}
	rows, err := m.tx.Query(ctx, fmt.Sprintf(`SELECT stream::text FROM %s TABLESAMPLE SYSTEM (%f) REPEATABLE (%d)
		GROUP BY stream ORDER BY hashtextextended(stream::text, %[3]d), 1 LIMIT %d`,
		t.Sanitize(), percent, int32(m.random.Uint32()), m.options.Sample)) // nobody else's word is in it
	if err != nil {
		return nil, err
	}
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	if typ != pgtype.ByteaOID {
		return texts, nil
	}
	for i := range texts {
		octets, err := hex.DecodeString(strings.TrimPrefix(texts[i], `\x`))
		if err != nil {
			return nil, err
		}
		texts[i] = string(octets)
	}
	return texts, nil
}

func (m *sampling) streamType(ctx context.Context, table string) (oid uint32, err error) {
	err = m.tx.QueryRow(ctx, `SELECT CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END
		FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = $1::regclass AND a.attname = 'stream'`,
		pgx.Identifier{m.live.schema(), table}.Sanitize()).Scan(&oid)
	return oid, err
}

// take adds a stream to the sample, unless it is there already, or cannot be compared.
func (m *sampling) take(ctx context.Context, stream string) error {
	if _, known := m.seen[stream]; known {
		return nil
	}
	records, whole, err := m.read(ctx, stream)
	if err != nil {
		return err
	}
	m.seen[stream] = whole
	if !whole {
		m.sample.Passed++
		return nil
	}
	m.sample.Streams++
	m.records = append(m.records, records...)
	return nil
}

// read reads a stream up to the position of the snapshot, and tells whether that is its whole history, and not too much.
// A store may have hidden what was projected: then the rows are more than the stream tells, and right all the same. Of a
// stream that never was, the whole history is nothing.
func (m *sampling) read(ctx context.Context, stream string) (out []events.Record, whole bool, err error) {
	if odd(stream) {
		return nil, false, nil
	}
	for r, err := range m.engine.cfg.Log.ReadStream(ctx, stream, 0) {
		switch {
		case ctx.Err() != nil || errors.Is(err, events.ErrUnavailable) || errors.Is(err, events.ErrAnotherStore):
			return nil, false, fmt.Errorf("reading %s: %w", stream, cmp.Or(err, ctx.Err()))
		case err != nil: // it was deleted, and is passed over
			return nil, false, nil
		case r.Position > m.at:
			return out, true, nil
		case r.Revision != uint64(len(out)) || len(out)+len(m.records) == sampledEvents:
			return nil, false, nil
		}
		out = append(out, r)
	}
	if len(out) > 0 || ctx.Err() != nil {
		return out, true, ctx.Err()
	}
	return nil, !m.described(ctx, stream), ctx.Err()
}

// described tells whether a stream has metadata, which may hide all of it, and which stays when it is deleted.
func (m *sampling) described(ctx context.Context, stream string) bool {
	for range m.engine.cfg.Log.ReadStream(ctx, "$$"+stream, 0) {
		return true // also if it cannot be read
	}
	return false
}

// odd tells names that Postgres does not store as they are, so that rows of two streams might look like those of one.
func odd(stream string) bool {
	return storable(stream) != stream || strings.ContainsRune(stream, '\uFFFD') || strings.HasPrefix(stream, `"`)
}

// filters leaves the sampled streams of the Append tables, and nothing of other tables.
func (m *sampling) filters(ctx context.Context, s *scratch) (tables.Filters, error) {
	out, err := m.verifier.filters(ctx, m.tx, s)
	if err != nil {
		return nil, err
	}
	for _, name := range m.sample.Append {
		typ, err := m.streamType(ctx, name)
		if err != nil {
			return nil, err
		}
		f := tables.Filter{Column: "stream"}
		for stream, in := range m.seen {
			switch {
			case in && typ == pgtype.ByteaOID:
				f.Values = append(f.Values, `\x`+hex.EncodeToString([]byte(stream)))
			case in:
				f.Values = append(f.Values, stream)
			}
		}
		out[name] = f
	}
	return out, nil
}
