package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
)

func replayingAt(done float64, events int64) api.ProjectionStatus {
	b := api.ProjectionStatus{Name: "audit", Schema: "audit_v1_b2", Phase: phaseReplaying, State: "running", Events: events, Progress: &done, Rate: new(100.0)}
	if events > 0 {
		b.ETASeconds = new((1 - done) / done * float64(events) / 100)
	}
	return b
}

// Away from a terminal there is a line at once, and one every few seconds.
func TestARebuildShowsItsProgressAsLines(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	now := time.Date(2026, 10, 5, 10, 0, 0, 0, time.UTC)
	p := newRebuildProgress(&out, func() time.Time { return now })
	p.end()
	require.Empty(t, out.String())
	p.show(replayingAt(0, 0))
	for n := range int64(12) {
		p.show(replayingAt(float64(n+1)/40, 100*(n+1)))
		now = now.Add(time.Second)
	}
	stuck := replayingAt(0.5, 2000)
	stuck.State, stuck.Reason = "retrying", "disk full"
	now = now.Add(printEvery)
	p.show(stuck)
	p.end()
	require.Equal(t, `audit_v1_b2: 0 events, 0 % of the log, 100 events/s, unknown left
audit_v1_b2: 600 events, 15 % of the log, 100 events/s, 34s left
audit_v1_b2: 1100 events, 27 % of the log, 100 events/s, 29s left
audit_v1_b2: 2000 events, 50 % of the log, 100 events/s, 20s left, retrying: disk full
`, out.String())
}

// On a terminal there is a bar.
func TestARebuildShowsItsProgressAsABar(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	p := newRebuildProgress(&out, time.Now)
	p.terminal = true
	p.show(replayingAt(0.1, 100))
	p.show(replayingAt(0.5, 500))
	p.end()
	require.Contains(t, out.String(), "audit_v1_b2: 500 events, 50 % of the log, 100 events/s, 5s left  50% |")
}

// rebuilding is a server whose rebuild goes through the given answers, of which the last one stays, and comes to rows that are
// equal or not.
func rebuilding(t *testing.T, equal bool, answers ...http.HandlerFunc) *rebuild {
	t.Helper()
	mux := http.NewServeMux()
	say := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
	}
	mux.HandleFunc("POST /api/v1/projections/audit/rebuild", say(`{"name":"audit","schema":"audit_v1_b2"}`))
	mux.HandleFunc("POST /api/v1/projections/audit/go-live", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, `{"name":"audit","schema":%q}`, r.FormValue("schema"))
	})
	mux.HandleFunc("GET /api/v1/projections/audit/diff", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, `{"equal":%t,"position":7,"text":"audit_v1 and audit_v1_b2 …\n"}`, equal)
	})
	asked := 0
	mux.HandleFunc("GET /api/v1/projections", func(w http.ResponseWriter, r *http.Request) {
		answers[min(asked, len(answers)-1)](w, r)
		asked++
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	var out, progress strings.Builder
	return &rebuild{server: client.New(server.URL, "t"), name: "audit", wait: true, out: &out, progress: newRebuildProgress(&progress, time.Now)}
}

func in(phase string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"projections":[{"name":"audit","schema":"audit_v1_b2","phase":"` + phase + `","progress":0.2,"rate":1}]}`))
	}
}

func refusing(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"status":%d,"code":"Refused","detail":"no"}`, status)
	}
}

func TestARebuildThatIsInterruptedGoesOn(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	err := rebuilding(t, true, in("replaying")).run(ctx)
	require.EqualError(t, err, "interrupted: the rebuild into audit_v1_b2 goes on while Daybook serves; to give it up: daybook projection abort audit")
}

func TestARebuildIsWatchedThroughWhatPasses(t *testing.T) {
	t.Parallel()
	r := rebuilding(t, true, refusing(http.StatusServiceUnavailable), in("replaying"), in("ready"))
	r.goLive = true
	require.NoError(t, r.run(t.Context()))
	require.Equal(t, "As of position 7, audit_v1 and audit_v1_b2 …\naudit_v1_b2 is live\n", r.out.(*strings.Builder).String())

	r = rebuilding(t, true, in("live")) // as a new version does where the old one cannot be read
	r.goLive = true
	require.NoError(t, r.run(t.Context()))

	gone := func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"projections":[]}`)) }
	require.EqualError(t, rebuilding(t, true, in("replaying"), gone).run(t.Context()), "the rebuild into audit_v1_b2 was given up meanwhile")
	require.ErrorContains(t, rebuilding(t, true, refusing(http.StatusInternalServerError)).run(t.Context()), "asking how far audit_v1_b2 is: Refused: no")
}

func TestARebuildThatDiffersGoesLiveWhenToldTo(t *testing.T) {
	t.Parallel()
	r := rebuilding(t, false, in("ready"))
	r.goLive = true
	require.EqualError(t, r.run(t.Context()),
		"audit_v1_b2 is ready, and did not go live: it differs from what is read; if it is right: daybook projection go-live audit")
	require.Equal(t, "As of position 7, audit_v1 and audit_v1_b2 …\n", r.out.(*strings.Builder).String())
	r = rebuilding(t, false, in("ready"))
	r.goLive, r.differing = true, true
	require.NoError(t, r.run(t.Context()))
	require.Equal(t, "As of position 7, audit_v1 and audit_v1_b2 …\naudit_v1_b2 is live\n", r.out.(*strings.Builder).String())
}

// TestTheListSaysWhenThereMayBeMoreToCome than was counted.
func TestTheListSaysWhenThereMayBeMoreToCome(t *testing.T) {
	t.Parallel()
	for atLeast, want := range map[bool]string{false: " 7 events, 0.5 s ", true: " ≥ 7 events, 0.5 s "} {
		var out strings.Builder
		b := api.ProjectionStatus{Name: "audit", LagEvents: 7, LagAtLeast: atLeast, LagSeconds: 0.5}
		require.NoError(t, printProjections(&out, api.Projections{Projections: []api.ProjectionStatus{b}}))
		require.Contains(t, out.String(), want)
	}
}
