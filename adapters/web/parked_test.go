package web_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/events"
	"daybook/events/id"
)

// messagesSchema is the live build of the messages.
const messagesSchema = "messages_v4"

// poison appends an event that a projection of messages wants and cannot read.
func (s *system) poison(stream string, envelope events.Envelope) api.EventPlace {
	s.t.Helper()
	envelope.Version = 1
	metadata, err := events.EncodeEnvelope(envelope)
	require.NoError(s.t, err)
	at, err := s.store.Append(s.t.Context(), stream, events.Any, []events.Proposed{
		{ID: id.New[id.Event](), Type: "MessageAccepted", Data: []byte("no JSON"), Metadata: metadata, Binary: true},
	})
	require.NoError(s.t, err)
	return api.EventPlace{Stream: stream, Revision: at.Revision}
}

// parked waits until what is parked is as wanted, and nothing is still to be tried.
func (s *system) parked(wanted func(api.ParkedBuild) bool) (build api.ParkedBuild) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		list, err := s.Parked(s.t.Context(), "messages", client.WaitFor(s.head()))
		require.NoError(s.t, err)
		require.Len(s.t, list.Builds, 1)
		build = list.Builds[0]
		for _, p := range build.Parked {
			if p.Wanted {
				return false
			}
		}
		return wanted(build)
	}, 30*time.Second, 20*time.Millisecond)
	return build
}

func waiting(n int) func(api.ParkedBuild) bool {
	return func(b api.ParkedBuild) bool { return len(b.Parked) == n }
}

// accesses reads what is recorded of skips for an account.
func (s *system) accesses(account id.Account) (list []events.ProjectionEventSkipped) {
	s.t.Helper()
	for r, err := range s.store.ReadStream(context.WithoutCancel(s.t.Context()), events.AccessStream(account, time.Now()), 0) {
		require.NoError(s.t, err)
		e, envelope, err := events.DecodeRecord(r)
		require.NoError(s.t, err)
		require.Equal(s.t, account, envelope.Account)
		require.Equal(s.t, events.Actor("api:admin"), envelope.Actor)
		list = append(list, e.(events.ProjectionEventSkipped))
	}
	return list
}

func TestParkedEventsAreListedRetriedAndSkipped(t *testing.T) {
	t.Parallel()
	s := start(t)
	ctx, account := t.Context(), s.account()
	s.hello(account) // one that is well
	key := id.New[id.Conversation]().String()
	bad := s.poison("conversation-"+key, events.Envelope{Account: account})
	second := s.poison("conversation-"+key, events.Envelope{Account: account})

	build := s.parked(waiting(1))
	require.Equal(t, messagesSchema, build.Schema)
	require.Equal(t, &api.Blast{Text: "1 of 2 conversations", Parked: 1, Total: 2, Of: "conversations"}, build.Blast)
	require.Empty(t, build.Skipped)
	at := strconv.FormatUint(uint64(s.head()), 10)
	past, err := s.AsOf(ctx, "messages", at)
	require.NoError(t, err)
	require.Equal(t, []int64{1, 0}, []int64{past.Parked, past.Skipped})
	shown, _ := s.readAsOf(client.AsOfFilter{Projection: "messages", At: at, Table: "messages", Format: "csv"})
	require.EqualValues(t, 1, shown.Parked)
	waits := build.Parked[0]
	require.Equal(t, key, waits.Key)
	require.Equal(t, &bad, waits.First)
	require.Equal(t, "MessageAccepted", waits.Type)
	require.Equal(t, 2, waits.Events)
	require.Contains(t, waits.Cause, "MessageAccepted at "+bad.Stream+"@0: ")
	require.NotZero(t, waits.ParkedAt)
	require.Equal(t, &api.ParkedCounts{Partitions: 1, Events: 2}, s.builds("messages")[0].Parked)
	require.Nil(t, s.builds("audit")[0].Parked, "it pauses")
	require.Eventually(t, func() bool { // some may still be starting
		ready := s.raw(http.MethodGet, "/readyz", "")
		require.Contains(t, string(ready.body), `"parked":{"partitions":1,"events":2}`)
		return ready.StatusCode == http.StatusOK
	}, 30*time.Second, 20*time.Millisecond, "what does not wait can be read")

	asked, err := s.RetryParked(ctx, "messages", api.RetryParked{Key: key})
	require.NoError(t, err)
	require.Equal(t, api.ProjectionBuild{Name: "messages", Schema: messagesSchema}, asked)
	again := s.parked(func(b api.ParkedBuild) bool { return b.Parked[0].Tries == waits.Tries+1 })
	require.Equal(t, waits.Cause, again.Parked[0].Cause)
	retried := s.call(http.MethodPost, "/api/v1/projections/messages/parked/retry", "") // all that waits
	require.Equal(t, http.StatusAccepted, retried.StatusCode, "%s", retried.body)
	s.parked(func(b api.ParkedBuild) bool { return b.Parked[0].Tries == waits.Tries+2 })

	skip := api.SkipParked{EventPlace: bad, Key: key, Reason: "recorded by mistake"}
	done, err := s.SkipParked(ctx, "messages", skip, client.Key("skip-1"))
	require.NoError(t, err)
	require.Equal(t, s.head(), done.Position)
	next := s.parked(func(b api.ParkedBuild) bool {
		return *b.Parked[0].First == second && strings.Contains(b.Parked[0].Cause, "@1: ")
	})
	require.Equal(t, 1, next.Parked[0].Events)
	require.Len(t, next.Skipped, 1)
	require.Equal(t, skip.Reason, next.Skipped[0].Reason)
	require.Equal(t, bad, next.Skipped[0].Event)
	require.Equal(t, []string{key, "MessageAccepted"}, []string{next.Skipped[0].Key, next.Skipped[0].Type})
	recorded := events.ProjectionEventSkipped{
		Projection: "messages", Schema: messagesSchema, Key: key, Stream: bad.Stream, EventType: "MessageAccepted", Reason: skip.Reason,
	}
	require.Equal(t, []events.ProjectionEventSkipped{recorded}, s.accesses(account))

	repeated, err := s.SkipParked(ctx, "messages", skip, client.Key("skip-1"))
	require.NoError(t, err)
	require.Equal(t, done, repeated)
	for _, options := range [][]client.CallOption{nil, {client.Key("skip-2")}} {
		_, err = s.SkipParked(ctx, "messages", skip, options...)
		require.True(t, client.IsProblem(err, "OutOfOrder"), "%v", err)
	}
	require.Len(t, s.accesses(account), 1)

	skip.EventPlace, skip.Schema = second, messagesSchema
	_, err = s.SkipParked(ctx, "messages", skip)
	require.NoError(t, err)
	past, err = s.AsOf(ctx, "messages", strconv.FormatUint(uint64(s.head()), 10))
	require.NoError(t, err)
	require.EqualValues(t, 2, past.Skipped)
	last := s.parked(waiting(0))
	require.Len(t, last.Skipped, 2)
	require.Equal(t, int64(0), last.Blast.Parked)
	require.Len(t, s.accesses(account), 2)
	trail, err := s.AuditEntries(ctx, client.AuditFilter{Account: account, Type: "ProjectionEventSkipped"}, client.WaitFor(s.head()))
	require.NoError(t, err)
	require.Len(t, trail.Entries, 2)
}

// TestASkipThatWasCutShortIsFinishedByItsRepeat takes a command that recorded the access, and no more.
func TestASkipThatWasCutShortIsFinishedByItsRepeat(t *testing.T) {
	t.Parallel()
	s := start(t)
	key := id.New[id.Conversation]().String()
	bad := s.poison("conversation-"+key, events.Envelope{})
	s.parked(waiting(1))
	skip := api.SkipParked{EventPlace: bad, Key: key, Reason: "recorded by mistake"}
	_, err := s.database.Exec(t.Context(), `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'not now'; END$$;
		CREATE TRIGGER refuse BEFORE UPDATE ON parked_events FOR EACH ROW EXECUTE FUNCTION refuse()`)
	require.NoError(t, err)
	_, err = s.SkipParked(t.Context(), "messages", skip, client.Key("skip-1"))
	require.True(t, client.IsProblem(err, "Internal"), "%v", err)
	require.Len(t, s.accesses(id.Account{}), 1)
	_, err = s.database.Exec(t.Context(), "DROP TRIGGER refuse ON parked_events")
	require.NoError(t, err)
	_, err = s.SkipParked(t.Context(), "messages", skip, client.Key("skip-1"))
	require.NoError(t, err)
	s.parked(waiting(0))
	require.Len(t, s.accesses(id.Account{}), 1)
}

func TestWhatCannotBeRetriedOrSkippedIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	key := id.New[id.Conversation]().String()
	bad := s.poison("conversation-"+key, events.Envelope{})
	s.poison("conversation-"+key, events.Envelope{})
	s.parked(waiting(1))
	described := s.description()
	good := api.SkipParked{EventPlace: bad, Key: key, Reason: "because"}
	skip := func(change string, to any) string { return changed(t, good, change, to) }
	const out, order = http.StatusUnprocessableEntity, "OutOfOrder"
	for name, c := range map[string]struct {
		path, body  string
		status      int
		code, field string
	}{
		"without a reason":   {"messages/parked/skip", skip("reason", " "), out, "ReasonRequired", "body.reason"},
		"no reason at all":   {"messages/parked/skip", skip("reason", nil), out, "ValidationFailed", "body.reason"},
		"a long reason":      {"messages/parked/skip", skip("reason", strings.Repeat("é", 501)), out, "ReasonLength", "body.reason"},
		"a reason in lines":  {"messages/parked/skip", skip("reason", "a\nb"), out, "ReasonInvalid", "body.reason"},
		"the wrong event":    {"messages/parked/skip", skip("revision", 1), http.StatusConflict, order, ""},
		"the wrong stream":   {"messages/parked/skip", skip("stream", "nowhere"), http.StatusConflict, order, ""},
		"the wrong key":      {"messages/parked/skip", skip("key", "nobody"), http.StatusConflict, order, ""},
		"skip in no build":   {"messages/parked/skip", skip("schema", "messages_v1"), out, "BuildUnknown", "body.schema"},
		"skip in nothing":    {"nothing/parked/skip", skip("key", key), http.StatusNotFound, "ProjectionUnknown", ""},
		"retry of nobody":    {"messages/parked/retry", `{"key":"nobody"}`, http.StatusConflict, order, ""},
		"retry where none":   {"audit/parked/retry", `{}`, http.StatusConflict, order, ""},
		"retry in another's": {"audit/parked/retry", `{"schema":"` + messagesSchema + `"}`, out, "BuildUnknown", "body.schema"},
		"retry in nothing":   {"nothing/parked/retry", `{}`, http.StatusNotFound, "ProjectionUnknown", ""},
	} {
		a := s.call(http.MethodPost, "/api/v1/projections/"+c.path, c.body)
		require.Equal(t, c.status, a.StatusCode, "%s: %s", name, a.body)
		p := a.problem(t)
		require.Equal(t, c.code, p.Code, name)
		if c.field != "" {
			require.Equal(t, c.field, p.Errors[0].Location, name)
		}
		described.lists(t, http.MethodPost, "/projections/"+c.path, c.status)
	}
	require.Empty(t, s.accesses(id.Account{}), "nothing is recorded of what was not done")
	require.Equal(t, http.StatusNotFound, s.call(http.MethodGet, "/api/v1/projections/nothing/parked", "").StatusCode)
	require.Equal(t, http.StatusUnauthorized, s.raw(http.MethodGet, "/api/v1/projections/messages/parked", "").StatusCode)

	list, err := s.Parked(t.Context(), "audit")
	require.NoError(t, err)
	require.Equal(t, api.ParkedEvents{Builds: []api.ParkedBuild{{Schema: "audit_v1", Parked: []api.ParkedPartition{}, Skipped: []api.SkippedEvent{}}}}, list,
		"it pauses")
	_, err = s.SkipParked(t.Context(), "messages", good)
	require.NoError(t, err)
	require.Len(t, s.accesses(id.Account{}), 1, "of an event that names no account")
}
