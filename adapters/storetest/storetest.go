// Package storetest is what every event store has to pass.
//
// The suite assumes nothing but the port: streams have fresh names, so the store may be old, full, shared and remote;
// positions are only compared, never counted; and what others append is ignored wherever $all is read.
package storetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/events/id"
)

// Store is the port.
type Store interface {
	Append(
		ctx context.Context, stream string, expected events.Expected, proposed []events.Proposed,
	) (events.Appended, error)
	ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[events.Record, error]
	ReadLast(ctx context.Context, stream string) (last events.Record, found bool, err error)
	ReadAll(ctx context.Context, after events.Position) iter.Seq2[events.Record, error]
	SubscribeAll(ctx context.Context, after events.Position, limit int) iter.Seq2[[]events.Record, error]
	SubscribeMetadata(ctx context.Context) iter.Seq2[[]events.Record, error]
	Head(ctx context.Context) (events.Position, error)
}

// Run runs the suite. open is called once; it closes what it opened with t.Cleanup. The tests run in parallel on that
// one store.
func Run(t *testing.T, open func(t *testing.T) Store) {
	t.Helper()
	store := open(t)
	for _, test := range tests() {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(&suite{T: t, store: store})
		})
	}
}

type namedTest struct {
	name string
	run  func(*suite)
}

func tests() []namedTest {
	return []namedTest{
		{"Expectations", (*suite).expectations},
		{"ConflictsWriteNothing", (*suite).conflictsWriteNothing},
		{"EmptyAppendOnlyChecks", (*suite).emptyAppendOnlyChecks},
		{"ExactRepeatIsRecognised", (*suite).exactRepeatIsRecognised},
		{"ExactRepeatThatDiffersConflicts", (*suite).exactRepeatThatDiffersConflicts},
		{"RepeatByIDIsRecognised", (*suite).repeatByIDIsRecognised},
		{"RepeatByIDThatDiffersConflicts", (*suite).repeatByIDThatDiffersConflicts},
		{"SameIDElsewhereIsNoRepeat", (*suite).sameIDElsewhereIsNoRepeat},
		{"SameIDTwiceInOneAppendIsWritten", (*suite).sameIDTwiceInOneAppendIsWritten},
		{"ConcurrentRepeatsWriteOnce", (*suite).concurrentRepeatsWriteOnce},
		{"ReservedStreamsAreRefused", (*suite).reservedStreamsAreRefused},
		{"OversizedAppendIsRefused", (*suite).oversizedAppendIsRefused},
		{"CancelledAppendIsNotWritten", (*suite).cancelledAppendIsNotWritten},

		{"MetadataIsExistence", (*suite).metadataIsExistence},
		{"MetadataIsAStream", (*suite).metadataIsAStream},
		{"DeletedStreamsGoOn", (*suite).deletedStreamsGoOn},
		{"DeletedStreamsRefuse", (*suite).deletedStreamsRefuse},
		{"MetadataRevives", (*suite).metadataRevives},
		{"DeletedStreamsComeBackOnce", (*suite).deletedStreamsComeBackOnce},
		{"MetadataIsFollowed", (*suite).metadataIsFollowed},
		{"MetadataIsFollowedUntilTheEnd", (*suite).metadataIsFollowedUntilTheEnd},

		{"BytesAreKept", (*suite).bytesAreKept},
		{"StreamNamesAreKept", (*suite).streamNamesAreKept},
		{"StreamsDoNotMix", (*suite).streamsDoNotMix},
		{"ReadStreamFromIsInclusive", (*suite).readStreamFromIsInclusive},
		{"ReadLastFollowsTheStream", (*suite).readLastFollowsTheStream},
		{"ReadAllAfterIsExclusive", (*suite).readAllAfterIsExclusive},
		{"ReadAllKeepsTheOrderOfAppends", (*suite).readAllKeepsTheOrderOfAppends},
		{"LongStreamsAreReadWhole", (*suite).longStreamsAreReadWhole},
		{"ReadsCanStopEarly", (*suite).readsCanStopEarly},
		{"CancelledReadsEnd", (*suite).cancelledReadsEnd},
		{"RecordsBelongToTheCaller", (*suite).recordsBelongToTheCaller},
		{"HeadIsTheLastRecord", (*suite).headIsTheLastRecord},

		{"AppendsAreContiguous", (*suite).appendsAreContiguous},
		{"AppendsBecomeVisibleWhole", (*suite).appendsBecomeVisibleWhole},
		{"WritersOfOneStream", (*suite).writersOfOneStream},
		{"AppendsReadBackAtOnce", (*suite).appendsReadBackAtOnce},
		{"Linearisable", (*suite).linearisable},

		{"SubscriptionHasNoGapAndNoRepeat", (*suite).subscriptionHasNoGapAndNoRepeat},
		{"SubscriptionStartsAfterThePosition", (*suite).subscriptionStartsAfterThePosition},
		{"SubscriptionWakesUp", (*suite).subscriptionWakesUp},
		{"SubscriptionKeepsToTheLimit", (*suite).subscriptionKeepsToTheLimit},
		{"SubscriptionEndsWithItsContext", (*suite).subscriptionEndsWithItsContext},
		{"ManySubscriptionsSeeTheSame", (*suite).manySubscriptionsSeeTheSame},

		{"Model", (*suite).model},
	}
}

// suite is one test on the store.
type suite struct {
	*testing.T

	store Store
}

// stream returns a name that no store has seen.
func (s *suite) stream() string { return "storetest-" + id.NewRandom[id.Event]().String() }

// event returns a small event with an id of its own.
func event(text string) events.Proposed {
	return events.Proposed{ID: id.New[id.Event](), Type: "Noted", Data: fmt.Appendf(nil, "{%q:%q}", "text", text)}
}

// some returns n events.
func some(n int) []events.Proposed {
	all := make([]events.Proposed, n)
	for i := range all {
		all[i] = event(strconv.Itoa(i))
	}
	return all
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

func (s *suite) append(stream string, expected events.Expected, proposed ...events.Proposed) events.Appended {
	s.Helper()
	at, err := s.store.Append(s.Context(), stream, expected, proposed)
	require.NoError(s, err)
	return at
}

func (s *suite) head() events.Position {
	s.Helper()
	head, err := s.store.Head(s.Context())
	require.NoError(s, err)
	return head
}

func (s *suite) read(stream string, from uint64) []events.Record {
	s.Helper()
	return collect(s, s.store.ReadStream(s.Context(), stream, from))
}

// readAll returns the records of the given streams after a position.
func (s *suite) readAll(after events.Position, streams ...string) []events.Record {
	s.Helper()
	return of(streams, collect(s, s.store.ReadAll(s.Context(), after)))
}

func collect(s *suite, records iter.Seq2[events.Record, error]) []events.Record {
	s.Helper()
	var all []events.Record
	for r, err := range records {
		require.NoError(s, err)
		all = append(all, r)
	}
	return all
}

// of picks the records of the given streams.
func of(streams []string, records []events.Record) []events.Record {
	var ours []events.Record
	for _, r := range records {
		for _, stream := range streams {
			if r.Stream == stream {
				ours = append(ours, r)
			}
		}
	}
	return ours
}

// requireStream checks that the stream holds exactly these events, with revisions from 0 and rising positions.
func (s *suite) requireStream(stream string, want ...events.Proposed) []events.Record {
	s.Helper()
	got := s.read(stream, 0)
	require.Equal(s, idsOf(want), recordIDs(got))
	last := events.Start
	for i, r := range got {
		require.Equal(s, uint64(i), r.Revision)
		require.Greater(s, r.Position, last)
		require.Equal(s, stream, r.Stream)
		last = r.Position
	}
	return got
}

func (s *suite) requireConflict(err error, stream string, expected, actual events.Expected) {
	s.Helper()
	var conflict *events.WrongRevisionError
	require.ErrorAs(s, err, &conflict)
	require.Equal(s, events.WrongRevisionError{Stream: stream, Expected: expected, Actual: actual}, *conflict)
}

func idsOf(proposed []events.Proposed) []id.Event {
	ids := []id.Event{}
	for _, e := range proposed {
		ids = append(ids, e.ID)
	}
	return ids
}

func recordIDs(records []events.Record) []id.Event {
	ids := []id.Event{}
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	return ids
}
