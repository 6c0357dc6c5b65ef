package embedded

import (
	"context"
	"fmt"

	"daybook/events"
	"daybook/events/id"
)

// Delete hides a stream until somebody appends to it again, and forgets its metadata; its records stay in the log. The
// answer is the position of the $metadata record that says so.
//
// The stream has to be where expected says, and it has to have records or metadata, or the error is
// *events.WrongRevisionError. Other errors: those of Append; *InvalidError also for a metadata stream.
func (s *Store) Delete(ctx context.Context, stream string, expected events.Expected) (events.Position, error) {
	return s.remove(ctx, stream, expected, deleting, events.Proposed{
		ID: id.New[id.Event](), Type: metadataType, Data: fmt.Appendf(nil, "{%q:%d}", keyBefore, int64(softDeletedBefore)),
	})
}

// Tombstone ends a stream for ever: its last record, $streamDeleted, has revision 2^63-1. Its records stay in the log.
// The stream need not exist unless expected says so. The answer is the position of that record. Errors are those of
// Delete.
func (s *Store) Tombstone(ctx context.Context, stream string, expected events.Expected) (events.Position, error) {
	return s.remove(ctx, stream, expected, tombstoning, events.Proposed{
		ID: id.New[id.Event](), Type: tombstoneType, Binary: true,
	})
}

func (s *Store) remove(
	ctx context.Context, stream string, expected events.Expected, do action, record events.Proposed,
) (events.Position, error) {
	if err := checkTarget(stream, expected); err != nil {
		return events.Start, err
	}
	if _, ok := describedBy(stream); ok {
		return events.Start, &InvalidError{stream, "metadata is deleted with the stream that it describes"}
	}
	removed, err := s.submit(ctx, &request{action: do, stream: stream, expected: expected, proposed: []events.Proposed{record}})
	return removed.Position, err
}
