package endpoint_test

import (
	"context"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"daybook/adapters/embedded"
	"daybook/events"
)

// answer is what came of a call.
type answer struct {
	reply    *streams.AppendResp
	trailers metadata.MD
	err      error
}

func (a answer) require(t testing.TB, code codes.Code, exception string, trailers map[string]string) {
	t.Helper()
	require.Equal(t, code, status.Code(a.err), a.err)
	if exception != "" {
		require.Equal(t, []string{exception}, a.trailers.Get("exception"))
	} else {
		require.Empty(t, a.trailers.Get("exception"))
	}
	for name, want := range trailers {
		require.Equal(t, []string{want}, a.trailers.Get(name), name)
	}
}

// append sends messages as they are and closes. It fails the test if the server stops listening before.
func (r *rig) append(messages ...*streams.AppendReq) (a answer) {
	r.Helper()
	call, err := streams.NewStreamsClient(r.dial()).Append(r.Context())
	require.NoError(r, err)
	for _, message := range messages {
		require.NoError(r, call.Send(message))
	}
	a.reply, a.err = call.CloseAndRecv()
	a.trailers = call.Trailer()
	return a
}

func opening(change func(*streams.AppendReq_Options)) *streams.AppendReq {
	all := &streams.AppendReq_Options{
		StreamIdentifier:       named("orders"),
		ExpectedStreamRevision: &streams.AppendReq_Options_Any{Any: &shared.Empty{}},
	}
	if change != nil {
		change(all)
	}
	return &streams.AppendReq{Content: &streams.AppendReq_Options_{Options: all}}
}

func to(stream string) *streams.AppendReq {
	return opening(func(o *streams.AppendReq_Options) { o.StreamIdentifier = named(stream) })
}

func at(revision uint64) *streams.AppendReq {
	return opening(func(o *streams.AppendReq_Options) {
		o.ExpectedStreamRevision = &streams.AppendReq_Options_Revision{Revision: revision}
	})
}

func event(change func(*streams.AppendReq_ProposedMessage)) *streams.AppendReq {
	message := &streams.AppendReq_ProposedMessage{
		Id:       structured(uuid.New()),
		Metadata: map[string]string{"type": "Noted", "content-type": "application/json"},
		Data:     []byte(`{}`),
	}
	if change != nil {
		change(message)
	}
	return &streams.AppendReq{Content: &streams.AppendReq_ProposedMessage_{ProposedMessage: message}}
}

// TestMalformedAppendsAreRefused: each with the status that says so, nothing written, and the request taken to its end.
func TestMalformedAppendsAreRefused(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	identified := func(id *shared.UUID) *streams.AppendReq {
		return event(func(m *streams.AppendReq_ProposedMessage) { m.Id = id })
	}
	without := func(keys ...string) *streams.AppendReq {
		return event(func(m *streams.AppendReq_ProposedMessage) {
			for _, key := range keys {
				delete(m.GetMetadata(), key)
			}
		})
	}
	const missing = "missing-required-metadata-property"
	for name, c := range map[string]struct {
		messages  []*streams.AppendReq
		code      codes.Code
		exception string
	}{
		"nothing at all":            {nil, codes.InvalidArgument, ""},
		"empty message":             {[]*streams.AppendReq{{}}, codes.InvalidArgument, ""},
		"event before options":      {[]*streams.AppendReq{event(nil), opening(nil)}, codes.InvalidArgument, ""},
		"options twice":             {[]*streams.AppendReq{opening(nil), event(nil), opening(nil)}, codes.InvalidArgument, ""},
		"empty message among":       {[]*streams.AppendReq{opening(nil), event(nil), {}, event(nil)}, codes.InvalidArgument, ""},
		"no stream":                 {[]*streams.AppendReq{opening(func(o *streams.AppendReq_Options) { o.StreamIdentifier = nil })}, codes.InvalidArgument, ""},
		"empty stream":              {[]*streams.AppendReq{to(""), event(nil)}, codes.InvalidArgument, ""},
		"metadata of nothing":       {[]*streams.AppendReq{to("$$"), event(nil)}, codes.InvalidArgument, ""},
		"the log itself":            {[]*streams.AppendReq{to("$all"), event(nil)}, codes.PermissionDenied, "access-denied"},
		"stream not UTF-8":          {[]*streams.AppendReq{to("a\xffb"), event(nil)}, codes.InvalidArgument, ""},
		"stream too long":           {[]*streams.AppendReq{to(strings.Repeat("x", 1<<20)), event(nil)}, codes.InvalidArgument, ""},
		"no expectation":            {[]*streams.AppendReq{opening(func(o *streams.AppendReq_Options) { o.ExpectedStreamRevision = nil }), event(nil)}, codes.InvalidArgument, ""},
		"revision beyond 2^63":      {[]*streams.AppendReq{at(math.MaxInt64 + 1), event(nil)}, codes.InvalidArgument, ""},
		"greatest revision":         {[]*streams.AppendReq{at(math.MaxUint64), event(nil)}, codes.InvalidArgument, ""},
		"no id":                     {[]*streams.AppendReq{opening(nil), identified(nil)}, codes.InvalidArgument, ""},
		"id without a form":         {[]*streams.AppendReq{opening(nil), identified(&shared.UUID{})}, codes.InvalidArgument, ""},
		"nil id":                    {[]*streams.AppendReq{opening(nil), identified(structured(uuid.Nil))}, codes.InvalidArgument, ""},
		"nil id as text":            {[]*streams.AppendReq{opening(nil), identified(textual(uuid.Nil))}, codes.InvalidArgument, ""},
		"id is no UUID":             {[]*streams.AppendReq{opening(nil), identified(&shared.UUID{Value: &shared.UUID_String_{String_: "one"}})}, codes.InvalidArgument, ""},
		"id in braces":              {[]*streams.AppendReq{opening(nil), identified(&shared.UUID{Value: &shared.UUID_String_{String_: "{" + uuid.NewString() + "}"}})}, codes.InvalidArgument, ""},
		"no type":                   {[]*streams.AppendReq{opening(nil), without("type")}, codes.InvalidArgument, missing},
		"no content type":           {[]*streams.AppendReq{opening(nil), without("content-type")}, codes.InvalidArgument, missing},
		"no metadata":               {[]*streams.AppendReq{opening(nil), without("type", "content-type")}, codes.InvalidArgument, missing},
		"second event has no type":  {[]*streams.AppendReq{opening(nil), event(nil), without("type"), event(nil)}, codes.InvalidArgument, missing},
		"a type that is not a name": {[]*streams.AppendReq{opening(nil), event(func(m *streams.AppendReq_ProposedMessage) { m.Metadata["type"] = "" })}, codes.InvalidArgument, missing},
	} {
		t.Run(name, func(t *testing.T) {
			a := r.append(c.messages...)
			a.require(t, c.code, c.exception, nil)
			if c.exception == missing {
				a.require(t, c.code, missing, map[string]string{"required-metadata-properties": "type,content-type"})
			}
		})
	}
	for record, err := range r.store.ReadAll(t.Context(), events.Start) {
		require.NoError(t, err)
		require.Equal(t, "daybook-store", record.Stream, "nothing was written")
	}
}

// TestStatusesStaySmall: they quote what the client has sent, and travel in headers, which have limits.
func TestStatusesStaySmall(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	a := r.append(opening(nil), event(func(m *streams.AppendReq_ProposedMessage) {
		m.Id = &shared.UUID{Value: &shared.UUID_String_{String_: strings.Repeat("ü", 5<<20)}}
	}))
	a.require(t, codes.InvalidArgument, "", nil)
	require.Less(t, len(status.Convert(a.err).Message()), 4096)
}

func TestAppendsTakeIdsInBothForms(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	one, two := uuid.New(), uuid.New()
	a := r.append(opening(nil),
		event(func(m *streams.AppendReq_ProposedMessage) { m.Id = structured(one) }),
		event(func(m *streams.AppendReq_ProposedMessage) {
			m.Id, m.Metadata["content-type"] = textual(two), "application/xml"
			m.Metadata["other"] = "dropped"
		}))
	require.NoError(t, a.err)
	stored := r.stored("orders")
	require.Equal(t, one, stored[0].ID.UUID)
	require.Equal(t, two, stored[1].ID.UUID)
	require.False(t, stored[0].Binary)
	require.True(t, stored[1].Binary, "what is not application/json is bytes")
	success := a.reply.GetSuccess()
	require.Equal(t, uint64(1), success.GetCurrentRevision())
	require.Equal(t, uint64(stored[1].Position), success.GetPosition().GetCommitPosition())
	require.Equal(t, uint64(stored[1].Position), success.GetPosition().GetPreparePosition())
}

func TestEmptyAppendsOnlyCheck(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	success := r.append(opening(nil)).reply.GetSuccess()
	require.NotNil(t, success.GetNoStream())
	require.NotNil(t, success.GetNoPosition())
	r.append(opening(nil), event(nil), event(nil))
	success = r.append(opening(nil)).reply.GetSuccess()
	require.Equal(t, &streams.AppendResp_Success_CurrentRevision{CurrentRevision: 1}, success.GetCurrentRevisionOption())
	require.Equal(t, uint64(r.stored("orders")[1].Position), success.GetPosition().GetCommitPosition())
	require.Len(t, r.stored("orders"), 2)
}

func TestConflictsAreToldInTheReply(t *testing.T) {
	t.Parallel()
	type wrong = streams.AppendResp_WrongExpectedVersion
	r := serve(t, nil)
	noStream := opening(func(o *streams.AppendReq_Options) {
		o.ExpectedStreamRevision = &streams.AppendReq_Options_NoStream{NoStream: &shared.Empty{}}
	})
	exists := opening(func(o *streams.AppendReq_Options) {
		o.ExpectedStreamRevision = &streams.AppendReq_Options_StreamExists{StreamExists: &shared.Empty{}}
	})
	conflict := func(messages ...*streams.AppendReq) *wrong {
		t.Helper()
		a := r.append(messages...)
		require.NoError(t, a.err)
		return a.reply.GetWrongExpectedVersion()
	}
	requireSame := func(want, got *wrong) {
		t.Helper()
		require.True(t, proto.Equal(want, got), "%v, not %v", want, got)
	}
	requireSame(&wrong{
		CurrentRevisionOption_20_6_0:  &streams.AppendResp_WrongExpectedVersion_NoStream_20_6_0{NoStream_20_6_0: &shared.Empty{}},
		ExpectedRevisionOption_20_6_0: &streams.AppendResp_WrongExpectedVersion_StreamExists_20_6_0{StreamExists_20_6_0: &shared.Empty{}},
		CurrentRevisionOption:         &streams.AppendResp_WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &shared.Empty{}},
		ExpectedRevisionOption:        &streams.AppendResp_WrongExpectedVersion_ExpectedStreamExists{ExpectedStreamExists: &shared.Empty{}},
	}, conflict(exists, event(nil)))
	twice := event(nil)
	require.NoError(t, r.append(opening(nil), event(nil), twice).err)
	requireSame(&wrong{
		CurrentRevisionOption_20_6_0: &streams.AppendResp_WrongExpectedVersion_CurrentRevision_20_6_0{CurrentRevision_20_6_0: 1},
		CurrentRevisionOption:        &streams.AppendResp_WrongExpectedVersion_CurrentRevision{CurrentRevision: 1},
		ExpectedRevisionOption:       &streams.AppendResp_WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: &shared.Empty{}},
	}, conflict(noStream, event(nil)))
	requireSame(&wrong{
		CurrentRevisionOption_20_6_0:  &streams.AppendResp_WrongExpectedVersion_CurrentRevision_20_6_0{CurrentRevision_20_6_0: 1},
		ExpectedRevisionOption_20_6_0: &streams.AppendResp_WrongExpectedVersion_ExpectedRevision_20_6_0{ExpectedRevision_20_6_0: 5},
		CurrentRevisionOption:         &streams.AppendResp_WrongExpectedVersion_CurrentRevision{CurrentRevision: 1},
		ExpectedRevisionOption:        &streams.AppendResp_WrongExpectedVersion_ExpectedRevision{ExpectedRevision: 5},
	}, conflict(at(5), event(nil)))
	requireSame(&wrong{
		CurrentRevisionOption_20_6_0:  &streams.AppendResp_WrongExpectedVersion_CurrentRevision_20_6_0{CurrentRevision_20_6_0: 1},
		ExpectedRevisionOption_20_6_0: &streams.AppendResp_WrongExpectedVersion_Any_20_6_0{Any_20_6_0: &shared.Empty{}},
		CurrentRevisionOption:         &streams.AppendResp_WrongExpectedVersion_CurrentRevision{CurrentRevision: 1},
		ExpectedRevisionOption:        &streams.AppendResp_WrongExpectedVersion_ExpectedAny{ExpectedAny: &shared.Empty{}},
	}, conflict(opening(nil), twice, event(nil))) // a part of it is there
}

func TestLimitsOfAnAppend(t *testing.T) {
	t.Parallel()
	r := serve(t, nil, embedded.MaxAppendBytes(3<<20))
	sized := func(bytes int) *streams.AppendReq {
		return event(func(m *streams.AppendReq_ProposedMessage) {
			m.Data, m.CustomMetadata = make([]byte, bytes-1000), make([]byte, 1000-2*len("Noted"))
		})
	}
	require.NoError(t, r.append(opening(nil), sized(1<<20), sized(1<<20), sized(1<<20)).err, "exactly the limit")
	tooLarge := map[string]string{"maximum-append-size": strconv.Itoa(3 << 20)}
	const exception = "maximum-append-size-exceeded"
	r.append(opening(nil), sized(1<<20), sized(1<<20), sized(1<<20+1)).require(t, codes.InvalidArgument, exception, tooLarge)
	r.append(opening(nil), sized(15<<20), sized(15<<20), sized(15<<20)).require(t, codes.InvalidArgument, exception, tooLarge)
	many := []*streams.AppendReq{opening(nil)}
	for range 50 {
		many = append(many, sized(1<<20))
	}
	r.append(many...).require(t, codes.InvalidArgument, exception, tooLarge)
	require.Len(t, r.stored("orders"), 3)

	call, err := streams.NewStreamsClient(r.dial()).Append(t.Context())
	require.NoError(t, err)
	require.NoError(t, call.Send(opening(nil)))
	_ = call.Send(sized(17 << 20)) // the server may have hung up on it in the middle
	_, err = call.CloseAndRecv()
	require.Equal(t, codes.ResourceExhausted, status.Code(err), err)
}

// TestAppendsThatBreakOffWriteNothing: only the client's half-close says that an append is complete.
func TestAppendsThatBreakOffWriteNothing(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancelled, err := streams.NewStreamsClient(r.dial()).Append(ctx)
	require.NoError(t, err)
	require.NoError(t, cancelled.Send(opening(nil)))
	require.NoError(t, cancelled.Send(event(nil)))
	cancel()
	_, err = cancelled.CloseAndRecv()
	require.Equal(t, codes.Canceled, status.Code(err))

	connection := r.dial()
	cut, err := streams.NewStreamsClient(connection).Append(t.Context())
	require.NoError(t, err)
	require.NoError(t, cut.Send(opening(nil)))
	require.NoError(t, cut.Send(event(nil)))
	require.NoError(t, connection.Close())
	shutdown(t, r) // no handler is left after it
	require.Empty(t, r.stored("orders"))
}

func TestDeletesAreRefusedByTheirStatus(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	const wrong = "wrong-expected-version"
	name, escaped := "100 % naïve", "100 %25 na%C3%AFve"
	require.NoError(t, r.append(to(name), event(nil)).err)
	for label, c := range map[string]struct {
		options   *streams.DeleteReq_Options
		code      codes.Code
		exception string
		trailers  map[string]string
	}{
		"no options":     {nil, codes.InvalidArgument, "", nil},
		"no stream":      {&streams.DeleteReq_Options{ExpectedStreamRevision: &streams.DeleteReq_Options_Any{}}, codes.InvalidArgument, "", nil},
		"no expectation": {&streams.DeleteReq_Options{StreamIdentifier: named(name)}, codes.InvalidArgument, "", nil},
		"the log itself": {
			&streams.DeleteReq_Options{StreamIdentifier: named("$all"), ExpectedStreamRevision: &streams.DeleteReq_Options_Any{}},
			codes.PermissionDenied, "access-denied", nil,
		},
		"beyond 2^63": {
			&streams.DeleteReq_Options{StreamIdentifier: named(name), ExpectedStreamRevision: &streams.DeleteReq_Options_Revision{Revision: 1 << 63}},
			codes.InvalidArgument, "", nil,
		},
		"another revision": {
			&streams.DeleteReq_Options{StreamIdentifier: named(name), ExpectedStreamRevision: &streams.DeleteReq_Options_Revision{Revision: 3}},
			codes.FailedPrecondition, wrong,
			map[string]string{"stream-name": escaped, "expected-version": "3", "actual-version": "0"},
		},
		"there is a stream": {
			&streams.DeleteReq_Options{StreamIdentifier: named(name), ExpectedStreamRevision: &streams.DeleteReq_Options_NoStream{}},
			codes.FailedPrecondition, wrong,
			map[string]string{"stream-name": escaped, "expected-version": "-1", "actual-version": "0"},
		},
		"there is none": {
			&streams.DeleteReq_Options{StreamIdentifier: named("none"), ExpectedStreamRevision: &streams.DeleteReq_Options_Any{}},
			codes.FailedPrecondition, wrong,
			map[string]string{"stream-name": "none", "expected-version": "-2", "actual-version": ""},
		},
		"it does not exist": {
			&streams.DeleteReq_Options{StreamIdentifier: named("none"), ExpectedStreamRevision: &streams.DeleteReq_Options_StreamExists{}},
			codes.FailedPrecondition, wrong,
			map[string]string{"stream-name": "none", "expected-version": "-4", "actual-version": ""},
		},
	} {
		t.Run(label, func(t *testing.T) {
			var a answer
			_, a.err = streams.NewStreamsClient(r.dial()).Delete(t.Context(), &streams.DeleteReq{Options: c.options}, grpc.Trailer(&a.trailers))
			a.require(t, c.code, c.exception, c.trailers)
		})
	}
	require.Len(t, r.stored(name), 1)
}

func TestTombstonedStreamsSaySo(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	client, name, escaped := streams.NewStreamsClient(r.dial()), "naïve", "na%C3%AFve"
	anything := &streams.TombstoneReq_Options{StreamIdentifier: named(name), ExpectedStreamRevision: &streams.TombstoneReq_Options_Any{}}
	reply, err := client.Tombstone(t.Context(), &streams.TombstoneReq{Options: anything})
	require.NoError(t, err, "the stream need not exist")
	require.Positive(t, reply.GetPosition().GetCommitPosition())
	require.Equal(t, reply.GetPosition().GetCommitPosition(), reply.GetPosition().GetPreparePosition())

	gone := map[string]string{"stream-name": escaped}
	r.append(to(name), event(nil)).require(t, codes.FailedPrecondition, "stream-deleted", gone)
	var again answer
	_, again.err = client.Tombstone(t.Context(), &streams.TombstoneReq{Options: anything}, grpc.Trailer(&again.trailers))
	again.require(t, codes.FailedPrecondition, "stream-deleted", gone)
	require.ErrorContains(t, again.err, "naïve", "the status text may be any")
}

func TestClosedStoresAreUnavailable(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	require.NoError(t, r.store.Close())
	r.append(opening(nil), event(nil)).require(t, codes.Unavailable, "", nil)
	_, err := streams.NewStreamsClient(r.dial()).Delete(t.Context(), &streams.DeleteReq{Options: &streams.DeleteReq_Options{
		StreamIdentifier: named("orders"), ExpectedStreamRevision: &streams.DeleteReq_Options_Any{},
	}})
	require.Equal(t, codes.Unavailable, status.Code(err))
}
