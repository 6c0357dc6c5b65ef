package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"daybook/adapters/postgres/pgtest"
	"daybook/events"
	"daybook/events/id"
)

// TestMetricsOfBuilds scrapes a server during a rebuild. Names and labels of the live build are those of dashboards.
func TestMetricsOfBuilds(t *testing.T) {
	config := testConfig(t)
	a, err := open(t.Context(), config, time.Now, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer func() { require.NoError(t, a.close()) }()
	require.NoError(t, a.during(t.Context(), func(base string) error {
		require.NoError(t, a.caughtUp(t.Context()))
		before := scrape(t, base)
		for _, want := range []string{
			`daybook_projection_position\{projection="audit"\} \d`, `daybook_projection_events_total\{projection="audit"\} 2`,
			`daybook_projection_lag_events\{projection="audit"\} 0`, `daybook_projection_lag_seconds\{projection="audit"\} 0`,
			`daybook_projection_running\{projection="audit"\} 1`,
			`daybook_projection_build_events_total\{build="audit_v1",projection="audit"\} 2`,
			`daybook_projection_build_here\{build="audit_v1",phase="live",projection="audit"\} 1`,
			`daybook_projection_batch_events_sum\{build="audit_v1",projection="audit"\} 2`,
			`daybook_projection_batch_seconds_bucket\{build="audit_v1",projection="audit",le="\+Inf"\} [1-9]`,
			`daybook_policy_lag_events\{policy="rating"\} \d`, `daybook_policy_lag_seconds\{policy="rating"\} \d`,
		} {
			require.Regexp(t, "(?m)^"+want, before)
		}
		require.NotContains(t, before, "progress_ratio")
		require.Contains(t, before, `daybook_projection_parked_partitions{projection="messages"} 0`)
		require.Contains(t, before, `daybook_projection_parked_events{projection="messages"} 0`)
		require.NotContains(t, before, `parked_events{projection="audit"}`, "it pauses")
		_, err := a.engine.Rebuild(t.Context(), "audit")
		require.NoError(t, err)
		require.Eventually(t, func() bool {
			return strings.Contains(scrape(t, base), `daybook_projection_build_running{build="audit_v1_b2",phase="ready",projection="audit"} 1`)
		}, 30*time.Second, 50*time.Millisecond)
		after := scrape(t, base)
		require.Equal(t, 1, strings.Count(after, `daybook_projection_position{projection="audit"}`), "only the live one has the name alone")
		require.Contains(t, after, `daybook_projection_batch_events_sum{build="audit_v1_b2",projection="audit"} 2`)
		_, err = a.engine.Abort(t.Context(), "audit")
		require.NoError(t, err)
		require.Eventually(t, func() bool { return !strings.Contains(scrape(t, base), "audit_v1_b2") }, 30*time.Second, 50*time.Millisecond)
		require.Contains(t, scrape(t, base), `daybook_projection_batch_events_sum{build="audit_v1",projection="audit"} 2`)
		return nil
	}))
	require.NoError(t, a.engine.Prepare(t.Context()))
	_, err = a.engine.Rebuild(t.Context(), "routing") // which nobody does now
	require.NoError(t, err)
	unserved := httptest.NewServer(a.metrics.handler())
	defer unserved.Close()
	require.Contains(t, scrape(t, unserved.URL), `daybook_projection_build_progress_ratio{build="routing_v2_b2",phase="replaying",projection="routing"} 0`)
}

// TestMetricsWhilePostgresIsAway tell what the process knows by itself, and nothing else.
func TestMetricsWhilePostgresIsAway(t *testing.T) {
	server, config := pgtest.Restartable(t), testConfig(t)
	config.VaultURL, config.DatabaseURL = config.DatabaseURL, server.URL()
	a, err := open(t.Context(), config, time.Now, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	base := run(t, a)
	require.NoError(t, a.caughtUp(t.Context()))
	const position = `daybook_projection_position{projection="audit"}`
	require.Contains(t, scrape(t, base), position)

	server.Kill()
	_, err = a.store.Append(t.Context(), "foreign-1", events.Any, []events.Proposed{{ID: id.New[id.Event](), Type: "Foreign"}})
	require.NoError(t, err)
	var away string
	require.Eventually(t, func() bool {
		away = scrape(t, base)
		return strings.Contains(away, `daybook_projection_running{projection="audit"} 0`)
	}, 30*time.Second, 50*time.Millisecond)
	require.Contains(t, away, `daybook_projection_build_state{build="audit_v1",phase="live",projection="audit",state="retrying"} 1`)
	for _, unknown := range []string{"position", "events_total", "lag_events", "lag_seconds", "parked_events", "here"} {
		require.NotRegexp(t, `(?m)^daybook_projection_(build_)?`+unknown+`\{`, away)
	}

	server.Start()
	require.Eventually(t, func() bool {
		back := scrape(t, base)
		return strings.Contains(back, `daybook_projection_running{projection="audit"} 1`) && strings.Contains(back, position)
	}, 30*time.Second, 50*time.Millisecond)
}

func scrape(t *testing.T, base string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/metrics", nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(text)
}

// TestMetricsInDocumentsExist looks for each name that a document gives.
func TestMetricsInDocumentsExist(t *testing.T) {
	var described strings.Builder
	m := newMetrics(nil)
	descriptions := make(chan *prometheus.Desc, 64)
	for _, c := range []prometheus.Collector{m, m.batches.events, m.batches.seconds, m.reactions.events, m.reactions.seconds} {
		c.Describe(descriptions)
	}
	close(descriptions)
	for d := range descriptions {
		described.WriteString(d.String())
	}
	for document, names := range map[string]int{
		"how-to/rebuild-a-projection.md": 7, "how-to/parked-events.md": 2, "reference/metrics.md": 10,
	} {
		text, err := os.ReadFile("../../docs/" + document)
		require.NoError(t, err)
		named := regexp.MustCompile("`(daybook_(?:projection|policy)_(?:lag|build|batch|position|running|shards|parked|drift)[a-z_]*)`").
			FindAllStringSubmatch(string(text), -1)
		require.Len(t, named, names, document)
		for _, name := range named {
			require.Contains(t, described.String(), `"`+name[1]+`"`)
		}
	}
}

// TestTracesAreSentWhereTheyAreWanted runs against a collector.
func TestTracesAreSentWhereTheyAreWanted(t *testing.T) {
	var mu sync.Mutex
	var received bytes.Buffer
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/v1/traces" {
			_, _ = io.Copy(&received, r.Body)
		}
	}))
	defer collector.Close()
	config := testConfig(t)
	config.Process, config.OTLPEndpoint = "blue", collector.URL
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	a, err := open(t.Context(), config, time.Now, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NoError(t, a.during(t.Context(), func(string) error { return a.caughtUp(t.Context()) }))
	require.NoError(t, a.close())
	mu.Lock()
	defer mu.Unlock()
	for _, want := range []string{"projection.batch", "audit_v1", "daybook.from", "blue", "daybook"} {
		require.Contains(t, received.String(), want)
	}
}
