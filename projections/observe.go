package projections

import (
	"context"
	"errors"
	"time"

	otelattribute "go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"daybook/events"
)

// Committed is what one transaction has projected: a batch or, when an event stops a projection, what comes before it.
type Committed struct {
	Projection string          // the name
	Schema     string          // of the build
	Position   events.Position // up to which everything is projected now
	Events     int
	Took       time.Duration // handlers, rows and commit
}

// report tells of a transaction that began at a time. The follower that only counts is the engine's own business, and so
// are builds that nobody keeps up: what they project was projected before.
func (w *worker) report(b *Batch, began time.Time) {
	if w.engine.cfg.Observe != nil && w.p.name != headName && w.currentPhase() != PhaseScratch {
		w.engine.cfg.Observe(Committed{w.p.name, w.p.Schema(), b.Last, len(b.Events), time.Since(began)})
	}
}

// traced projects a batch within a span.
func (w *worker) traced(ctx context.Context, b *Batch) error {
	if w.p.name == headName {
		return w.project(ctx, b)
	}
	return w.engine.within(ctx, "projection.batch", w.p, func(ctx context.Context) error { return w.project(ctx, b) },
		otelattribute.Int64("daybook.from", int64(b.After)), otelattribute.Int64("daybook.to", int64(b.Last)),
		otelattribute.Int("daybook.events", len(b.Events)))
}

// within does something with a build within a span.
func (e *Engine) within(ctx context.Context, span string, p *Projection, do func(context.Context) error, more ...otelattribute.KeyValue) error {
	ctx, s := e.tracer.Start(ctx, span, trace.WithAttributes(append(more,
		otelattribute.String("daybook.projection", p.name), otelattribute.String("daybook.build", p.Schema()))...))
	defer s.End()
	err := do(ctx)
	if err != nil && ctx.Err() == nil && !errors.Is(err, errMoved) { // what was given back did not fail
		s.SetStatus(codes.Error, err.Error())
	}
	return err
}
