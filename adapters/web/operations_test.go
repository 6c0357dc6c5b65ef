package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"daybook/adapters/eventstoredb"
	"daybook/adapters/web"
	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/commands"
	"daybook/events"
	"daybook/events/id"
	"daybook/projections"
)

func TestHealthAndReadiness(t *testing.T) {
	t.Parallel()
	s := start(t)
	require.JSONEq(t, `{"status":"up"}`, string(s.raw(http.MethodGet, "/healthz", "").body))
	head, err := s.store.Head(t.Context())
	require.NoError(t, err)
	list, err := s.Projections(t.Context(), client.WaitFor(head)) // before that the projections may still be starting
	require.NoError(t, err)
	require.Len(t, list.Projections, 9)
	require.Equal(t, "rating", list.Policies[0].Name)
	require.Equal(t, "running", list.Policies[0].State)
	require.Len(t, list.Policies[0].Shards, 16)
	require.Equal(t, s.store.ID(), list.StoreID)

	ready := s.raw(http.MethodGet, "/readyz", "")
	require.Equal(t, http.StatusOK, ready.StatusCode, "%s", ready.body)
	var state struct {
		Ready       bool                   `json:"ready"`
		Store       string                 `json:"store"`
		Postgres    string                 `json:"postgres"`
		Projections []api.ProjectionStatus `json:"projections"`
		Policies    []api.PolicyStatus     `json:"policies"`
	}
	require.NoError(t, json.Unmarshal(ready.body, &state))
	require.True(t, state.Ready)
	require.Equal(t, "ready", state.Store)
	require.Equal(t, "ready", state.Postgres)
	require.Len(t, state.Projections, 9)
	require.Len(t, state.Policies, 4)
	require.NotContains(t, string(ready.body), "hidden_streams")
	s.restart(func(c *web.Config) { c.HiddenStreams = func() int64 { return 3 } })
	ready = s.raw(http.MethodGet, "/readyz", "")
	require.Equal(t, http.StatusOK, ready.StatusCode, "%s", ready.body)
	require.Contains(t, string(ready.body), `"hidden_streams":3`)

	s.pause()
	stopped := s.raw(http.MethodGet, "/readyz", "")
	require.Equal(t, http.StatusServiceUnavailable, stopped.StatusCode)
	require.Contains(t, string(stopped.body), `"state":"stopped"`)
	require.Equal(t, http.StatusOK, s.raw(http.MethodGet, "/healthz", "").StatusCode)
}

// lostDatabase is a database that went away.
type lostDatabase struct{ web.Database }

func (lostDatabase) Ping(context.Context) error { return errors.New("secret host unreachable") }

// lostStore is a store that went away.
type lostStore struct{ web.Store }

func (lostStore) Head(context.Context) (events.Position, error) {
	return events.Start, errors.New("secret disk full")
}

// troubled are projections that stand still, and could not be verified before.
type troubled struct{ web.Projections }

func (p troubled) Status(ctx context.Context) ([]projections.Status, error) {
	list, err := p.Projections.Status(ctx)
	for i := range list {
		s := &list[i]
		s.State, s.Error, s.Audit, s.Holder = projections.StateStopped, "secret disk full", "secret host unreachable", "secret process"
		s.Event = &projections.Standing{Place: projections.Place{Stream: "secret"}, Type: "secret"}
	}
	return list, err
}

func TestNotReadySaysWhatIsMissingAndNotWhy(t *testing.T) {
	t.Parallel()
	for said, change := range map[string]func(*web.Config){
		`"postgres":"unreachable"`: func(c *web.Config) { c.Database = lostDatabase{c.Database} },
		`"store":"unreachable"`:    func(c *web.Config) { c.Store = lostStore{c.Store} },
		`"state":"stopped"`:        func(c *web.Config) { c.Projections = troubled{c.Projections} },
	} {
		s := start(t, change)
		a := s.raw(http.MethodGet, "/readyz", "")
		require.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
		require.Contains(t, string(a.body), said)
		require.NotContains(t, string(a.body), "secret")
		require.Contains(t, s.log.String(), "secret")
	}
}

// slowStore is a store that is asked in vain until the asking ends.
type slowStore struct{ web.Store }

func (slowStore) Head(ctx context.Context) (events.Position, error) {
	<-ctx.Done()
	return events.Start, ctx.Err()
}

// elsewhere is a store in whose place another one answers.
type elsewhere struct{ web.Store }

func (elsewhere) Head(context.Context) (events.Position, error) {
	return events.Start, fmt.Errorf("reading the head: %w", &eventstoredb.IdentityError{Want: id.New[id.Store](), Got: id.New[id.Store]()})
}

func TestNotReadyBlamesTheStoreAlone(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*web.Config){
		"unreachable":   func(c *web.Config) { c.Store = slowStore{c.Store} },
		"another store": func(c *web.Config) { c.Store = elsewhere{c.Store} },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			a := start(t, change).raw(http.MethodGet, "/readyz", "")
			require.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
			require.Contains(t, string(a.body), `"store":"`+want+`"`)
			require.Contains(t, string(a.body), `"postgres":"ready"`)
		})
	}
}

// TestWithoutPostgresQueriesCanBeTriedAgain takes the database away from all that is read there.
func TestWithoutPostgresQueriesCanBeTriedAgain(t *testing.T) {
	t.Parallel()
	s := start(t)
	account, described := s.account().String(), s.description()
	nowhere, err := pgxpool.New(t.Context(), "postgres://secret@127.0.0.1:1/none?connect_timeout=2")
	require.NoError(t, err)
	t.Cleanup(nowhere.Close)
	s.restart(func(c *web.Config) { c.Database = nowhere })
	for _, path := range []string{
		"/ledger/entries?account=" + account, "/ledger/balances?account=" + account, "/analytics/messages?account=" + account,
		"/audit/entries", "/quarantine", "/messages/00000000-0000-4000-8000-000000000000/info",
	} {
		a := s.call(http.MethodGet, "/api/v1"+path, "")
		require.Equal(t, http.StatusServiceUnavailable, a.StatusCode, "%s: %s", path, a.body)
		require.Equal(t, "DatabaseUnreachable", a.problem(t).Code)
		described.lists(t, http.MethodGet, path, a.StatusCode)
		require.Equal(t, "1", a.Header.Get("Retry-After"))
		require.NotContains(t, string(a.body), "secret")
		require.Contains(t, s.log.String(), a.Header.Get("Daybook-Correlation"))
	}
}

// broken is a re-driver that fails as asked.
type broken func() error

func (b broken) Redrive(context.Context, commands.Meta, id.Quarantine) (string, events.Position, error) {
	return "", events.Start, b()
}

// TestInternalErrorsSayNothingInside also covers panics, whose value may be anything.
func TestInternalErrorsSayNothingInside(t *testing.T) {
	t.Parallel()
	const address = "/api/v1/quarantine/00000000-0000-4000-8000-000000000000/redrive"
	for name, c := range map[string]struct {
		fail   broken
		logged string
	}{
		"error": {func() error { return errors.New("disk 7 on fire") }, "disk 7 on fire"},
		"panic": {func() error { panic("number 393331234567") }, "type=string"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, func(config *web.Config) { config.Redriver = c.fail })
			a := s.call(http.MethodPost, address, "")
			require.Equal(t, http.StatusInternalServerError, a.StatusCode)
			p := a.problem(t)
			require.Equal(t, "Internal", p.Code)
			require.NotContains(t, string(a.body), "disk")
			require.NotContains(t, string(a.body), "393331234567")
			require.Contains(t, s.log.String(), c.logged)
			require.Contains(t, s.log.String(), a.Header.Get("Daybook-Correlation"))
			require.NotContains(t, s.log.String(), "393331234567")
			require.Equal(t, http.StatusOK, s.raw(http.MethodGet, "/healthz", "").StatusCode)
		})
	}
}

func TestCrowdedStreamsAndEndedRequestsCanBeTriedAgain(t *testing.T) {
	t.Parallel()
	away := &eventstoredb.UnavailableError{Doing: "appending to s", Cause: errors.New("secret host is down")}
	unknown := *away
	unknown.Unknown, unknown.Cause = true, &net.OpError{Op: "read", Err: context.DeadlineExceeded}
	for _, c := range []struct {
		code  string
		cause error
	}{
		{"Busy", &events.WrongRevisionError{Stream: "s", Expected: 1, Actual: 2}},
		{"Interrupted", context.DeadlineExceeded},
		{"DatabaseUnreachable", fmt.Errorf("finding the message: %w", &pgconn.PgError{Code: "57P01"})}, // while it shuts down
		{"StoreUnreachable", fmt.Errorf("recording it: %w", away)},
		{"StoreUnreachable", fmt.Errorf("recording it: %w", &unknown)},
		{"StoreUnreachable", &eventstoredb.IdentityError{Want: id.New[id.Store](), Got: id.New[id.Store]()}},
	} {
		s := start(t, func(config *web.Config) { config.Redriver = broken(func() error { return c.cause }) })
		a := s.call(http.MethodPost, "/api/v1/quarantine/00000000-0000-4000-8000-000000000000/redrive", "")
		require.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
		require.Equal(t, c.code, a.problem(t).Code)
		require.Equal(t, "1", a.Header.Get("Retry-After"))
		if c.code == "StoreUnreachable" {
			require.Contains(t, string(a.body), "with the same Idempotency-Key")
			require.NotContains(t, string(a.body), "secret")
			require.Contains(t, s.log.String(), a.Header.Get("Daybook-Correlation"))
		}
	}
}

func TestWebhookAndMetricsAreMounted(t *testing.T) {
	t.Parallel()
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.Copy(w, r.Body)
	})
	s := start(t, func(c *web.Config) { c.Webhook, c.Metrics = echo, echo })
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		require.Equal(t, http.StatusTeapot, s.raw(method, "/webhooks/whatsapp", "").StatusCode)
	}
	require.Equal(t, "{}", string(s.raw(http.MethodPost, "/webhooks/whatsapp", "{}").body))
	require.Equal(t, http.StatusTeapot, s.raw(http.MethodGet, "/metrics", "").StatusCode)
}

func TestCorrelationIsInAnswerAndEvents(t *testing.T) {
	t.Parallel()
	s := start(t)
	a := s.call(http.MethodPost, "/api/v1/accounts", changed(t, rossi, "name", "Rossi"))
	require.Equal(t, http.StatusCreated, a.StatusCode)
	found := false
	for record, err := range s.store.ReadAll(t.Context(), events.Start) {
		require.NoError(t, err)
		if record.Type == "AccountRegistered" {
			envelope, err := events.DecodeEnvelope(record.Metadata)
			require.NoError(t, err)
			require.Equal(t, a.Header.Get("Daybook-Correlation"), envelope.Correlation.String())
			require.Equal(t, events.Actor("api:admin"), envelope.Actor)
			require.Equal(t, "api", envelope.Source)
			found = true
		}
	}
	require.True(t, found)
}
