package policies

import (
	"context"
	"fmt"

	"daybook/domain/conversation"
	"daybook/events"
)

// written finds an event of a conversation that a timer refers to by its stream. It may be in an older book than the timer's.
// It is nil where there is none.
func written[E events.Event](ctx context.Context, streams Streams, stream string, is func(E) bool) (*E, error) {
	in, ours := events.ConversationOf(stream)
	if !ours {
		return nil, nil //nolint:nilnil // not one of ours
	}
	for book := 0; ; book++ {
		stream, empty := conversation.BookStream(in, book), true
		for record, err := range streams.ReadStream(ctx, stream, 0) {
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", stream, err)
			}
			empty = false
			if record.Type != events.NameOf[E]() {
				continue
			}
			event, _, err := events.DecodeRecord(record)
			if err != nil {
				return nil, fmt.Errorf("reading %s at %d: %w", stream, record.Revision, err)
			}
			if e, ok := event.(E); ok && is(e) {
				return &e, nil
			}
		}
		if empty {
			return nil, ctx.Err()
		}
	}
}
