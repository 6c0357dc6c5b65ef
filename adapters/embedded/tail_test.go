package embedded_test

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"daybook/adapters/embedded"
	"daybook/events"
)

// From every position, near and far, whoever came before: what is read in common is what the log says.
func TestReadSharedFromEverywhere(t *testing.T) {
	t.Parallel()
	store := open(t, "store", embedded.InMemory())
	for range 4 {
		for range 10 {
			big := notes(2)
			big[0].Data = make([]byte, 300_000+rand.IntN(300_000)) // so that the memory for all is passed soon
			_, err := store.Append(t.Context(), "s", events.Any, big)
			require.NoError(t, err)
		}
		all := readAll(t, store, events.Start)
		starts := []events.Position{events.Start}
		for _, r := range all {
			starts = append(starts, r.Position)
		}
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				for range 20 {
					i, limit := rand.IntN(len(starts)), 1+rand.IntN(2*len(all))
					records, err := store.ReadShared(starts[i], limit, 1<<20)
					if err != nil || !isPrefix(records, all[i:], limit) {
						t.Errorf("after %d: %d records: %v", starts[i], len(records), err)
					}
				}
			})
		}
		readers.Wait()
	}
}

// What is read in common is bounded by bytes, too, near the head and far from it: who stalls holds on to so much.
func TestReadSharedKeepsToTheSize(t *testing.T) {
	t.Parallel()
	const size, big = 100_000, 30_000
	store := open(t, "store", embedded.InMemory())
	for range 20 {
		many := notes(10)
		for i := range many {
			many[i].Data = make([]byte, big)
		}
		many[5].Data = make([]byte, 2*size)
		_, err := store.Append(t.Context(), "s", events.Any, many)
		require.NoError(t, err)
	}
	all := readAll(t, store, events.Start)
	for len(all) > 0 {
		records, err := store.ReadShared(all[0].Position-1, 64, size)
		require.NoError(t, err)
		require.True(t, isPrefix(records, all, 64))
		held := 0
		for _, r := range records {
			held += len(r.Data)
		}
		require.True(t, held <= size || len(records) == 1, "%d bytes in %d records", held, len(records))
		all = all[len(records):]
	}
}

// isPrefix says that records are the first of all, at least one unless there is none, and at most limit.
func isPrefix(records, all []events.Record, limit int) bool {
	if len(records) > min(limit, len(all)) || len(records) == 0 && len(all) > 0 {
		return false
	}
	for i := range records {
		if records[i].Position != all[i].Position || records[i].ID != all[i].ID || len(records[i].Data) != len(all[i].Data) {
			return false
		}
	}
	return true
}

// Those who follow the log share what they read, and yet what a subscription yields is its own.
func TestTheTailIsShared(t *testing.T) {
	t.Parallel()
	store := open(t, "store", embedded.InMemory())
	head, moved := store.Watch()
	select {
	case <-moved:
		t.Error("it has not moved")
	default:
	}
	at, err := store.Append(t.Context(), "s", events.Any, notes(3))
	require.NoError(t, err)
	<-moved
	one, err := store.ReadShared(head, 10, 1<<20)
	require.NoError(t, err)
	require.Len(t, one, 3)
	two, err := store.ReadShared(head, 2, 1<<20)
	require.NoError(t, err)
	require.Len(t, two, 2)
	require.Same(t, &one[0].Data[0], &two[0].Data[0])

	next, stop := iter.Pull2(store.SubscribeAll(t.Context(), head, 10))
	defer stop()
	mine, err, _ := next()
	require.NoError(t, err)
	require.Len(t, mine, 3)
	for _, r := range mine {
		clear(r.Data[:cap(r.Data)])
		clear(r.Metadata[:cap(r.Metadata)])
	}
	for _, r := range one {
		require.JSONEq(t, `{"text":"a"}`, string(r.Data))
	}
	require.Equal(t, `{}`, string(one[0].Metadata))
	none, err := store.ReadShared(at.Position, 10, 1<<20)
	require.NoError(t, err)
	require.Empty(t, none)
}

// Subscriptions that start anywhere, keep up or fall behind, all see the same log while it grows past what is kept.
func TestSubscriptionsAroundTheTail(t *testing.T) {
	t.Parallel()
	store := open(t, "store", embedded.InMemory())
	const appends, each = 300, 3
	var want []string
	var mu sync.Mutex
	seen := make([][]string, 12)
	var readers sync.WaitGroup
	for i := range seen {
		readers.Go(func() {
			for batch, err := range store.SubscribeAll(t.Context(), events.Start, 1+i*i) {
				if err != nil {
					t.Error(err)
					return
				}
				for _, r := range batch {
					seen[i] = append(seen[i], fmt.Sprintf("%d %s", r.Position, r.ID))
				}
				if len(seen[i]) == 1+appends*each {
					return
				}
				if i%3 == 0 { // slow: wait for somebody to write
					mu.Lock()
					mu.Unlock() //nolint:staticcheck // it only waits
				}
			}
		})
	}
	for range appends {
		proposed := notes(each)
		proposed[1].Data = make([]byte, rand.IntN(60_000))
		mu.Lock()
		_, err := store.Append(t.Context(), "s", events.Any, proposed)
		mu.Unlock()
		require.NoError(t, err)
	}
	readers.Wait()
	for _, r := range readAll(t, store, events.Start) {
		want = append(want, fmt.Sprintf("%d %s", r.Position, r.ID))
	}
	for i := range seen {
		require.Equal(t, want, seen[i])
	}
}

func TestClosing(t *testing.T) {
	t.Parallel()
	store := open(t, "store", embedded.InMemory())
	select {
	case <-store.Closing():
		t.Error("it is open")
	default:
	}
	require.NoError(t, store.Close())
	<-store.Closing()
}
