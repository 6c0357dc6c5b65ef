package storetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/events/id"
)

// linearisable has 64 callers at a few streams, appending with every kind of expectation, repeating what they or others
// have tried, and reading; and asks whether all answers can be put in one order that agrees with the clock and the rules.
func (s *suite) linearisable() {
	const callers, streams = 64, 3
	calls := 50
	if os.Getenv("DAYBOOK_TEST_LONG") == "1" {
		calls = 300
	}
	h := &history{store: s.store}
	for range streams {
		h.streams = append(h.streams, s.stream())
	}
	require.NoError(s, concurrently(callers, func(caller int) error { return h.perform(s.Context(), caller, calls) }))
	s.requireAnswersLanded(h)

	// The limit is for histories that are wrong: of those, the search may have no end. A right one takes a second or so,
	// and more on a machine that is busy.
	result, info := porcupine.CheckOperationsVerbose(linearModel(h.operations), h.operations, 3*time.Minute)
	if result != porcupine.Ok {
		path := filepath.Join(s.ArtifactDir(), "history.html")
		require.NoError(s, porcupine.VisualizePath(linearModel(h.operations), info, path))
		s.Fatalf("no order explains the answers (%s); run with -artifacts and see %s", result, path)
	}
}

// requireAnswersLanded checks what the model does not look at: positions.
func (s *suite) requireAnswersLanded(h *history) {
	s.Helper()
	positions := map[string][]events.Position{}
	for _, stream := range h.streams {
		for _, r := range s.read(stream, 0) {
			positions[stream] = append(positions[stream], r.Position)
		}
	}
	for _, o := range h.operations {
		c, got := as[call](o.Input), as[outcome](o.Output)
		if !c.look && !got.refused && len(c.proposed) > 0 {
			require.Less(s, got.at.Revision, uint64(len(positions[c.stream])))
			require.Equal(s, positions[c.stream][got.at.Revision], got.at.Position)
		}
	}
}

// history is what many callers did to a store and what it said.
type history struct {
	store   Store
	streams []string
	ticks   atomic.Int64 // a clock that knows only before and after

	mu         sync.Mutex
	operations []porcupine.Operation
	made       []attempt
}

// call is an append, or a look at a stream from the expected revision on.
type call struct {
	attempt

	look bool
}

type outcome struct {
	at      events.Appended
	refused bool
	actual  events.Expected // where the stream was instead
	seen    []id.Event
}

// perform makes one caller's calls, one after the other.
func (h *history) perform(ctx context.Context, caller, calls int) error {
	known := map[string]events.Expected{} // how far this caller thinks the streams are
	for _, stream := range h.streams {
		known[stream] = events.NoStream
	}
	for range calls {
		c := h.choose(known)
		called := h.ticks.Add(1)
		got, err := h.make(ctx, c)
		if err != nil {
			return fmt.Errorf("%s of %d events at %s: %w", c.stream, len(c.proposed), c.expected, err)
		}
		h.note(porcupine.Operation{ClientId: caller, Input: c, Call: called, Output: got, Return: h.ticks.Add(1)})
		switch {
		case got.refused:
			known[c.stream] = max(known[c.stream], got.actual)
		case got.at.Position != events.Start: // a repeat's answer is older than what is known
			known[c.stream] = max(known[c.stream], events.Exactly(got.at.Revision))
		}
	}
	return nil
}

// choose makes up a call, or repeats an append that somebody made.
func (h *history) choose(known map[string]events.Expected) call {
	h.mu.Lock()
	defer h.mu.Unlock()
	stream := h.streams[below(len(h.streams))]
	end := known[stream]
	switch recent := h.made[max(0, len(h.made)-100):]; {
	case below(4) == 0:
		return call{attempt: attempt{stream: stream, expected: max(end, 0)}, look: true}
	case len(recent) > 0 && below(3) == 0:
		return call{attempt: recent[below(len(recent))]}
	}
	expectations := []events.Expected{
		end, end, end, max(end-1, events.NoStream), end + 1, events.NoStream, events.Any, events.StreamExists,
	}
	fewest := 0
	if end == events.NoStream {
		fewest = 1
	}
	a := attempt{stream, expectations[below(len(expectations))], some(fewest + below(3))}
	h.made = append(h.made, a)
	return call{attempt: a}
}

// below draws from [0, n).
func below(n int) int { return rand.IntN(n) } //nolint:gosec // any choice will do

func (h *history) make(ctx context.Context, c call) (got outcome, err error) {
	if c.look {
		for r, err := range h.store.ReadStream(ctx, c.stream, uint64(c.expected)) {
			if err != nil {
				return got, err
			}
			got.seen = append(got.seen, r.ID)
		}
		return got, nil
	}
	got.at, err = h.store.Append(ctx, c.stream, c.expected, c.proposed)
	if conflict, ok := errors.AsType[*events.WrongRevisionError](err); ok {
		return outcome{refused: true, actual: conflict.Actual}, nil
	}
	return got, err
}

func (h *history) note(o porcupine.Operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.operations = append(h.operations, o)
}

// linearModel tells porcupine the rules; streams do not concern one another.
//
// Most answers can only have been given while their stream had one certain length. What lets the stream grow comes after
// all of those; saying so changes no verdict, and leaves the search of a right history nothing to try in vain.
func linearModel(operations []porcupine.Operation) porcupine.Model {
	pinned := map[pin]int{}
	for _, o := range operations {
		if c, got := as[call](o.Input), as[outcome](o.Output); c.pinned(got) {
			pinned[pin{c.stream, c.length(got)}]++
		}
	}
	return porcupine.Model{
		Partition: byStream,
		Init:      func() any { return place{} },
		Step: func(state, input, output any) (bool, any) {
			at, c, got := as[place](state), as[call](input), as[outcome](output)
			possible, grown := at.stream.admits(c, got)
			switch {
			case !possible:
				return false, at
			case len(grown) > 0:
				ready := at.answered == pinned[pin{c.stream, len(at.stream.ids)}]
				return ready, place{stream: image{ids: slices.Concat(at.stream.ids, grown)}}
			case c.pinned(got):
				at.answered++
			}
			return true, at
		},
		Equal: func(a, b any) bool {
			x, y := as[place](a), as[place](b)
			return x.answered == y.answered && slices.Equal(x.stream.ids, y.stream.ids)
		},
		DescribeOperation: func(input, output any) string {
			return fmt.Sprintf("%+v → %+v", as[call](input), as[outcome](output))
		},
		DescribeState: func(state any) string { return fmt.Sprintf("%d events", len(as[place](state).stream.ids)) },
	}
}

// place is where an order has come to.
type place struct {
	stream   image
	answered int // pinned answers since the stream last grew
}

type pin struct {
	stream string
	length int
}

// pinned says whether an answer tells how long the stream was, though it made it no longer.
func (c call) pinned(got outcome) bool { return c.look || got.refused || len(c.proposed) == 0 }

// length is that length.
func (c call) length(got outcome) int {
	switch {
	case c.look:
		return int(c.expected) + len(got.seen)
	case got.refused:
		return int(got.actual) + 1
	default:
		return int(got.at.Revision) + 1 // nobody appends nothing before having seen something
	}
}

// admits says whether a stream could have given this answer, and by what it has grown then.
func (i image) admits(c call, got outcome) (possible bool, grown []id.Event) {
	if c.look {
		return slices.Equal(i.ids[min(int(c.expected), len(i.ids)):], got.seen), nil
	}
	want := i.decide(c.attempt)
	switch {
	case want.conflict || got.refused:
		return want.conflict && got.refused && got.actual == events.Expected(i.end()), nil
	case int(got.at.Revision) != want.revision:
		return false, nil
	case want.write:
		return true, idsOf(c.proposed)
	default:
		return true, nil
	}
}

// as takes back what porcupine was given.
func as[T any](value any) T {
	typed, _ := value.(T)
	return typed
}

func byStream(all []porcupine.Operation) [][]porcupine.Operation {
	parts := map[string][]porcupine.Operation{}
	for _, o := range all {
		stream := as[call](o.Input).stream
		parts[stream] = append(parts[stream], o)
	}
	return slices.Collect(maps.Values(parts))
}
