package eventstoredb

import (
	"context"
	"errors"
	"io"
	"math"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"daybook/events"
)

// An append whose answer was lost may have been written. At an exact revision, or NoStream, the server compares a repeat
// with what is there, for ever. With Any and StreamExists it only remembers some of the latest ids, and none of them
// after a restart: a repeat could be written twice. So the stream is searched for it, backwards from its end; and if it
// is not there, the repeat is made at exactly that end. Should the lost attempt arrive in between after all, or
// anything else, the repeat is refused, and the search starts again, until patience ends.

// errMoved says that a repeat at an exact revision found the stream further on.
var errMoved = errors.New("the stream has moved on meanwhile")

const (
	// The search goes back at least so many events, and at least so far before the first attempt by the server's clock.
	searchEvents = 4096
	searchTime   = time.Hour
)

// locate finds the append in its stream, or the expectation with which to make it again.
func (a *appending) locate(
	ctx context.Context,
) (at events.Appended, found bool, expected events.Expected, err error) {
	expected = a.expected
	err = a.store.lines.useShortly(ctx, ctx, func(ctx context.Context, client *esdb.Client) error {
		ctx, cancel := context.WithTimeout(ctx, *a.store.lines.config.DefaultDeadline)
		defer cancel()
		options := esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.End{}}
		reader, err := client.ReadStream(ctx, a.stream, options, math.MaxInt64)
		if err != nil {
			return err
		}
		defer reader.Close()
		at, found, expected, err = a.search(reader)
		return err
	})
	return at, found, expected, err
}

func (a *appending) search(
	reader *esdb.ReadStream,
) (at events.Appended, found bool, expected events.Expected, err error) {
	expected = a.expected
	matched := 0 // how many of the last events have been met
	for read := 0; ; read++ {
		resolved, err := reader.Recv()
		if hasCode(err, esdb.ErrorCodeResourceNotFound) && expected == events.Any {
			return at, false, events.NoStream, nil
		}
		if errors.Is(err, io.EOF) || hasCode(err, esdb.ErrorCodeResourceNotFound) {
			return at, false, expected, nil
		}
		if err != nil {
			return at, false, expected, err
		}
		e := resolved.OriginalEvent()
		if read == 0 {
			expected = events.Exactly(e.EventNumber)
		}
		if e.EventID != a.data[len(a.data)-1-matched].EventID {
			matched = 0
		}
		if e.EventID == a.data[len(a.data)-1-matched].EventID {
			if matched == 0 {
				at = events.Appended{Revision: e.EventNumber, Position: events.Position(e.Position.Commit)}
			}
			matched++
		}
		if matched == len(a.data) {
			return at, true, expected, nil
		}
		if read >= searchEvents && e.CreatedDate.Before(a.began.Add(-searchTime)) {
			return at, false, expected, nil
		}
	}
}
