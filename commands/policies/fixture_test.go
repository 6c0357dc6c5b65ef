package policies_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/storetest"
	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
	"daybook/events"
	"daybook/events/id"
)

// tally is a policy that copies every DeviceLinked of "devices-{shard}" to the stream "tally-{shard}", once, and every
// TermsAccepted to all of them. What it did follows from these streams; it remembers where they are.
type tally struct {
	store policiestest.Store
	size  int // shards

	mu       sync.Mutex
	memory   map[int]*written
	calls    [][]*policies.Input
	conflict int

	before func(ctx context.Context, shard int, inputs []*policies.Input) error // nil: nothing
}

// written is what a target stream holds.
type written struct {
	revision events.Expected
	sources  map[events.Position]bool
}

func newTally(store policiestest.Store, size int) *tally {
	return &tally{store: store, size: size, memory: map[int]*written{}}
}

func (*tally) Name() string  { return "tally" }
func (p *tally) Shards() int { return p.size }
func (*tally) Handles(eventType string) bool {
	return eventType == "DeviceLinked" || eventType == "TermsAccepted"
}

func (p *tally) Shard(_ context.Context, in *policies.Input) (int, error) {
	if _, terms := in.Event.(events.TermsAccepted); terms {
		return policies.Every, nil
	}
	var shard int
	_, err := fmt.Sscanf(in.Stream, "devices-%d", &shard)
	return shard, err
}

// copied is one event of a target stream.
type copied struct {
	Source events.Position `json:"source"`
	Name   string          `json:"name"`
}

func (p *tally) React(ctx context.Context, shard int, inputs []*policies.Input) error {
	p.mu.Lock()
	p.calls = append(p.calls, inputs)
	known := p.memory[shard]
	p.mu.Unlock()
	if p.before != nil {
		if err := p.before(ctx, shard, inputs); err != nil {
			return err
		}
	}
	if known == nil {
		var err error
		if known, err = p.fold(ctx, shard); err != nil {
			return err
		}
	}
	var proposed []events.Proposed
	for _, in := range inputs {
		if !known.sources[in.Position] {
			proposed = append(proposed, copyOf(in))
			known.sources[in.Position] = true
		}
	}
	if len(proposed) > 0 {
		done, err := p.store.Append(ctx, target(shard), known.revision, proposed)
		if err != nil {
			_, wrong := errors.AsType[*events.WrongRevisionError](err)
			p.mu.Lock()
			defer p.mu.Unlock()
			delete(p.memory, shard)
			if wrong {
				p.conflict++
			}
			return err
		}
		known.revision = events.Exactly(done.Revision)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.memory[shard] = known
	return nil
}

func copyOf(in *policies.Input) events.Proposed {
	device, _ := in.Event.(events.DeviceLinked)
	data, _ := json.Marshal(copied{in.Position, device.Name})
	return events.Proposed{ID: id.New[id.Event](), Type: "Copied", Data: data}
}

func target(shard int) string { return fmt.Sprintf("tally-%d", shard) }

func (p *tally) fold(ctx context.Context, shard int) (*written, error) {
	known := &written{events.NoStream, map[events.Position]bool{}}
	for r, err := range p.store.ReadStream(ctx, target(shard), 0) {
		if err != nil {
			return nil, err
		}
		var c copied
		if err = json.Unmarshal(r.Data, &c); err != nil {
			return nil, err
		}
		known.revision = events.Exactly(r.Revision)
		known.sources[c.Source] = true
	}
	return known, ctx.Err()
}

// seen returns the inputs of all calls for a shard, in the order of the calls.
func (p *tally) seen() []*policies.Input {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Concat(p.calls...)
}

// house is a store with leases, and a business that links devices.
type house struct {
	t      *testing.T
	log    policiestest.Store
	store  storetest.LentStore // the same
	leases *policiestest.Leases
	cfg    policies.Config
	linked map[int]int // devices by shard
}

func newHouse(t *testing.T) *house {
	t.Helper()
	return houseOn(t, storetest.Lend(t))
}

func houseOn(t *testing.T, store storetest.LentStore) *house {
	t.Helper()
	leases := policiestest.NewLeases(time.Now)
	return &house{t, store, store, leases, policies.Config{
		Log: store, Leases: leases, Now: time.Now, MinPause: time.Microsecond, MaxPause: 5 * time.Millisecond, SaveGap: time.Microsecond,
	}, map[int]int{}}
}

// link records n devices of a shard, and returns the last position.
func (h *house) link(shard, n int) events.Position {
	h.t.Helper()
	var last events.Position
	for range n {
		h.linked[shard]++
		last = h.record(fmt.Sprintf("devices-%d", shard), events.DeviceLinked{Name: fmt.Sprintf("%d.%d", shard, h.linked[shard])})
	}
	return last
}

var recordedAt = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

func (h *house) record(stream string, e events.Event) events.Position {
	h.t.Helper()
	proposed, err := events.Encode(id.New[id.Event](), e, events.Envelope{RecordedAt: recordedAt, Actor: "test", Source: "test"})
	require.NoError(h.t, err)
	return h.write(stream, proposed)
}

func (h *house) write(stream string, proposed events.Proposed) events.Position {
	h.t.Helper()
	done, err := h.store.Append(h.t.Context(), stream, events.Any, []events.Proposed{proposed})
	require.NoError(h.t, err)
	return done.Position
}

// run starts a runner; stop ends it and is called at the end of the test at the latest.
func (h *house) run(list ...policies.Policy) (runner *policies.Runner, stop func()) {
	h.t.Helper()
	runner, err := policies.NewRunner(h.cfg, list...)
	require.NoError(h.t, err)
	ctx, cancel := context.WithCancel(h.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(h.t, <-ended)
	})
	h.t.Cleanup(stop)
	return runner, stop
}

func (h *house) wait(r *policies.Runner, position events.Position) events.Position {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 30*time.Second)
	defer cancel()
	head, err := r.WaitFor(ctx, "tally", position)
	require.NoError(h.t, err)
	return head
}

// status waits for a policy to be as described.
func (h *house) status(r *policies.Runner, ok func(policies.Status) bool) policies.Status {
	h.t.Helper()
	var last policies.Status
	require.Eventually(h.t, func() bool {
		all, _ := r.Status(h.t.Context())
		last = all[0]
		return ok(last)
	}, 30*time.Second, time.Millisecond)
	return last
}

// copies returns the names in a shard's target, in order; "" is a TermsAccepted.
func (h *house) copies(shard int) []string {
	h.t.Helper()
	var names []string
	for r, err := range h.log.ReadStream(h.t.Context(), target(shard), 0) {
		require.NoError(h.t, err)
		var c copied
		require.NoError(h.t, json.Unmarshal(r.Data, &c))
		names = append(names, c.Name)
	}
	return names
}

// complete requires that each shard's target has each of its devices once, in order.
func (h *house) complete() {
	h.t.Helper()
	for shard, n := range h.linked {
		var want []string
		for i := range n {
			want = append(want, fmt.Sprintf("%d.%d", shard, i+1))
		}
		require.Equal(h.t, want, h.copies(shard))
	}
}
