package main

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/adapters/storetest"
	"daybook/events"
	"daybook/events/id"
)

// heard is what the log hears of hidden streams.
type heard chan string

func (heard) Enabled(context.Context, slog.Level) bool { return true }
func (h heard) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h heard) WithGroup(string) slog.Handler          { return h }

func (h heard) Handle(_ context.Context, r slog.Record) error {
	if !strings.Contains(r.Message, "hidden") {
		return nil
	}
	text := []string{r.Level.String()}
	r.Attrs(func(a slog.Attr) bool {
		text = append(text, a.Value.String())
		return a.Key != "rule"
	})
	h <- strings.Join(text, " ")
	return nil
}

// shelf is a store that others than Daybook write to.
type shelf struct {
	*testing.T

	store *embedded.Store
}

func (s shelf) append(stream string, proposed ...events.Proposed) {
	s.Helper()
	_, err := s.store.Append(s.Context(), stream, events.Any, proposed)
	require.NoError(s, err)
}

func (s shelf) describe(stream, text string) {
	s.Helper()
	s.append("$$"+stream, events.Proposed{ID: id.New[id.Event](), Type: "$metadata", Data: []byte(text)})
}

func (s shelf) tombstone(stream string) {
	s.Helper()
	_, err := s.store.Tombstone(s.Context(), stream, events.Any)
	require.NoError(s, err)
}

// requireHidden asks /readyz, which is never unready because of hidden streams.
func (s shelf) requireHidden(base string, want int) {
	s.Helper()
	request, err := http.NewRequestWithContext(s.Context(), http.MethodGet, base+"/readyz", nil)
	require.NoError(s, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(s, err)
	defer func() { require.NoError(s, response.Body.Close()) }()
	require.Equal(s, http.StatusOK, response.StatusCode)
	var state map[string]any
	require.NoError(s, json.NewDecoder(response.Body).Decode(&state))
	if want == 0 {
		require.NotContains(s, state, "hidden_streams")
		return
	}
	require.InDelta(s, want, state["hidden_streams"], 0)
}

// TestHiddenStreamsAreTold over the wire: those of before Daybook began, and what changes while it runs.
func TestHiddenStreamsAreTold(t *testing.T) {
	config, log := testConfig(t), make(heard, 100)
	s := shelf{t, storetest.LendEmbedded(t)}
	config.EventStore, _ = storetest.Serve(t, s.store)
	for _, stream := range []string{"before", "undone", "never", "later", "deleted", "$stats"} {
		event, err := events.Encode(id.New[id.Event](), events.StoreUnsealed{}, events.Envelope{Actor: "system:test", Source: "test"})
		require.NoError(t, err)
		s.append(stream, event)
	}
	s.describe("undone", `{"$maxCount":1}`)
	s.describe("before", `{"$maxCount":1}`)
	s.describe("undone", `{}`)
	s.describe("$stats", `{"$maxCount":1}`)
	s.tombstone("$users-gone")
	s.describe("never", `{"$maxCount":0,"$acl":{"$r":"me"}}`)

	a, err := open(t.Context(), config, time.Now, slog.New(log))
	require.NoError(t, err)
	require.NoError(t, a.during(t.Context(), func(base string) error {
		require.NoError(t, a.caughtUp(t.Context()))
		require.Equal(t, "ERROR before hides events by its metadata: $maxCount 1", <-log)
		s.requireHidden(base, 1)

		s.describe("$stats", `{"$tb":1}`)
		s.describe("before", `{"$maxCount":1,"note":"the same"}`)
		s.describe("never", `{"$tb":"1"}`)
		s.describe("later", `{"$maxAge":60,"$tb":1}`)
		require.Equal(t, "ERROR later hides events by its metadata: $maxAge 60, $tb 1", <-log)
		s.requireHidden(base, 2)
		_, err := s.store.Delete(t.Context(), "deleted", events.Any)
		require.NoError(t, err)
		require.Equal(t, "ERROR deleted is deleted (its events are still in the log)", <-log)
		s.requireHidden(base, 3)
		s.describe("deleted", `{}`) // as the remedy says: twice
		require.Equal(t, "INFO deleted", <-log)
		require.Equal(t, "ERROR deleted hides events by its metadata: $tb 1", <-log)
		s.describe("deleted", `{}`)
		require.Equal(t, "INFO deleted", <-log)
		s.requireHidden(base, 2)
		s.tombstone("later")
		require.Equal(t, "ERROR later is deleted for good (tombstone)", <-log)
		s.requireHidden(base, 2)
		s.describe("before", `{}`)
		require.Equal(t, "INFO before", <-log)
		s.requireHidden(base, 1)
		return nil
	}))
	require.NoError(t, a.close())
	require.Empty(t, log, "each is told once")
}

// blind is a store that cannot be followed by its metadata.
type blind struct{ eventStore }

var errBlind = errors.New("not today")

func (blind) SubscribeMetadata(context.Context) iter.Seq2[[]events.Record, error] {
	return func(yield func([]events.Record, error) bool) { yield(nil, errBlind) }
}

// TestNotKnowingWhatIsHiddenStopsNothing, but is told.
func TestNotKnowingWhatIsHiddenStopsNothing(t *testing.T) {
	log := make(heard, 100)
	a, err := open(t.Context(), testConfig(t), time.Now, slog.New(log))
	require.NoError(t, err)
	a.store = blind{a.store}
	require.NoError(t, a.during(t.Context(), func(base string) error {
		require.Equal(t, "ERROR not today", <-log)
		require.NoError(t, a.caughtUp(t.Context()))
		shelf{T: t}.requireHidden(base, 0)
		return nil
	}))
	require.NoError(t, a.close())
}

func TestWhatRecordsRule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		r    events.Record
		want string // "-": nothing is said
	}{
		{events.Record{Stream: "$$s", Type: "$metadata", Data: []byte(`{}`)}, ""},
		{events.Record{Stream: "$$s", Type: "$metadata", Data: []byte(`no JSON`)}, ""},
		{events.Record{Stream: "$$s", Type: "$metadata", Data: []byte(`{"$maxCount":1}`), Binary: true}, ""},
		{events.Record{Stream: "$$s", Type: "$metadata", Data: []byte(`{"$maxCount":1,"$tb":null}`)}, ""},
		{events.Record{Stream: "$$s", Type: "$metadata", Data: []byte(`{"$maxAge":-1}`)}, ""},
		{events.Record{Stream: "$$s", Type: "$metadata", Data: []byte(`{"$maxCount":1}`)}, "hides events by its metadata: $maxCount 1"},
		{events.Record{Stream: "$$s", Type: "$metadata", Data: []byte(`{"$tb":9223372036854775807}`)}, softDeleted.says},
		{events.Record{Stream: "s", Type: "$streamDeleted", Revision: math.MaxInt64}, tombstoned.says},
		{events.Record{Stream: "s", Type: "$streamDeleted"}, "-"},
		{events.Record{Stream: "s", Type: "$metadata", Data: []byte(`{"$maxCount":1}`)}, "-"},
		{events.Record{Stream: "$$s", Type: "$metadata-of-mine", Data: []byte(`{"$maxCount":1}`)}, "-"},
		{events.Record{Stream: "$$$settings", Type: "$metadata", Data: []byte(`{"$maxCount":1}`)}, "-"},
		{events.Record{Stream: "$$$$s", Type: "$metadata", Data: []byte(`{"$maxCount":1}`)}, "-"},
		{events.Record{Stream: "$$", Type: "$metadata", Data: []byte(`{"$maxCount":1}`)}, "-"},
		{events.Record{Stream: "$s", Type: "$streamDeleted", Revision: math.MaxInt64}, "-"},
	} {
		stream, is, ok := ruling(&c.r)
		require.Equal(t, c.want != "-", ok, "%+v", c.r)
		if ok {
			require.Equal(t, "s", stream)
			require.Equal(t, c.want, is.says)
		}
	}
}
