package eventstoredb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"daybook/events"
)

// Append writes events to the end of a stream, in order and side by side, and returns when the server has them.
//
// The stream has to be where expected says, or the error is *events.WrongRevisionError and nothing is written. An
// append that is already there is recognised by its event ids and answered with where it landed: at an exact revision
// (or NoStream) for ever; with Any or StreamExists as long as the server remembers the ids. No events means only the
// check; the answer is the stream's end.
//
// While no server can be reached, or the leader changes, or an answer is lost, the append is made again, with the same
// ids: it is written once, or not at all. What the server does not remember (with Any, after a restart) is looked for in
// the stream before. When that has gone on for too long, or ctx ends meanwhile, the error is *UnavailableError, which
// says whether it is known that nothing was written. Other errors, none of which wrote anything: *DeletedError,
// *TooLargeError, *InvalidError, *AccessError, ErrClosed. A repeat of what has been deleted or truncated since is a
// *HiddenError where the server does not tell its position. The caller may use the memory of proposed again after Append
// has returned.
func (s *Store) Append(
	ctx context.Context, stream string, expected events.Expected, proposed []events.Proposed,
) (events.Appended, error) {
	if err := validate(stream, expected, proposed); err != nil {
		return events.Appended{}, err
	}
	a := &appending{
		store: s, stream: stream, expected: expected, data: toEventData(proposed), began: time.Now(),
		doing: "appending to " + stream,
	}
	for _, e := range proposed {
		a.size += len(e.Data) + len(e.Metadata) + 2*len(e.Type)
	}
	if !s.begin() {
		return events.Appended{}, fmt.Errorf("%s: %w", a.doing, ErrClosed)
	}
	defer s.working.Done()
	waiting, stop := s.untilClosed(ctx)
	defer stop()
	return a.run(ctx, waiting)
}

func validate(stream string, expected events.Expected, proposed []events.Proposed) error {
	switch {
	case stream == "" || stream == "$all" || stream == "$$":
		return &InvalidError{stream, "the name is reserved"}
	case expected < 0 && expected != events.NoStream && expected != events.Any && expected != events.StreamExists:
		return &InvalidError{stream, fmt.Sprintf("%d is not an expectation", expected)}
	}
	for i := range proposed {
		switch e := &proposed[i]; {
		case e.ID.IsZero() || e.Type == "":
			return &InvalidError{stream, fmt.Sprintf("event %d lacks an id or a type", i)}
		case !utf8.ValidString(e.Type):
			return &InvalidError{stream, fmt.Sprintf("the type of event %d is not UTF-8", i)}
		}
	}
	return nil
}

// appending is one append and what has become of it so far.
type appending struct {
	store    *Store
	stream   string
	expected events.Expected
	data     []esdb.EventData
	size     int // bytes
	doing    string
	began    time.Time

	unknown bool // an attempt went out and no answer came back
	hungUp  int  // attempts in a row that the server cut off in the middle
}

// run makes attempts until one is answered. waiting ends with the store, ctx does not: an append on its way is answered.
func (a *appending) run(ctx, waiting context.Context) (events.Appended, error) {
	t := tries{options: &a.store.options}
	for {
		at, err := a.attempt(ctx, waiting)
		if err == nil {
			return at, nil
		}
		if refusal := a.refusal(err); refusal != nil {
			return events.Appended{}, refusal
		}
		if errors.Is(err, errMoved) {
			t.soon()
		}
		if !t.again(waiting, a.doing, err) {
			return events.Appended{}, a.gaveUp(waiting, err)
		}
	}
}

// attempt makes the append once, after finding out what has become of earlier attempts where the server cannot.
func (a *appending) attempt(ctx, waiting context.Context) (events.Appended, error) {
	if len(a.data) == 0 {
		return a.nothing(ctx, waiting)
	}
	expected := a.expected
	if a.unknown && (expected == events.Any || expected == events.StreamExists) {
		at, found, exact, err := a.locate(waiting)
		if found || err != nil {
			return at, err
		}
		expected = exact
	}
	if a.hungUp > 0 {
		if _, err := a.end(ctx, waiting); err != nil {
			return events.Appended{}, err
		}
	}
	at, err := a.send(ctx, waiting, expected, a.data)
	switch {
	case err == nil && at.Position == events.Start:
		return a.placed(ctx, waiting, at)
	case errors.Is(err, io.EOF):
		a.hungUp++
	case expected != a.expected && hasCode(err, esdb.ErrorCodeWrongExpectedVersion):
		return events.Appended{}, errMoved
	default:
		a.hungUp = 0
	}
	return at, err
}

func (a *appending) send(
	ctx, waiting context.Context, expected events.Expected, data []esdb.EventData,
) (at events.Appended, err error) {
	sent := false
	err = a.store.lines.useShortly(waiting, ctx, func(ctx context.Context, client *esdb.Client) error {
		sent = true
		result, err := client.AppendToStream(ctx, a.stream,
			esdb.AppendToStreamOptions{ExpectedRevision: toExpectedRevision(expected)}, data...)
		if err == nil {
			at = events.Appended{Revision: result.NextExpectedVersion, Position: events.Position(result.CommitPosition)}
		}
		return err
	})
	if sent && err != nil && transient(err) && !hasCode(err, esdb.ErrorCodeNotLeader) && len(data) > 0 {
		a.unknown = true
	}
	return at, err
}

// nothing is an append without events: the check, and where the stream ends. NoStream is asked for, which says it
// exactly: to EventStoreDB such an append is a write, and with Any or a revision it would bring a deleted stream back.
func (a *appending) nothing(ctx, waiting context.Context) (events.Appended, error) {
	end, err := a.end(ctx, waiting)
	if err == nil && a.expected == events.StreamExists { // refused where there is something to bring back
		_, err = a.send(ctx, waiting, a.expected, nil)
	}
	switch {
	case err != nil:
		return events.Appended{}, err
	case a.expected >= events.NoStream && a.expected != end:
		return events.Appended{}, &events.WrongRevisionError{Stream: a.stream, Expected: a.expected, Actual: end}
	case end == events.NoStream:
		return events.Appended{}, nil
	}
	position, _, err := a.positionOf(ctx, waiting, uint64(end))
	return events.Appended{Revision: uint64(end), Position: position}, err
}

// end finds the stream's last revision, or NoStream, and writes nothing where there is a stream.
func (a *appending) end(ctx, waiting context.Context) (events.Expected, error) {
	_, err := a.send(ctx, waiting, events.NoStream, nil)
	if hasCode(err, esdb.ErrorCodeWrongExpectedVersion) {
		return actualRevision(err)
	}
	return events.NoStream, err
}

// positionOf looks a record up; false if it cannot be seen.
func (a *appending) positionOf(
	ctx, waiting context.Context, revision uint64,
) (position events.Position, visible bool, err error) {
	err = a.store.lines.useShortly(waiting, ctx, func(ctx context.Context, client *esdb.Client) error {
		record, found, err := peek(ctx, client, a.stream, esdb.Forwards, esdb.Revision(revision))
		if visible = found && record.Revision == revision; visible {
			position = record.Position
		}
		return err
	})
	return position, visible, err
}

// placed completes the answer to a repeat: EventStoreDB leaves the position out when it cannot read the events again.
func (a *appending) placed(ctx, waiting context.Context, at events.Appended) (events.Appended, error) {
	position, visible, err := a.positionOf(ctx, waiting, at.Revision)
	if err == nil && !visible {
		err = &HiddenError{Stream: a.stream, Revision: at.Revision}
	}
	return events.Appended{Revision: at.Revision, Position: position}, err
}

// maxHungUp is how often in a row a connection may be cut in the middle of an append by chance.
const maxHungUp = 6

// refusal is the server's decision, or nil if there is none.
//
// A server that refuses in the middle of an append may cut it off, and the official client then says io.EOF and not
// why: that is asked with an append of nothing (above). If nothing speaks against such a one, it is the size.
func (a *appending) refusal(err error) error {
	if large, ok := tooLarge(a.stream, a.size, err); ok {
		return large
	}
	if decided(err) {
		return err
	}
	switch {
	case a.hungUp > maxHungUp:
		return &TooLargeError{Stream: a.stream, Size: a.size}
	case transient(err):
		return nil
	case hasCode(err, esdb.ErrorCodeWrongExpectedVersion):
		actual, bad := actualRevision(err)
		if bad != nil {
			return fmt.Errorf("%s: %w", a.doing, bad)
		}
		return &events.WrongRevisionError{Stream: a.stream, Expected: a.expected, Actual: actual}
	default:
		return explain(a.doing, a.stream, err)
	}
}

func (a *appending) gaveUp(waiting context.Context, err error) error {
	if waiting.Err() != nil {
		err = ended(waiting)
		if !a.unknown {
			return fmt.Errorf("%s: %w", a.doing, err)
		}
	}
	return &UnavailableError{Doing: a.doing, Unknown: a.unknown, Cause: err}
}
