package main

import (
	"context"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"daybook/projections"
)

// Metrics of the builds that are read, by the name of the projection: what does not care which build that is.
var (
	positionMetric = liveMetric("position", "Last position projected.")
	eventsMetric   = liveMetric("events_total", "Events projected or passed over.")
	lagMetric      = liveMetric("lag_events", "Events in the store not projected yet.")
	lagTimeMetric  = liveMetric("lag_seconds", "Age of the oldest event not projected yet.")
	runningMetric  = liveMetric("running", "0 while the projection retries, is paused or is stopped, in the process that works on it, else 1.")
	driftMetric    = prometheus.NewDesc("daybook_projection_drift", "What was not as the log and the schema give it when it was last compared, by reason: "+
		"rows, or tables, columns, constraints, indexes or triggers. Missing while nothing was compared.", []string{"projection", "reason"}, nil)

	parkedPartitionsMetric = liveMetric("parked_partitions", "Partitions that wait because one of their events failed; only of projections that park.")
	parkedEventsMetric     = liveMetric("parked_events", "Events that wait in these partitions.")
)

// Metrics of every build, whatever its phase.
var (
	buildPositionMetric = buildMetric("position", "Last position that the build has projected.")
	buildEventsMetric   = buildCounter("events_total", "Events that the build has projected or passed over.")
	buildLagMetric      = buildMetric("lag_events", "Events in the store that the build has not projected yet.")
	buildLagTimeMetric  = buildMetric("lag_seconds", "Age of the oldest event that the build has not projected yet.")
	buildRunningMetric  = buildMetric("running", "0 while the build retries, is paused or is stopped, in the process that works on it, else 1.")
	buildStateMetric    = prometheus.NewDesc("daybook_projection_build_state", "1 for the state of the build: running, retrying, paused, stopped or standby.",
		[]string{"projection", "build", "phase", "state"}, nil)
	buildHereMetric     = buildMetric("here", "1 while this process projects the build, else 0.")
	buildProgressMetric = buildMetric("progress_ratio", "Share of the events that a build which is replaying has read, from 0 to 1.")
)

var projectionMetrics = []*prometheus.Desc{
	positionMetric, eventsMetric, lagMetric, lagTimeMetric, runningMetric, driftMetric,
	parkedPartitionsMetric, parkedEventsMetric,
	buildPositionMetric, buildEventsMetric, buildLagMetric, buildLagTimeMetric, buildRunningMetric, buildStateMetric,
	buildHereMetric, buildProgressMetric,
}

func liveMetric(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("daybook_projection_"+name, help, []string{"projection"}, nil)
}

func buildMetric(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("daybook_projection_build_"+name, help, []string{"projection", "build", "phase"}, nil)
}

// buildCounter has no phase among its labels: a build goes on counting when it goes live.
func buildCounter(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("daybook_projection_build_"+name, help, []string{"projection", "build"}, nil)
}

// batches are measured in this process: those of a projection as they are committed, those of a policy when it has reacted.
type batches struct {
	events, seconds *prometheus.HistogramVec
	builds          *sync.Map // physical schemas of those that were measured
}

// newBatches counts by labels, without a phase, as buildCounter does.
func newBatches(prefix string, labels ...string) batches {
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: buckets},
			labels)
	}
	return batches{
		histogram("events", "Events of a batch that was dealt with here.", prometheus.ExponentialBuckets(1, 4, 8)),
		histogram("seconds", "Time to project and commit a batch, or to react to it.", prometheus.ExponentialBuckets(0.001, 2, 14)),
		&sync.Map{},
	}
}

func (b batches) observe(c projections.Committed) {
	b.builds.Store(c.Schema, nil)
	b.events.WithLabelValues(c.Projection, c.Schema).Observe(float64(c.Events))
	b.seconds.WithLabelValues(c.Projection, c.Schema).Observe(c.Took.Seconds())
}

// forget removes what was measured of builds that are gone: there is a new one with each rebuild.
func (b batches) forget(there []projections.Status) {
	b.builds.Range(func(build, _ any) bool {
		if schema, _ := build.(string); !slices.ContainsFunc(there, func(s projections.Status) bool { return s.Schema == schema }) {
			b.builds.Delete(build)
			b.events.DeletePartialMatch(prometheus.Labels{"build": schema})
			b.seconds.DeletePartialMatch(prometheus.Labels{"build": schema})
		}
		return true
	})
}

// collectProjections leaves out what Postgres and the log tell when they cannot be asked: 0 would be good news.
func (m *metrics) collectProjections(ctx context.Context, values chan<- prometheus.Metric) {
	states, err := m.app.engine.Status(ctx)
	if err != nil { // what this process knows by itself comes beside it
		m.app.log.Warn("reading the projections for metrics", "error", err)
	} else {
		m.batches.forget(states)
	}
	for _, p := range states {
		gauge := func(d *prometheus.Desc, value float64, labels ...string) {
			values <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
		}
		running, labels := oneIf(p.State == projections.StateRunning || p.State == projections.StateStandby), buildLabels(p)
		gauge(buildRunningMetric, running, labels...)
		gauge(buildStateMetric, 1, append(labels, string(p.State))...)
		if p.Live() {
			gauge(runningMetric, running, p.Name)
		}
		if p.Live() && p.Drift != nil {
			for reason, count := range reasons(*p.Drift) {
				gauge(driftMetric, count, p.Name, reason)
			}
		}
		if err == nil {
			collectCounts(p, values, gauge)
		}
	}
}

func buildLabels(p projections.Status) []string { return []string{p.Name, p.Schema, string(p.Phase)} }

// collectCounts is how far a build has come.
func collectCounts(p projections.Status, values chan<- prometheus.Metric, gauge func(*prometheus.Desc, float64, ...string)) {
	if p.Live() {
		gauge(positionMetric, float64(p.Position), p.Name)
		values <- prometheus.MustNewConstMetric(eventsMetric, prometheus.CounterValue, float64(p.Events), p.Name)
		gauge(lagMetric, float64(p.Lag.Events), p.Name)
		gauge(lagTimeMetric, p.Lag.Seconds, p.Name)
	}
	if p.Live() && p.Parked != nil {
		gauge(parkedPartitionsMetric, float64(p.Parked.Partitions), p.Name)
		gauge(parkedEventsMetric, float64(p.Parked.Events), p.Name)
	}
	labels := buildLabels(p)
	gauge(buildPositionMetric, float64(p.Position), labels...)
	values <- prometheus.MustNewConstMetric(buildEventsMetric, prometheus.CounterValue, float64(p.Events), p.Name, p.Schema)
	gauge(buildLagMetric, float64(p.Lag.Events), labels...)
	gauge(buildLagTimeMetric, p.Lag.Seconds, labels...)
	gauge(buildHereMetric, oneIf(p.Here), labels...)
	if p.Progress != nil {
		gauge(buildProgressMetric, p.Progress.Done, labels...)
	}
}

// reasons counts what differs. While no rows were ever compared, that none differ says nothing.
func reasons(d projections.Drift) map[string]float64 {
	if d.Unknown() && len(d.Tables) == 0 {
		return nil
	}
	out := map[string]float64{"rows": float64(d.Rows)}
	for _, kind := range projections.ObjectKinds() {
		out[string(kind)] = 0
	}
	for _, t := range d.Tables {
		for _, o := range t.Objects {
			out[string(o.Kind)]++
		}
	}
	return out
}

func oneIf(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
