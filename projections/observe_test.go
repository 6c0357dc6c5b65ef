package projections_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"daybook/events"
	"daybook/projections"
)

// watched are the batches of an engine, as it reports them and as it traces them.
type watched struct {
	spans *tracetest.SpanRecorder

	mu      sync.Mutex
	batches []projections.Committed
}

// watch lets the engines that the house makes from now on report.
func (h *house) watch() *watched {
	w := &watched{spans: tracetest.NewSpanRecorder()}
	h.tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(w.spans))
	h.observe = func(c projections.Committed) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.batches = append(w.batches, c)
	}
	return w
}

// value is an attribute of a span.
func value(span sdktrace.ReadOnlySpan, name string) attribute.Value {
	for _, a := range span.Attributes() {
		if string(a.Key) == name {
			return a.Value
		}
	}
	return attribute.Value{}
}

func TestEveryBatchIsReportedAndTraced(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	w := h.watch()
	engine, stop := h.run(h.pool, sample)
	last := h.append(45)
	h.wait(engine, "sample", last)
	stop()
	counted := 0
	for _, c := range w.batches {
		require.Equal(t, "sample", c.Projection)
		require.Equal(t, "sample_v1", c.Schema)
		require.Positive(t, c.Took)
		counted += c.Events
	}
	require.Equal(t, 46, counted, "the store's own first event too")
	from, spans := int64(0), w.spans.Ended()
	require.Len(t, spans, len(w.batches), "the follower that only counts is not traced")
	for i, span := range spans {
		require.Equal(t, "projection.batch", span.Name())
		require.Equal(t, "sample", value(span, "daybook.projection").AsString())
		require.Equal(t, "sample_v1", value(span, "daybook.build").AsString())
		require.Equal(t, from, value(span, "daybook.from").AsInt64())
		require.EqualValues(t, w.batches[i].Events, value(span, "daybook.events").AsInt64())
		require.Equal(t, codes.Unset, span.Status().Code)
		from = value(span, "daybook.to").AsInt64()
	}
	require.EqualValues(t, last, from)
}

func TestABatchThatFailsIsTracedAndNotReported(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	w := h.watch()
	broken := func() *projections.Projection {
		p := sample()
		projections.On(p, func(events.PremiumSubscribed, projections.At) error { panic("out of order") })
		return p
	}
	engine, stop := h.run(h.pool, broken)
	h.wait(engine, "sample", h.append(5))
	h.record("account-1", events.PremiumSubscribed{})
	require.Eventually(t, func() bool {
		return slices.ContainsFunc(w.spans.Ended(), func(span sdktrace.ReadOnlySpan) bool { return span.Status().Code == codes.Error })
	}, 30*time.Second, 5*time.Millisecond)
	stop()
	failed := slices.IndexFunc(w.spans.Ended(), func(span sdktrace.ReadOnlySpan) bool { return span.Status().Code == codes.Error })
	require.Contains(t, w.spans.Ended()[failed].Status().Description, "handler panicked: out of order")
	counted := 0
	for _, c := range w.batches {
		counted += c.Events
	}
	require.Equal(t, 6, counted)
}

// TestScratchBuildsAreNotReported: what they project was projected before. Verifying is one span.
func TestScratchBuildsAreNotReported(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	w := h.watch()
	engine, stop := h.run(h.pool, kinds)
	last := h.append(5)
	h.wait(engine, "sample", last)
	h.verify(engine, projections.VerifyOptions{})
	_, err := engine.AsOf(t.Context(), "sample", last, nil)
	require.NoError(t, err)
	stop()
	for _, c := range w.batches {
		require.Equal(t, "sample_v1", c.Schema)
	}
	require.Equal(t, []string{"projection.verify sample_v1"}, w.besidesBatches())
}

// besidesBatches are the other spans, with the build that each is of.
func (w *watched) besidesBatches() (names []string) {
	for _, span := range w.spans.Ended() {
		if span.Name() != "projection.batch" {
			names = append(names, span.Name()+" "+value(span, "daybook.build").AsString())
		}
	}
	return names
}

func TestRedrivesAndTheEndOfARebuildAreTraced(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.beat = 5 * time.Millisecond
	w := h.watch()
	var healed atomic.Bool
	engine, stop := h.run(h.pool, ward(&healed))
	h.record("devices-1", events.DeviceLinked{DeviceID: device(1), Name: "well"})
	h.wait(engine, "sample", h.record("devices-1", events.DeviceRenamed{DeviceID: device(1), Name: "sick"}))
	healed.Store(true)
	list, err := engine.Parked(t.Context(), "sample")
	require.NoError(t, err)
	require.NoError(t, engine.Retry(t.Context(), "sample_v1", list[0].Key))
	require.Eventually(t, func() bool { return slices.Contains(w.besidesBatches(), "projection.redrive sample_v1") }, 30*time.Second, 5*time.Millisecond)
	schema := h.rebuilt(engine)
	stop()
	require.Contains(t, w.besidesBatches(), "projection.rebuilt "+schema)
}
