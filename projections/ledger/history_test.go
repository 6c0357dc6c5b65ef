package ledger_test

import (
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
	"daybook/projections/ledger"
	"daybook/projections/projectiontest"
	ledgermodel "daybook/readmodels/ledger"
)

// outcome is what is known of one message by now, however it came about.
type outcome struct {
	sent      events.Category
	delivered time.Time
	charge    *events.Charge // nil while pending
	held      *events.Ref    // the newest ChargePending; nil once there is a price
	charged   *events.Ref    // the MessageCharged; nil before there is one
}

// rater draws a history as rating may write it, and keeps what it comes to.
type rater struct {
	*rapid.T

	revision uint64
	first    int // number of the first message, so that histories follow one another
	outcomes []*outcome
}

func (r *rater) charge() *events.Charge {
	c := events.Charge{
		Basis: rapid.SampledFrom([]events.Basis{
			events.BasisRegular, events.BasisRegular, events.BasisRegular, events.BasisAllowance, events.BasisFreeWindow, events.BasisFreeGroup,
		}).Draw(r.T, "basis"),
		Category: r.category(),
		Market:   rapid.SampledFrom([]string{"Italy", "Rest of Central & Eastern Europe", ""}).Draw(r.T, "market"),
		Policy:   rapid.SampledFrom([]string{"P2", "P3"}).Draw(r.T, "policy"),
	}
	c.Amount.Currency = rapid.SampledFrom([]money.Currency{"EUR", "USD"}).Draw(r.T, "currency")
	if c.Basis == events.BasisRegular {
		c.Amount.Micros = rapid.SampledFrom([]int64{700, 30_000, 159_700, 1 << 40}).Draw(r.T, "micros")
	}
	return &c
}

func (r *rater) category() events.Category {
	return rapid.SampledFrom([]events.Category{events.Utility, events.Marketing, "marketing_lite"}).Draw(r.T, "category")
}

func (r *rater) instant() time.Time {
	return at(0).Add(time.Duration(rapid.IntRange(-72, 72).Draw(r.T, "hours")) * time.Hour)
}

// next draws one more fact about a new message or a known one.
func (r *rater) next() events.Event {
	at := &events.Ref{Stream: billing, Revision: r.revision}
	r.revision++
	if n := rapid.IntRange(0, len(r.outcomes)).Draw(r.T, "message"); n < len(r.outcomes) {
		return r.more(n, at)
	}
	o := &outcome{sent: r.category(), delivered: r.instant()}
	r.outcomes = append(r.outcomes, o)
	if rapid.Bool().Draw(r.T, "pending") {
		o.held = at
		return r.pending(len(r.outcomes) - 1)
	}
	o.charge, o.charged = r.charge(), at
	return events.MessageCharged{Delivery: r.delivery(len(r.outcomes) - 1), Charge: *o.charge}
}

// more draws what becomes known of a message later: another time, another price, or that there is none.
func (r *rater) more(n int, at *events.Ref) events.Event {
	o := r.outcomes[n]
	was := *o
	if rapid.Bool().Draw(r.T, "another time") {
		o.delivered = r.instant()
	}
	if rapid.IntRange(0, 2).Draw(r.T, "priced") == 0 {
		o.charge, o.held = nil, at
		p := r.pending(n)
		p.Was, p.Held, p.Charged, p.WasDeliveredAt = was.charge, was.held, was.charged, &was.delivered
		return p
	}
	if was.charge == nil || rapid.Bool().Draw(r.T, "another charge") {
		o.charge, o.held = r.charge(), nil
	}
	if was.charged == nil {
		o.charged = at
		return events.MessageCharged{Delivery: r.delivery(n), Charge: *o.charge, Held: was.held, WasDeliveredAt: &was.delivered}
	}
	return events.ChargeAdjusted{
		Delivery: r.delivery(n), Charge: *o.charge, Was: was.charge, Held: was.held, WasDeliveredAt: was.delivered, Charged: *was.charged,
	}
}

func (r *rater) pending(n int) events.ChargePending {
	return events.ChargePending{Delivery: r.delivery(n), Reason: events.RateUnavailable, Currency: "EUR", Category: r.category()}
}

func (r *rater) delivery(n int) events.Delivered {
	return events.Delivered{
		MessageID:   id.Derive[id.Message]("drawn", strconv.Itoa(r.first+n)),
		RecipientID: id.Derive[id.Customer]("anna"),
		Category:    r.outcomes[n].sent, DeliveredAt: r.outcomes[n].delivered,
	}
}

// figures are amounts by account, asset and day, or by account and asset.
type figures map[string]int64

func (f figures) add(amount int64, names ...string) { f[strings.Join(names, " | ")] += amount }

// post adds what a message comes to, as it is known: no corrections, no reversals.
func (f figures) post(o *outcome, names ...string) {
	add := func(account, asset string, amount int64) {
		f.add(amount, append([]string{account, asset}, names...)...)
	}
	if o.charge == nil {
		add("usage:pending:"+string(o.sent), "MSG."+string(o.sent), 1)
		add("usage:world", "MSG."+string(o.sent), -1)
		return
	}
	category := string(o.charge.Category)
	market := map[string]string{"Italy": "italy", "": "unresolved"}[o.charge.Market]
	if market == "" {
		market = "rest-of-central-eastern-europe"
	}
	class := map[events.Basis]string{events.BasisRegular: "billable", events.BasisAllowance: "allowance"}[o.charge.Basis]
	if class == "" {
		class = "free"
	}
	add("usage:messages:"+category+":"+market+":"+class, "MSG."+category, 1)
	add("usage:world", "MSG."+category, -1)
	add("cost:messages:"+category+":"+market, string(o.charge.Amount.Currency), o.charge.Amount.Micros)
	add("provider:whatsapp:payable", string(o.charge.Amount.Currency), -o.charge.Amount.Micros)
}

// some drops what is zero.
func (f figures) some() figures {
	maps.DeleteFunc(f, func(_ string, amount int64) bool { return amount == 0 })
	return f
}

// byDay is what all outcomes come to.
func byDay(outcomes []*outcome) figures {
	f := figures{}
	for _, o := range outcomes {
		f.post(o, o.delivered.Format(time.DateOnly))
	}
	return f.some()
}

// before is what the outcomes come to that were delivered before an instant.
func before(outcomes []*outcome, instant time.Time) figures {
	f := figures{}
	for _, o := range outcomes {
		if o.delivered.Before(instant) {
			f.post(o)
		}
	}
	return f.some()
}

// Whatever was pending, charged, taken back, moved in time and charged again: the balances of every day, and as of every
// instant, are those of the outcomes alone.
func TestBalancesAreThoseOfTheOutcomes(t *testing.T) {
	t.Parallel()
	s := projectiontest.For(t, ledger.Define)
	history, revision := 0, uint64(0)
	var outcomes []*outcome
	rapid.Check(t, func(rt *rapid.T) { // the ledger is carried on from check to check
		history++
		r := &rater{T: rt, first: history * 1000, revision: revision}
		facts := make([]events.Event, rapid.IntRange(1, 60).Draw(rt, "facts"))
		for i := range facts {
			facts[i] = r.next()
		}
		s.Given(billing, facts...)
		revision = r.revision
		outcomes = append(outcomes, r.outcomes...)

		got := figures{}
		for _, row := range s.Rows("SELECT ledger_account, asset, day, amount FROM balances") {
			cut := strings.LastIndex(row, " | ")
			amount, err := strconv.ParseInt(row[cut+3:], 10, 64)
			require.NoError(rt, err)
			got.add(amount, row[:cut])
		}
		require.Equal(rt, byDay(outcomes), got.some())
		require.NoError(rt, ledger.Define().CheckSums(rt.Context(), s.Pool()))
		consistent(rt, s, nil)
		for range 3 {
			instant := r.instant().Add(time.Duration(rapid.IntRange(0, 1).Draw(rt, "later")) * time.Minute)
			require.Equal(rt, before(outcomes, instant), consistent(rt, s, &instant), instant)
		}
	})
}

// consistent checks what holds of every ledger as of any instant, and returns its balances.
func consistent(t *rapid.T, s *projectiontest.Scenario, asOf *time.Time) figures {
	balances, err := ledgermodel.Balances(t.Context(), s.Pool(), s.Schema(), projectiontest.Account, asOf)
	require.NoError(t, err)
	all, byAsset, costs, payables := figures{}, map[string]int64{}, map[string]int64{}, map[string]int64{}
	for _, b := range balances {
		all.add(b.Amount, b.LedgerAccount, b.Asset)
		byAsset[b.Asset] += b.Amount
		switch {
		case strings.HasPrefix(b.LedgerAccount, "cost:"):
			costs[b.Asset] += b.Amount
		case b.LedgerAccount == "provider:whatsapp:payable":
			payables[b.Asset] -= b.Amount
		}
		if ledger.StandsInDebit(b.LedgerAccount) {
			require.GreaterOrEqual(t, b.Amount, int64(0), "%s as of %v", b.LedgerAccount, asOf)
		} else {
			require.LessOrEqual(t, b.Amount, int64(0), "%s as of %v", b.LedgerAccount, asOf)
		}
	}
	require.Equal(t, costs, payables, "all that messages cost is owed to the platform")
	for asset, sum := range byAsset {
		require.Zero(t, sum, asset)
	}
	return all.some()
}
