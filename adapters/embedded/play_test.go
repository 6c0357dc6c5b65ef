package embedded_test

import (
	"encoding/json"
	"errors"
	"iter"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/adapters/embedded"
	"daybook/events"
	"daybook/events/id"
)

// play plays a model and a store against each other.
type play struct {
	*testing.T

	gate  *gate
	files vfs.FS
	store *embedded.Store
	model *model
	made  []attempt
}

// Random appends, metadata, deletes and tombstones meet the store several at once, so that they are decided within one
// group, and one by one; the store is closed and opened in between; and every way to look at it says what an obvious
// implementation of the rules says.
func TestDeletionModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		p := &play{T: t, gate: newGate(), files: vfs.NewMem()}
		p.open(rt)
		defer func() { require.NoError(rt, p.store.Close()) }()
		for r := range p.store.ReadAll(t.Context(), events.Start) {
			p.model = &model{log: []entry{{r.Stream, r.Revision, r.Type, string(r.Data), r.Binary, r.ID}}}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"write":  p.write,
			"write2": p.write, // more often than anything else
			"write3": p.write,
			"write4": p.write,
			"reopen": p.reopen,
			"":       func(rt *rapid.T) { p.lookAtStream(rt, drawStream(rt)) },
		})
		p.look(rt)
	})
}

func (p *play) open(rt *rapid.T) {
	store, err := embedded.Open("store", embedded.FileSystem(walFS{p.files, p.gate.pass}))
	require.NoError(rt, err)
	p.store = store
}

func (p *play) reopen(rt *rapid.T) {
	require.NoError(rt, p.store.Close())
	p.open(rt)
	p.model.forgot = len(p.model.log)
}

func drawStream(rt *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b", "$$a", "$$b", "$$$$a"}).Draw(rt, "stream")
}

func drawMetadata(rt *rapid.T) events.Proposed {
	return events.Proposed{
		ID:   id.New[id.Event](),
		Type: rapid.SampledFrom([]string{"$metadata", "$metadata", "$metadata", "Noted"}).Draw(rt, "type"),
		Data: []byte(rapid.SampledFrom([]string{
			`{}`, `{"$tb":1}`, `{"$maxCount":2,"owner":"<me>"}`, `{"$maxAge":60,"$tb":-3}`, `{"$maxCount":0}`, `{"$maxCount":9}`,
			`{"$tb":9223372036854775807}`, `{"$tb":9223372036854775807,"$maxCount":3}`, `{"$tb":"1"}`, `{"$maxCount":1.5,"$tb":2}`,
			`{"$maxAge":null}`, `{"$TB":1}`, `[]`, `null`, `no json`, ``, `{"$tb":9223372036854775808}`, `{"$tb":1,"$tb":2}`,
		}).Draw(rt, "metadata")),
		Binary: rapid.IntRange(0, 9).Draw(rt, "binary") == 0,
	}
}

func (p *play) draw(rt *rapid.T) attempt {
	if len(p.made) > 0 && rapid.IntRange(0, 4).Draw(rt, "repeat") == 0 {
		a := rapid.SampledFrom(p.made).Draw(rt, "attempt")
		a.proposed = a.proposed[:rapid.IntRange(0, len(a.proposed)).Draw(rt, "length")]
		if rapid.Bool().Draw(rt, "longer") {
			a.proposed = append(slices.Clone(a.proposed), note())
		}
		return a
	}
	a := attempt{do: "append", stream: drawStream(rt)}
	switch n := rapid.IntRange(0, 30).Draw(rt, "do"); {
	case n == 0:
		a.do = "tombstone"
	case n <= 8:
		a.do = "delete"
	}
	if a.do != "append" {
		a.stream = strings.TrimLeft(a.stream, "$")
	}
	a.expected = rapid.OneOf(
		rapid.SampledFrom([]events.Expected{events.Any, events.NoStream, events.StreamExists, events.Any}),
		rapid.Custom(func(rt *rapid.T) events.Expected {
			cur := min(p.model.cur(a.stream), 1000)
			return events.Expected(max(-1, cur+rapid.Int64Range(-2, 3).Draw(rt, "off")))
		}),
	).Draw(rt, "expected")
	for range rapid.IntRange(0, 3).Draw(rt, "events") {
		if strings.HasPrefix(a.stream, "$$") {
			a.proposed = append(a.proposed, drawMetadata(rt))
		} else {
			a.proposed = append(a.proposed, note())
		}
	}
	return a
}

// answer is what the store said.
type answer struct {
	at  events.Appended
	err error
}

// write sends some requests, in order, while a sync holds the committer up, and then compares the answers.
func (p *play) write(rt *rapid.T) {
	attempts := []attempt{{"append", "c", events.Any, notes(1)}}
	for range rapid.IntRange(1, 5).Draw(rt, "requests") {
		attempts = append(attempts, p.draw(rt))
	}
	p.made = append(p.made, attempts[1:]...)
	p.gate.closed.Store(true)
	answers := make([]chan answer, len(attempts))
	for i, a := range attempts {
		answers[i] = make(chan answer, 1)
		queued := watchedContext{p.Context(), make(chan struct{}, 1)}
		go func() {
			at, err := p.send(queued, a)
			answers[i] <- answer{at, err}
		}()
		<-queued.watched
		if i == 0 {
			<-p.gate.arrived
		}
	}
	p.gate.closed.Store(false)
	p.gate.release <- nil
	for i, a := range attempts {
		p.compare(rt, a, p.model.try(a), <-answers[i])
	}
}

func (p *play) send(ctx watchedContext, a attempt) (at events.Appended, err error) {
	switch a.do {
	case "delete":
		at.Position, err = p.store.Delete(ctx, a.stream, a.expected)
	case "tombstone":
		at.Position, err = p.store.Tombstone(ctx, a.stream, a.expected)
	default:
		return p.store.Append(ctx, a.stream, a.expected, a.proposed)
	}
	return at, err
}

func (p *play) compare(rt *rapid.T, a attempt, want outcome, got answer) {
	if want.deleted {
		deleted, ok := errors.AsType[*embedded.DeletedError](got.err)
		require.True(rt, ok, "%+v: %v", a, got.err)
		require.Equal(rt, a.stream, deleted.Stream)
		return
	}
	if want.conflict {
		conflict, ok := errors.AsType[*events.WrongRevisionError](got.err)
		require.True(rt, ok, "%+v: %v", a, got.err)
		require.Equal(rt, events.WrongRevisionError{Stream: a.stream, Expected: a.expected, Actual: want.actual}, *conflict)
		return
	}
	require.NoError(rt, got.err, "%+v", a)
	if want.revision < 0 {
		require.Zero(rt, got.at)
		return
	}
	stream := a.stream
	if a.do == "delete" {
		stream = "$$" + stream
	}
	for r, err := range p.store.ReadStream(p.Context(), stream, uint64(want.revision)) {
		require.NoError(rt, err)
		require.Equal(rt, r.Position, got.at.Position, "%+v", a)
		break
	}
	if a.do == "append" {
		require.Equal(rt, uint64(want.revision), got.at.Revision, "%+v", a)
	}
}

// look compares everything that can be seen.
func (p *play) look(rt *rapid.T) {
	log := p.collect(rt, p.store.ReadAll(p.Context(), events.Start))
	p.same(rt, p.model.log, log)
	some := rapid.IntRange(0, len(log)).Draw(rt, "some")
	before := events.Position(math.MaxUint64)
	if some < len(log) {
		before = log[some].Position
	}
	back := p.collect(rt, p.store.ReadAllBack(p.Context(), before))
	slices.Reverse(back)
	p.same(rt, p.model.log[:some], back)
	for _, stream := range []string{"a", "b", "$$a", "$$b", "$$$$a", "none"} {
		p.lookAtStream(rt, stream)
	}
}

func (p *play) lookAtStream(rt *rapid.T, stream string) {
	want := p.model.records(stream)
	view, err := p.store.View(p.Context(), stream)
	require.NoError(rt, err)
	require.Equal(rt, p.model.view(stream), view, stream)
	from := rapid.SampledFrom([]uint64{0, 1, 2, 3, 5, 8, math.MaxInt64 - 1, math.MaxInt64, math.MaxUint64}).Draw(rt, "from")
	ahead := slices.DeleteFunc(slices.Clone(want), func(e entry) bool { return e.revision < from })
	p.same(rt, ahead, p.collect(rt, p.store.ReadStream(p.Context(), stream, from)))
	back := p.collect(rt, p.store.ReadStreamBack(p.Context(), stream, from))
	slices.Reverse(back)
	p.same(rt, slices.DeleteFunc(slices.Clone(want), func(e entry) bool { return e.revision > from }), back)
	last, found, err := p.store.ReadLast(p.Context(), stream)
	require.NoError(rt, err)
	require.Equal(rt, len(want) > 0, found)
	if found {
		p.same(rt, want[len(want)-1:], []events.Record{last})
	}
}

func (p *play) collect(rt *rapid.T, records iter.Seq2[events.Record, error]) []events.Record {
	all := []events.Record{}
	for r, err := range records {
		require.NoError(rt, err)
		all = append(all, r)
	}
	return all
}

// same compares records with entries; the ids of those that the store wrote by itself are its own.
func (p *play) same(rt *rapid.T, want []entry, got []events.Record) {
	found := make([]entry, len(got))
	for i, r := range got {
		found[i] = entry{r.Stream, r.Revision, r.Type, string(r.Data), r.Binary, r.ID}
		if i < len(want) && want[i].id.IsZero() {
			found[i].id = id.Event{}
		}
	}
	if !slices.EqualFunc(want, found, alike) { // fast, as there is much to compare
		require.Equal(rt, want, found)
	}
}

// alike compares entries, and metadata by what it says.
func alike(want, found entry) bool {
	if want == found || want.kind != "$metadata" {
		return want == found
	}
	var a, b any
	same := json.Unmarshal([]byte(want.data), &a) == nil && json.Unmarshal([]byte(found.data), &b) == nil
	found.data = want.data
	return same && want == found && reflect.DeepEqual(a, b)
}
