package projections

import (
	"context"
	"errors"
	"time"

	otelattribute "go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// Committed is what one transaction has projected: a batch or, when an event stops a projection, what comes before it.
type Committed struct {
	Projection string // the name
	Schema     string // of the build
	Events     int
	Took       time.Duration // handlers, rows and commit
}

// report tells of a transaction that began at a time. The follower that only counts is the engine's own business.
func (w *worker) report(b *Batch, began time.Time) {
	if w.engine.cfg.Observe != nil && w.p.name != headName {
		w.engine.cfg.Observe(Committed{w.p.name, w.p.Schema(), len(b.Events), time.Since(began)})
	}
}

// traced projects a batch within a span.
func (w *worker) traced(ctx context.Context, b *Batch) error {
	if w.p.name == headName {
		return w.project(ctx, b)
	}
	ctx, span := w.engine.tracer.Start(ctx, "projection.batch", trace.WithAttributes(
		otelattribute.String("daybook.projection", w.p.name), otelattribute.String("daybook.build", w.p.Schema()),
		otelattribute.Int64("daybook.from", int64(b.After)), otelattribute.Int64("daybook.to", int64(b.Last)),
		otelattribute.Int("daybook.events", len(b.Events)),
	))
	defer span.End()
	err := w.project(ctx, b)
	if err != nil && ctx.Err() == nil && !errors.Is(err, errMoved) { // what was given back did not fail
		span.SetStatus(codes.Error, err.Error())
	}
	return err
}
