package endpoint

import (
	"iter"
	"math"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"

	"daybook/adapters/embedded"
	"daybook/events"
)

const (
	// nearBytes is how close to the head a subscription reads what all of them share; one that is further behind reads
	// for itself. Positions count bytes.
	nearBytes = 4 << 20

	// batchRecords, of batchBytes, is how much a subscription takes of what is shared, and so how much a stalled one
	// holds on to.
	batchRecords = 64
	batchBytes   = 256 << 10

	tombstoneRevision = math.MaxInt64
)

// subscription is a Read that goes on until the client leaves or the server ends.
//
// It is one cursor over the log and nothing else: no buffer, no goroutine of its own. What the client does not take
// stays in the log, so a slow client costs no memory, and there is no seam between the past and the present at which
// an event could be lost or repeated. At rest it waits for the head to move.
type subscription struct {
	*reading

	after    events.Position // everything up to here is done with
	caughtUp bool            // and the client was told so

	next uint64 // of one stream: the revision that is due, or a later one

	considered uint64 // with a filter: records since the last checkpoint that was due

	shares bool // it is near the head, and others send the same
	batch  []events.Record
}

// subscribeAll follows the log.
func (r *reading) subscribeAll() error {
	s := &subscription{reading: r, after: events.Position(r.query.point)}
	if r.query.from == atEnd {
		s.after, _ = r.store.Watch()
	}
	if err := s.confirm(); err != nil {
		return err
	}
	return s.follow(s.catchUpAll, s.passAll)
}

// subscribeStream follows one stream. It waits for one that is missing or soft-deleted, and ends with one that is
// tombstoned.
func (r *reading) subscribeStream() error {
	view, err := r.store.View(r.call.Context(), r.query.stream)
	if err != nil {
		return err
	}
	s := &subscription{reading: r, next: r.query.begin(0, r.query.point+1, end(view))}
	if err := s.confirm(); err != nil {
		return err
	}
	if view.State == embedded.Tombstoned {
		return deleted(r.query.stream)
	}
	if err := s.catchUpStream(); err != nil {
		return err
	}
	return s.follow(s.catchUpStream, s.passStream)
}

// end is the revision that the next record of a stream will have.
func end(view embedded.View) uint64 {
	if view.State == embedded.Missing || view.Empty {
		return 0
	}
	return view.Last + 1
}

// follow passes on the log from the cursor on. catchUp brings a cursor that is far behind nearer to the head.
func (s *subscription) follow(catchUp func() error, pass func(*events.Record) error) error {
	for {
		head, moved := s.store.Watch()
		s.shares = s.after < head && head-s.after <= nearBytes
		var err error
		switch {
		case s.shares:
			err = s.passShared(pass)
		case s.after < head:
			err = catchUp()
		default:
			err = s.rest(moved)
		}
		if err != nil {
			return err
		}
	}
}

// passShared passes on what comes next. It takes it out of the shared memory record by record: a stalled client must
// not keep all of that alive.
func (s *subscription) passShared(pass func(*events.Record) error) error {
	shared, err := s.store.ReadShared(s.after, batchRecords, batchBytes)
	if err != nil {
		return err
	}
	s.batch = append(s.batch[:0], shared...)
	defer clear(s.batch)
	for i := range s.batch {
		if err := s.pass(&s.batch[i], pass); err != nil {
			return err
		}
	}
	return nil
}

// pass deals with one record and moves the cursor past it.
func (s *subscription) pass(record *events.Record, pass func(*events.Record) error) error {
	if err := s.ended(); err != nil {
		return err
	}
	if err := pass(record); err != nil {
		return err
	}
	s.after = record.Position
	return nil
}

// ended says whether the server is ending.
func (s *subscription) ended() error {
	select {
	case <-s.ending:
		return shuttingDown()
	default:
		return nil
	}
}

// shuttingDown ends calls that would go on for ever. Clients take UNAVAILABLE as a broken connection; this they
// understand.
func shuttingDown() error { return problem(codes.Canceled, "", "the server is shutting down") }

// rest waits until there is more. The first time, the client learns that it has seen everything.
func (s *subscription) rest(moved <-chan struct{}) error {
	if !s.caughtUp {
		s.caughtUp = true
		if err := s.tellCaughtUp(); err != nil {
			return err
		}
	}
	select {
	case <-moved:
		return nil
	case <-s.call.Context().Done():
		return s.call.Context().Err()
	case <-s.ending:
		return shuttingDown()
	case <-s.store.Closing():
		return shuttingDown()
	}
}

// catchUpAll passes on what the log holds now.
func (s *subscription) catchUpAll() error {
	for record, err := range s.store.ReadAll(s.call.Context(), s.after) {
		if err == nil {
			err = s.pass(&record, s.passAll)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// passAll sends a record if it is wanted, and a checkpoint if one is due.
func (s *subscription) passAll(record *events.Record) error {
	if !hiddenInAll(record.Stream) && s.query.filter.picks(record) {
		if err := s.send(record); err != nil {
			return err
		}
	}
	if s.query.filter == nil {
		return nil
	}
	if s.considered++; s.considered < s.query.filter.interval {
		return nil
	}
	s.considered = 0
	return s.checkpoint(record.Position)
}

// catchUpStream passes on what the stream holds now and metadata does not hide, and moves the cursor to the head. The
// head is read first: what is appended in between is both in the stream and after the cursor, and s.next tells.
func (s *subscription) catchUpStream() error {
	ctx, stream := s.call.Context(), s.query.stream
	head, _ := s.store.Watch()
	view, err := s.store.View(ctx, stream)
	if err != nil {
		return err
	}
	records := iter.Seq2[events.Record, error](nothing)
	switch {
	case view.State == embedded.Tombstoned: // since the subscription began: it gets what there is
		records = s.store.ReadStream(ctx, stream, s.next)
	case view.State == embedded.Live && !view.Empty:
		s.next = max(s.next, min(view.First, view.Last+1))
		records = s.visible(view, s.store.ReadStream(ctx, stream, s.next))
	}
	for record, err := range records {
		if err == nil {
			err = s.pass(&record, s.passStream)
		}
		if err != nil {
			return err
		}
	}
	if view.State == embedded.Tombstoned {
		return deleted(stream)
	}
	s.next, s.after = max(s.next, end(view)), head
	return nil
}

// passStream sends a record if it is of this stream and due. The tombstone is the last one.
func (s *subscription) passStream(record *events.Record) error {
	if record.Stream != s.query.stream {
		if record.Revision == tombstoneRevision && s.query.stream == "$$"+record.Stream {
			return deleted(s.query.stream) // with the stream that it describes
		}
		return nil
	}
	if record.Revision >= s.next || record.Revision == tombstoneRevision {
		if err := s.send(record); err != nil {
			return err
		}
	}
	if record.Revision == tombstoneRevision {
		return deleted(s.query.stream)
	}
	s.next = max(s.next, record.Revision+1)
	return nil
}

// send sends one record, encoded once for all subscriptions that are near the head.
func (s *subscription) send(record *events.Record) error {
	if !s.shares || s.query.resolve && record.Type == linkType {
		return s.reading.send(record)
	}
	return s.call.SendMsg(s.encodings.of(record, s.query.form))
}

func (s *subscription) confirm() error {
	return s.call.Send(&streams.ReadResp{Content: &streams.ReadResp_Confirmation{
		Confirmation: &streams.ReadResp_SubscriptionConfirmation{SubscriptionId: uuid.NewString()},
	}})
}

// tellCaughtUp tells the client that it has seen everything, and, with a filter, up to where that was.
func (s *subscription) tellCaughtUp() error {
	if s.considered > 0 {
		if err := s.checkpoint(s.after); err != nil {
			return err
		}
	}
	return s.call.Send(&streams.ReadResp{Content: &streams.ReadResp_CaughtUp_{CaughtUp: &streams.ReadResp_CaughtUp{}}})
}

// checkpoint tells the client that it has seen everything it wants up to a position.
func (s *subscription) checkpoint(at events.Position) error {
	return s.call.Send(&streams.ReadResp{Content: &streams.ReadResp_Checkpoint_{
		Checkpoint: &streams.ReadResp_Checkpoint{CommitPosition: uint64(at), PreparePosition: uint64(at)},
	}})
}
