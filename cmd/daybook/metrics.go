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
)

// metrics are what an operator watches: deliveries as they are answered, and projections as they stand when asked.
type metrics struct {
	app        *app
	deliveries *prometheus.CounterVec
	updates    *prometheus.CounterVec
	took       prometheus.Histogram
	batches    batches
	reactions  batches
}

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
		batches:   newBatches("daybook_projection_batch_", "projection", "build"),
		reactions: newBatches("daybook_policy_batch_", "policy"),
	}
}

// handler serves everything registered, in the format of Prometheus.
func (m *metrics) handler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(m, m.deliveries, m.updates, m.took,
		m.batches.events, m.batches.seconds, m.reactions.events, m.reactions.seconds,
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
	for _, d := range slices.Concat(projectionMetrics, policyMetrics) {
		descriptions <- d
	}
}

// Collect implements prometheus.Collector. When Postgres or the log cannot be asked, positions and lags of the projections
// are missing. Whether they and the policies run is there all the same: that they do not is what an alert is about.
func (m *metrics) Collect(values chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	m.collectProjections(ctx, values)
	m.collectPolicies(ctx, values)
}
