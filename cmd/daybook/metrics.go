package main

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"daybook/adapters/whatsapp"
	"daybook/commands/policies"
)

// metrics are what an operator watches: deliveries as they are answered, and projections as they stand when asked.
type metrics struct {
	app        *app
	deliveries *prometheus.CounterVec
	updates    *prometheus.CounterVec
	took       prometheus.Histogram
	batches    batches
}

// Metrics of the policies, read when they are asked for.
var (
	policyPositionMetric = prometheus.NewDesc("daybook_policy_position", "Last position that all shards have passed.", []string{"policy"}, nil)
	policyLagMetric      = prometheus.NewDesc("daybook_policy_lag_seconds", "Age of the oldest event that is being reacted to here.",
		[]string{"policy"}, nil)
	policyShardsMetric  = prometheus.NewDesc("daybook_policy_shards", "Shards that this process works on.", []string{"policy"}, nil)
	policyRunningMetric = prometheus.NewDesc("daybook_policy_running", "0 while the policy retries or is stopped, else 1.",
		[]string{"policy"}, nil)
)

func newMetrics(a *app) *metrics {
	return &metrics{
		app: a,
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "daybook_webhook_deliveries_total", Help: "Deliveries, by the status they were answered with.",
		}, []string{"status"}),
		updates: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "daybook_webhook_updates_total", Help: "Updates in deliveries, by what became of them: placed or quarantined.",
		}, []string{"outcome"}),
		took: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "daybook_webhook_seconds", Help: "Time to answer a delivery.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}),
		batches: newBatches(),
	}
}

// handler serves everything registered, in the format of Prometheus.
func (m *metrics) handler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(m, m.deliveries, m.updates, m.took, m.batches.events, m.batches.seconds,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// observe counts one delivery.
func (m *metrics) observe(answer whatsapp.Answer) {
	m.deliveries.WithLabelValues(strconv.Itoa(answer.Status)).Inc()
	m.updates.WithLabelValues("placed").Add(float64(answer.Result.Placed))
	m.updates.WithLabelValues("quarantined").Add(float64(answer.Result.Quarantined))
	m.took.Observe(answer.Took.Seconds())
}

// Describe implements prometheus.Collector.
func (*metrics) Describe(descriptions chan<- *prometheus.Desc) {
	policies := []*prometheus.Desc{policyPositionMetric, policyLagMetric, policyShardsMetric, policyRunningMetric}
	for _, d := range slices.Concat(projectionMetrics, policies) {
		descriptions <- d
	}
}

// Collect implements prometheus.Collector. When the projections cannot be asked, their metrics are missing, which an alert
// on absence sees. Those of the policies are there all the same: that they retry is what an alert is about.
func (m *metrics) Collect(values chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	m.collectProjections(ctx, values)
	m.collectPolicies(ctx, values)
}

func (m *metrics) collectPolicies(ctx context.Context, values chan<- prometheus.Metric) {
	states, err := m.app.policies.Status(ctx)
	if err != nil { // what this process knows of itself comes beside it
		m.app.log.Warn("reading the policies for metrics", "error", err)
	}
	for _, p := range states {
		running, here := 0.0, 0
		if p.State == policies.StateRunning || p.State == policies.StateStandby {
			running = 1
		}
		for _, shard := range p.Shards {
			if shard.Here {
				here++
			}
		}
		values <- prometheus.MustNewConstMetric(policyPositionMetric, prometheus.GaugeValue, float64(p.Position), p.Policy)
		values <- prometheus.MustNewConstMetric(policyLagMetric, prometheus.GaugeValue, p.Lag, p.Policy)
		values <- prometheus.MustNewConstMetric(policyShardsMetric, prometheus.GaugeValue, float64(here), p.Policy)
		values <- prometheus.MustNewConstMetric(policyRunningMetric, prometheus.GaugeValue, running, p.Policy)
	}
}
