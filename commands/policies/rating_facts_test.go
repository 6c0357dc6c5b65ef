package policies_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/storetest"
	"daybook/commands"
	"daybook/commands/policies/policiestest"
	"daybook/domain/account"
	"daybook/domain/billing"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

const (
	argentine  = "5491123456789"
	brazilian  = "5511912345678"
	indian     = "919812345678"
	indonesian = "6281234567890"
)

// tenantOf is a business of a portfolio, of which nothing is known but its registration and what is told of its messages.
func tenantOf(t testing.TB, store storetest.LentStore, portfolio id.Account, currency money.Currency, zone string) *shop {
	t.Helper()
	s := &shop{TB: t, store: store, clock: october, handler: commands.New(store, fixedClock), account: id.New[id.Account](), number: strconv.FormatUint(uint64(id.NewRandom[id.Device]().ID()), 10)}
	happen(t, store, account.Stream(s.account), s.account, events.AccountRegistered{
		AccountID: s.account, Country: "IT", Currency: currency, Timezone: zone, PortfolioID: portfolio,
	})
	return s
}

// parcel is what a conversation knows of a message that was delivered.
type parcel struct {
	message

	to         string // digits
	category   events.Category
	queued, at time.Time // at: queued, when it is zero
	window     *time.Time
	entry      *time.Time // end of the free entry point window
	word       *events.Pricing
	within     *id.Message
	first      *time.Time
}

// deliver records that a message was delivered, as its conversation does.
func (s *shop) deliver(p parcel) message {
	s.Helper()
	if p.id.IsZero() {
		p.message = message{id.New[id.Message](), customer(p.to)}
	}
	if p.at.IsZero() {
		p.at = p.queued
	}
	of := s.conversation(p.customer)
	happen(s, s.store, conversation.Stream(of), s.account, events.MessageDelivered{StatusFact: events.StatusFact{
		ConversationID: of, MessageID: p.id, RecipientID: p.customer, At: p.at, Pricing: p.word,
		Sending: events.Sending{
			PhoneNumberID: s.number, Category: p.category, QueuedAt: p.queued, WindowUntil: p.window, EntryPointUntil: p.entry,
			Dialling: events.DialPhone(p.to),
		},
		Delivery: &events.Delivery{At: p.at, Pricing: p.word, Within: p.within, FirstAt: p.first},
	}})
	return p.message
}

// closes asks for a month to be closed, and rates everything.
func (s *shop) closes(portfolio id.Account, month string) *books {
	s.Helper()
	happen(s, s.store, billing.ClosingStream(portfolio, month), portfolio, events.PeriodClosingRequested{Portfolio: portfolio, Month: month})
	return s.rate()
}

// amounts lists what messages came to.
func (b *books) amounts(all ...message) []string {
	var list []string
	for _, m := range all {
		list = append(list, b.line(m).amount)
	}
	return list
}

// charge is what a message came to, with its whole basis.
func (b *books) charge(m message) events.Charge {
	return b.rated[billing.Key{Message: m.id, Recipient: m.customer}].Charge
}

// sum adds up what is charged in a currency.
func (b *books) sum(currency money.Currency) money.Amount {
	total := money.Amount{Currency: currency}
	for _, r := range b.rated {
		if r.Charge.Amount.Currency == currency {
			total.Micros += r.Charge.Amount.Micros
		}
	}
	return total
}

// tiersOf is a file of rate cards with volume tiers.
func tiersOf(lines ...string) string {
	return "market,iso2,calling_prefix,category,currency,rate,effective_from,source,tiers\n" + strings.Join(lines, "\n")
}

// counted lets a period begin with paid messages that it has had already.
func (s *shop) counted(portfolio id.Account, month string, totals ...events.PeriodTotal) {
	s.Helper()
	happen(s, s.store, billing.Stream(portfolio, month), portfolio, events.BatchRated{Totals: totals})
}

// lastOf returns the newest totals of a period.
func (s *shop) lastOf(portfolio id.Account, month string) []events.PeriodTotal {
	s.Helper()
	record, found, err := s.store.ReadLast(s.Context(), billing.Stream(portfolio, month))
	require.NoError(s, err)
	require.True(s, found)
	event, _, err := events.DecodeRecord(record)
	require.NoError(s, err)
	rated, ok := event.(events.BatchRated)
	require.True(s, ok)
	return rated.Totals
}

// charges lists the charges of a period in order of rating.
func (s *shop) charges(portfolio id.Account, month string) []events.Charge {
	s.Helper()
	policiestest.Run(s, s.store, s.rating())
	var all []events.Charge
	for record, err := range s.store.ReadStream(s.Context(), billing.Stream(portfolio, month), 0) {
		require.NoError(s, err)
		event, _, err := events.DecodeRecord(record)
		require.NoError(s, err)
		if charged, ok := event.(events.MessageCharged); ok {
			all = append(all, charged.Charge)
		}
	}
	return all
}
