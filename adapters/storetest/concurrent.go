package storetest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/events/id"
)

// appendsAreContiguous has many writers append at once, and finds each append's events side by side in the log.
func (s *suite) appendsAreContiguous() {
	const writers, appends, size = 16, 20, 5
	before := s.head()
	batches, answers := make([][]events.Proposed, writers*appends), make([]events.Appended, writers*appends)
	stream, errs := s.stream(), make([]error, writers)
	var running sync.WaitGroup
	for w := range writers {
		running.Go(func() {
			for a := w * appends; a < (w+1)*appends && errs[w] == nil; a++ {
				batches[a] = some(size)
				answers[a], errs[w] = s.store.Append(s.Context(), stream, events.Any, batches[a])
			}
		})
	}
	running.Wait()
	require.NoError(s, errors.Join(errs...))

	// Contiguous among everything in the log, not only among our own records.
	all, place := collect(s, s.store.ReadAll(s.Context(), before)), map[id.Event]int{}
	for i, r := range all {
		place[r.ID] = i
	}
	for a, proposed := range batches {
		first, ok := place[proposed[0].ID]
		require.True(s, ok)
		require.Equal(s, idsOf(proposed), recordIDs(all[first:first+size]))
		last := all[first+size-1]
		require.Equal(s, events.Appended{Revision: last.Revision, Position: last.Position}, answers[a])
	}
	for i, r := range s.read(stream, 0) {
		require.Equal(s, uint64(i), r.Revision)
	}
}

// appendsBecomeVisibleWhole reads all the time while appends of five are made: no reader ever sees a part of one.
func (s *suite) appendsBecomeVisibleWhole() {
	const size = 5
	stream, before, done := s.stream(), s.head(), make(chan error, 1)
	go func() {
		var err error
		for range 100 {
			if _, err = s.store.Append(s.Context(), stream, events.Any, some(size)); err != nil {
				break
			}
		}
		done <- err
	}()
	for writing := true; writing; {
		select {
		case err := <-done:
			require.NoError(s, err)
			writing = false
		default:
		}
		require.Zero(s, len(s.read(stream, 0))%size)
		require.Zero(s, len(s.readAll(before, stream))%size)
		last, found, err := s.store.ReadLast(s.Context(), stream)
		require.NoError(s, err)
		require.True(s, !found || (last.Revision+1)%size == 0)
	}
	require.Len(s, s.read(stream, 0), 100*size)
}

// writersOfOneStream has 64 writers fight for the same revisions, each retrying where a conflict says the stream is.
// Each append lands exactly once, at the revision it asked for.
func (s *suite) writersOfOneStream() {
	const writers, appends = 64, 5
	stream, errs := s.stream(), make([]error, writers)
	landed := make([]map[uint64]id.Event, writers)
	var running sync.WaitGroup
	for w := range writers {
		landed[w] = map[uint64]id.Event{}
		running.Go(func() {
			expected := events.NoStream
			for a := 0; a < appends && errs[w] == nil; {
				e := event(fmt.Sprint(w, a))
				at, err := s.store.Append(s.Context(), stream, expected, []events.Proposed{e})
				if conflict, ok := errors.AsType[*events.WrongRevisionError](err); ok {
					expected = conflict.Actual
					continue
				}
				if err == nil && at.Revision != uint64(expected+1) {
					err = fmt.Errorf("expected %s, landed at %d", expected, at.Revision)
				}
				landed[w][at.Revision], errs[w] = e.ID, err
				expected = events.Exactly(at.Revision)
				a++
			}
		})
	}
	running.Wait()
	require.NoError(s, errors.Join(errs...))
	records := s.read(stream, 0)
	require.Len(s, records, writers*appends)
	for _, mine := range landed {
		require.Len(s, mine, appends)
		for revision, eventID := range mine {
			require.Equal(s, eventID, records[revision].ID)
		}
	}
}

// appendsReadBackAtOnce has each of many writers read its own append as soon as it is acknowledged.
func (s *suite) appendsReadBackAtOnce() {
	var running sync.WaitGroup
	errs := make([]error, 16)
	for w := range errs {
		running.Go(func() { errs[w] = s.appendAndReadBack() })
	}
	running.Wait()
	require.NoError(s, errors.Join(errs...))
}

func (s *suite) appendAndReadBack() error {
	stream := s.stream()
	for i := range uint64(20) {
		e := event(strconv.FormatUint(i, 10))
		at, err := s.store.Append(s.Context(), stream, events.Expected(i)-1, []events.Proposed{e})
		if err != nil {
			return err
		}
		head, err := s.store.Head(s.Context())
		if err != nil || head < at.Position {
			return fmt.Errorf("head is %d after an append at %d: %w", head, at.Position, err)
		}
		var ids []id.Event
		for r, err := range s.store.ReadStream(s.Context(), stream, i) {
			if err != nil {
				return err
			}
			ids = append(ids, r.ID)
		}
		if len(ids) != 1 || ids[0] != e.ID {
			return fmt.Errorf("read %v back, appended %s", ids, e.ID)
		}
	}
	return nil
}

// concurrently calls f n times at once and joins the errors.
func concurrently(n int, f func(i int) error) error {
	errs := make([]error, n)
	var running sync.WaitGroup
	for i := range n {
		running.Go(func() { errs[i] = f(i) })
	}
	running.Wait()
	return errors.Join(errs...)
}
