package policies

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"daybook/domain/billing"
	"daybook/domain/pricing"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

// Bounds of what a shard remembers: some megabytes at most.
const (
	ownersKept  = 1 << 14
	termsKept   = 1 << 10
	periodsKept = 1 << 7
	chargesKept = 1 << 11
)

// ratingConflicts bounds how often one period is opened again because another process came first.
const ratingConflicts = 32

// rater is rating for one shard, with what it remembers. It is to be dropped after an error.
type rater struct {
	*rating

	shard   int
	turn    int // counts reactions: what was read in an earlier one may be old
	tenants *simplelru.LRU[id.Account, *tenant]
	periods *simplelru.LRU[string, *period]
	recent  []recorded             // a ring, once it is full
	oldest  int                    // in it
	stocked map[money.Currency]int // the turn in which the library was last brought up to date
	waiting map[money.Currency]*awaited
}

// period is a billing period as the shard knows it: as it is stored, or as it will be once its appends have succeeded.
type period struct {
	stream string
	state  billing.State
	passed events.Position // all facts at or before it were rated
	turn   int             // in which the stream was last seen to end here
}

// recorded is an event of a delivery. It counts as long as its period is the one that is remembered.
type recorded struct {
	period *period
	event  events.Event
	at     events.Ref
}

func newRater(r *rating, shard int) (*rater, error) {
	tenants, err := simplelru.NewLRU[id.Account, *tenant](termsKept, nil)
	if err != nil {
		return nil, err
	}
	periods, err := simplelru.NewLRU[string, *period](periodsKept, nil)
	if err != nil {
		return nil, err
	}
	return &rater{
		rating: r, shard: shard, tenants: tenants, periods: periods,
		stocked: map[money.Currency]int{}, waiting: map[money.Currency]*awaited{},
	}, nil
}

// react rates facts period by period. A card and a request wait for all facts before them, and all after them wait for
// the card or request.
func (r *rater) react(ctx context.Context, inputs []*Input) error {
	r.turn++
	var facts groups
	for _, in := range inputs {
		if card, ok := in.Event.(events.RateCardImported); ok {
			if err := r.rateAll(ctx, &facts); err != nil {
				return err
			}
			if err := r.apply(ctx, in, card.Currency); err != nil {
				return fmt.Errorf("pricing what waited for %s revision %d: %w", in.Stream, in.Revision, err)
			}
			continue
		}
		if request, ok := in.Event.(events.PeriodClosingRequested); ok {
			if err := r.rateAll(ctx, &facts); err != nil {
				return err
			}
			if err := r.close(ctx, in, &request); err != nil {
				return fmt.Errorf("closing %s of %s: %w", request.Month, request.Portfolio, err)
			}
			continue
		}
		fact, ok := statusOf(in.Event)
		if !ok || fact.Delivery == nil {
			continue
		}
		portfolio, terms, err := r.termsAt(ctx, in.Envelope.Account, in.Position)
		if err != nil {
			return err
		}
		facts.deal(in, &fact, portfolio, terms)
	}
	return r.rateAll(ctx, &facts)
}

// rateAll rates the facts of all groups, and empties them. Appends to different periods are under way together.
func (r *rater) rateAll(ctx context.Context, facts *groups) error {
	under := make([]*writing, len(facts.all))
	for i, g := range facts.all {
		under[i] = r.rate(ctx, g)
	}
	var failed error
	for i, g := range facts.all {
		err := under[i].finish()
		if lostRace(err) && failed == nil {
			r.periods.Remove(g.stream)
			err = r.insist(ctx, g.stream, func() error { return r.rate(ctx, g).finish() })
		}
		if err != nil {
			failed = cmp.Or(failed, fmt.Errorf("rating into %s: %w", g.stream, err))
		}
	}
	*facts = groups{}
	return failed
}

// insist does something to a period, and again from what is stored when another process came first.
func (r *rater) insist(ctx context.Context, stream string, do func() error) error {
	for conflicts := 1; ; conflicts++ {
		err := do()
		if !lostRace(err) || conflicts == ratingConflicts || ctx.Err() != nil {
			return err
		}
		r.periods.Remove(stream)
	}
}

func lostRace(err error) bool {
	var wrong *events.WrongRevisionError
	return errors.As(err, &wrong)
}

// rate sends what follows from the facts of one period that were not rated before. To finish it, or to learn why that
// is not possible, is the caller's.
func (r *rater) rate(ctx context.Context, g *group) *writing {
	w := &writing{rater: r, portfolio: g.portfolio, now: r.now().UTC().Round(0)}
	if w.period, w.failed = r.open(ctx, g.stream, g.later); w.failed == nil {
		w.failed = w.rate(ctx, g)
	}
	return w
}

func (w *writing) rate(ctx context.Context, g *group) error {
	tasks := g.tasks
	for len(tasks) > 0 && tasks[0].Position <= w.period.passed {
		tasks = tasks[1:]
	}
	var known map[billing.Key]billing.Rated
	if g.later {
		var err error
		if known, err = w.recall(ctx, w.period, tasks); err != nil {
			return err
		}
	}
	var cards books
	var currency money.Currency // of the cards
	for i := range tasks {
		t := &tasks[i]
		if t.terms.Currency != currency {
			var err error
			if cards, err = w.booksOf(ctx, t.terms.Currency, 0); err != nil {
				return err
			}
			currency = t.terms.Currency
		}
		event := decide(w.period.state, cards.at(t.Position), t, known)
		if event == nil {
			continue
		}
		if _, unpriced := event.(events.ChargePending); unpriced {
			if err := w.await(ctx, currency, t.Input); err != nil {
				return err
			}
		}
		at, err := w.add(ctx, event, t.Envelope.Account, t.Input, refOf(t.Input))
		if err != nil {
			return err
		}
		if known != nil {
			known[t.key], _ = billing.RatedBy(event, at)
		}
	}
	return w.flush(ctx)
}

// decide rates one fact. More about a delivery that was never rated, because its first fact is from before deliveries
// were told, is rated like a first one.
func decide(s billing.State, book *pricing.Book, t *task, known map[billing.Key]billing.Rated) events.Event {
	if t.later {
		if was, rated := known[t.key]; rated {
			return s.Revise(book, *t.terms, was, t.delivered())
		}
	}
	return s.Rate(book, *t.terms, t.delivered())
}

// open returns a period. Fresh demands that the stream was seen to end there in this reaction: decisions that append
// nothing are confirmed by nothing else.
func (r *rater) open(ctx context.Context, stream string, fresh bool) (*period, error) {
	p, remembered := r.periods.Get(stream)
	if remembered && (!fresh || p.turn == r.turn) {
		return p, nil
	}
	last, found, err := r.store.ReadLast(ctx, stream)
	if err != nil {
		return nil, err
	}
	if remembered && p.endsAt(last, found) {
		p.turn = r.turn
		return p, nil
	}
	p = &period{stream: stream, turn: r.turn}
	if found {
		event, _, err := events.DecodeRecord(last)
		if err != nil {
			return nil, fmt.Errorf("reading %s revision %d: %w", stream, last.Revision, err)
		}
		rated, ok := event.(events.BatchRated)
		if !ok {
			return nil, fmt.Errorf("%s ends with %s at revision %d, not with BatchRated", stream, last.Type, last.Revision)
		}
		p.state = billing.Open(rated, last.Revision)
		if p.passed, err = r.positionOf(ctx, rated.Source); err != nil {
			return nil, err
		}
	}
	r.periods.Add(stream, p)
	return p, nil
}

func (p *period) endsAt(last events.Record, found bool) bool {
	if !found {
		return p.state.Next() == 0
	}
	return p.state.Next() == last.Revision+1
}

// positionOf finds an event in the log.
func (r *rater) positionOf(ctx context.Context, ref events.Ref) (events.Position, error) {
	if ref == (events.Ref{}) {
		return events.Start, nil
	}
	for record, err := range r.store.ReadStream(ctx, ref.Stream, ref.Revision) {
		if err != nil {
			return events.Start, err
		}
		return record.Position, nil
	}
	return events.Start, fmt.Errorf("%s has no revision %d, which was rated", ref.Stream, ref.Revision)
}

// recall returns what the period holds of deliveries of which more is told. What memory does not have is read from the
// stream, once for all tasks.
func (r *rater) recall(ctx context.Context, p *period, tasks []task) (map[billing.Key]billing.Rated, error) {
	known, wanted := map[billing.Key]billing.Rated{}, map[billing.Key]struct{}{}
	first := map[billing.Key]struct{}{}
	for i := range tasks {
		key := tasks[i].key
		if !tasks[i].later {
			first[key] = struct{}{}
		} else if _, coming := first[key]; !coming {
			wanted[key] = struct{}{}
		}
	}
	for _, remembered := range r.memories() {
		if key := billing.KeyOf(billing.Subject(remembered.event)); remembered.period == p {
			if _, is := wanted[key]; is {
				known[key], _ = billing.RatedBy(remembered.event, remembered.at)
			}
		}
	}
	if len(known) == len(wanted) {
		return known, nil
	}
	for record, err := range r.store.ReadStream(ctx, p.stream, 0) {
		if err != nil {
			return nil, err
		}
		event, _, err := events.DecodeRecord(record)
		if err != nil {
			return nil, fmt.Errorf("reading %s revision %d: %w", p.stream, record.Revision, err)
		}
		if rated, is := billing.RatedBy(event, events.Ref{Stream: p.stream, Revision: record.Revision}); is {
			if _, is = wanted[billing.KeyOf(&rated.Delivery)]; is {
				known[billing.KeyOf(&rated.Delivery)] = rated
			}
		}
	}
	return known, nil
}

// remember keeps an event in mind, instead of the oldest one.
func (r *rater) remember(event recorded) {
	if len(r.recent) < chargesKept {
		r.recent = append(r.recent, event)
		return
	}
	r.recent[r.oldest] = event
	r.oldest = (r.oldest + 1) % chargesKept
}

// memories yields what is remembered, in order.
func (r *rater) memories() iter.Seq2[int, recorded] {
	return func(yield func(int, recorded) bool) {
		for i := range r.recent {
			if !yield(i, r.recent[(r.oldest+i)%len(r.recent)]) {
				return
			}
		}
	}
}
