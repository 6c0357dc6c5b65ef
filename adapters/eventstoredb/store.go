package eventstoredb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"daybook/events"
	"daybook/events/id"
)

// Store is an EventStoreDB, or what speaks its protocol. It is safe for concurrent use.
type Store struct {
	options options
	id      id.Store
	lines   *lines

	onClose   func(func()) (stop func() bool) // calls when the store closes
	closeOnce func()

	mu      sync.Mutex
	closed  bool
	working sync.WaitGroup // calls, and the goroutines beside them
}

// Open connects to the servers that a connection string names (esdb://… or esdb+discover://…, as the official client
// reads it), and reads the store's identity, or (without Existing) gives it one: StoreCreated as event 0 of the stream
// daybook-store.
//
// Unknown settings are refused. maxDiscoverAttempts and discoveryInterval are taken and ignored: Pauses and Patience say
// how often and for how long to try. Servers that cannot be reached for that long are an *UnavailableError; others are
// *AccessError, and what a bad connection string says.
func Open(ctx context.Context, connection string, opts ...Option) (*Store, error) {
	s := &Store{options: options{
		now: time.Now, log: slog.Default(),
		shortest: 20 * time.Millisecond, longest: 2 * time.Second, patience: 30 * time.Second,
	}}
	for _, set := range opts {
		set(&s.options)
	}
	config, err := configure(connection, s.options.log)
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.Background())
	s.onClose = func(f func()) func() bool { return context.AfterFunc(life, f) }
	s.closeOnce = sync.OnceFunc(func() { s.shutDown(end) })
	s.lines = newLines(config, &s.working)
	if s.id, err = s.identify(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.lines.expect(s.id)
	s.options.reached.Store(true)
	return s, nil
}

// ID identifies the store. Positions are valid only together with it.
func (s *Store) ID() id.Store { return s.id }

// Close refuses new calls, waits for the appends that are on their way (they are not repeated any more), ends reads and
// subscriptions with ErrClosed, and waits for the store's goroutines to end. Closing twice is one closing. There is no
// error.
func (s *Store) Close() error {
	s.closeOnce()
	return nil
}

func (s *Store) shutDown(end func()) {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	end()
	s.working.Wait()
	s.lines.close()
}

// begin registers a call that Close has to wait for. False means closed.
func (s *Store) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.working.Add(1)
	}
	return !s.closed
}

// untilClosed returns a context that ends with the store too.
func (s *Store) untilClosed(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := s.onClose(func() { cancel(ErrClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// identify reads the store's id, or gives it one. Of many that open a new store at once, one is the first.
func (s *Store) identify(ctx context.Context) (id.Store, error) {
	known, err := s.identity(ctx)
	switch {
	case !errors.Is(err, errNoIdentity):
		return known, err
	case s.options.existing:
		return known, fmt.Errorf("%w: stream %s is not there, so Daybook has never used it", err, events.StoreStream)
	}
	now, fresh := s.options.now(), id.New[id.Store]()
	created, err := events.Encode(id.New[id.Event](), events.StoreCreated{StoreID: fresh}, events.Envelope{
		OccurredAt: now, RecordedAt: now, Actor: "system:store", Source: "store",
	})
	if err != nil {
		return id.Store{}, err
	}
	_, err = s.Append(ctx, events.StoreStream, events.NoStream, []events.Proposed{created})
	if _, others := errors.AsType[*events.WrongRevisionError](err); others {
		return s.identity(ctx)
	}
	return fresh, err
}

func (s *Store) identity(ctx context.Context) (known id.Store, err error) {
	none := false
	err = s.readShortly(ctx, "reading the store's identity", events.StoreStream,
		func(ctx context.Context, client *esdb.Client) (err error) {
			known, err = readIdentity(ctx, client)
			if none = errors.Is(err, errNoIdentity); none {
				return nil
			}
			return err
		})
	if none && err == nil {
		err = errNoIdentity
	}
	return known, err
}

// errNoIdentity says that there is no event in the stream that begins with the store's identity. On a line to a store
// that has one it may pass: that node is behind.
var errNoIdentity = errors.New("the store has no identity")

func readIdentity(ctx context.Context, client *esdb.Client) (id.Store, error) {
	record, found, err := peek(ctx, client, events.StoreStream, esdb.Forwards, esdb.Start{})
	if err != nil {
		return id.Store{}, err
	}
	if !found {
		return id.Store{}, errNoIdentity
	}
	return identityIn(record)
}

func identityIn(record events.Record) (id.Store, error) {
	known, err := events.StoreIdentity(func(yield func(events.Record, error) bool) { yield(record, nil) })
	if err != nil {
		return id.Store{}, &foreignError{err}
	}
	return known, nil
}

// foreignError says that daybook-store holds something else than an identity.
type foreignError struct{ error }

func (e *foreignError) Unwrap() error { return e.error }
