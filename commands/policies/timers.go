package policies

import (
	"context"
	"fmt"
	"time"

	"daybook/commands"
	"daybook/events"
	"daybook/events/id"
)

// TimersName is the name of the policy that NewTimers returns.
const TimersName = "timers"

// dueAtOnce bounds what is asked for, and fired, at once.
const dueAtOnce = 500

// Due finds the timers that wait.
type Due interface {
	// Due lists those that are due at an instant and have not fired, the earliest first, at most limit. It knows of
	// everything that was recorded up to a position, and waits until it does.
	Due(ctx context.Context, asOf events.Position, now time.Time, limit int) ([]DueTimer, error)
}

// DueTimer is a timer that was set in an account's books.
type DueTimer struct {
	ID      id.Timer
	Account id.Account
}

// TimerCommands fires timers, each once whoever asks.
type TimerCommands interface {
	FireTimer(ctx context.Context, meta commands.Meta, owner id.Account, due id.Timer) (events.Position, error)
}

// timers fires what is due, in the order in which it is due. The index it looks into may be behind, or empty: then timers
// fire later. What was fired already, by whomever, the timer's own stream tells.
type timers struct {
	due      Due
	commands TimerCommands
	now      func() time.Time
	fired    events.Position // the index has to know of what was fired here before it is asked again
}

// NewTimers returns the policy that fires timers. The clock tells what is due.
func NewTimers(due Due, fire TimerCommands, now func() time.Time) Ticker {
	return &timers{due: due, commands: fire, now: now}
}

func (*timers) Name() string                               { return TimersName }
func (*timers) Shards() int                                { return 1 } // so that there is one order
func (*timers) Handles(string) bool                        { return false }
func (*timers) Shard(context.Context, *Input) (int, error) { return 0, nil }
func (*timers) React(context.Context, int, []*Input) error { return nil }

// Tick fires everything that is due.
func (t *timers) Tick(ctx context.Context, _ int) error {
	for {
		due, err := t.due.Due(ctx, t.fired, t.now(), dueAtOnce)
		if err != nil {
			return fmt.Errorf("finding what is due: %w", err)
		}
		for _, timer := range due {
			if err := t.fire(ctx, timer); err != nil {
				return err
			}
		}
		if len(due) < dueAtOnce {
			return nil
		}
	}
}

func (t *timers) fire(ctx context.Context, timer DueTimer) error {
	at, err := t.commands.FireTimer(ctx, metaOf(TimersName, timer.ID), timer.Account, timer.ID)
	if err != nil {
		return fmt.Errorf("firing timer %s: %w", timer.ID, err)
	}
	t.fired = max(t.fired, at)
	return nil
}

// metaOf says that a policy acts by itself, because of something.
func metaOf[K any](policy string, cause id.ID[K]) commands.Meta {
	return commands.Meta{Actor: events.Actor("policy:" + policy), Source: "policy:" + policy, Causation: cause.String()}
}
