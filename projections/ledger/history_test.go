package ledger_test

import (
	"fmt"
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

// outcome is what is known of one message in the end, however it came about.
type outcome struct {
	sent      events.Category
	delivered time.Time
	charge    *events.Charge // nil while pending
	pending   uint64         // revision of its ChargePending
	charged   uint64         // revision of its MessageCharged
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
	defer func() { r.revision++ }()
	n := rapid.IntRange(0, len(r.outcomes)).Draw(r.T, "message")
	if n == len(r.outcomes) {
		o := &outcome{sent: r.category(), delivered: r.instant()}
		r.outcomes = append(r.outcomes, o)
		if rapid.Bool().Draw(r.T, "pending") {
			o.pending = r.revision
			return events.ChargePending{Delivery: r.delivery(n), Reason: events.RateUnavailable, Currency: "EUR", Category: r.category()}
		}
		o.charge, o.charged = r.charge(), r.revision
		return events.MessageCharged{Delivery: r.delivery(n), Charge: *o.charge}
	}
	o := r.outcomes[n]
	held := &events.Ref{Stream: billing, Revision: o.pending}
	switch {
	case o.charge == nil && rapid.Bool().Draw(r.T, "still pending"):
		o.pending = r.revision
		return events.ChargePending{Delivery: r.delivery(n), Reason: events.MarketUnresolved, Currency: "EUR", Category: r.category(), Held: held}
	case o.charge == nil:
		o.charge, o.charged = r.charge(), r.revision
		return events.MessageCharged{Delivery: r.delivery(n), Charge: *o.charge, Held: held}
	}
	was, wasAt := *o.charge, o.delivered
	if rapid.Bool().Draw(r.T, "another time") {
		o.delivered = r.instant()
	}
	if rapid.Bool().Draw(r.T, "another charge") {
		o.charge = r.charge()
	}
	return events.ChargeAdjusted{
		Delivery: r.delivery(n), Charge: *o.charge, Was: was, WasDeliveredAt: wasAt,
		Charged: events.Ref{Stream: billing, Revision: o.charged},
	}
}

func (r *rater) delivery(n int) events.Delivered {
	return events.Delivered{
		MessageID:   id.Derive[id.Message]("drawn", strconv.Itoa(r.first+n)),
		RecipientID: id.Derive[id.Customer]("anna"),
		Category:    r.outcomes[n].sent, DeliveredAt: r.outcomes[n].delivered,
	}
}

// figures are amounts by account, asset and day.
type figures map[string]int64

func (f figures) add(account, asset string, on time.Time, amount int64) {
	f[strings.Join([]string{account, asset, on.Format(time.DateOnly)}, " | ")] += amount
}

// count adds what a message comes to in the end: no corrections, no reversals.
func (f figures) count(o *outcome) {
	if o.charge == nil {
		f.add("usage:pending:"+string(o.sent), "MSG."+string(o.sent), o.delivered, 1)
		f.add("usage:world", "MSG."+string(o.sent), o.delivered, -1)
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
	f.add("usage:messages:"+category+":"+market+":"+class, "MSG."+category, o.delivered, 1)
	f.add("usage:world", "MSG."+category, o.delivered, -1)
	f.add("cost:messages:"+category+":"+market, string(o.charge.Amount.Currency), o.delivered, o.charge.Amount.Micros)
	f.add("provider:whatsapp:payable", string(o.charge.Amount.Currency), o.delivered, -o.charge.Amount.Micros)
}

// Whatever was pending, adjusted and adjusted again: the balances of every day are those of the outcomes alone.
func TestBalancesAreThoseOfTheOutcomes(t *testing.T) {
	t.Parallel()
	s := projectiontest.For(t, ledger.Define())
	want := figures{}
	history, revision := 0, uint64(0)
	rapid.Check(t, func(rt *rapid.T) { // the ledger is carried on from check to check
		history++
		r := &rater{T: rt, first: history * 1000, revision: revision}
		facts := make([]events.Event, rapid.IntRange(1, 60).Draw(rt, "facts"))
		for i := range facts {
			facts[i] = r.next()
		}
		s.Given(billing, facts...)
		revision = r.revision
		for _, o := range r.outcomes {
			want.count(o)
		}
		got := figures{}
		for _, row := range s.Rows("SELECT ledger_account, asset, day, amount FROM balances") {
			cut := strings.LastIndex(row, " | ")
			var amount int64
			_, err := fmt.Sscan(row[cut+3:], &amount)
			require.NoError(rt, err)
			got[row[:cut]] = amount
		}
		nothing := func(_ string, amount int64) bool { return amount == 0 }
		maps.DeleteFunc(got, nothing)
		maps.DeleteFunc(want, nothing)
		require.Equal(rt, want, got)
		consistent(rt, s)
	})
}

// consistent checks what holds of every ledger.
func consistent(t *rapid.T, s *projectiontest.Scenario) {
	require.NoError(t, ledger.Define().CheckSums(t.Context(), s.Pool()))
	balances, err := ledgermodel.Balances(t.Context(), s.Pool(), s.Schema(), projectiontest.Account, nil)
	require.NoError(t, err)
	byAsset, costs, payables := map[string]int64{}, map[string]int64{}, map[string]int64{}
	for _, b := range balances {
		byAsset[b.Asset] += b.Amount
		switch {
		case strings.HasPrefix(b.LedgerAccount, "cost:"):
			costs[b.Asset] += b.Amount
		case b.LedgerAccount == "provider:whatsapp:payable":
			payables[b.Asset] -= b.Amount
		}
		if ledger.StandsInDebit(b.LedgerAccount) {
			require.GreaterOrEqual(t, b.Amount, int64(0), b.LedgerAccount)
		} else {
			require.LessOrEqual(t, b.Amount, int64(0), b.LedgerAccount)
		}
	}
	require.Equal(t, costs, payables, "all that messages cost is owed to the platform")
	for asset, sum := range byAsset {
		require.Zero(t, sum, asset)
	}
}
