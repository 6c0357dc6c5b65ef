package ledger_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
	"daybook/projections/ledger"
	"daybook/projections/projectiontest"
)

const billing = "billing-4f0c0000-0000-4000-8000-000000000001-2026-10"

// at is the n-th minute of the morning on which the messages arrive.
func at(n int) time.Time { return time.Date(2026, 10, 5, 8, n, 0, 0, time.UTC) }

func message(n int) id.Message {
	return id.Derive[id.Message]("message", string(rune('a'+n)))
}

// delivered is the delivery of a message that was sent as utility.
func delivered(n int, when time.Time) events.Delivered {
	return events.Delivered{
		MessageID: message(n), RecipientID: id.Derive[id.Customer]("anna"), Category: events.Utility,
		QueuedAt: at(0), DeliveredAt: when, Source: events.Ref{Stream: "conversation-1", Revision: uint64(n)},
	}
}

func regular(category events.Category, micros int64) events.Charge {
	return events.Charge{
		Amount: money.Amount{Micros: micros, Currency: "EUR"}, Basis: events.BasisRegular, Policy: "P3", Day: "2026-10-05",
		Category: category, Market: "Italy", MarketBasis: events.MarketByPrefix, Rated: category,
	}
}

func free(category events.Category, basis events.Basis) events.Charge {
	return events.Charge{
		Amount: money.Amount{Currency: "EUR"}, Basis: basis, Policy: "P3", Day: "2026-10-05", Category: category,
	}
}

func waiting(n int, when time.Time) events.ChargePending {
	return events.ChargePending{
		Delivery: delivered(n, when), Reason: events.RateUnavailable, Currency: "EUR", Day: "2026-10-05",
		Category: events.Utility, Market: "Italy", MarketBasis: events.MarketByPrefix,
	}
}

// waitingOn is a pending message of which more is known, and still no price.
func waitingOn(n int, was, is time.Time, held *events.Ref) events.ChargePending {
	p := waiting(n, is)
	p.Held, p.WasDeliveredAt = held, &was
	return p
}

// takenBack is a charge that turned out to have no price.
func takenBack(n int, was, is time.Time, charge events.Charge, charged *events.Ref) events.ChargePending {
	p := waiting(n, is)
	p.Was, p.Charged, p.WasDeliveredAt = &charge, charged, &was
	return p
}

// resolved is the price of a message that was pending.
func resolved(n int, was, is time.Time, charge events.Charge, held *events.Ref) events.MessageCharged {
	return events.MessageCharged{Delivery: delivered(n, is), Charge: charge, Held: held, WasDeliveredAt: &was}
}

// pricedAgain is the price of a message whose charge had been taken back.
func pricedAgain(n int, was, is time.Time, charge events.Charge, held, charged *events.Ref) events.ChargeAdjusted {
	return events.ChargeAdjusted{Delivery: delivered(n, is), Charge: charge, Held: held, WasDeliveredAt: was, Charged: *charged}
}

func ref(revision uint64) *events.Ref { return &events.Ref{Stream: billing, Revision: revision} }

const lines = `SELECT revision, n, kind, ledger_account, asset, amount, to_char(effective_at, 'HH24:MI') FROM entries ORDER BY position, n`

func given(t *testing.T, facts ...events.Event) *projectiontest.Scenario {
	t.Helper()
	return projectiontest.For(t, ledger.Define).Given(billing, facts...)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	projectiontest.Conformance(t, ledger.Define, func(s *projectiontest.Scenario) {
		s.Given(billing,
			events.MessageCharged{Delivery: delivered(0, at(1)), Charge: regular(events.Utility, 30_000)},
			events.MessageCharged{Delivery: delivered(1, at(2)), Charge: free(events.Service, events.BasisAllowance)},
			waiting(2, at(3)), waiting(3, at(4)),
			events.BatchRated{Charged: 2},
		)
		s.Given(billing,
			resolved(2, at(3), at(3), regular(events.Utility, 30_000), ref(2)),
			resolved(3, at(4), at(4), regular(events.Marketing, 79_500), ref(3)),
			events.ChargeAdjusted{
				Delivery: delivered(0, at(1).Add(-24*time.Hour)), Charge: free(events.Utility, events.BasisFreeEntryPoint),
				Was: new(regular(events.Utility, 30_000)), WasDeliveredAt: at(1), Charged: *ref(0),
			},
			takenBack(2, at(3), at(2), regular(events.Utility, 30_000), ref(5)),
			waitingOn(2, at(2), at(1), ref(8)),
			pricedAgain(2, at(1), at(0), regular(events.Utility, 28_000), ref(9), ref(5)),
		)
	})
}

func TestAChargeIsWhatItCostsAndOneMessage(t *testing.T) {
	t.Parallel()
	given(t, events.MessageCharged{Delivery: delivered(0, at(1)), Charge: regular(events.Utility, 30_000)}).
		Then(lines,
			"0 | 0 | charge | cost:messages:utility:italy | EUR | 30000 | 08:01",
			"0 | 1 | charge | provider:whatsapp:payable | EUR | -30000 | 08:01",
			"0 | 2 | charge | usage:messages:utility:italy:billable | MSG.utility | 1 | 08:01",
			"0 | 3 | charge | usage:world | MSG.utility | -1 | 08:01").
		Then("SELECT DISTINCT account_id, message_id, recipient_id, recorded_at FROM entries",
			projectiontest.Account.String()+" | "+message(0).String()+" | "+id.Derive[id.Customer]("anna").String()+" | 2026-01-05 09:00:00+00").
		Then("SELECT ledger_account, day, amount, entries FROM balances WHERE asset = 'EUR' ORDER BY 1",
			"cost:messages:utility:italy | 2026-10-05 | 30000 | 1", "provider:whatsapp:payable | 2026-10-05 | -30000 | 1")
}

func TestAFreeMessageIsCountedOnly(t *testing.T) {
	t.Parallel()
	for basis, class := range map[events.Basis]string{
		events.BasisAllowance: "allowance", events.BasisFreeWindow: "free", events.BasisFreeEntryPoint: "free", events.BasisFreeGroup: "free",
	} {
		given(t, events.MessageCharged{Delivery: delivered(0, at(1)), Charge: free(events.Service, basis)}).
			Then(lines,
				"0 | 0 | charge | usage:messages:service:unresolved:"+class+" | MSG.service | 1 | 08:01",
				"0 | 1 | charge | usage:world | MSG.service | -1 | 08:01")
	}
}

func TestAPendingMessageIsCountedOnceAndMovesWhenItIsPriced(t *testing.T) {
	t.Parallel()
	again := waitingOn(0, at(1), at(1), ref(0))
	again.Category = events.Marketing // more is known of it, but still no price
	given(t, waiting(0, at(1)), again).
		Then(lines,
			"0 | 0 | pending | usage:pending:utility | MSG.utility | 1 | 08:01",
			"0 | 1 | pending | usage:world | MSG.utility | -1 | 08:01").
		Given(billing, resolved(0, at(1), at(1), regular(events.Utility, 30_000), ref(1))).
		Then(lines+" OFFSET 2",
			"2 | 0 | priced | cost:messages:utility:italy | EUR | 30000 | 08:01",
			"2 | 1 | priced | provider:whatsapp:payable | EUR | -30000 | 08:01",
			"2 | 2 | priced | usage:messages:utility:italy:billable | MSG.utility | 1 | 08:01",
			"2 | 3 | priced | usage:pending:utility | MSG.utility | -1 | 08:01").
		Then("SELECT ledger_account, amount FROM balances WHERE asset = 'MSG.utility' ORDER BY 1",
			"usage:messages:utility:italy:billable | 1", "usage:pending:utility | 0", "usage:world | -1")
}

// The platform may say that a message counts as another category than the one it was sent as.
func TestAPendingMessageMayBePricedUnderAnotherCategory(t *testing.T) {
	t.Parallel()
	given(t, waiting(0, at(1)), resolved(0, at(1), at(1), regular(events.Marketing, 79_500), ref(0))).
		Then(lines+" OFFSET 2",
			"1 | 0 | priced | cost:messages:marketing:italy | EUR | 79500 | 08:01",
			"1 | 1 | priced | provider:whatsapp:payable | EUR | -79500 | 08:01",
			"1 | 2 | priced | usage:world | MSG.utility | 1 | 08:01",
			"1 | 3 | priced | usage:pending:utility | MSG.utility | -1 | 08:01",
			"1 | 4 | priced | usage:messages:marketing:italy:billable | MSG.marketing | 1 | 08:01",
			"1 | 5 | priced | usage:world | MSG.marketing | -1 | 08:01")
}

// A pending message is where its delivery is: at no instant is it missing, or there twice, or less than none.
func TestAPendingMessageMovesInTime(t *testing.T) {
	t.Parallel()
	const early = `SELECT ledger_account, sum(amount) FROM entries WHERE effective_at < '2026-10-05 08:03Z' AND asset = 'MSG.utility'
		GROUP BY 1 HAVING sum(amount) <> 0 ORDER BY 1`
	s := given(t, waiting(0, at(5)), waitingOn(0, at(5), at(1), ref(0))).
		Then(lines+" OFFSET 2",
			"1 | 0 | reversal | usage:world | MSG.utility | 1 | 08:05",
			"1 | 1 | reversal | usage:pending:utility | MSG.utility | -1 | 08:05",
			"1 | 2 | pending | usage:pending:utility | MSG.utility | 1 | 08:01",
			"1 | 3 | pending | usage:world | MSG.utility | -1 | 08:01").
		Then(early, "usage:pending:utility | 1", "usage:world | -1")
	s.Given(billing, resolved(0, at(1), at(0), regular(events.Utility, 30_000), ref(1))).
		Then(lines+" OFFSET 6",
			"2 | 0 | priced | cost:messages:utility:italy | EUR | 30000 | 08:00",
			"2 | 1 | priced | provider:whatsapp:payable | EUR | -30000 | 08:00",
			"2 | 2 | priced | usage:world | MSG.utility | 1 | 08:01",
			"2 | 3 | priced | usage:pending:utility | MSG.utility | -1 | 08:01",
			"2 | 4 | priced | usage:messages:utility:italy:billable | MSG.utility | 1 | 08:00",
			"2 | 5 | priced | usage:world | MSG.utility | -1 | 08:00").
		Then(early, "usage:messages:utility:italy:billable | 1", "usage:world | -1")
}

// What became known may leave a charge without a price: it is taken back until there is one.
func TestAChargeTakenBackIsPendingUntilItIsPricedAgain(t *testing.T) {
	t.Parallel()
	was := regular(events.Marketing, 79_500)
	given(t, events.MessageCharged{Delivery: delivered(0, at(5)), Charge: was}, takenBack(0, at(5), at(1), was, ref(0))).
		Then(lines+" OFFSET 4",
			"1 | 0 | reversal | provider:whatsapp:payable | EUR | 79500 | 08:05",
			"1 | 1 | reversal | cost:messages:marketing:italy | EUR | -79500 | 08:05",
			"1 | 2 | reversal | usage:world | MSG.marketing | 1 | 08:05",
			"1 | 3 | reversal | usage:messages:marketing:italy:billable | MSG.marketing | -1 | 08:05",
			"1 | 4 | pending | usage:pending:utility | MSG.utility | 1 | 08:01",
			"1 | 5 | pending | usage:world | MSG.utility | -1 | 08:01").
		Given(billing, pricedAgain(0, at(1), at(1), regular(events.Utility, 28_000), ref(1), ref(0))).
		Then(lines+" OFFSET 10",
			"2 | 0 | priced | cost:messages:utility:italy | EUR | 28000 | 08:01",
			"2 | 1 | priced | provider:whatsapp:payable | EUR | -28000 | 08:01",
			"2 | 2 | priced | usage:messages:utility:italy:billable | MSG.utility | 1 | 08:01",
			"2 | 3 | priced | usage:pending:utility | MSG.utility | -1 | 08:01")
}

func TestAnAdjustmentTakesBackAndPostsAnew(t *testing.T) {
	t.Parallel()
	charged := events.MessageCharged{Delivery: delivered(0, at(5)), Charge: regular(events.Utility, 30_000)}
	adjusted := func(when time.Time, is events.Charge) events.ChargeAdjusted {
		return events.ChargeAdjusted{
			Delivery: delivered(0, when), Charge: is, Was: &charged.Charge, WasDeliveredAt: at(5), Charged: *ref(0),
		}
	}
	for name, c := range map[string]struct {
		adjusted events.ChargeAdjusted
		want     []string
	}{
		"an earlier time moves everything": {adjusted(at(1), charged.Charge), []string{
			"1 | 0 | reversal | provider:whatsapp:payable | EUR | 30000 | 08:05",
			"1 | 1 | reversal | cost:messages:utility:italy | EUR | -30000 | 08:05",
			"1 | 2 | adjustment | cost:messages:utility:italy | EUR | 30000 | 08:01",
			"1 | 3 | adjustment | provider:whatsapp:payable | EUR | -30000 | 08:01",
			"1 | 4 | reversal | usage:world | MSG.utility | 1 | 08:05",
			"1 | 5 | reversal | usage:messages:utility:italy:billable | MSG.utility | -1 | 08:05",
			"1 | 6 | adjustment | usage:messages:utility:italy:billable | MSG.utility | 1 | 08:01",
			"1 | 7 | adjustment | usage:world | MSG.utility | -1 | 08:01",
		}},
		"another price leaves the count alone": {adjusted(at(5), regular(events.Utility, 28_000)), []string{
			"1 | 0 | reversal | provider:whatsapp:payable | EUR | 30000 | 08:05",
			"1 | 1 | reversal | cost:messages:utility:italy | EUR | -30000 | 08:05",
			"1 | 2 | adjustment | cost:messages:utility:italy | EUR | 28000 | 08:05",
			"1 | 3 | adjustment | provider:whatsapp:payable | EUR | -28000 | 08:05",
		}},
		"free after all": {adjusted(at(5), free(events.Utility, events.BasisFreeEntryPoint)), []string{
			"1 | 0 | reversal | provider:whatsapp:payable | EUR | 30000 | 08:05",
			"1 | 1 | reversal | cost:messages:utility:italy | EUR | -30000 | 08:05",
			"1 | 2 | reversal | usage:world | MSG.utility | 1 | 08:05",
			"1 | 3 | reversal | usage:messages:utility:italy:billable | MSG.utility | -1 | 08:05",
			"1 | 4 | adjustment | usage:messages:utility:unresolved:free | MSG.utility | 1 | 08:05",
			"1 | 5 | adjustment | usage:world | MSG.utility | -1 | 08:05",
		}},
		"what posts the same posts nothing": {adjusted(at(5), func() events.Charge {
			same := charged.Charge
			same.Policy, same.Expected, same.CardFrom = "P2", events.BasisFreeWindow, "2026-10-01"
			return same
		}()), []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			given(t, charged, c.adjusted).Then(lines+" OFFSET 4", c.want...)
		})
	}
}

// The same price in another zone of the clock is the same.
func TestTimesAreInstants(t *testing.T) {
	t.Parallel()
	rome := time.FixedZone("", 2*3600)
	charge := regular(events.Utility, 30_000)
	given(t,
		events.MessageCharged{Delivery: delivered(0, time.Date(2026, 10, 6, 1, 30, 0, 0, rome)), Charge: charge},
		events.ChargeAdjusted{
			Delivery: delivered(0, time.Date(2026, 10, 5, 23, 30, 0, 0, time.UTC)), Charge: charge, Was: &charge,
			WasDeliveredAt: time.Date(2026, 10, 6, 1, 30, 0, 0, rome),
		}).
		Then("SELECT DISTINCT day, entries FROM balances", "2026-10-05 | 1").
		Then("SELECT count(*) FROM entries", "4")
}

func TestWhatTheChartDoesNotNameIsRefused(t *testing.T) {
	t.Parallel()
	foreign := regular(events.Utility, 30_000)
	foreign.Amount.Currency = "eur"
	negative := regular(events.Utility, -1)
	unheard := regular(events.Utility, 30_000)
	unheard.Basis = "barter"
	paid := free(events.Utility, events.BasisFreeWindow)
	paid.Amount.Micros = 1
	for want, charge := range map[string]events.Charge{
		`posting 30000 eur from provider:whatsapp:payable to cost:messages:utility:italy: account "cost:messages:utility:italy" of the chart does not hold "eur"`: foreign,
		"posting -1 EUR from provider:whatsapp:payable to cost:messages:utility:italy: the amount is negative":                                                    negative,
		`no account for the basis "barter"`:        unheard,
		"a charge of 0.000001 EUR is not free_csw": paid,
	} {
		require.Contains(t, refused(t, events.Envelope{Account: projectiontest.Account}, events.MessageCharged{
			Delivery: delivered(0, at(1)), Charge: charge,
		}), "MessageCharged at "+billing+"@0: "+want)
	}
	require.Contains(t, refused(t, events.Envelope{}, waiting(0, at(1))), "the event belongs to no account")
	require.Contains(t, refused(t, events.Envelope{Account: projectiontest.Account}, events.ChargeAdjusted{
		Delivery: delivered(0, at(1)), Charge: regular(events.Utility, 1), Was: &unheard,
	}), `no account for the basis "barter"`)
}

// The ledger does not guess when what is replaced took effect.
func TestWhatReplacesSaysWhatItReplaces(t *testing.T) {
	t.Parallel()
	moved, back := waiting(0, at(1)), waiting(0, at(1))
	moved.Held = ref(0)
	back.Was = new(regular(events.Utility, 1))
	for _, fact := range []events.Event{
		moved, back, events.MessageCharged{Delivery: delivered(0, at(1)), Charge: regular(events.Utility, 1), Held: ref(0)},
	} {
		require.Contains(t, refused(t, events.Envelope{Account: projectiontest.Account}, fact), "was_delivered_at is missing")
	}
}

// refused projects one event that the ledger must not take, and returns why.
func refused(t *testing.T, envelope events.Envelope, fact events.Event) string {
	t.Helper()
	return projectiontest.For(t, ledger.Define).Under(envelope).Given(billing, fact).Refused()
}

// The engine writes by COPY: the guard of the whole statement stands there, too.
func TestTheTablesRefuseWhatIsCopied(t *testing.T) {
	t.Parallel()
	s := given(t, waiting(0, at(1)))
	s.Settle()
	columns := []string{
		"stream", "revision", "n", "position", "account_id", "ledger_account", "asset", "amount", "effective_at", "recorded_at",
		"message_id", "recipient_id", "kind",
	}
	entry := func(revision int, amount int64) []any {
		who := [16]byte{1}
		return []any{"by-hand", revision, amount, 99, who, "usage:world", "MSG.utility", amount, at(1), at(1), who, who, "charge"}
	}
	copied := func(rows ...[]any) error {
		_, err := s.Pool().CopyFrom(t.Context(), pgx.Identifier{"ledger_v1", "entries"}, columns, pgx.CopyFromRows(rows))
		return err
	}
	require.ErrorContains(t, copied(entry(1, 1), entry(1, -1), entry(2, 7), entry(3, -7)), "do not balance")
	s.Then("SELECT count(*) FROM entries", "2")
	require.NoError(t, copied(entry(1, 1), entry(1, -1)))
}

// The tables guard themselves, whoever writes to them.
func TestTheTablesRefuseWhatIsNoEntry(t *testing.T) {
	t.Parallel()
	s := given(t, events.MessageCharged{Delivery: delivered(0, at(1)), Charge: regular(events.Utility, 30_000)})
	s.Settle()
	entry := func(n int, account, asset string, amount string) string {
		return "('by-hand', 7, " + string(rune('0'+n)) + ", 99, '" + projectiontest.Account.String() + "', '" + account + "', '" + asset + "', " + amount +
			", now(), 'epoch', '" + message(0).String() + "', '" + message(0).String() + "', 'charge')"
	}
	const cost, payable, world = "cost:messages:utility:italy", "provider:whatsapp:payable", "usage:world"
	for want, entries := range map[string][]string{
		"the entries of by-hand@7 do not balance: 1 EUR too much":    {entry(0, cost, "EUR", "6"), entry(1, payable, "EUR", "-5")},
		"the entries of by-hand@7 do not balance: 5 EUR too much":    {entry(0, cost, "EUR", "5")},
		"the entries of by-hand@7 do not balance: ":                  {entry(0, cost, "EUR", "5"), entry(1, payable, "USD", "-5")},
		"violates check constraint \"entries_amount_check\"":         {entry(0, cost, "EUR", "0")},
		"violates check constraint \"entries_asset_check\"":          {entry(0, cost, "euro", "5"), entry(1, payable, "euro", "-5")},
		"violates check constraint \"entries_ledger_account_check\"": {entry(0, "Cost of messages", "EUR", "5"), entry(1, payable, "EUR", "-5")},
	} {
		_, err := s.Pool().Exec(t.Context(), "INSERT INTO ledger_v1.entries VALUES "+strings.Join(entries, ", "))
		require.ErrorContains(t, err, want)
	}
	for _, change := range []string{"UPDATE ledger_v1.entries SET kind = 'reversal'", "DELETE FROM ledger_v1.entries WHERE n > 7"} {
		_, err := s.Pool().Exec(t.Context(), change)
		require.ErrorContains(t, err, "entries of the ledger are never changed")
	}
	_, err := s.Pool().Exec(t.Context(), "INSERT INTO ledger_v1.entries VALUES "+entry(0, cost, "EUR", "5")+", "+entry(1, payable, "EUR", "-5"))
	require.NoError(t, err, "what balances is taken")
	require.ErrorContains(t, ledger.Define().CheckSums(t.Context(), s.Pool()), "table balances is not what its identity gives")
}
