package endpoint

import (
	"iter"
	"strings"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"daybook/adapters/embedded"
	"daybook/events"
)

// reading is one call of Read.
type reading struct {
	*Server

	query query
	call  streams.Streams_ReadServer
}

// Read answers bounded reads and subscriptions, of one stream or of the whole log.
func (s *Server) Read(request *streams.ReadReq, call streams.Streams_ReadServer) error {
	q, err := parseQuery(request.GetOptions())
	if err == nil {
		err = s.permit(call.Context(), q.source())
	}
	if err != nil {
		return err
	}
	r := &reading{Server: s, query: q, call: call}
	switch {
	case q.subscription && q.all():
		err = r.subscribeAll()
	case q.subscription:
		err = r.subscribeStream()
	case q.all():
		err = r.readAll()
	default:
		err = r.readStream()
	}
	return r.outcome(err)
}

// outcome turns what ended a read into the status of the call. gRPC's own errors have one.
func (r *reading) outcome(err error) error {
	if _, ok := status.FromError(err); ok {
		return err
	}
	p := storeProblem(err)
	if status.Code(p) == codes.Internal {
		r.log.Error("reading for a client", "source", r.query.source(), "error", err)
	}
	return p
}

// readAll sends a part of the log.
func (r *reading) readAll() error {
	left := r.query.count
	if left == 0 {
		return nil
	}
	for record, err := range r.logRecords() {
		if err != nil {
			return err
		}
		if hiddenInAll(record.Stream) || !r.query.filter.picks(&record) {
			continue
		}
		if err := r.send(&record); err != nil {
			return err
		}
		if left--; left == 0 {
			return nil
		}
	}
	return nil
}

// logRecords yields the part of the log that is asked for. Forwards from a position includes it, backwards does not.
func (r *reading) logRecords() iter.Seq2[events.Record, error] {
	ctx, q := r.call.Context(), r.query
	switch {
	case q.backwards && q.from == atEnd:
		return r.store.ReadAllBack(ctx, ^events.Start)
	case q.backwards && q.from == atPoint:
		return r.store.ReadAllBack(ctx, events.Position(q.point))
	case !q.backwards && q.from == atStart:
		return r.store.ReadAll(ctx, events.Start)
	case !q.backwards && q.from == atPoint:
		return r.store.ReadAll(ctx, events.Position(max(q.point, 1)-1))
	default: // before the start, or after the end
		return nothing
	}
}

func nothing(func(events.Record, error) bool) {}

// hiddenInAll says that a stream is EventStoreDB's own bookkeeping, which the log does not show.
func hiddenInAll(stream string) bool {
	if !strings.HasPrefix(stream, "$") {
		return false
	}
	return stream == "$epoch-information" || strings.HasPrefix(stream, "$persistentsubscription-$all::") &&
		(strings.HasSuffix(stream, "-checkpoint") || strings.HasSuffix(stream, "-parked"))
}

// readStream sends a part of a stream as it looks when the read begins, or that there is no such stream. One whose
// records are all hidden is there, and empty.
func (r *reading) readStream() error {
	stream, left := r.query.stream, r.query.count
	view, err := r.store.View(r.call.Context(), stream)
	switch {
	case err != nil:
		return err
	case view.State == embedded.Tombstoned:
		return deleted(stream)
	case view.State != embedded.Live || view.Empty:
		return r.call.Send(&streams.ReadResp{Content: &streams.ReadResp_StreamNotFound_{
			StreamNotFound: &streams.ReadResp_StreamNotFound{
				StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(stream)},
			},
		}})
	case left == 0:
		return nil
	}
	for record, err := range r.streamRecords(view) {
		if err == nil {
			err = r.send(&record)
		}
		if left--; left == 0 || err != nil {
			return err
		}
	}
	return nil
}

// streamRecords yields the visible records of the stream that are asked for. Both directions include the revision they
// begin at; what lies outside is moved to the end it lies beyond, if there is anything in reading direction.
func (r *reading) streamRecords(view embedded.View) iter.Seq2[events.Record, error] {
	ctx, q := r.call.Context(), r.query
	if q.backwards {
		from := q.begin(0, min(q.point, view.Last), view.Last)
		return r.visible(view, r.store.ReadStreamBack(ctx, q.stream, from))
	}
	from := q.begin(view.First, max(q.point, view.First), view.Last+1)
	return r.visible(view, r.store.ReadStream(ctx, q.stream, from))
}

// visible leaves out what the view hides, and ends where nothing else can follow.
func (r *reading) visible(
	view embedded.View, records iter.Seq2[events.Record, error],
) iter.Seq2[events.Record, error] {
	oldest := time.Time{}
	if view.MaxAge > 0 {
		oldest = r.cfg.Now().Add(-view.MaxAge)
	}
	return func(yield func(events.Record, error) bool) {
		for record, err := range records {
			switch {
			case err != nil:
				yield(record, err)
				return
			case record.Revision < view.First || record.Revision > view.Last:
				return
			case record.Created.Before(oldest):
				continue
			}
			if !yield(record, nil) {
				return
			}
		}
	}
}

// send sends one record, or what it links to.
func (r *reading) send(record *events.Record) error {
	event, link, err := r.resolve(record)
	if err != nil {
		return err
	}
	return r.call.SendMsg(encodeEvent(event, link, r.query.form))
}
