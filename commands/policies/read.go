package policies

import (
	"context"
	"errors"
	"fmt"

	"daybook/events"
)

var errEnded = errors.New("the log's subscription ended")

// read reads the log and hands on batches, until ctx ends or something fails. What comes before an event that cannot be
// read is handed on first.
func (w *worker) read(ctx context.Context, after events.Position, out chan<- *batch) (err error) {
	defer caught(&err)
	for records, err := range w.cfg.Log.SubscribeAll(ctx, after, w.cfg.Events) {
		if err != nil {
			return fmt.Errorf("reading the log after position %d: %w", after, err)
		}
		b, err := w.decode(ctx, records)
		if b.last > after {
			select {
			case out <- b:
			case <-ctx.Done():
				return ctx.Err()
			}
			after = b.last
		}
		if err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return errEnded
}

// decode decodes the inputs among records and deals them out, up to the first that cannot be.
func (w *worker) decode(ctx context.Context, records []events.Record) (*batch, error) {
	b := &batch{inputs: make([][]*Input, w.policy.Shards())}
	var last *events.Record
	var err error
	for i := range records {
		if !records[i].System() {
			if w.policy.Handles(records[i].Type) {
				if err = w.deal(ctx, b, &records[i]); err != nil {
					break
				}
			}
			last = &records[i]
		}
		b.last = records[i].Position
	}
	if last != nil {
		b.anchor = &Anchor{last.Stream, last.Revision, last.ID, last.Position}
	}
	return b, err
}

// deal decodes a record and gives it to the shard that it belongs to.
func (w *worker) deal(ctx context.Context, b *batch, r *events.Record) error {
	unreadable := func(err error) error {
		return &InputError{w.policy.Name(), r.Stream, r.Revision, r.Type, err}
	}
	event, envelope, err := events.DecodeRecord(*r)
	if err != nil {
		return unreadable(err)
	}
	in := &Input{Record: *r, Envelope: envelope, Event: event}
	shard, err := w.policy.Shard(ctx, in)
	switch {
	case err != nil:
		return unreadable(fmt.Errorf("finding its shard: %w", err))
	case shard == Every:
		for i := range b.inputs {
			b.inputs[i] = append(b.inputs[i], in)
		}
	case shard < 0 || shard >= len(b.inputs):
		return unreadable(fmt.Errorf("it is of shard %d, of %d", shard, len(b.inputs)))
	default:
		b.inputs[shard] = append(b.inputs[shard], in)
	}
	return nil
}

// InputError says that a policy stands before an event that it handles and cannot read. It is not skipped: the policy
// goes on when the event can be read, by another binary perhaps.
type InputError struct {
	Policy   string
	Stream   string
	Revision uint64
	Type     string
	Err      error
}

func (e *InputError) Error() string {
	return fmt.Sprintf("policy %s stands before %s at %s@%d: %s", e.Policy, e.Type, e.Stream, e.Revision, e.Err)
}

func (e *InputError) Unwrap() error { return e.Err }
