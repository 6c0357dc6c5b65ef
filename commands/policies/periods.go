package policies

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"daybook/commands"
	"daybook/domain/billing"
	"daybook/domain/timer"
	"daybook/events"
	"daybook/events/id"
)

// PeriodsName is the name of the policy that NewPeriods returns.
const PeriodsName = "periods"

const periodShards = 4

// closingAfter is how long after its end a period is closed: by then most of what is told late was told. What comes later
// still has it closed again, once a day at most.
const closingAfter = 24 * time.Hour

// PeriodCommands set timers and close billing periods. A request to close that comes again under the same command is one.
type PeriodCommands interface {
	SetTimer(ctx context.Context, meta commands.Meta, c timer.Set) (events.Position, error)
	CloseBillingPeriod(ctx context.Context, meta commands.Meta, portfolio id.Account, month string) (events.Position, error)
}

// periods has each billing period closed that anything was rated in.
type periods struct{ commands PeriodCommands }

// NewPeriods returns the policy that closes billing periods.
func NewPeriods(c PeriodCommands) Policy { return periods{c} }

func (periods) Name() string { return PeriodsName }
func (periods) Shards() int  { return periodShards }
func (periods) Handles(event string) bool {
	return event == events.NameOf[events.BatchRated]() || event == events.NameOf[events.TimerFired]()
}

// Shard keeps what is of one period in order.
func (periods) Shard(_ context.Context, in *Input) (int, error) {
	stream := in.Stream
	if fired, ok := in.Event.(events.TimerFired); ok {
		stream = fired.Stream
	}
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(stream)) // a hash takes everything
	return int(sum.Sum32() % periodShards), nil
}

func (p periods) React(ctx context.Context, _ int, inputs []*Input) error {
	set := map[id.Timer]bool{} // a period is rated in many batches
	for _, in := range inputs {
		var err error
		switch e := in.Event.(type) {
		case events.BatchRated:
			if !e.Closed {
				err = p.rated(ctx, in, set)
			}
		case events.TimerFired:
			err = p.fired(ctx, in, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// rated has the period of a batch closed.
func (p periods) rated(ctx context.Context, in *Input, set map[id.Timer]bool) error {
	portfolio, month, err := periodOf(in.Stream)
	if err != nil {
		return err
	}
	c := timer.Set{Account: portfolio, Kind: events.TimerPeriodClose, Stream: in.Stream, Subject: month.Format(monthForm)}
	c.Ordinal, c.Due = closing(month, in.Envelope.RecordedAt)
	if set[c.ID()] {
		return nil
	}
	if _, err = p.commands.SetTimer(ctx, metaOf(PeriodsName, in.ID), c); err != nil {
		return fmt.Errorf("setting the timer that closes %s: %w", in.Stream, err)
	}
	set[c.ID()] = true
	return nil
}

func (p periods) fired(ctx context.Context, in *Input, e events.TimerFired) error {
	if e.Kind != events.TimerPeriodClose {
		return nil
	}
	portfolio, month, err := periodOf(e.Stream)
	if err != nil {
		return err
	}
	meta := metaOf(PeriodsName, in.ID)
	meta.Command = id.Derive[id.Command]("period close", e.TimerID.String())
	if _, err = p.commands.CloseBillingPeriod(ctx, meta, portfolio, month.Format(monthForm)); err != nil {
		return fmt.Errorf("closing %s: %w", e.Stream, err)
	}
	return nil
}

const monthForm = "2006-01"

// periodOf reads the name of a billing period's stream.
func periodOf(stream string) (portfolio id.Account, month time.Time, err error) {
	name, found := strings.CutPrefix(stream, "billing-")
	if cut := len(name) - len("-2006-01"); found && cut > 0 {
		if month, err = time.Parse("-"+monthForm, name[cut:]); err == nil {
			portfolio, err = id.Parse[id.Account](name[:cut])
		}
	}
	if err != nil || billing.Stream(portfolio, month.Format(monthForm)) != stream {
		return id.Account{}, time.Time{}, fmt.Errorf("stream %s is no billing period", stream)
	}
	return portfolio, month, nil
}

// closing tells which closing of a month takes care of what was rated at an instant, and when it is due. The month is over
// when it is over in all time zones, the last of which is twelve hours behind UTC: accounts of one portfolio are in several.
func closing(month, rated time.Time) (ordinal int, due time.Time) {
	due = month.AddDate(0, 1, 0).Add(12*time.Hour + closingAfter)
	if late := rated.Sub(due); late >= 0 {
		ordinal = int(late/closingAfter) + 1
	}
	return ordinal, due.Add(time.Duration(ordinal) * closingAfter)
}
