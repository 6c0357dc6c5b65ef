package eventstoredb

import (
	"context"
	"errors"
	"io"
	"iter"
	"log/slog"

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
	return s.subscribe(ctx, "subscribing to the log", limit, subscription{last: after, from: toAllPosition(after)})
}

// SubscribeMetadata yields the records that govern streams, from the start of the log and then as they are appended:
// metadata and tombstones, the system's own included. The server picks them, by the beginnings of their types. An empty
// batch says that the subscription has caught up; it comes again after each interruption. Otherwise it is as SubscribeAll.
func (s *Store) SubscribeMetadata(ctx context.Context) iter.Seq2[[]events.Record, error] {
	return s.subscribe(ctx, "subscribing to metadata", readAhead, subscription{
		from:   esdb.Start{},
		filter: &esdb.SubscriptionFilter{Type: esdb.EventFilterType, Prefixes: []string{"$metadata", "$streamDeleted"}},
	})
}

const (
	searchWindow = 1000 // records that the server looks at together for those that a filter picks
	checkpoints  = 10   // a checkpoint comes after so many windows
)

// subscription is one loop over a subscription, from one connection to the next.
type subscription struct {
	filter *esdb.SubscriptionFilter // nil: everything, and nobody hears that it has caught up

	last        events.Position  // of the last record
	from        esdb.AllPosition // where the next connection begins: after that record, or after others that the filter passed over
	interrupted bool

	log     *slog.Logger
	reading *reading
	flow    *flow
}

func (s *Store) subscribe(
	ctx context.Context, doing string, limit int, begin subscription,
) iter.Seq2[[]events.Record, error] {
	r := reading{doing: doing, stream: "$all", tries: tries{forever: true}}
	records := s.batches(ctx, limit, r, func(ctx context.Context, r *reading, f *flow) error {
		sub := begin
		sub.log, sub.reading, sub.flow = s.options.log, r, f
		r.failed = func(err error) { sub.interrupt(ctx, err) }
		return s.receive(ctx, r, f, sub.open, func(record events.Record) error { return sub.put(ctx, record) })
	})
	return func(yield func([]events.Record, error) bool) {
		for batch, err := range records {
			if ctx.Err() != nil || !yield(batch, err) {
				return
			}
		}
	}
}

func (s *subscription) interrupt(ctx context.Context, cause error) {
	if !s.interrupted {
		s.log.WarnContext(ctx, "subscription interrupted", "after", uint64(s.last), "cause", cause)
	}
	s.interrupted = true
}

// open begins where the last connection came to. The server has confirmed it.
//
// It is content with any node: what it shows is in the log, and if that node is behind, the rest will come. A refusal
// would come after the confirmation, where the official client does not look for the leader.
func (s *subscription) open(ctx context.Context, client *esdb.Client) (source, error) {
	ctx = metadata.NewOutgoingContext(ctx, nil)
	wire, err := client.SubscribeToAll(ctx, esdb.SubscribeToAllOptions{
		From: s.from, Filter: s.filter, MaxSearchWindow: searchWindow, CheckpointInterval: checkpoints,
	})
	if err != nil {
		return nil, err
	}
	if s.interrupted {
		s.interrupted = false
		s.log.InfoContext(ctx, "subscription goes on", "after", uint64(s.last))
	}
	return func() (*esdb.ResolvedEvent, error) { return s.next(wire) }, nil
}

func (s *subscription) next(wire *esdb.Subscription) (*esdb.ResolvedEvent, error) {
	for {
		switch e := wire.Recv(); {
		case e.EventAppeared != nil:
			return e.EventAppeared, nil
		case e.CheckPointReached != nil:
			s.pass(*e.CheckPointReached)
		case e.CaughtUp != nil && s.filter != nil:
			s.flow.reach()
		case e.SubscriptionDropped != nil && errors.Is(e.SubscriptionDropped.Error, io.EOF):
			return nil, errDropped
		case e.SubscriptionDropped != nil:
			return nil, e.SubscriptionDropped.Error
		}
	}
}

// pass notes that the filter has passed over everything up to a place. That may lie between two records and have a
// commit and a prepare position that differ: both are kept, for made the same they could be those of the next record.
func (s *subscription) pass(place esdb.Position) {
	if from, ok := s.from.(esdb.Position); ok && place.Commit <= from.Commit {
		return
	}
	s.from = place
	s.reading.tries.progress()
}

func (s *subscription) put(ctx context.Context, record events.Record) error {
	if record.Position <= s.last {
		return nil
	}
	s.last, s.from = record.Position, toAllPosition(record.Position)
	s.reading.tries.progress()
	return s.flow.put(ctx, record)
}

// errDropped says that a subscription came to an end, which it does not have: there is no io.EOF for it.
var errDropped = errors.New("the server ended the subscription")
