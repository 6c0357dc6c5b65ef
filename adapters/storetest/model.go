package storetest

import (
	"errors"
	"maps"
	"slices"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/events"
	"daybook/events/id"
)

// model lets random appends, repeats, deletions and reads loose on the store and on the rules.
func (s *suite) model() {
	rapid.Check(s.T, func(t *rapid.T) {
		m := &modelStore{suite: s, start: s.head(), streams: map[string]*modelStream{}}
		for range 3 {
			m.streams[s.stream()] = &modelStream{}
		}
		t.Repeat(map[string]func(*rapid.T){
			"append":   m.appendSome,
			"repeat":   m.repeat,
			"describe": m.describe,
			"delete":   m.delete,
			"read":     m.readOne,
			"":         func(*rapid.T) {},
		})
		m.readEverything(t)
	})
}

type modelStore struct {
	*suite

	start   events.Position
	streams map[string]*modelStream
	log     []id.Event // what the log holds, of our streams
	made    []attempt  // what was tried before, to be tried again
}

type modelStream struct {
	image

	first int // the revision from which it shows its events
}

func (m *modelStore) drawStream(t *rapid.T) (string, *modelStream) {
	name := rapid.SampledFrom(slices.Sorted(maps.Keys(m.streams))).Draw(t, "stream")
	return name, m.streams[name]
}

func (m *modelStore) appendSome(t *rapid.T) {
	name, stream := m.drawStream(t)
	a := attempt{stream: name, proposed: some(rapid.IntRange(0, 4).Draw(t, "events"))}
	a.expected = rapid.OneOf(
		rapid.SampledFrom([]events.Expected{
			events.Any, events.NoStream, events.StreamExists, events.Expected(stream.end()),
		}),
		rapid.Map(rapid.IntRange(0, stream.end()+2), func(n int) events.Expected { return events.Expected(n) }),
	).Draw(t, "expected")
	m.made = append(m.made, a)
	m.try(t, a)
}

// repeat makes an earlier append again, as it was or changed a little.
func (m *modelStore) repeat(t *rapid.T) {
	if len(m.made) == 0 {
		t.Skip("nothing to repeat")
	}
	a := rapid.SampledFrom(m.made).Draw(t, "attempt")
	proposed := slices.Clone(a.proposed)
	switch rapid.SampledFrom([]string{"same", "shorter", "longer", "other tail"}).Draw(t, "change") {
	case "shorter":
		proposed = proposed[:len(proposed)/2]
	case "longer":
		proposed = append(proposed, event("more"))
	case "other tail":
		if len(proposed) > 0 {
			proposed[len(proposed)-1] = event("other")
		}
	}
	m.try(t, attempt{a.stream, a.expected, proposed})
}

// try makes an append on both sides and compares the answers.
func (m *modelStore) try(t *rapid.T, a attempt) {
	stream := m.streams[a.stream]
	want := stream.decide(a)
	if stream.deleted && len(a.proposed) == 0 && !want.gone && !want.conflict {
		t.Skip("whether nothing brings a stream back is nobody's concern")
	}
	before := m.start
	if stream.deleted {
		before = m.head()
	}
	at, err := m.store.Append(m.Context(), a.stream, a.expected, a.proposed)
	conflict, isConflict := errors.AsType[*events.WrongRevisionError](err)
	require.Equal(t, want.conflict, isConflict, "%v", err)
	switch {
	case want.conflict:
		require.Equal(t, events.Expected(stream.end()), conflict.Actual)
		return
	case want.gone:
		require.Error(t, err)
		return
	}
	require.NoError(t, err)
	require.Equal(t, max(want.revision, 0), int(at.Revision))
	if !want.write {
		return
	}
	if stream.deleted {
		stream.deleted, stream.first = false, len(stream.ids)
		m.requireRevived(before, a.stream, 1, uint64(stream.first))
	}
	stream.ids = append(stream.ids, idsOf(a.proposed)...)
	m.log = append(m.log, idsOf(a.proposed)...)
}

// describe writes metadata that hides nothing, unless the stream was deleted: then it comes back without its past.
func (m *modelStore) describe(t *rapid.T) {
	name, stream := m.drawStream(t)
	before := m.head()
	m.metadata(name, `{"note":"kept"}`)
	stream.known, stream.first = true, 0
	if stream.deleted {
		stream.deleted, stream.first = false, len(stream.ids)
		m.requireRevived(before, name, 2, uint64(stream.first))
	}
}

func (m *modelStore) delete(t *rapid.T) {
	name, stream := m.drawStream(t)
	if stream.deleted {
		t.Skip("deleted already")
	}
	m.metadata(name, deletion)
	stream.known, stream.deleted = true, true
}

// readOne reads what a stream shows. What deleted streams show differs between stores.
func (m *modelStore) readOne(t *rapid.T) {
	name, stream := m.drawStream(t)
	if stream.deleted {
		t.Skip("deleted")
	}
	from := rapid.IntRange(stream.first, len(stream.ids)+1).Draw(t, "from")
	got := []id.Event{}
	for r, err := range m.store.ReadStream(m.Context(), name, uint64(from)) {
		require.NoError(t, err)
		require.Equal(t, uint64(from+len(got)), r.Revision)
		got = append(got, r.ID)
	}
	require.Equal(t, append([]id.Event{}, stream.ids[min(from, len(stream.ids)):]...), got)
}

func (m *modelStore) readEverything(t *rapid.T) {
	got := []id.Event{}
	for r, err := range m.store.ReadAll(m.Context(), m.start) {
		require.NoError(t, err)
		if _, ours := m.streams[r.Stream]; ours {
			got = append(got, r.ID)
		}
	}
	require.Equal(t, append([]id.Event{}, m.log...), got)
}
