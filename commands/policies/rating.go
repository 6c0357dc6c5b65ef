package policies

import (
	"context"
	"hash/fnv"
	"iter"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"daybook/domain/billing"
	"daybook/domain/pricing"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

// RatingStore is what rating needs of the event store.
type RatingStore interface {
	Append(ctx context.Context, stream string, expected events.Expected, proposed []events.Proposed) (events.Appended, error)
	ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[events.Record, error]
	// ReadLast returns the last record of a stream; false for a missing one.
	ReadLast(ctx context.Context, stream string) (events.Record, bool, error)
}

// RatingName is the name of the policy that NewRating returns.
const RatingName = "rating"

const (
	ratingShards = 16
)

// Limits of one append, the BatchRated that ends it included.
const (
	ratingEvents = 500
	ratingBytes  = 512 << 10
)

// rating prices deliveries, in log order, into the billing periods of their accounts' portfolios.
//
// What was rated follows from the periods alone: each append ends with BatchRated, which names the last fact before it,
// and demands the revision before it. What else is remembered of an account, a card or a period only spares reading.
type rating struct {
	store  RatingStore
	now    func() time.Time
	events int // most in one append
	bytes  int
	cards  library
	owners *lru.Cache[id.Account, id.Account] // portfolios of accounts, which never change
	raters [ratingShards]*rater               // each belongs to the React of its shard
}

// NewRating returns the policy that charges deliveries: every status fact that changes what is known of a delivery
// becomes a charge, a pending charge or an adjustment, every imported rate card prices what was pending, and every
// request to close a period puts its charges into their tiers by order of delivery. The clock says when charges are
// recorded.
func NewRating(store RatingStore, now func() time.Time) Policy {
	return newRating(store, now, ratingEvents, ratingBytes)
}

func newRating(store RatingStore, now func() time.Time, maxEvents, maxBytes int) *rating {
	owners, _ := lru.New[id.Account, id.Account](ownersKept) // fails for sizes below 1
	return &rating{
		store: store, now: now, events: maxEvents, bytes: maxBytes, owners: owners, cards: library{shelves: map[money.Currency]*shelf{}},
	}
}

func (*rating) Name() string { return RatingName }

func (*rating) Shards() int { return ratingShards }

// handled are the facts that may carry a Delivery, rate cards, and requests to close periods.
var handled = map[string]bool{
	events.NameOf[events.MessageSent]():            true,
	events.NameOf[events.MessageDelivered]():       true,
	events.NameOf[events.MessageRead]():            true,
	events.NameOf[events.MessagePlayed]():          true,
	events.NameOf[events.StatusTimeCorrected]():    true,
	events.NameOf[events.PricingTold]():            true,
	events.NameOf[events.RateCardImported]():       true,
	events.NameOf[events.PeriodClosingRequested](): true,
}

func (*rating) Handles(eventType string) bool { return handled[eventType] }

// Shard deals by portfolio; a rate card concerns all.
func (r *rating) Shard(ctx context.Context, in *Input) (int, error) {
	switch e := in.Event.(type) {
	case events.RateCardImported:
		return Every, nil
	case events.PeriodClosingRequested:
		return ratingShard(e.Portfolio), nil
	}
	portfolio, err := r.portfolioOf(ctx, in.Envelope.Account)
	return ratingShard(portfolio), err
}

// ratingShard never changes: a period that changed its shard could be rated by two processes in different orders.
func ratingShard(portfolio id.Account) int {
	h := fnv.New32a()
	_, _ = h.Write(portfolio.UUID[:]) // never fails
	return int(h.Sum32() % ratingShards)
}

func (r *rating) React(ctx context.Context, shard int, inputs []*Input) error {
	mine := r.raters[shard]
	r.raters[shard] = nil // after an error or a panic, what is remembered may be ahead of the store
	if mine == nil {
		var err error
		if mine, err = newRater(r, shard); err != nil {
			return err
		}
	}
	if err := mine.react(ctx, inputs); err != nil {
		return err
	}
	r.raters[shard] = mine
	return nil
}

// statusOf returns what a status fact says; false for any other event.
func statusOf(event events.Event) (events.StatusFact, bool) {
	switch e := event.(type) {
	case events.MessageSent:
		return e.StatusFact, true
	case events.MessageDelivered:
		return e.StatusFact, true
	case events.MessageRead:
		return e.StatusFact, true
	case events.MessagePlayed:
		return e.StatusFact, true
	case events.StatusTimeCorrected:
		return e.StatusFact, true
	case events.PricingTold:
		return e.StatusFact, true
	}
	return events.StatusFact{}, false
}

// task is a fact to rate.
type task struct {
	*Input

	key   billing.Key
	terms *pricing.Terms // of its account, when it happened
	later bool           // more of a delivery that was known before
}

// group is facts of one billing period, in log order.
type group struct {
	stream    string
	portfolio id.Account
	tasks     []task
	later     bool // one of the tasks is
}

// groups deals facts out to billing periods.
type groups struct {
	all []*group // in order of their first fact
	by  map[groupKey]*group
}

type groupKey struct {
	portfolio id.Account
	month     string
}

// deal adds a fact to the group of its period: that of the month in which the delivery was first known.
func (g *groups) deal(in *Input, fact *events.StatusFact, portfolio id.Account, terms *pricing.Terms) {
	t := task{in, billing.Key{Message: fact.MessageID, Recipient: fact.RecipientID}, terms, fact.Delivery.FirstAt != nil}
	first := fact.Delivery.At
	if t.later {
		first = *fact.Delivery.FirstAt
	}
	key := groupKey{portfolio, billing.Month(terms.Day(first))}
	own := g.by[key]
	if own == nil {
		own = &group{stream: billing.Stream(key.portfolio, key.month), portfolio: portfolio}
		if g.by == nil {
			g.by = map[groupKey]*group{}
		}
		g.by[key] = own
		g.all = append(g.all, own)
	}
	own.tasks, own.later = append(own.tasks, t), own.later || t.later
}

// delivered is what a task tells.
func (t *task) delivered() events.Delivered {
	fact, _ := statusOf(t.Event)
	return events.Delivered{
		ConversationID: fact.ConversationID, MessageID: fact.MessageID, RecipientID: fact.RecipientID,
		PhoneNumberID: fact.Sending.PhoneNumberID, Dialling: fact.Sending.Dialling, Category: fact.Sending.Category,
		QueuedAt: fact.Sending.QueuedAt, WindowUntil: fact.Sending.WindowUntil, EntryPointUntil: fact.Sending.EntryPointUntil,
		Campaign: fact.Sending.Campaign, DeliveredAt: fact.Delivery.At, Inferred: fact.Delivery.Inferred,
		Pricing: fact.Delivery.Pricing, Within: fact.Delivery.Within, Source: refOf(t.Input),
	}
}

func refOf(in *Input) events.Ref { return events.Ref{Stream: in.Stream, Revision: in.Revision} }
