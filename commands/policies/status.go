package policies

import (
	"context"
	"fmt"
	"time"

	"daybook/events"
)

// State is what a policy is doing in this process.
type State string

// The states.
const (
	StateRunning  State = "running"
	StateRetrying State = "retrying" // inputs, the log or the leases fail; nothing is skipped
	StateStandby  State = "standby"  // other processes hold all shards
	StateStopped  State = "stopped"
)

// Status is how one policy stands.
type Status struct {
	Policy   string          `json:"policy"`
	State    State           `json:"state"`
	Error    string          `json:"error,omitempty"` // why it is retrying
	Position events.Position `json:"position"`        // all shards have passed it, in whichever process
	Head     events.Position `json:"head"`            // of the log
	Lag      *Lag            `json:"lag,omitempty"`   // nil when the log or the leases could not be asked
	Shards   []ShardStatus   `json:"shards"`
}

// Lag is how far a policy is behind the log, whoever works on it, and if nobody does: the events that some shard has not
// passed, whether or not the policy handles them. They are counted in the log, up to a thousand.
type Lag struct {
	Events  int64   `json:"events"`
	AtLeast bool    `json:"at_least,omitempty"` // there may be more: it was counted no further
	Seconds float64 `json:"seconds"`            // age of the oldest of them
}

// countedLag bounds what is read to tell a lag.
const countedLag = 1000

// ShardStatus is how one shard of a policy stands.
type ShardStatus struct {
	Shard    int             `json:"shard"`
	Holder   string          `json:"holder,omitempty"` // the process that works on it
	Here     bool            `json:"here"`             // that is this one
	Position events.Position `json:"position"`         // as last saved, when it is elsewhere
	Error    string          `json:"error,omitempty"`  // why it rests
}

// Status tells how the policies stand. When the leases or the log cannot be asked, what is known in memory is returned
// beside the error.
func (r *Runner) Status(ctx context.Context) ([]Status, error) {
	var out []Status
	head, failure := r.cfg.Log.Head(ctx)
	if failure != nil {
		failure = fmt.Errorf("reading the head of the log: %w", failure)
	}
	for _, w := range r.workers {
		states, err := w.reread(ctx)
		if err != nil && failure == nil {
			failure = fmt.Errorf("reading how far policy %s is: %w", w.policy.Name(), err)
		}
		s := w.status(states)
		s.Head = head
		if failure == nil {
			s.Lag, failure = r.lag(ctx, s.Position, head)
		}
		out = append(out, s)
	}
	return out, failure
}

// lag counts the events after a position, up to the head.
func (r *Runner) lag(ctx context.Context, after, head events.Position) (*Lag, error) {
	lag := &Lag{}
	if after >= head {
		return lag, nil
	}
	for records, err := range r.cfg.Log.SubscribeAll(ctx, after, countedLag) {
		if err != nil {
			return nil, fmt.Errorf("reading the log after position %d: %w", after, err)
		}
		for i := range records {
			switch {
			case records[i].System():
			case lag.Events == countedLag:
				lag.AtLeast = true
				return lag, nil
			default:
				if lag.Events++; lag.Events == 1 {
					lag.Seconds = max(r.cfg.Now().Sub(recordedAt(&records[i])).Seconds(), 0)
				}
			}
			if records[i].Position >= head {
				return lag, nil
			}
		}
	}
	return nil, ctx.Err()
}

// recordedAt is when an event was recorded, by the store's clock if ours cannot be read.
func recordedAt(r *events.Record) time.Time {
	envelope, err := events.DecodeEnvelope(r.Metadata)
	if err != nil {
		return r.Created
	}
	return envelope.RecordedAt
}

func (w *worker) status(states []ShardState) Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := Status{Policy: w.policy.Name(), Position: ^events.Position(0)}
	for n := range w.policy.Shards() {
		s := ShardStatus{Shard: n, Position: w.passed(n)}
		if n < len(states) {
			s.Holder = states[n].Holder
		}
		if here := w.held[n]; here != nil {
			s.Here, s.Holder = true, w.holder
			if here.failed != nil {
				s.Error = here.failed.Error()
			}
		}
		out.Position = min(out.Position, s.Position)
		out.Shards = append(out.Shards, s)
	}
	out.State = w.state()
	if trouble := w.troubleHere(); trouble != nil {
		out.Error = trouble.Error()
	}
	return out
}

// state is what the policy does. The caller holds the lock.
func (w *worker) state() State {
	switch {
	case !w.running:
		return StateStopped
	case w.troubleHere() != nil:
		return StateRetrying
	case len(w.held) == 0:
		return StateStandby
	default:
		return StateRunning
	}
}

// troubleHere is what keeps the policy, or one of its shards, from going on. The caller holds the lock.
func (w *worker) troubleHere() error {
	if w.ill != nil {
		return w.ill
	}
	if w.unheld != nil {
		return w.unheld
	}
	for n := range w.policy.Shards() {
		if s := w.held[n]; s != nil && s.failed != nil {
			return fmt.Errorf("shard %d: %w", n, s.failed)
		}
	}
	return nil
}

func (w *worker) trouble() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.troubleHere()
}
