package policies_test

import (
	"context"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/adapters/storetest"
	"daybook/commands/policies"
	"daybook/domain/pricing"
	"daybook/events"
)

// happens draws whatever may stand in a log: anything told at any time, and cards of any date, also those that come too
// late, that end a price, or that know only a part of the markets.
func (t *tale) happens() {
	t.Helper()
	words := append([]*events.Pricing{{Category: "marketing"}}, wordings...)
	if rapid.Bool().Draw(t.rt, "mostly priced") { // what is pending is the more worth noticing
		t.publish(slices.Concat(published[:2]...)...)
	}
	messages := rapid.IntRange(1, len(mixed)).Draw(t.rt, "messages") // of fewer, more is told of each
	for range rapid.IntRange(10, 40).Draw(t.rt, "steps") {
		if rapid.IntRange(0, 3).Draw(t.rt, "cards") == 0 {
			t.importSome()
			continue
		}
		var facts []told
		for range rapid.IntRange(1, 3).Draw(t.rt, "facts") {
			facts = append(facts, told{
				rapid.IntRange(0, messages-1).Draw(t.rt, "message"), rapid.SampledFrom(statuses).Draw(t.rt, "status"),
				october.Add(time.Duration(rapid.IntRange(-2, 2).Draw(t.rt, "second")) * time.Second),
				rapid.SampledFrom(words).Draw(t.rt, "word"),
			})
		}
		t.tell(facts...)
	}
}

// importSome imports a file of one or two cards. One that contradicts what is known is refused, and changes nothing.
func (t *tale) importSome() {
	t.Helper()
	var lines []string
	for range rapid.IntRange(1, 2).Draw(t.rt, "lines") {
		lines = append(lines, rapid.SampledFrom([]string{"Italy,IT,39", "Other,,"}).Draw(t.rt, "market")+","+
			string(rapid.SampledFrom(mixed[:4]).Draw(t.rt, "category"))+",USD,"+
			rapid.SampledFrom([]string{"n/a", "0.01", "0.02"}).Draw(t.rt, "rate")+","+
			rapid.SampledFrom([]string{"2026-07-01", "2026-09-15", "2026-09-30", "2026-10-01"}).Draw(t.rt, "date")+",test")
	}
	_, err := t.handler.ImportRateCards(t.Context(), asAdmin, []byte(rows(lines...)))
	if _, refused := errors.AsType[*pricing.FileError](err); !refused {
		require.NoError(t.rt, err)
	}
}

// lossy is a store that loses some appends, and of others only the answer.
type lossy struct {
	storetest.LentStore

	seed uint64
	odds int // one in so many appends is lost, and one more the answer to it
	mu   sync.Mutex
	dice map[string]*rand.Rand // one per stream: appends to different streams come in any order
}

var errLost = errors.New("lost")

func (s *lossy) Append(
	ctx context.Context, stream string, expected events.Expected, proposed []events.Proposed,
) (events.Appended, error) {
	switch s.throw(stream) {
	case 0:
		return events.Appended{}, errLost
	case 1:
		_, err := s.LentStore.Append(ctx, stream, expected, proposed)
		return events.Appended{}, errors.Join(errLost, err)
	}
	return s.LentStore.Append(ctx, stream, expected, proposed)
}

func (s *lossy) throw(stream string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dice[stream] == nil {
		name := fnv.New64a()
		_, _ = name.Write([]byte(stream)) // never fails
		s.dice[stream] = rand.New(rand.NewPCG(s.seed, name.Sum64()))
	}
	return s.dice[stream].IntN(s.odds)
}

// takeTurns lets three processes rate the log in turns: in appends of different sizes, each with what it remembers from
// its turns before. They go on from the checkpoint that they share, or from an older one.
func (t *tale) takeTurns(store *lossy) {
	type process struct {
		rating policies.Policy
		at     events.Position
	}
	dice := rand.New(rand.NewPCG(store.seed, 0)) // what rapid draws is mostly small: too often the same process, in short logs
	var processes []*process
	for _, size := range []int{2, 4, 500} {
		processes = append(processes, &process{rating: policies.NewRatingInAppendsOf(store, fixedClock, size, 1<<20)})
	}
	end, err := t.store.Head(t.Context())
	require.NoError(t.rt, err)
	var shared events.Position
	for turn := 0; turn < 100 && shared < end; turn++ {
		p := processes[dice.IntN(len(processes))]
		if t.at = shared; dice.IntN(6) == 0 {
			t.at = p.at
		}
		if t.survives(p.rating, 1+dice.IntN(6)) {
			p.at, shared = t.at, max(shared, t.at)
		}
	}
	t.at = shared
}

// survives lets a rating react to a stretch of the log, as react does, on a store that may lose things.
func (t *tale) survives(rating policies.Policy, limit int) bool {
	inputs, last := dealt(t.rt, rating, t.store, t.at, limit)
	for shard := range rating.Shards() {
		if err := rating.React(t.Context(), shard, inputs[shard]); err != nil {
			require.ErrorIs(t.rt, err, errLost)
			return false
		}
	}
	t.at = last
	return true
}

// One log has one outcome, whoever rates it, however often they are interrupted: the books are those of a process that
// read the log once, undisturbed.
func TestTheSameLogGivesTheSameBooks(t *testing.T) {
	t.Parallel()
	rounds := 3
	if os.Getenv("DAYBOOK_TEST_LONG") == "1" {
		rounds = 20
	}
	for range rounds {
		rapid.Check(t, func(rt *rapid.T) {
			straight := newTale(t, rt)
			straight.happens()
			crooked := &tale{shop: &shop{TB: t, store: storetest.Lend(rt)}, rt: rt}
			copyInto(t, crooked.store, straight.store)
			straight.react(policies.NewRating(straight.store, fixedClock), everything)

			crooked.takeTurns(&lossy{
				LentStore: crooked.store, seed: rapid.Uint64().Draw(rt, "losses"), odds: rapid.SampledFrom([]int{8, 50, 1000}).Draw(rt, "odds"),
				dice: map[string]*rand.Rand{},
			})
			crooked.react(small(crooked.store), everything)
			requireSameBooks(rt, readBooks(rt, straight.store), readBooks(rt, crooked.store))
			crooked.forget()
		})
	}
}
