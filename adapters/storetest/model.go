package storetest

import (
	"errors"
	"fmt"
	"slices"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/events"
	"daybook/events/id"
)

// model lets random appends, repeats and reads loose on the store and on an obvious implementation of the same rules.
func (s *suite) model() {
	rapid.Check(s.T, func(t *rapid.T) {
		m := &modelStore{suite: s, unique: s.stream(), streams: map[string][]id.Event{}, start: s.head()}
		t.Repeat(map[string]func(*rapid.T){
			"append": m.appendSome,
			"repeat": m.repeat,
			"read":   m.readOne,
			"":       func(*rapid.T) {},
		})
		m.readEverything(t)
	})
}

type modelStore struct {
	*suite

	unique  string
	start   events.Position
	streams map[string][]id.Event // what each stream holds
	log     []id.Event            // what the log holds, of our streams
	made    []attempt             // what was tried before, to be tried again
}

type attempt struct {
	stream   string
	expected events.Expected
	proposed []events.Proposed
}

func (m *modelStore) drawStream(t *rapid.T) string {
	return m.unique + rapid.SampledFrom([]string{"", "-a", "-b"}).Draw(t, "stream")
}

func (m *modelStore) appendSome(t *rapid.T) {
	a := attempt{stream: m.drawStream(t), proposed: some(rapid.IntRange(0, 4).Draw(t, "events"))}
	end := len(m.streams[a.stream]) - 1
	a.expected = rapid.OneOf(
		rapid.SampledFrom([]events.Expected{events.Any, events.NoStream, events.StreamExists, events.Expected(end)}),
		rapid.Map(rapid.IntRange(0, end+2), func(n int) events.Expected { return events.Expected(n) }),
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
	wantRevision, write, ok := m.decide(a)
	at, err := m.store.Append(m.Context(), a.stream, a.expected, a.proposed)
	if !ok {
		conflict, is := errors.AsType[*events.WrongRevisionError](err)
		require.True(t, is, "%v", err)
		require.Equal(t, events.Expected(len(m.streams[a.stream])-1), conflict.Actual)
		return
	}
	require.NoError(t, err)
	require.Equal(t, max(wantRevision, 0), int(at.Revision))
	if write {
		m.streams[a.stream] = append(m.streams[a.stream], idsOf(a.proposed)...)
		m.log = append(m.log, idsOf(a.proposed)...)
	}
}

// decide is the rule in its plainest words: the revision to answer, whether to write, or a conflict.
func (m *modelStore) decide(a attempt) (revision int, write, ok bool) {
	stream, ids := m.streams[a.stream], idsOf(a.proposed)
	end := len(stream) - 1
	if a.expected == events.StreamExists && end < 0 {
		return 0, false, false
	}
	if a.expected == events.Any || a.expected == events.StreamExists {
		return m.decideByID(stream, ids)
	}
	from := int(a.expected) + 1
	switch {
	case from == end+1:
		return end + len(ids), true, true
	case from > end+1 || len(ids) == 0 || from+len(ids) > len(stream):
		return 0, false, false
	default:
		return from + len(ids) - 1, false, slices.Equal(stream[from:from+len(ids)], ids)
	}
}

func (m *modelStore) decideByID(stream, ids []id.Event) (revision int, write, ok bool) {
	end := len(stream) - 1
	if len(ids) == 0 {
		return end, false, true
	}
	if !slices.Contains(stream, ids[0]) {
		return end + len(ids), true, true
	}
	for _, eventID := range ids {
		revision = lastIndex(stream, eventID)
		if revision < 0 {
			return 0, false, false
		}
	}
	return revision, false, true
}

// lastIndex is where an id went last: it may have been written again at the end of its stream.
func lastIndex(stream []id.Event, eventID id.Event) int {
	for i := range slices.Backward(stream) {
		if stream[i] == eventID {
			return i
		}
	}
	return -1
}

func (m *modelStore) readOne(t *rapid.T) {
	stream := m.drawStream(t)
	want := m.streams[stream]
	from := rapid.IntRange(0, len(want)+1).Draw(t, "from")
	got := []id.Event{}
	for r, err := range m.store.ReadStream(m.Context(), stream, uint64(from)) {
		require.NoError(t, err)
		require.Equal(t, uint64(from+len(got)), r.Revision)
		got = append(got, r.ID)
	}
	require.Equal(t, append([]id.Event{}, want[min(from, len(want)):]...), got)
}

func (m *modelStore) readEverything(t *rapid.T) {
	var streams []string
	for stream := range m.streams {
		streams = append(streams, stream)
	}
	got := []id.Event{}
	for r, err := range m.store.ReadAll(m.Context(), m.start) {
		require.NoError(t, err)
		if slices.Contains(streams, r.Stream) {
			got = append(got, r.ID)
		}
	}
	require.Equal(t, append([]id.Event{}, m.log...), got, fmt.Sprint(streams))
}
