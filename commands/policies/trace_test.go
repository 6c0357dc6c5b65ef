package policies_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"daybook/commands/policies"
)

func TestEveryReactionIsTraced(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	spans := tracetest.NewSpanRecorder()
	h.cfg.Tracer = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	p := newTally(h.store, 2)
	var failed atomic.Bool
	p.before = func(context.Context, int, []*policies.Input) error {
		if failed.CompareAndSwap(false, true) {
			return errors.New("out of ink")
		}
		return nil
	}
	runner, stop := h.run(p)
	h.wait(runner, h.link(1, 3))
	stop()
	ended := spans.Ended()
	require.Len(t, ended, len(p.calls))
	require.Equal(t, codes.Error, ended[0].Status().Code)
	require.Equal(t, "out of ink", ended[0].Status().Description)
	for i, span := range ended {
		call := p.calls[i]
		require.Equal(t, "policy.reaction", span.Name())
		require.ElementsMatch(t, []attribute.KeyValue{
			attribute.String("daybook.policy", "tally"), attribute.Int("daybook.shard", 1), attribute.Int("daybook.events", len(call)),
			attribute.Int64("daybook.from", int64(call[0].Position)), attribute.Int64("daybook.to", int64(call[len(call)-1].Position)),
		}, span.Attributes())
	}
	require.Equal(t, codes.Unset, ended[len(ended)-1].Status().Code)
}
