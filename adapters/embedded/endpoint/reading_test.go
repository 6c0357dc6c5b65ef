package endpoint_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/adapters/embedded/endpoint"
	"daybook/events"
	"daybook/events/id"
)

// lab is a rig with the official client, and with the bare stub for what that client would never send.
type lab struct {
	*rig

	client *esdb.Client
	stub   streams.StreamsClient
}

func newLab(t testing.TB, opts ...embedded.Option) *lab {
	t.Helper()
	return newLabWith(t, nil, opts...)
}

// newLabWith takes what serve takes.
func newLabWith(t testing.TB, change func(*endpoint.Config), opts ...embedded.Option) *lab {
	t.Helper()
	r := serve(t, change, opts...)
	return &lab{r, r.client("esdb", ""), streams.NewStreamsClient(r.dial())}
}

// hands is a clock that tests move.
type hands struct{ nanoseconds atomic.Int64 }

func clock() *hands {
	h := &hands{}
	h.nanoseconds.Store(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixNano())
	return h
}

func (h *hands) time() time.Time { return time.Unix(0, h.nanoseconds.Load()).UTC() }

func (h *hands) move(by time.Duration) { h.nanoseconds.Add(int64(by)) }

// append writes events straight into the store and returns their ids.
func (l *lab) append(stream string, proposed ...events.Proposed) []id.Event {
	l.Helper()
	_, err := l.store.Append(l.Context(), stream, events.Any, proposed)
	require.NoError(l, err)
	ids := make([]id.Event, len(proposed))
	for i, e := range proposed {
		ids[i] = e.ID
	}
	return ids
}

// write appends n small events.
func (l *lab) write(stream string, n int) []id.Event {
	l.Helper()
	return l.append(stream, some(n)...)
}

func some(n int) []events.Proposed {
	proposed := make([]events.Proposed, n)
	for i := range proposed {
		proposed[i] = noted(strconv.Itoa(i))
	}
	return proposed
}

func noted(text string) events.Proposed {
	return events.Proposed{ID: id.New[id.Event](), Type: "Noted", Data: fmt.Appendf(nil, "{%q:%q}", "text", text)}
}

func linkTo(text string) events.Proposed {
	return events.Proposed{ID: id.New[id.Event](), Type: "$>", Data: []byte(text), Binary: true}
}

// describe writes the metadata of a stream.
func (l *lab) describe(stream, metadata string) {
	l.Helper()
	l.append("$$"+stream, events.Proposed{ID: id.New[id.Event](), Type: "$metadata", Data: []byte(metadata)})
}

func (l *lab) delete(stream string) {
	l.Helper()
	_, err := l.store.Delete(l.Context(), stream, events.Any)
	require.NoError(l, err)
}

func (l *lab) tombstone(stream string) {
	l.Helper()
	_, err := l.store.Tombstone(l.Context(), stream, events.Any)
	require.NoError(l, err)
}

// records returns the whole log as the store has it.
func (l *lab) records() []events.Record {
	l.Helper()
	return l.recordsAfter(events.Start)
}

func (l *lab) recordsAfter(after events.Position) []events.Record {
	l.Helper()
	var all []events.Record
	for record, err := range l.store.ReadAll(l.Context(), after) {
		require.NoError(l, err)
		all = append(all, record)
	}
	return all
}

type (
	options = streams.ReadReq_Options
	change  = func(*options)
)

var (
	nothing = &shared.Empty{}
	forever = func(o *options) {
		o.CountOption = &streams.ReadReq_Options_Subscription{Subscription: &streams.ReadReq_Options_SubscriptionOptions{}}
	}
	backwards = func(o *options) { o.ReadDirection = streams.ReadReq_Options_Backwards }
	resolving = func(o *options) { o.ResolveLinks = true }
	stringIDs = func(o *options) {
		o.UuidOption = &streams.ReadReq_Options_UUIDOption{Content: &streams.ReadReq_Options_UUIDOption_String_{String_: nothing}}
	}
)

// Where to begin. The end can also be said as the greatest number there is.
const (
	start       = -10
	end         = -11
	endAsNumber = -1
)

func log(from int64, changes ...change) *streams.ReadReq {
	all := &streams.ReadReq_Options_AllOptions{}
	switch from {
	case start:
		all.AllOption = &streams.ReadReq_Options_AllOptions_Start{Start: nothing}
	case end:
		all.AllOption = &streams.ReadReq_Options_AllOptions_End{End: nothing}
	default:
		all.AllOption = &streams.ReadReq_Options_AllOptions_Position{Position: &streams.ReadReq_Options_Position{
			CommitPosition: uint64(from), PreparePosition: uint64(from),
		}}
	}
	return request(func(o *options) { o.StreamOption = &streams.ReadReq_Options_All{All: all} }, changes...)
}

func of(stream string, from int64, changes ...change) *streams.ReadReq {
	one := &streams.ReadReq_Options_StreamOptions{StreamIdentifier: named(stream)}
	switch from {
	case start:
		one.RevisionOption = &streams.ReadReq_Options_StreamOptions_Start{Start: nothing}
	case end:
		one.RevisionOption = &streams.ReadReq_Options_StreamOptions_End{End: nothing}
	default:
		one.RevisionOption = &streams.ReadReq_Options_StreamOptions_Revision{Revision: uint64(from)}
	}
	return request(func(o *options) { o.StreamOption = &streams.ReadReq_Options_Stream{Stream: one} }, changes...)
}

func request(source change, changes ...change) *streams.ReadReq {
	o := &options{
		CountOption:  &streams.ReadReq_Options_Count{Count: math.MaxUint64},
		FilterOption: &streams.ReadReq_Options_NoFilter{NoFilter: nothing},
		UuidOption: &streams.ReadReq_Options_UUIDOption{
			Content: &streams.ReadReq_Options_UUIDOption_Structured{Structured: nothing},
		},
	}
	source(o)
	for _, apply := range changes {
		apply(o)
	}
	return &streams.ReadReq{Options: o}
}

func count(n uint64) change {
	return func(o *options) { o.CountOption = &streams.ReadReq_Options_Count{Count: n} }
}

// onType and onStream filter with a window; the multiplier of checkpoints is 1.
func onType(window uint32, prefixes ...string) change {
	return filtering(&streams.ReadReq_Options_FilterOptions{
		Filter: &streams.ReadReq_Options_FilterOptions_EventType{
			EventType: &streams.ReadReq_Options_FilterOptions_Expression{Prefix: prefixes},
		},
		Window:                       &streams.ReadReq_Options_FilterOptions_Max{Max: window},
		CheckpointIntervalMultiplier: 1,
	})
}

func onStream(window uint32, prefixes ...string) change {
	return filtering(&streams.ReadReq_Options_FilterOptions{
		Filter: &streams.ReadReq_Options_FilterOptions_StreamIdentifier{
			StreamIdentifier: &streams.ReadReq_Options_FilterOptions_Expression{Prefix: prefixes},
		},
		Window:                       &streams.ReadReq_Options_FilterOptions_Max{Max: window},
		CheckpointIntervalMultiplier: 1,
	})
}

func filtering(f *streams.ReadReq_Options_FilterOptions) change {
	return func(o *options) { o.FilterOption = &streams.ReadReq_Options_Filter{Filter: f} }
}

// read makes a bounded read and returns all replies.
func (l *lab) read(request *streams.ReadReq) ([]*streams.ReadResp, error) {
	l.Helper()
	call, err := l.stub.Read(l.Context(), request)
	require.NoError(l, err)
	var replies []*streams.ReadResp
	for {
		reply, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return replies, nil
		}
		if err != nil {
			return replies, err
		}
		replies = append(replies, reply)
	}
}

// ids makes a bounded read whose replies have to be events, and returns their ids.
func (l *lab) ids(request *streams.ReadReq) []id.Event {
	l.Helper()
	replies, err := l.read(request)
	require.NoError(l, err)
	ids := []id.Event{}
	for _, reply := range replies {
		ids = append(ids, eventID(l, reply))
	}
	return ids
}

// eventID returns the id of an event that was asked for with structured ids.
func eventID(t require.TestingT, reply *streams.ReadResp) id.Event {
	require.NotNil(t, reply.GetEvent(), "%v", reply)
	parsed, err := esdb.ParseUUIDFromInt64(
		reply.GetEvent().GetEvent().GetId().GetStructured().GetMostSignificantBits(),
		reply.GetEvent().GetEvent().GetId().GetStructured().GetLeastSignificantBits())
	require.NoError(t, err)
	return id.Event{UUID: parsed}
}

func idsOf(records []events.Record) []id.Event {
	ids := []id.Event{}
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	return ids
}

// listed is never nil.
func listed(ids []id.Event) []id.Event { return append([]id.Event{}, ids...) }

func reversed(ids []id.Event) []id.Event {
	ids = listed(ids)
	slices.Reverse(ids)
	return ids
}
