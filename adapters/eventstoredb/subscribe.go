package eventstoredb

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/metadata"

	"daybook/events"
)

// SubscribeAll yields the records after a position, in log order, and then those that are appended, for as long as ctx
// lives, with the system's own records and links as they are. A batch is what has arrived at that moment, at most limit
// records (and about 16 MiB); it is never empty and never waits to be full.
//
// When the connection is lost it goes on after the last record, however long that takes, and the log is told: there is
// no gap and no repeat. A slow caller slows down the server, at no other cost.
//
// It ends silently when ctx is done, and with an error when the store is closed (ErrClosed), the server does not let us
// read (*AccessError), or another store answers at the address (*IdentityError).
func (s *Store) SubscribeAll(
	ctx context.Context, after events.Position, limit int,
) iter.Seq2[[]events.Record, error] {
	r := reading{doing: "subscribing to the log", stream: "$all", tries: tries{forever: true}}
	records := s.batches(ctx, limit, r, func(ctx context.Context, r *reading, f *flow) error {
		last, interrupted := after, false
		r.failed = func(err error) {
			if !interrupted {
				s.options.log.WarnContext(ctx, "subscription interrupted", "after", uint64(last), "cause", err)
			}
			interrupted = true
		}
		return s.receive(ctx, r, f,
			func(ctx context.Context, client *esdb.Client) (source, error) {
				next, err := subscribe(ctx, client, last)
				if err == nil && interrupted {
					interrupted = false
					s.options.log.InfoContext(ctx, "subscription goes on", "after", uint64(last))
				}
				return next, err
			},
			func(record events.Record) error {
				if record.Position <= last {
					return nil
				}
				last = record.Position
				r.tries.progress()
				return f.put(ctx, record)
			})
	})
	return func(yield func([]events.Record, error) bool) {
		for batch, err := range records {
			if ctx.Err() != nil || !yield(batch, err) {
				return
			}
		}
	}
}

// subscribe starts a subscription after a position; it has been confirmed.
//
// It is content with any node: what it shows is in the log, and if that node is behind, the rest will come. A refusal
// would come after the confirmation, where the official client does not look for the leader.
func subscribe(ctx context.Context, client *esdb.Client, after events.Position) (source, error) {
	ctx = metadata.NewOutgoingContext(ctx, nil)
	subscription, err := client.SubscribeToAll(ctx, esdb.SubscribeToAllOptions{From: toAllPosition(after)})
	if err != nil {
		return nil, err
	}
	return func() (*esdb.ResolvedEvent, error) {
		for {
			switch e := subscription.Recv(); {
			case e.EventAppeared != nil:
				return e.EventAppeared, nil
			case e.SubscriptionDropped != nil && errors.Is(e.SubscriptionDropped.Error, io.EOF):
				return nil, errDropped
			case e.SubscriptionDropped != nil:
				return nil, e.SubscriptionDropped.Error
			}
		}
	}, nil
}

// errDropped says that a subscription came to an end, which it does not have: there is no io.EOF for it.
var errDropped = errors.New("the server ended the subscription")
