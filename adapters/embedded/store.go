package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"daybook/events"
	"daybook/events/id"
)

// Store is an open event store. It is safe for concurrent use.
type Store struct {
	options   options
	id        id.Store
	db        *pebble.DB
	lock      *pebble.Lock
	queue     *queue
	head      *frontier
	tail      tail
	committer *committer
	written   sync.WaitGroup // the committer's goroutine

	closing   chan struct{} // closed when readers have to stop
	readers   sync.RWMutex  // held for reading while a reader uses Pebble
	closed    bool          // under readers
	closeOnce func() error
}

// Open opens the event store in a directory, and creates both if there is none. Every store has one process that has it
// open, or the error is *InUseError. A directory of another format is a *FormatError.
func Open(dir string, opts ...Option) (*Store, error) {
	s := &Store{
		options: options{now: time.Now, log: slog.Default(), fs: vfs.Default, maxAppendBytes: DefaultMaxAppendBytes},
		queue:   newQueue(),
		head:    &frontier{},
		closing: make(chan struct{}),
	}
	for _, set := range opts {
		set(&s.options)
	}
	s.closeOnce = sync.OnceValue(s.shutDown)
	if err := s.openPebble(dir); err != nil {
		return nil, err
	}
	if err := s.start(dir); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// ID identifies the store. Positions are valid only together with it.
func (s *Store) ID() id.Store { return s.id }

// Close waits for the appends that are queued, refuses those that come later, ends subscriptions with ErrClosed, and
// waits for every goroutine of the store to end. Closing twice is one closing.
func (s *Store) Close() error { return s.closeOnce() }

func (s *Store) shutDown() error {
	s.queue.close()
	s.written.Wait()
	close(s.closing)
	s.readers.Lock()
	defer s.readers.Unlock()
	s.closed = true
	if s.committer != nil && s.committer.wrecked {
		return fmt.Errorf("closing event store: %w", s.committer.failed) // it stays locked until the process ends
	}
	if err := errors.Join(s.db.Close(), s.lock.Close()); err != nil {
		return fmt.Errorf("closing event store: %w", err)
	}
	return nil
}

// enter lets a reader use Pebble until it leaves. Readers never wait in between.
func (s *Store) enter() error {
	s.readers.RLock()
	if s.closed {
		s.readers.RUnlock()
		return ErrClosed
	}
	return nil
}

func (s *Store) leave() { s.readers.RUnlock() }

func (s *Store) openPebble(dir string) error {
	if err := makeDir(s.options.fs, dir); err != nil {
		return fmt.Errorf("creating event store: %w", err)
	}
	lock, err := pebble.LockDirectory(dir, s.options.fs)
	if _, onPath := errors.AsType[*fs.PathError](err); onPath {
		return fmt.Errorf("locking event store: %w", err)
	}
	if err != nil {
		return &InUseError{Dir: dir, Cause: err}
	}
	settings := pebbleOptions(s.options.fs, s.options.log)
	settings.Lock = lock
	if s.db, err = pebble.Open(dir, settings); err != nil {
		return errors.Join(fmt.Errorf("opening event store %s: %w", dir, err), lock.Close())
	}
	s.lock = lock
	return nil
}

// start checks the format, finds the end of the log, and starts the committer.
func (s *Store) start(dir string) error {
	if err := s.checkFormat(dir); err != nil {
		return err
	}
	last, next, err := s.endOfLog()
	if err != nil {
		return err
	}
	decider, err := newDecider(s.db, last)
	if err != nil {
		return err
	}
	s.head.advance(last)
	s.committer = &committer{
		db: s.db, now: s.options.now, queue: s.queue, head: s.head, decider: decider, last: last, next: next,
	}
	s.written.Go(s.committer.run)
	return s.identify(context.Background())
}

// checkFormat reads the format's name, or writes it if there is nothing else.
func (s *Store) checkFormat(dir string) error {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return fmt.Errorf("reading format: %w", err)
	}
	empty := !it.First()
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return fmt.Errorf("reading format: %w", err)
	}
	if empty {
		return s.db.Set(formatKey(), []byte(storeFormat), pebble.Sync)
	}
	found, closer, err := s.db.Get(formatKey())
	if errors.Is(err, pebble.ErrNotFound) {
		return &FormatError{Dir: dir}
	}
	if err != nil {
		return fmt.Errorf("reading format: %w", err)
	}
	name := string(found)
	if err := closer.Close(); err != nil {
		return fmt.Errorf("reading format: %w", err)
	}
	if name != storeFormat {
		return &FormatError{Dir: dir, Found: name}
	}
	return nil
}

// endOfLog returns the position of the last record, and that of the next one.
func (s *Store) endOfLog() (last, next events.Position, err error) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceLog}, UpperBound: []byte{spaceLog + 1}})
	if err != nil {
		return 0, 0, fmt.Errorf("finding the end of the log: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	if !it.Last() {
		return events.Start, events.Start + 1, it.Error()
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return 0, 0, fmt.Errorf("finding the end of the log: %w", err)
	}
	last = events.Position(binary.BigEndian.Uint64(it.Key()[1:]))
	return last, last + events.Position(len(value)), nil
}

// identify reads the store's id, or gives it one. A crash between creation and this leaves nothing half done.
func (s *Store) identify(ctx context.Context) error {
	for record, err := range s.ReadStream(ctx, events.StoreStream, 0) {
		if err != nil {
			return err
		}
		return s.recognise(record)
	}
	now := s.options.now()
	s.id = id.New[id.Store]()
	created, err := events.Encode(id.New[id.Event](), events.StoreCreated{StoreID: s.id}, events.Envelope{
		OccurredAt: now, RecordedAt: now, Actor: "system:store", Source: "store",
	})
	if err != nil {
		return err
	}
	_, err = s.Append(ctx, events.StoreStream, events.NoStream, []events.Proposed{created})
	return err
}

func (s *Store) recognise(record events.Record) error {
	envelope, err := events.DecodeEnvelope(record.Metadata)
	if err != nil {
		return fmt.Errorf("reading the store's identity: %w", err)
	}
	event, err := events.Decode(record.Type, envelope.Version, record.Data)
	if err != nil {
		return fmt.Errorf("reading the store's identity: %w", err)
	}
	created, ok := event.(events.StoreCreated)
	if !ok {
		return fmt.Errorf("reading the store's identity: event 0 of %s is %s", events.StoreStream, record.Type)
	}
	s.id = created.StoreID
	return nil
}
