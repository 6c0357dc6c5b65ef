package policies_test

import (
	"context"
	"errors"
	"iter"
	"sync"

	"github.com/google/uuid"

	"daybook/commands/policies"
	"daybook/events"
	"daybook/events/id"
)

// book is a log in memory that can fail, and whose goroutines are the test's own: for tests in a synctest bubble, and
// for benchmarks. Its positions have gaps.
type book struct {
	mu      sync.Mutex
	records []events.Record
	grown   chan struct{}
	failure error
}

func newBook() *book {
	b := &book{grown: make(chan struct{})}
	created, err := events.Encode(id.New[id.Event](), events.StoreCreated{StoreID: id.New[id.Store]()}, events.Envelope{})
	b.add(events.StoreStream, created)
	b.fail(err)
	return b
}

func (b *book) add(stream string, proposed ...events.Proposed) events.Position {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range proposed {
		n := len(b.records)
		b.records = append(b.records, events.Record{
			Stream: stream, Revision: uint64(n), Position: events.Position(n*3 + 7), ID: p.ID, Type: p.Type, Data: p.Data, Metadata: p.Metadata,
		})
	}
	close(b.grown)
	b.grown = make(chan struct{})
	return b.records[len(b.records)-1].Position
}

// link adds a DeviceLinked of a shard.
func (b *book) link(stream string) events.Position {
	proposed, err := events.Encode(id.Event{UUID: uuid.New()}, events.DeviceLinked{Name: "phone"}, events.Envelope{RecordedAt: recordedAt})
	b.fail(err)
	return b.add(stream, proposed)
}

func (b *book) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failure = err
	close(b.grown)
	b.grown = make(chan struct{})
}

func (b *book) Head(context.Context) (events.Position, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.records[len(b.records)-1].Position, b.failure
}

func (b *book) ReadStream(_ context.Context, stream string, from uint64) iter.Seq2[events.Record, error] {
	return func(yield func(events.Record, error) bool) {
		b.mu.Lock()
		records, failure := b.records, b.failure
		b.mu.Unlock()
		if failure != nil {
			yield(events.Record{}, failure)
			return
		}
		for _, r := range records {
			if r.Stream == stream && r.Revision >= from && !yield(r, nil) {
				return
			}
		}
	}
}

func (b *book) SubscribeAll(ctx context.Context, after events.Position, limit int) iter.Seq2[[]events.Record, error] {
	return func(yield func([]events.Record, error) bool) {
		for ctx.Err() == nil {
			records, failure, grown := b.after(after, limit)
			switch {
			case failure != nil:
				yield(nil, failure)
				return
			case len(records) == 0:
				select {
				case <-grown:
				case <-ctx.Done():
				}
			case !yield(records, nil):
				return
			default:
				after = records[len(records)-1].Position
			}
		}
	}
}

func (b *book) after(p events.Position, limit int) ([]events.Record, error, <-chan struct{}) { //nolint:revive,staticcheck // the error is the log's
	b.mu.Lock()
	defer b.mu.Unlock()
	from := 0
	if p >= 7 {
		from = min(int(p-7)/3+1, len(b.records))
	}
	return b.records[from:min(from+limit, len(b.records))], b.failure, b.grown
}

var errAway = errors.New("away")

// listener is a policy that only hears.
type listener struct {
	shards int
	react  func(ctx context.Context, shard int, inputs []*policies.Input) error
}

func (*listener) Name() string                  { return "listener" }
func (l *listener) Shards() int                 { return l.shards }
func (*listener) Handles(eventType string) bool { return eventType == "DeviceLinked" }

// Shard is the last digit of the stream's name.
func (l *listener) Shard(_ context.Context, in *policies.Input) (int, error) {
	return int(in.Stream[len(in.Stream)-1]-'0') % l.shards, nil
}

func (l *listener) React(ctx context.Context, shard int, inputs []*policies.Input) error {
	return l.react(ctx, shard, inputs)
}
