package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/events/id"
)

// deletion is the metadata by which EventStoreDB knows a deleted stream: everything before the end of time is cut off.
// The deleted stream goes on where it was when something is appended to it; its former events are no longer its own,
// though they stay in the log. Beside the mark there is a key that has to survive all that.
var deletion = fmt.Sprintf(`{"$tb":%d,"note":"kept"}`, int64(math.MaxInt64))

// metadata writes the metadata of a stream.
func (s *suite) metadata(stream, content string) {
	s.Helper()
	s.append("$$"+stream, events.Any, metadataEvent(content))
}

func metadataEvent(content string) events.Proposed {
	return events.Proposed{ID: id.New[id.Event](), Type: "$metadata", Data: []byte(content)}
}

// requireRevived looks at the n writes of a stream's metadata after a position: the last says that the stream begins at
// this revision now and keeps what else was said. A server may write that a moment after it has answered, but before
// anything that it is asked later.
func (s *suite) requireRevived(after events.Position, stream string, n int, revision uint64) {
	s.Helper()
	s.append(s.stream(), events.NoStream, event("later"))
	seen := s.readAll(after, "$$"+stream)
	require.Len(s, seen, n)
	last := seen[n-1]
	require.Equal(s, "$metadata", last.Type)
	require.False(s, last.Binary)
	var content map[string]json.RawMessage
	require.NoError(s, json.Unmarshal(last.Data, &content))
	require.Equal(s, map[string]json.RawMessage{
		"$tb": fmt.Append(nil, revision), "note": json.RawMessage(`"kept"`),
	}, content)
}

// A stream of which there is only metadata is without events, but exists.
func (s *suite) metadataIsExistence() {
	stream, first, second := s.stream(), some(2), some(1)
	s.metadata(stream, `{"note":"kept"}`)
	require.Equal(s, events.Appended{}, s.append(stream, events.StreamExists))
	_, err := s.store.Append(s.Context(), stream, events.Exactly(0), first)
	s.requireConflict(err, stream, events.Exactly(0), events.NoStream)
	require.Equal(s, uint64(1), s.append(stream, events.StreamExists, first...).Revision)
	s.append(stream, events.Exactly(1), second...)
	s.requireStream(stream, append(first, second...)...)

	fresh := s.stream()
	s.metadata(fresh, `{}`)
	s.append(fresh, events.NoStream, first...)
	s.requireStream(fresh, first...)
}

// Metadata is a stream like any other: its revisions can be demanded and its repeats are known.
func (s *suite) metadataIsAStream() {
	stream, first, second := s.stream(), metadataEvent(`{"n":1}`), metadataEvent(`{"n":2}`)
	atFirst := s.append("$$"+stream, events.NoStream, first)
	atSecond := s.append("$$"+stream, events.Exactly(0), second)
	require.Equal(s, uint64(1), atSecond.Revision)
	require.Equal(s, atFirst, s.append("$$"+stream, events.NoStream, first))
	require.Equal(s, atSecond, s.append("$$"+stream, events.Any, second))
	_, err := s.store.Append(s.Context(), "$$"+stream, events.NoStream, []events.Proposed{second})
	s.requireConflict(err, "$$"+stream, events.NoStream, events.Exactly(1))
	last, found, err := s.store.ReadLast(s.Context(), "$$"+stream)
	require.NoError(s, err)
	require.True(s, found)
	require.Equal(s, second.ID, last.ID)
	require.Equal(s, second.Data, last.Data)
}

// What a deleted stream takes, and at which revision that lands.
func (s *suite) deletedStreamsGoOn() {
	for name, expected := range map[string]events.Expected{
		"Any": events.Any, "NoStream": events.NoStream, "exact": events.Exactly(2),
	} {
		stream, first, second := s.stream(), some(3), some(2)
		s.append(stream, events.NoStream, first...)
		s.metadata(stream, deletion)
		before := s.head()
		at := s.append(stream, expected, second...)
		require.Equal(s, uint64(4), at.Revision, name)
		s.requireRevived(before, stream, 1, 3)
		require.Equal(s, idsOf(second), recordIDs(s.read(stream, 3)), name)
		require.Equal(s, at, s.append(stream, events.Exactly(2), second...), "a repeat")

		// From here on it is a stream like any other.
		s.append(stream, events.StreamExists, event("more"))
		_, err := s.store.Append(s.Context(), stream, events.NoStream, some(1))
		s.requireConflict(err, stream, events.NoStream, events.Exactly(5))
		require.Len(s, s.readAll(before, "$$"+stream), 1)
	}
}

// What a deleted stream refuses. It knows its former events still: where it is, and what would be a repeat.
func (s *suite) deletedStreamsRefuse() {
	stream, first := s.stream(), some(3)
	before := s.head()
	atFirst := s.append(stream, events.NoStream, first...)
	s.metadata(stream, deletion)
	for _, proposed := range [][]events.Proposed{some(1), first, nil} {
		_, err := s.store.Append(s.Context(), stream, events.StreamExists, proposed)
		require.Error(s, err)
		_, conflict := errors.AsType[*events.WrongRevisionError](err)
		require.False(s, conflict, "it is gone, not elsewhere: %v", err)
	}
	for expected, proposed := range map[events.Expected][]events.Proposed{
		events.Exactly(1): some(1), events.Exactly(3): some(1),
		events.NoStream: {first[0], event("other")}, // a repeat that goes wrong is no new beginning
		events.Any:      {first[1], event("other")},
	} {
		_, err := s.store.Append(s.Context(), stream, expected, proposed)
		s.requireConflict(err, stream, expected, events.Exactly(2))
	}
	_, err := s.store.Append(s.Context(), stream, events.NoStream, nil)
	s.requireConflict(err, stream, events.NoStream, events.Exactly(2))
	// Repeats are known. A server may not say where they landed, though, for what it does not show it does not look up.
	for _, expected := range []events.Expected{events.NoStream, events.Any} {
		require.Contains(s, []events.Position{atFirst.Position, events.Start}, s.append(stream, expected, first...).Position)
	}
	require.Equal(s, idsOf(first), recordIDs(s.readAll(before, stream)), "the log keeps them")
	require.Len(s, s.readAll(before, "$$"+stream), 1)
}

// New metadata of a deleted stream brings it back, empty.
func (s *suite) metadataRevives() {
	stream, first, second := s.stream(), some(3), some(1)
	s.append(stream, events.NoStream, first...)
	s.metadata(stream, deletion)
	before := s.head()
	s.metadata(stream, `{"note":"kept"}`)
	s.requireRevived(before, stream, 2, 3)
	require.Equal(s, uint64(3), s.append(stream, events.StreamExists, second...).Revision)
	require.Equal(s, idsOf(second), recordIDs(s.read(stream, 3)))

	// A deletion of what was deleted before is a deletion.
	s.metadata(stream, deletion)
	before = s.head()
	s.append(stream, events.NoStream, event("again"))
	s.requireRevived(before, stream, 1, 4)
}

// Many who write to a deleted stream at once bring it back once, in front of the first of them.
func (s *suite) deletedStreamsComeBackOnce() {
	const writers = 16
	stream := s.stream()
	s.append(stream, events.NoStream, some(3)...)
	s.metadata(stream, deletion)
	before := s.head()
	errs := concurrently(writers, func(int) error {
		_, err := s.store.Append(s.Context(), stream, events.Any, some(2))
		return err
	})
	require.NoError(s, errs)
	s.requireRevived(before, stream, 1, 3)
	require.Len(s, s.read(stream, 3), 2*writers)
	require.Len(s, s.readAll(before, "$$"+stream), 1)
}

// followMetadata subscribes to metadata until enough says so after a batch. That learns what governs the streams now, and
// whether the subscription has caught up.
func (s *suite) followMetadata(enough func(newest map[string]events.Record, caughtUp bool) bool) {
	s.Helper()
	ctx, cancel := s.patient()
	defer cancel()
	newest, caughtUp := map[string]events.Record{}, false
	for batch, err := range s.store.SubscribeMetadata(ctx) {
		require.NoError(s, err)
		caughtUp = caughtUp || len(batch) == 0
		for _, r := range batch {
			require.Contains(s, []string{"$metadata", "$streamDeleted"}, r.Type)
			require.Greater(s, r.Position, newest[r.Stream].Position, "once, and in order")
			newest[r.Stream] = r
		}
		if enough(newest, caughtUp) {
			return
		}
	}
	require.NoError(s, ctx.Err(), "metadata got lost")
	require.Fail(s, "the subscription ended")
}

// What governs a stream is known once the subscription has caught up, and then as it changes; events are not in the way.
func (s *suite) metadataIsFollowed() {
	ours, others := s.stream(), s.stream()
	s.append(ours, events.NoStream, some(3)...)
	s.metadata(ours, `{"n":1}`)
	s.metadata(others, `{"$maxCount":1}`)
	s.metadata(ours, `{"n":2}`)
	s.append(others, events.Any, some(3)...)
	last := 2
	s.followMetadata(func(newest map[string]events.Record, caughtUp bool) bool {
		require.NotContains(s, newest, ours)
		if !caughtUp {
			return false
		}
		require.JSONEq(s, `{"$maxCount":1}`, string(newest["$$"+others].Data))
		if string(newest["$$"+ours].Data) != fmt.Sprintf(`{"n":%d}`, last) {
			return false
		}
		last++
		s.append(others, events.Any, some(3)...)
		s.metadata(ours, fmt.Sprintf(`{"n":%d}`, last))
		return last == 10
	})
}

// It ends with its context, caught up or not, and says nothing then.
func (s *suite) metadataIsFollowedUntilTheEnd() {
	s.metadata(s.stream(), `{"n":1}`)
	for _, late := range []bool{false, true} {
		ctx, cancel := s.patient()
		defer cancel()
		for batch, err := range s.store.SubscribeMetadata(ctx) {
			require.NoError(s, err)
			if !late || len(batch) == 0 {
				cancel()
			}
		}
		require.ErrorIs(s, ctx.Err(), context.Canceled)
		for range s.store.SubscribeMetadata(ctx) {
			s.Error("a subscription yields though its context was done before")
		}
	}
}
