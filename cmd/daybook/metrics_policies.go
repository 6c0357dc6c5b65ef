package main

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"daybook/commands/policies"
)

// Metrics of the policies, read when they are asked for.
var (
	policyPositionMetric = policyMetric("position", "Last position that all shards have passed.")
	policyLagMetric      = policyMetric("lag_events", "Events in the store that some shard has not passed, counted up to 1000.")
	policyLagTimeMetric  = policyMetric("lag_seconds", "Age of the oldest event that some shard has not passed.")
	policyShardsMetric   = policyMetric("shards", "Shards that this process works on.")
	policyRunningMetric  = policyMetric("running", "0 while the policy retries or is stopped, else 1.")
)

var policyMetrics = []*prometheus.Desc{
	policyPositionMetric, policyLagMetric, policyLagTimeMetric, policyShardsMetric, policyRunningMetric,
}

func policyMetric(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("daybook_policy_"+name, help, []string{"policy"}, nil)
}

func (b batches) observeReaction(r policies.Reacted) {
	b.events.WithLabelValues(r.Policy).Observe(float64(r.Events))
	b.seconds.WithLabelValues(r.Policy).Observe(r.Took.Seconds())
}

// collectPolicies leaves the lag out when it is not known: 0 would be good news.
func (m *metrics) collectPolicies(ctx context.Context, values chan<- prometheus.Metric) {
	states, err := m.app.policies.Status(ctx)
	if err != nil { // what this process knows of itself comes beside it
		m.app.log.Warn("reading the policies for metrics", "error", err)
	}
	for _, p := range states {
		gauge := func(d *prometheus.Desc, value float64) {
			values <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, p.Policy)
		}
		here := 0
		for _, shard := range p.Shards {
			if shard.Here {
				here++
			}
		}
		gauge(policyPositionMetric, float64(p.Position))
		if p.Lag != nil {
			gauge(policyLagMetric, float64(p.Lag.Events))
			gauge(policyLagTimeMetric, p.Lag.Seconds)
		}
		gauge(policyShardsMetric, float64(here))
		gauge(policyRunningMetric, oneIf(p.State == policies.StateRunning || p.State == policies.StateStandby))
	}
}
