package endpoint

import (
	"context"
	"errors"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/tap"
)

// Appends are kept in memory until they are complete, and clients need not ever complete them. So only some of them, of
// all clients together, are listened to at a time; the others wait for their turn. Clients that send what they have are
// through in no time.
const (
	maxArriving = 64
	arrivalTime = time.Minute // the turn waited for included; six times what the official clients give themselves

	// smallAppend is how many bytes a complete append may hold and yet let the next one in while it is written, so that
	// many can be synced at once.
	smallAppend = 64 << 10
)

type cutKey struct{}

// cuttable lets the server cut off appends: nothing else ends the wait for a message that does not come.
func cuttable(ctx context.Context, info *tap.Info) (context.Context, error) {
	if info.FullMethodName != streams.Streams_Append_FullMethodName {
		return ctx, nil
	}
	ctx, cut := context.WithCancelCause(ctx)
	return context.WithValue(late{ctx}, cutKey{}, cut), nil
}

// late is the context of an append that can be cut off: it ends as one that has passed its deadline, and so
// the client is told.
type late struct{ context.Context } //nolint:containedctx // it is one

// Err says why the append has ended.
func (l late) Err() error {
	if errors.Is(context.Cause(l.Context), context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return l.Context.Err()
}

// arrival is an append on its way in.
type arrival struct {
	timer *time.Timer
	turns chan struct{} // nil: it is not its turn any more
}

// arrive waits for the turn of an append.
func (s *Server) arrive(ctx context.Context) (*arrival, error) {
	cut, ok := ctx.Value(cutKey{}).(context.CancelCauseFunc)
	if !ok {
		return nil, problem(codes.Internal, "", "the call cannot be cut off")
	}
	in := &arrival{timer: time.AfterFunc(arrivalTime, func() { cut(context.DeadlineExceeded) })}
	select {
	case s.turns <- struct{}{}:
		in.turns = s.turns
		return in, nil
	case <-ctx.Done():
		in.end()
		return nil, storeProblem(ctx.Err())
	}
}

// complete says that an append has arrived and holds so many bytes.
func (in *arrival) complete(held int) {
	in.timer.Stop()
	if held <= smallAppend {
		in.pass()
	}
}

// end says that nothing more of the append is listened to or held.
func (in *arrival) end() {
	in.timer.Stop()
	in.pass()
}

// pass gives the turn to another append.
func (in *arrival) pass() {
	if in.turns != nil {
		<-in.turns
		in.turns = nil
	}
}
