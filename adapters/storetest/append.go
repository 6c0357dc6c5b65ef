package storetest

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"github.com/stretchr/testify/require"

	"daybook/events"
)

func (s *suite) expectations() {
	for _, test := range []struct {
		name     string
		existing int // events in the stream before
		expected events.Expected
		conflict bool
	}{
		{"NoStream of none", 0, events.NoStream, false},
		{"NoStream of some", 2, events.NoStream, true},
		{"Any of none", 0, events.Any, false},
		{"Any of some", 2, events.Any, false},
		{"StreamExists of none", 0, events.StreamExists, true},
		{"StreamExists of some", 2, events.StreamExists, false},
		{"exact", 2, events.Exactly(1), false},
		{"exact of none", 0, events.Exactly(0), true},
		{"exact, behind", 2, events.Exactly(0), true},
		{"exact, ahead", 2, events.Exactly(2), true},
		{"exact, far ahead", 2, events.Exactly(1 << 40), true},
	} {
		stream, before, added := s.stream(), some(test.existing), some(2)
		actual := events.NoStream
		if test.existing > 0 {
			s.append(stream, events.NoStream, before...)
			actual = events.Exactly(uint64(test.existing - 1))
		}
		at, err := s.store.Append(s.Context(), stream, test.expected, added)
		if test.conflict {
			s.requireConflict(err, stream, test.expected, actual)
			s.requireStream(stream, before...)
			continue
		}
		require.NoError(s, err, test.name)
		records := s.requireStream(stream, append(before, added...)...)
		last := records[len(records)-1]
		require.Equal(s, events.Appended{Revision: last.Revision, Position: last.Position}, at, test.name)
	}
}

func (s *suite) conflictsWriteNothing() {
	stream, first := s.stream(), some(3)
	s.append(stream, events.NoStream, first...)
	head := s.head()
	for _, expected := range []events.Expected{events.NoStream, events.Exactly(0), events.Exactly(1), events.Exactly(7)} {
		_, err := s.store.Append(s.Context(), stream, expected, some(2))
		s.requireConflict(err, stream, expected, events.Exactly(2))
	}
	s.requireStream(stream, first...)
	require.Empty(s, s.readAll(head, stream))
}

func (s *suite) emptyAppendOnlyChecks() {
	stream, missing := s.stream(), s.stream()
	end := s.append(stream, events.NoStream, some(3)...)
	for _, expected := range []events.Expected{events.Any, events.StreamExists, events.Exactly(2)} {
		require.Equal(s, end.Revision, s.append(stream, expected).Revision, expected) // not every server tells the position
	}
	for _, expected := range []events.Expected{events.NoStream, events.Exactly(1), events.Exactly(3)} {
		_, err := s.store.Append(s.Context(), stream, expected, nil)
		s.requireConflict(err, stream, expected, events.Exactly(2))
	}
	for _, expected := range []events.Expected{events.Any, events.NoStream} {
		require.Equal(s, events.Appended{}, s.append(missing, expected), expected)
	}
	_, err := s.store.Append(s.Context(), missing, events.StreamExists, nil)
	s.requireConflict(err, missing, events.StreamExists, events.NoStream)
	require.Empty(s, s.read(missing, 0))
}

// An append that was made at an exact revision and is made again there, is answered with where it landed, however much
// has come after it.
func (s *suite) exactRepeatIsRecognised() {
	stream := s.stream()
	first, second, third := some(2), some(3), some(1)
	atFirst := s.append(stream, events.NoStream, first...)
	atSecond := s.append(stream, events.Exactly(1), second...)
	atThird := s.append(stream, events.Exactly(4), third...)
	for range 2 {
		require.Equal(s, atFirst, s.append(stream, events.NoStream, first...))
		require.Equal(s, atSecond, s.append(stream, events.Exactly(1), second...))
		require.Equal(s, atThird, s.append(stream, events.Exactly(4), third...))
	}
	// A part of what is there, from the right place, is there too.
	part := s.append(stream, events.Exactly(1), second[:2]...)
	require.Equal(s, uint64(3), part.Revision)
	require.Less(s, part.Position, atSecond.Position)
	s.requireStream(stream, append(append(first, second...), third...)...)
}

func (s *suite) exactRepeatThatDiffersConflicts() {
	stream, first := s.stream(), some(3)
	s.append(stream, events.NoStream, first...)
	fresh := event("fresh")
	for _, proposed := range [][]events.Proposed{
		{fresh, first[1]},                     // the first differs
		{first[0], fresh},                     // a later one differs
		{first[0], first[1], first[2], fresh}, // runs past the end
		{first[1]},                            // is elsewhere
	} {
		_, err := s.store.Append(s.Context(), stream, events.NoStream, proposed)
		s.requireConflict(err, stream, events.NoStream, events.Exactly(2))
		s.requireStream(stream, first...)
	}
	// At the end of the stream nothing is compared: the same ids are written again.
	s.append(stream, events.Exactly(2), first[0])
	s.requireStream(stream, append(first, first[0])...)
}

func (s *suite) repeatByIDIsRecognised() {
	stream := s.stream()
	first, second := some(2), some(2)
	atFirst := s.append(stream, events.Any, first...)
	atSecond := s.append(stream, events.StreamExists, second...)
	for _, expected := range []events.Expected{events.Any, events.StreamExists} {
		require.Equal(s, atFirst, s.append(stream, expected, first...))
		require.Equal(s, atSecond, s.append(stream, expected, second...))
		require.Equal(s, atSecond, s.append(stream, expected, second[1]))
	}
	s.requireStream(stream, append(first, second...)...)
}

func (s *suite) repeatByIDThatDiffersConflicts() {
	stream, first := s.stream(), some(2)
	s.append(stream, events.Any, first...)
	for _, expected := range []events.Expected{events.Any, events.StreamExists} {
		_, err := s.store.Append(s.Context(), stream, expected, []events.Proposed{first[0], event("fresh")})
		s.requireConflict(err, stream, expected, events.Exactly(1))
	}
	s.requireStream(stream, first...)
	// Only the first id decides whether it can be a repeat at all.
	fresh := event("fresh")
	s.append(stream, events.Any, fresh, first[0])
	s.requireStream(stream, append(first, fresh, first[0])...)
}

func (s *suite) sameIDElsewhereIsNoRepeat() {
	here, there, e := s.stream(), s.stream(), event("one")
	s.append(here, events.Any, e)
	s.append(there, events.Any, e)
	s.requireStream(here, e)
	s.requireStream(there, e)
}

func (s *suite) sameIDTwiceInOneAppendIsWritten() {
	for _, expected := range []events.Expected{events.Any, events.NoStream} {
		stream, e := s.stream(), event("twice")
		at := s.append(stream, expected, e, e)
		require.Equal(s, uint64(1), at.Revision)
		s.requireStream(stream, e, e)
		require.Equal(s, at, s.append(stream, expected, e, e))
		s.requireStream(stream, e, e)
	}
}

// The same append made by many at once, as a client does that has lost its patience, is written once, and everybody
// gets the same answer.
func (s *suite) concurrentRepeatsWriteOnce() {
	for _, expected := range []events.Expected{events.Any, events.NoStream} {
		stream, proposed := s.stream(), some(3)
		answers := make([]events.Appended, 16)
		errs := make([]error, len(answers))
		var callers sync.WaitGroup
		for i := range answers {
			callers.Go(func() { answers[i], errs[i] = s.store.Append(s.Context(), stream, expected, proposed) })
		}
		callers.Wait()
		require.NoError(s, errors.Join(errs...))
		records := s.requireStream(stream, proposed...)
		for _, answer := range answers {
			require.Equal(s, events.Appended{Revision: 2, Position: records[2].Position}, answer)
		}
	}
}

func (s *suite) reservedStreamsAreRefused() {
	for _, stream := range []string{"", "$all", "$$"} {
		proposed := some(1)
		head := s.head()
		_, err := s.store.Append(s.Context(), stream, events.Any, proposed)
		require.Error(s, err, stream)
		for _, r := range collect(s, s.store.ReadAll(s.Context(), head)) {
			require.NotEqual(s, proposed[0].ID, r.ID)
		}
	}
}

// The limit is the server's to choose; 8 MiB is above any sensible one and below what breaks the connection.
func (s *suite) oversizedAppendIsRefused() {
	stream, big := s.stream(), event("big")
	big.Data = bytes.Repeat([]byte(" "), 8<<20)
	_, err := s.store.Append(s.Context(), stream, events.Any, []events.Proposed{event("small"), big})
	require.Error(s, err)
	require.Empty(s, s.read(stream, 0))

	nearly := event("nearly")
	nearly.Data = bytes.Repeat([]byte(" "), 1000<<10)
	s.append(stream, events.NoStream, nearly)
	require.Equal(s, nearly.Data, s.read(stream, 0)[0].Data)
}

func (s *suite) cancelledAppendIsNotWritten() {
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	stream := s.stream()
	_, err := s.store.Append(ctx, stream, events.Any, some(1))
	require.ErrorIs(s, err, context.Canceled)
	require.Empty(s, s.read(stream, 0))
}
