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
	Lag      float64         `json:"lag_seconds"`     // age of the oldest input that is being reacted to here, rests or cannot be read
	Shards   []ShardStatus   `json:"shards"`
}

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
		s := w.status(states, r.cfg.Now())
		s.Head = head
		out = append(out, s)
	}
	return out, failure
}

func (w *worker) status(states []ShardState, now time.Time) Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := Status{Policy: w.policy.Name(), Position: ^events.Position(0)}
	oldest := w.since
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
			if since := here.since; !since.IsZero() && (oldest.IsZero() || since.Before(oldest)) {
				oldest = since
			}
		}
		out.Position = min(out.Position, s.Position)
		out.Shards = append(out.Shards, s)
	}
	if !oldest.IsZero() {
		out.Lag = max(now.Sub(oldest).Seconds(), 0)
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
