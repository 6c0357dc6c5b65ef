package watermill

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"daybook/events"
	"daybook/projections"
)

// pull is one subscription to the log, taken from step by step, by one goroutine at a time.
type pull struct {
	at     events.Position // where its next chunk begins
	cancel context.CancelFunc
	step   func() ([]events.Record, error, bool)
	stop   func()
	rest   []events.Record // read, and too many bytes for the last chunk
}

func newPull(log Log, after events.Position, limit int) *pull {
	ctx, cancel := context.WithCancel(context.Background())
	step, stop := iter.Pull2(log.SubscribeAll(ctx, after, limit))
	return &pull{at: after, cancel: cancel, step: step, stop: stop}
}

var errEnded = errors.New("the log's subscription ended")

// next returns the next chunk, blocking at the head. When ctx ends meanwhile the pull is of no more use.
func (p *pull) next(ctx context.Context, limit int) (*chunk, error) {
	if len(p.rest) == 0 {
		unhook := context.AfterFunc(ctx, p.cancel)
		records, err, ok := p.step()
		interrupted := !unhook()
		switch {
		case interrupted:
			return nil, ctx.Err()
		case err != nil:
			return nil, fmt.Errorf("reading the log after position %d: %w", p.at, err)
		case !ok || len(records) == 0:
			return nil, errEnded
		}
		p.rest = records
	}
	n, bytes := 0, 0
	for n < len(p.rest) {
		size := len(p.rest[n].Data) + len(p.rest[n].Metadata)
		if n > 0 && bytes+size > limit {
			break
		}
		bytes += size
		n++
	}
	c := &chunk{after: p.at, last: p.rest[n-1].Position, events: projections.Decode(p.rest[:n]), bytes: bytes}
	p.at, p.rest = c.last, p.rest[n:]
	return c, nil
}

// end gives the subscription back. A nil pull needs nothing.
func (p *pull) end() {
	if p != nil {
		p.cancel()
		p.stop()
	}
}
