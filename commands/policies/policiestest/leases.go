package policiestest

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"daybook/commands/policies"
	"daybook/events/id"
)

// Leases are policies.Leases in memory, for tests. Make them with NewLeases.
type Leases struct {
	now func() time.Time

	mu       sync.Mutex
	policies map[string]*table
	failure  error
}

type table struct {
	rows    []row
	holders map[string]time.Time // when each ceases to count
}

type row struct {
	policies.ShardState

	expires time.Time
}

// NewLeases returns leases that nobody holds. Time passes for them as the clock says.
func NewLeases(now func() time.Time) *Leases {
	return &Leases{now: now, policies: map[string]*table{}}
}

// Fail makes every call fail, until it is told nil.
func (l *Leases) Fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failure = err
}

// Expire lets all leases expire at once, as if every holder had died long ago.
func (l *Leases) Expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.policies {
		clear(t.holders)
		for i := range t.rows {
			t.rows[i].expires = time.Time{}
		}
	}
}

var _ policies.Leases = (*Leases)(nil)

// Hold implements policies.Leases.
func (l *Leases) Hold(_ context.Context, c policies.Claim) (policies.Tenure, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return policies.Tenure{}, l.failure
	}
	t := l.table(c)
	if len(t.rows) != c.Shards {
		return policies.Tenure{}, fmt.Errorf("policy %s has %d shards, not %d", c.Policy, len(t.rows), c.Shards)
	}
	now := l.now()
	maps.DeleteFunc(t.holders, func(_ string, until time.Time) bool { return !now.Before(until) })
	t.holders[c.Holder] = now.Add(c.TTL)
	t.save(c.Holder, c.Held, now)
	tenure := policies.Tenure{Share: (c.Shards + len(t.holders) - 1) / len(t.holders)}
	own := 0
	for _, r := range t.rows {
		if r.Holder == c.Holder {
			own++
		}
	}
	for i := range t.rows {
		r := &t.rows[i]
		if r.Holder != c.Holder {
			if own >= tenure.Share || r.Holder != "" && now.Before(r.expires) {
				continue
			}
			own++
			r.Holder = c.Holder
			r.Epoch++
		}
		r.expires = now.Add(c.TTL)
		tenure.Leases = append(tenure.Leases, r.Lease)
	}
	return tenure, nil
}

// Release implements policies.Leases.
func (l *Leases) Release(_ context.Context, r policies.Return) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return l.failure
	}
	t := l.policies[r.Policy]
	if t == nil {
		return nil
	}
	t.save(r.Holder, r.Leases, l.now())
	for _, given := range r.Leases {
		if row := &t.rows[given.Shard]; row.Holder == r.Holder && row.Epoch == given.Epoch {
			row.Holder = ""
		}
	}
	if r.Gone {
		delete(t.holders, r.Holder)
		for i := range t.rows {
			if t.rows[i].Holder == r.Holder {
				t.rows[i].Holder = ""
			}
		}
	}
	return nil
}

// Shards implements policies.Leases.
func (l *Leases) Shards(_ context.Context, policy string) ([]policies.ShardState, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil || l.policies[policy] == nil {
		return nil, l.failure
	}
	var out []policies.ShardState
	for _, r := range l.policies[policy].rows {
		if !l.now().Before(r.expires) {
			r.Holder = ""
		}
		out = append(out, r.ShardState)
	}
	return out, nil
}

func (l *Leases) table(c policies.Claim) *table {
	t := l.policies[c.Policy]
	if t == nil {
		t = &table{rows: make([]row, c.Shards), holders: map[string]time.Time{}}
		for i := range t.rows {
			t.rows[i].Shard = i
		}
		l.policies[c.Policy] = t
	}
	return t
}

func (t *table) save(holder string, leases []policies.Lease, now time.Time) {
	for _, l := range leases {
		if r := &t.rows[l.Shard]; r.Holder == holder && r.Epoch == l.Epoch && l.Checkpoint.Store != (id.Store{}) {
			r.Checkpoint, r.UpdatedAt = l.Checkpoint, now
		}
	}
}
