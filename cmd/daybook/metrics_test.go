package main

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"daybook/commands/policies"
	"daybook/events"
)

// lost is a log that cannot be asked, with leases that cannot be either.
type lost struct {
	policies.Log
	policies.Leases
}

var errLost = errors.New("connection refused")

func (lost) Head(context.Context) (events.Position, error) { return events.Start, errLost }

func (lost) ReadStream(context.Context, string, uint64) iter.Seq2[events.Record, error] {
	return func(yield func(events.Record, error) bool) { yield(events.Record{}, errLost) }
}

func (lost) Shards(context.Context, string) ([]policies.ShardState, error) { return nil, errLost }

// TestMetricsOfPoliciesOutliveTheDatabase keeps them from falling silent just when the alert is due.
func TestMetricsOfPoliciesOutliveTheDatabase(t *testing.T) {
	runner, err := policies.NewRunner(policies.Config{Log: lost{}, Leases: lost{}, Now: time.Now}, policies.NewRating(nil, time.Now))
	require.NoError(t, err)
	m := &metrics{app: &app{policies: runner, log: slog.New(slog.DiscardHandler)}}
	values := make(chan prometheus.Metric, 8)
	m.collectPolicies(t.Context(), values)
	close(values)
	var seen []*prometheus.Desc
	for value := range values {
		seen = append(seen, value.Desc())
	}
	require.Equal(t, []*prometheus.Desc{policyPositionMetric, policyShardsMetric, policyRunningMetric}, seen,
		"a lag that is not known is none, not 0")
}
