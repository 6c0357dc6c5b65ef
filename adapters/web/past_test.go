package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web"
	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/commands"
	"daybook/events"
	"daybook/events/id"
)

// scratches counts the builds that are only looked at.
func (s *system) scratches() (n int) {
	s.t.Helper()
	require.NoError(s.t, s.database.QueryRow(context.WithoutCancel(s.t.Context()),
		"SELECT count(*) FROM projections WHERE phase = 'scratch'").Scan(&n))
	return n
}

func (s *system) readAsOf(filter client.AsOfFilter) (head api.AsOf, body string) {
	s.t.Helper()
	a, err := s.ReadAsOf(s.t.Context(), filter)
	require.NoError(s.t, err)
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	require.NoError(s.t, err)
	return a.Head, string(text)
}

func TestAReadModelIsReadAsItStood(t *testing.T) {
	t.Parallel()
	s := start(t)
	account := s.account()
	device := s.device(account, "iPhone Mario")
	then, before := s.head(), time.Now()
	_, err := s.RenameDevice(t.Context(), account, device, "iPhone Luigi")
	require.NoError(t, err)
	at := strconv.FormatUint(uint64(then), 10)

	list, err := s.AsOf(t.Context(), "messages", at)
	require.NoError(t, err)
	require.Equal(t, []api.TableRows{{Table: "devices", Rows: 1}, {Table: "messages"}, {Table: "recipients"}}, list.Tables)
	require.Equal(t, []any{"messages", 4, then, (*time.Time)(nil)}, []any{list.Name, list.Version, list.Position, list.AskedTime})
	require.Equal(t, &api.AsOfEvent{
		Position: then, Stream: "devices-" + account.String(), Type: "DeviceLinked", RecordedAt: list.LastEvent.RecordedAt,
	}, list.LastEvent)
	require.WithinRange(t, list.LastEvent.RecordedAt, before.Add(-time.Minute), before)
	require.Equal(t, "made by today's projector from the events of then; what has been erased since stays erased", list.Note)
	require.Empty(t, s.reads(), "nobody has seen a row")

	head, text := s.readAsOf(client.AsOfFilter{Projection: "messages", At: at, Table: "devices", Format: "csv"})
	require.Equal(t, "device_id,account_id,name,kind,platform,linked_at,unlinked_at\n"+
		fmt.Sprintf("%s,%s,iPhone Mario,smartphone,ios,", device, account), text[:strings.LastIndex(text, ",ios,")+5])
	require.Len(t, strings.Split(text, "\n"), 3)
	list.Table = "devices"
	require.Equal(t, list, head)

	head, text = s.readAsOf(client.AsOfFilter{Projection: "messages", At: before.Format(time.RFC3339Nano), Table: "devices"})
	require.Zero(t, head)
	var rows api.AsOfRows
	require.NoError(t, json.Unmarshal([]byte(text), &rows))
	require.Equal(t, "iPhone Mario", rows.Rows[0]["name"])
	require.Equal(t, before.UTC().Round(0), *rows.AskedTime)
	require.Equal(t, then, rows.Position)
	rows.AskedTime = nil
	require.Equal(t, list, rows.AsOf)

	_, text = s.readAsOf(client.AsOfFilter{Projection: "messages", At: strconv.FormatUint(uint64(s.head()), 10), Table: "devices"})
	require.Contains(t, text, "iPhone Luigi")
	_, text = s.readAsOf(client.AsOfFilter{Projection: "messages", At: "0", Table: "devices"})
	require.Contains(t, text, `"last_event":null`)
	require.True(t, strings.HasSuffix(text, "\"table\":\"devices\",\"rows\":[\n]}\n"), text)
	nothing, err := s.AsOf(t.Context(), "messages", "1970-01-01T00:00:00Z")
	require.NoError(t, err)
	require.Nil(t, nothing.LastEvent)

	after := &events.Ref{Stream: "devices-" + account.String()}
	require.Equal(t, events.ProjectionReadAsOf{Projection: "messages", Version: 4, Table: "devices", Rows: 1, After: after}, s.reads()[0])
	require.Len(t, s.reads(), 4)
	require.Zero(t, s.scratches())
}

// reads is what is recorded of reading the past.
func (s *system) reads() (list []events.ProjectionReadAsOf) {
	s.t.Helper()
	for r, err := range s.store.ReadStream(s.t.Context(), events.AccessStream(id.Account{}, time.Now()), 0) {
		require.NoError(s.t, err)
		e, envelope, err := events.DecodeRecord(r)
		require.NoError(s.t, err)
		require.Equal(s.t, events.Actor("api:admin"), envelope.Actor)
		list = append(list, e.(events.ProjectionReadAsOf))
	}
	return list
}

func TestThePastIsAskedForExactly(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.account()
	described := s.description()
	const past, future = "2026-01-01T00:00:00Z", "9999-12-31T23:59:59Z"
	for query, c := range map[string]struct {
		status      int
		code, field string
		rule        string
	}{
		"messages/as-of":                                     {422, "ValidationFailed", "query.at", "required"},
		"messages/as-of?at=":                                 {422, "ValidationFailed", "query.at", "expected a value"},
		"messages/as-of?at=yesterday":                        {422, "ValidationFailed", "query.at", "expected a position, or an RFC 3339 instant"},
		"messages/as-of?at=-1":                               {422, "ValidationFailed", "query.at", "expected a position, or"},
		"messages/as-of?at=2026-01-01T00:00:00+02:00":        {422, "ValidationFailed", "query.at", "written %2B"},
		"messages/as-of?at=1969-01-01T00:00:00Z":             {422, "InstantOutOfRange", "query.at", "1970 to 9999"},
		"messages/as-of?at=" + future:                        {422, "InstantInFuture", "query.at", "that has passed; it is now 20"},
		"messages/as-of?at=999999999":                        {422, "PositionUnknown", "query.at", "its last position is "},
		"messages/as-of?at=99999999999999999999":             {422, "ValidationFailed", "query.at", "below 2^64"},
		"messages/as-of?at=0&at=1":                           {422, "ValidationFailed", "query.at", "once"},
		"messages/as-of?at=0&table=entries":                  {422, "TableUnknown", "query.table", "devices, messages, recipients"},
		"messages/as-of?at=0&format=csv":                     {422, "TableRequired", "query.table", "required with format"},
		"messages/as-of?at=0&table=devices&format=xml":       {422, "ValidationFailed", "query.format", "csv, json"},
		"messages/as-of?at=0&position=1":                     {422, "ValidationFailed", "query.position", ""},
		"nobody/as-of?at=" + past:                            {404, "ProjectionUnknown", "", "no projection of this name"},
		"head/as-of?at=0":                                    {404, "ProjectionUnknown", "", "no projection of this name"},
		"messages/as-of?at=0&table=pg_class%22%3B&wait_for=": {422, "ValidationFailed", "query.wait_for", ""},
	} {
		a := s.call(http.MethodPost, "/api/v1/projections/"+query, "")
		require.Equal(t, c.status, a.StatusCode, "%s: %s", query, a.body)
		p := a.problem(t)
		require.Equal(t, c.code, p.Code, query)
		require.Contains(t, p.Detail, c.rule, query)
		if c.field != "" {
			require.Equal(t, c.field, p.Errors[0].Location, query)
		}
		described.lists(t, http.MethodPost, "/projections/"+query, c.status)
	}
	require.Empty(t, s.reads())
	require.Zero(t, s.scratches())
	require.Equal(t, http.StatusForbidden, s.raw(http.MethodPost, "/api/v1/projections/messages/as-of?at=0", "",
		"Cookie", s.signedIn(), "Sec-Fetch-Site", "cross-site").StatusCode)
}

// fill makes an audit trail that does not fit any buffer.
func (s *system) fill() (at string) {
	s.t.Helper()
	account := s.account()
	for n := range 12 {
		proposed := make([]events.Proposed, 100)
		for i := range proposed {
			proposed[i] = events.Proposed{ID: id.New[id.Event](), Type: "Foreign", Data: []byte(strings.Repeat("x", 8000)), Metadata: []byte("{}"), Binary: true}
		}
		_, err := s.store.Append(s.t.Context(), fmt.Sprintf("foreign-%s-%d", account, n), events.Any, proposed)
		require.NoError(s.t, err)
	}
	return strconv.FormatUint(uint64(s.head()), 10)
}

// TestRowsOfThePastHaveTheirTimePieceByPiece: on a server that gives other answers none, all of them come.
func TestRowsOfThePastHaveTheirTimePieceByPiece(t *testing.T) {
	t.Parallel()
	s := start(t)
	at := s.fill()
	var config web.Config
	s.restart(func(c *web.Config) { config = *c })
	hasty := httptest.NewUnstartedServer(web.New(config))
	hasty.Config.WriteTimeout = time.Nanosecond
	hasty.Start()
	t.Cleanup(hasty.Close)
	server := client.New(hasty.URL, token)
	_, err := server.Projections(t.Context())
	require.Error(t, err)
	for _, format := range []string{"csv", "json"} {
		a, err := server.ReadAsOf(t.Context(), client.AsOfFilter{Projection: "audit", At: at, Table: "entries", Format: format})
		require.NoError(t, err)
		text, err := io.ReadAll(a.Body)
		require.NoError(t, err)
		require.Equal(t, 1200, strings.Count(string(text), `\x7878`))
		require.NoError(t, a.Body.Close())
	}
}

// TestAReaderOfThePastMayLeave in the middle of the rows: what was made for it goes.
func TestAReaderOfThePastMayLeave(t *testing.T) {
	t.Parallel()
	s := start(t)
	at := s.fill()
	for _, format := range []string{"csv", "json"} {
		ctx, leave := context.WithCancel(t.Context())
		a, err := s.ReadAsOf(ctx, client.AsOfFilter{Projection: "audit", At: at, Table: "entries", Format: format})
		require.NoError(t, err)
		_, err = io.ReadFull(a.Body, make([]byte, 100))
		require.NoError(t, err)
		require.Equal(t, 1, s.scratches())
		leave()
		require.Eventually(t, func() bool { return s.scratches() == 0 }, 30*time.Second, 5*time.Millisecond)
		require.NoError(t, a.Body.Close())
	}
}

// TestHalfAnAnswerOfThePastIsNoneAtAll takes the rows away while they are read.
func TestHalfAnAnswerOfThePastIsNoneAtAll(t *testing.T) {
	t.Parallel()
	s := start(t)
	at := s.fill()
	for _, format := range []string{"csv", "json"} {
		a, err := s.ReadAsOf(t.Context(), client.AsOfFilter{Projection: "audit", At: at, Table: "entries", Format: format})
		require.NoError(t, err)
		_, err = io.ReadFull(a.Body, make([]byte, 100))
		require.NoError(t, err)
		_, err = s.database.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND query ~ '^(COPY|SELECT to_json)'`)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, a.Body)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.NoError(t, a.Body.Close())
		require.Eventually(t, func() bool { return s.scratches() == 0 }, 30*time.Second, 5*time.Millisecond)
	}
	require.Contains(t, s.log.String(), "an answer broke off")
}

// unrecorded is a store to which nothing can be appended.
type unrecorded struct{ commands.EventStore }

func (unrecorded) Append(context.Context, string, events.Expected, []events.Proposed) (events.Appended, error) {
	return events.Appended{}, errors.New("the disk is full")
}

// TestWhatCannotBeRecordedIsNotShown: nobody sees rows of which the trail does not know.
func TestWhatCannotBeRecordedIsNotShown(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.account()
	at := strconv.FormatUint(uint64(s.head()), 10)
	s.restart(func(c *web.Config) { c.Commands = commands.New(unrecorded{s.store}, time.Now) })
	a := s.call(http.MethodPost, "/api/v1/projections/audit/as-of?table=entries&at="+at, "")
	require.Equal(t, http.StatusInternalServerError, a.StatusCode, "%s", a.body)
	require.Zero(t, s.scratches())
	list := s.call(http.MethodPost, "/api/v1/projections/audit/as-of?at="+at, "")
	require.Equal(t, http.StatusOK, list.StatusCode, "%s", list.body)
}
