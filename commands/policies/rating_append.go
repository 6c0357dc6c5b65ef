package policies

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"daybook/domain/billing"
	"daybook/events"
	"daybook/events/id"
)

// writing puts events of one period into appends, each ended by BatchRated. While one append is being written, the next
// is made; they are sent one after the other.
type writing struct {
	*rater

	period    *period
	portfolio id.Account
	now       time.Time
	settling  bool // closing the period: what is added follows from its place there

	proposed []events.Proposed
	bytes    int
	source   events.Ref // what the next BatchRated names
	cause    *Input     // of the last event
	sent     chan error // the answer to the append under way; nil when there is none
	failed   error      // why nothing more is to be sent
}

// add puts an event, which follows from an input and is of an account's delivery, into the append that is being made, and
// says where it will stand; what the platform says against us goes beside it. Once it is recorded, rating has come to
// source.
func (w *writing) add(
	ctx context.Context, event events.Event, account id.Account, cause *Input, source events.Ref,
) (at events.Ref, err error) {
	proposed, err := events.Encode(id.Event{}, event, w.envelope(account, billing.Subject(event).DeliveredAt, cause))
	if err != nil {
		return at, err
	}
	_, disputed := billing.Discrepancy(event, at)
	if err = w.makeRoom(ctx, &proposed, disputed && !w.settling); err != nil {
		return at, err
	}
	at = w.put(event, proposed, cause)
	w.remember(recorded{w.period, event, at})
	w.cause, w.source = cause, source
	if !disputed || w.settling { // what is settled was disputed when it was charged
		return at, nil
	}
	beside, _ := billing.Discrepancy(event, at)
	proposed, err = events.Encode(id.Event{}, beside, w.envelope(account, beside.Delivery.DeliveredAt, cause))
	if err == nil {
		w.put(beside, proposed, cause)
	}
	return at, err
}

// makeRoom sends the append that is being made when it has no room for an event, for one more of its size where two belong
// together, and for the BatchRated.
func (w *writing) makeRoom(ctx context.Context, proposed *events.Proposed, two bool) error {
	more := 1
	if two {
		more = 2
	}
	n, size := len(w.proposed), more*sizeOf(proposed)
	if n > 0 && (n+more+1 > w.events || w.bytes+size+w.period.state.ClosingBytes() > w.rating.bytes) {
		return w.flush(ctx)
	}
	return nil
}

func sizeOf(p *events.Proposed) int { return len(p.Data) + len(p.Metadata) + 2*len(p.Type) }

// put adds an event for which there is room, and says where it will stand.
func (w *writing) put(event events.Event, proposed events.Proposed, cause *Input) events.Ref {
	at := events.Ref{Stream: w.period.stream, Revision: w.period.state.Next()}
	if d := billing.Subject(event); d == nil || w.settling {
		proposed.ID = id.Derive[id.Event](proposed.Type, "closing", at.Stream, strconv.FormatUint(at.Revision, 10), string(proposed.Data))
	} else {
		proposed.ID = chargeID(proposed.Type, d, cause)
	}
	w.period.state = billing.Evolve(w.period.state, event)
	w.proposed, w.bytes = append(w.proposed, proposed), w.bytes+sizeOf(&proposed)
	return at
}

// flush sends what was added, and does not wait for the answer.
func (w *writing) flush(ctx context.Context) error {
	if len(w.proposed) == 0 {
		return nil
	}
	expected, proposed, err := w.seal()
	if err != nil {
		return err
	}
	if err = w.wait(); err != nil {
		return err
	}
	sent := make(chan error, 1)
	w.sent = sent
	go func() { sent <- w.send(ctx, expected, proposed) }()
	return nil
}

// finish waits until all that was sent is recorded.
func (w *writing) finish() error {
	if err := cmp.Or(w.wait(), w.failed); err != nil || w.cause == nil {
		return err
	}
	w.period.passed, w.period.turn = max(w.period.passed, w.cause.Position), w.turn
	return nil
}

func (w *writing) wait() error {
	if w.sent == nil {
		return nil
	}
	err := <-w.sent
	w.sent = nil
	return err
}

// seal ends the append that is being made, and begins the next.
func (w *writing) seal() (events.Expected, []events.Proposed, error) {
	first := w.period.state.Next() - uint64(len(w.proposed))
	closing, err := w.period.state.Close(w.source)
	if err != nil {
		return 0, nil, err
	}
	last, err := events.Encode(id.Event{}, closing, w.envelope(w.portfolio, w.now, w.cause))
	if err != nil {
		return 0, nil, err
	}
	// A store takes an append with the same ids for a repeat. So the id is that of the state: who decided otherwise must
	// not go on from there.
	last.ID = id.Derive[id.Event]("BatchRated", w.period.stream, strconv.FormatUint(first, 10), string(last.Data))
	w.period.state = billing.Evolve(w.period.state, closing)
	sealed := w.proposed
	sealed = append(sealed, last)
	w.proposed, w.bytes = make([]events.Proposed, 0, len(sealed)), 0 // they belong to the append now
	return events.Expected(first) - 1, sealed, nil                   // before revision 0 is NoStream
}

func (w *writing) send(ctx context.Context, expected events.Expected, proposed []events.Proposed) error {
	appended, err := w.store.Append(ctx, w.period.stream, expected, proposed)
	if err != nil {
		return err
	}
	if last := uint64(int64(expected) + int64(len(proposed))); appended.Revision != last {
		return fmt.Errorf("the store reports revision %d, not %d", appended.Revision, last)
	}
	return nil
}

func (w *writing) envelope(account id.Account, occurred time.Time, cause *Input) events.Envelope {
	return events.Envelope{
		Account: account, OccurredAt: occurred, RecordedAt: w.now, Actor: "policy:" + RatingName, Source: "policy:" + RatingName,
		Correlation: cause.Envelope.Correlation, Causation: cause.ID.String(),
	}
}

// chargeID is the same whenever the same fact or card has the same effect on the same delivery.
func chargeID(name string, d *events.Delivered, cause *Input) id.Event {
	return id.Derive[id.Event](name, string(d.MessageID.UUID[:]), string(d.RecipientID.UUID[:]),
		cause.Stream, strconv.FormatUint(cause.Revision, 10))
}
