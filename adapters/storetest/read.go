package storetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/events/id"
)

func (s *suite) bytesAreKept() {
	var proposed []events.Proposed
	for i, size := range []int{0, 1, 17, 400, 5_000, 200_000} {
		proposed = append(proposed,
			events.Proposed{
				ID: id.New[id.Event](), Type: fmt.Sprintf("Random%d", i), Binary: true,
				Data: randomBytes(size), Metadata: randomBytes(size / 2),
			},
			events.Proposed{
				ID: id.New[id.Event](), Type: "Spaced.Out-Type ü", Data: []byte("{ \"b\": 1.0,\n\t\"a\":2e0 }"),
				Metadata: []byte(` {"version":1} `),
			},
			events.Proposed{ID: id.NewRandom[id.Event](), Type: "NoMetadata", Data: []byte(`[]`)},
		)
	}
	stream, head := s.stream(), s.head()
	s.append(stream, events.NoStream, proposed...)
	for _, records := range [][]events.Record{s.requireStream(stream, proposed...), s.readAll(head, stream)} {
		require.Len(s, records, len(proposed))
		for i, r := range records {
			e := proposed[i]
			require.Equal(s, e.Type, r.Type)
			require.Equal(s, e.Binary, r.Binary)
			require.True(s, bytes.Equal(e.Data, r.Data), "data of event %d", i)
			require.True(s, bytes.Equal(e.Metadata, r.Metadata), "metadata of event %d", i)
			require.WithinDuration(s, time.Now(), r.Created, 24*time.Hour)
		}
	}
}

func (s *suite) streamNamesAreKept() {
	unique := s.stream()
	for _, name := range []string{
		unique, unique + "-" + strings.Repeat("long", 100), unique + "/ü/Ελληνικά/🙂", unique + " with spaces\t",
		unique + "%2F", "$system-" + unique, unique + "\"'\\",
	} {
		head, e := s.head(), event(name)
		s.append(name, events.NoStream, e)
		s.requireStream(name, e)
		require.Equal(s, []id.Event{e.ID}, recordIDs(s.readAll(head, name)), name)
	}
}

// Names that begin alike, in every way an index could confuse them, are different streams.
func (s *suite) streamsDoNotMix() {
	unique := s.stream()
	names := []string{unique}
	for _, tail := range []string{"0", "00", "-", "\x01", "\x01\x01\x01\x01\x01\x01\x01\x01", "zzzzzzzz", "~~~~~~~~~", "ÿ"} {
		names = append(names, unique+tail)
	}
	want := map[string][]events.Proposed{}
	for range 3 {
		for _, name := range names {
			e := event(name)
			s.append(name, events.Expected(len(want[name])-1), e)
			want[name] = append(want[name], e)
		}
	}
	for _, name := range names {
		s.requireStream(name, want[name]...)
	}
	require.Empty(s, s.read(unique+"~", 0))
}

func (s *suite) readStreamFromIsInclusive() {
	stream, proposed := s.stream(), some(5)
	s.append(stream, events.NoStream, proposed...)
	for from := range uint64(8) {
		require.Equal(s, idsOf(proposed[min(from, 5):]), recordIDs(s.read(stream, from)), from)
	}
	require.Empty(s, s.read(s.stream(), 0))
	require.Empty(s, s.read(s.stream(), 3))
}

// The last record is that of its own stream, however alike names begin and whatever was appended elsewhere since.
func (s *suite) readLastFollowsTheStream() {
	stream := s.stream()
	for _, missing := range []string{stream, stream + "-other", stream[:len(stream)-1]} {
		_, found, err := s.store.ReadLast(s.Context(), missing)
		require.NoError(s, err)
		require.False(s, found)
	}
	length := 0
	for _, n := range []int{1, 2, 300, 1} {
		s.append(stream, events.Expected(length-1), some(n)...)
		s.append(stream+"0", events.Any, event("neighbour"))
		length += n
		last, found, err := s.store.ReadLast(s.Context(), stream)
		require.NoError(s, err)
		require.True(s, found)
		require.Equal(s, []events.Record{last}, s.read(stream, uint64(length-1)), "a record is the same wherever it is read")
	}
	_, found, err := s.store.ReadLast(s.Context(), stream+"-")
	require.NoError(s, err)
	require.False(s, found)
}

func (s *suite) readAllAfterIsExclusive() {
	stream, before := s.stream(), s.head()
	s.append(stream, events.NoStream, some(4)...)
	all := s.readAll(before, stream)
	require.Len(s, all, 4)
	for i, r := range all {
		require.Equal(s, recordIDs(all[i+1:]), recordIDs(s.readAll(r.Position, stream)))
	}
}

func (s *suite) readAllKeepsTheOrderOfAppends() {
	streams := []string{s.stream(), s.stream(), s.stream()}
	before := s.head()
	var want []id.Event
	for i := range 30 {
		proposed := some(1 + i%3)
		s.append(streams[i%len(streams)], events.Any, proposed...)
		want = append(want, idsOf(proposed)...)
	}
	got := s.readAll(before, streams...)
	require.Equal(s, want, recordIDs(got))
	require.True(s, slices.IsSortedFunc(got, func(a, b events.Record) int { return int(a.Position) - int(b.Position) }))
	for _, stream := range streams {
		require.Equal(s, of([]string{stream}, got), s.read(stream, 0), "a record is the same wherever it is read")
	}
}

// Longer than any chunk or page a store may read in.
func (s *suite) longStreamsAreReadWhole() {
	stream, other, before := s.stream(), s.stream(), s.head()
	var want []events.Proposed
	for range 15 {
		proposed := some(100)
		s.append(stream, events.Any, proposed...)
		s.append(other, events.Any, event("between"))
		want = append(want, proposed...)
	}
	s.requireStream(stream, want...)
	require.Equal(s, idsOf(want), recordIDs(s.readAll(before, stream)))
	require.Equal(s, idsOf(want[777:]), recordIDs(s.read(stream, 777)))
}

func (s *suite) readsCanStopEarly() {
	stream, before := s.stream(), s.head()
	s.append(stream, events.NoStream, some(50)...)
	for r, err := range s.store.ReadStream(s.Context(), stream, 0) {
		require.NoError(s, err)
		if r.Revision == 3 {
			break
		}
	}
	for _, err := range s.store.ReadAll(s.Context(), before) {
		require.NoError(s, err)
		break
	}
	for _, err := range s.store.SubscribeAll(s.Context(), before, 1) {
		require.NoError(s, err)
		break
	}
	require.Len(s, s.read(stream, 0), 50)
}

func (s *suite) cancelledReadsEnd() {
	stream, before := s.stream(), s.head()
	s.append(stream, events.NoStream, some(1)...)
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	for _, records := range []func(func(events.Record, error) bool){
		s.store.ReadStream(ctx, stream, 0), s.store.ReadAll(ctx, before),
	} {
		var last error
		for _, last = range records {
			continue
		}
		require.ErrorIs(s, last, context.Canceled)
	}
	_, err := s.store.Head(ctx)
	require.ErrorIs(s, err, context.Canceled)
	_, _, err = s.store.ReadLast(ctx, stream)
	require.ErrorIs(s, err, context.Canceled)
}

// A caller may keep a record and may write into its bytes; other records, and later reads, are not touched by that.
func (s *suite) recordsBelongToTheCaller() {
	stream, proposed := s.stream(), some(20)
	for i := range proposed {
		proposed[i].Metadata = []byte(`{"version":1}`)
	}
	s.append(stream, events.NoStream, proposed...)
	for range 2 {
		var kept []events.Record
		for r, err := range s.store.ReadStream(s.Context(), stream, 0) {
			require.NoError(s, err)
			kept = append(kept, r)
			if len(kept)%2 == 0 {
				clear(append(r.Data[:len(r.Data):cap(r.Data)], "overflow"...))
				clear(append(r.Metadata[:len(r.Metadata):cap(r.Metadata)], "overflow"...))
			}
		}
		for i, r := range kept {
			require.Equal(s, stream, r.Stream)
			require.Equal(s, "Noted", r.Type)
			if i%2 == 0 {
				require.Equal(s, proposed[i].Data, r.Data)
				require.Equal(s, proposed[i].Metadata, r.Metadata)
			}
		}
	}
}

func (s *suite) headIsTheLastRecord() {
	before := s.head()
	at := s.append(s.stream(), events.NoStream, some(3)...)
	require.Greater(s, at.Position, before)
	require.GreaterOrEqual(s, s.head(), at.Position) // others append too
	all := collect(s, s.store.ReadAll(s.Context(), before))
	require.GreaterOrEqual(s, s.head(), all[len(all)-1].Position)
}
