package policies_test

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/storetest"
	"daybook/commands"
	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
	"daybook/domain/account"
	"daybook/domain/billing"
	"daybook/domain/conversation"
	"daybook/domain/devices"
	"daybook/domain/pricing"
	"daybook/events"
	"daybook/events/id"
	"daybook/events/money"
)

const day = 24 * time.Hour

var asAdmin = commands.Meta{Actor: "api:admin", Source: "api"}

// tester is a test, or one attempt of a property.
type tester interface {
	require.TestingT
	Helper()
	Context() context.Context
}

// shop is an installation with one business, whose history is made by commands.
type shop struct {
	testing.TB

	store   storetest.LentStore
	handler *commands.Handler
	clock   time.Time
	number  string
	account id.Account
	device  id.Device
}

// newShop opens the books of a business in a store; several may share one.
func newShop(t testing.TB, store storetest.LentStore, currency money.Currency, zone string) *shop {
	t.Helper()
	s := &shop{TB: t, store: store, clock: time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)}
	s.handler = commands.New(store, func() time.Time { return s.clock })
	s.number = strconv.FormatUint(uint64(id.NewRandom[id.Device]().ID()), 10)
	var err error
	s.account, _, err = s.handler.RegisterAccount(t.Context(), asAdmin, account.Register{
		Name: "Pizzeria Mario", Kind: "app", Country: "IT", Currency: string(currency), Timezone: zone, WABAID: "102290129340398",
		Numbers: []events.BusinessNumber{{PhoneNumberID: s.number, DisplayPhoneNumber: "390612345678"}},
	})
	require.NoError(t, err)
	_, err = s.handler.AcceptTerms(t.Context(), asAdmin, s.account, "2026-01", "7")
	require.NoError(t, err)
	s.device, _, err = s.handler.LinkDevice(t.Context(), asAdmin, s.account, devices.Link{Kind: "smartphone", Platform: "ios", Name: "iPhone"})
	require.NoError(t, err)
	return s
}

// open makes a shop in a store of its own, with the platform's published cards.
func open(t testing.TB, currency money.Currency, zone string) *shop {
	t.Helper()
	s := newShop(t, storetest.Lend(t), currency, zone)
	s.publish(pricing.ReferenceCards)
	return s
}

func (s *shop) publish(files ...string) {
	s.Helper()
	for _, file := range files {
		_, err := s.handler.ImportRateCards(s.Context(), asAdmin, []byte(file))
		require.NoError(s, err)
	}
}

// rows is a file of rate cards.
func rows(lines ...string) string {
	return "market,iso2,calling_prefix,category,currency,rate,effective_from,source\n" + strings.Join(lines, "\n")
}

// message is what is sent to a customer of the shop.
type message struct {
	id       id.Message
	customer id.Customer
}

// customer is the person behind a number.
func customer(digits string) id.Customer { return id.Derive[id.Customer]("test", digits) }

func (s *shop) conversation(of id.Customer) id.Conversation { return conversation.IDOf(s.number, of) }

// receives has a customer write at an instant.
func (s *shop) receives(digits string, at time.Time) {
	s.Helper()
	s.clock = at
	hash := events.WamidHash("w1:" + digits + at.String())
	s.tell(customer(digits), conversation.Inbound{
		MessageID: conversation.InboundID(hash), WamidHash: hash, Kind: "text", SentAt: at, Dialling: events.DialPhone(digits),
	})
}

// sends writes a message at an instant; one of category service is free-form.
func (s *shop) sends(digits string, category events.Category, at time.Time) message {
	s.Helper()
	s.clock = at
	m := message{id.New[id.Message](), customer(digits)}
	c := conversation.Send{
		Account: s.account, CustomerID: m.customer, DeviceID: s.device, MessageID: m.id, Kind: "template", Category: category,
		Template: &events.Template{Name: "note", Language: "it"}, Dialling: events.DialPhone(digits),
	}
	if category == events.Service {
		c.Kind, c.Template = "text", nil
	}
	if category == events.Marketing {
		s.wants(m.customer)
	}
	_, err := s.handler.SendMessage(s.Context(), asAdmin, c)
	require.NoError(s, err)
	return m
}

// wants has a customer ask for marketing; once asked for, it is.
func (s *shop) wants(customer id.Customer) {
	s.Helper()
	_, err := s.handler.SetConsent(s.Context(), asAdmin, conversation.Consent{
		Account: s.account, CustomerID: customer, Category: events.Marketing, Wanted: true, Source: events.SourceForm,
	})
	require.NoError(s, err)
}

func status(m message, word events.Status, at time.Time, told *events.Pricing) conversation.StatusUpdate {
	return conversation.StatusUpdate{
		MessageID: m.id, RecipientID: m.customer, Status: word, At: at, Pricing: told,
		FactID: conversation.StatusFactID(events.WamidHash(m.id.String()), word, m.customer),
	}
}

// tell brings what the platform tells of one customer, in one delivery.
func (s *shop) tell(of id.Customer, updates ...conversation.Update) {
	s.Helper()
	outcome, err := s.handler.RecordUpdates(s.Context(), asAdmin, commands.Delivery{
		Account: s.account, PhoneNumberID: s.number, Customer: of, Conversation: s.conversation(of), Updates: updates,
	})
	require.NoError(s, err)
	require.Empty(s, outcome.Unplaced)
}

// delivered tells that a message was delivered at an instant.
func (s *shop) delivered(m message, at time.Time) {
	s.Helper()
	s.tell(m.customer, status(m, events.StatusDelivered, at, nil))
}

func (s *shop) rating() policies.Policy {
	return policies.NewRating(s.store, func() time.Time { return s.clock })
}

// rate lets a fresh rating react to everything, and returns the books.
func (s *shop) rate() *books {
	s.Helper()
	policiestest.Run(s, s.store, s.rating())
	return readBooks(s, s.store)
}

// happen records an event of an account at the end of a stream.
func happen(t testing.TB, store storetest.Store, stream string, of id.Account, event events.Event) {
	t.Helper()
	proposed, err := events.Encode(id.New[id.Event](), event, events.Envelope{Account: of})
	require.NoError(t, err)
	_, err = store.Append(t.Context(), stream, events.Any, []events.Proposed{proposed})
	require.NoError(t, err)
}

// books are all billing periods of a store.
type books struct {
	rated    map[billing.Key]billing.Rated        // what each delivery has come to
	reasons  map[billing.Key]events.PendingReason // of those that are pending
	kinds    map[billing.Key][]string             // its events, in order
	closing  map[string]events.BatchRated         // of each period, the newest
	names    []string                             // types of all events of billing periods
	disputed []events.ChargeDiscrepancyFound
	closed   map[string][]events.PeriodClosed // by period
}

// readBooks reads the billing periods, and requires of them what always holds: one charge per message and recipient,
// whole appends, and totals that are the sum of everything.
func readBooks(t tester, store policiestest.Store) *books {
	t.Helper()
	b := &books{
		map[billing.Key]billing.Rated{}, map[billing.Key]events.PendingReason{}, map[billing.Key][]string{},
		map[string]events.BatchRated{}, nil, nil, map[string][]events.PeriodClosed{},
	}
	streams := map[string][]events.Record{}
	for record, err := range store.(storetest.Store).ReadAll(t.Context(), events.Start) {
		require.NoError(t, err)
		if _, ok := billing.Portfolio(record.Stream); ok {
			streams[record.Stream] = append(streams[record.Stream], record)
		}
	}
	for stream, records := range streams {
		b.read(t, stream, records)
	}
	return b
}

func (b *books) read(t tester, stream string, records []events.Record) {
	t.Helper()
	mine := map[billing.Key]billing.Rated{}
	charged, ids := 0, map[id.Event]bool{}
	for _, record := range records {
		require.False(t, ids[record.ID], "every event has an id of its own")
		ids[record.ID] = true
		event, envelope, err := events.DecodeRecord(record)
		require.NoError(t, err)
		require.Equal(t, events.Actor("policy:rating"), envelope.Actor)
		b.names = append(b.names, record.Type)
		if closing, ok := event.(events.BatchRated); ok {
			require.Equal(t, charged, closing.Charged, "MessageCharged in this append")
			requireTotals(t, mine, closing)
			b.closing[stream], charged = closing, 0
			continue
		}
		switch e := event.(type) {
		case events.PeriodClosed:
			b.closed[stream] = append(b.closed[stream], e)
			continue
		case events.ChargeDiscrepancyFound:
			require.Equal(t, record.Revision-1, e.Charged.Revision, "it stands beside the charge")
			require.Equal(t, mine[billing.KeyOf(&e.Delivery)].Delivery, e.Delivery)
			b.disputed = append(b.disputed, e)
			continue
		}
		d := billing.Subject(event)
		key := billing.KeyOf(d)
		was, known := mine[key]
		require.True(t, known || b.kinds[key] == nil, "a delivery is in one period")
		require.True(t, envelope.OccurredAt.Equal(d.DeliveredAt))
		requireSuccession(t, was, known, event)
		if _, ok := event.(events.MessageCharged); ok {
			charged++
		}
		delete(b.reasons, key)
		if pending, ok := event.(events.ChargePending); ok {
			b.reasons[key] = pending.Reason
		}
		mine[key], _ = billing.RatedBy(event, events.Ref{Stream: stream, Revision: record.Revision})
		b.rated[key] = mine[key]
		b.kinds[key] = append(b.kinds[key], record.Type)
	}
	require.Equal(t, "BatchRated", records[len(records)-1].Type, "every append ends with it")
}

// requireSuccession requires that an event follows from what was recorded of the same delivery before.
func requireSuccession(t tester, was billing.Rated, known bool, event events.Event) {
	t.Helper()
	var held, charged *events.Ref
	var charge *events.Charge
	var at *time.Time
	switch e := event.(type) {
	case events.ChargeAdjusted:
		require.NotNil(t, was.Charged, "only what was charged is adjusted")
		held, charged, charge, at = e.Held, &e.Charged, e.Was, &e.WasDeliveredAt
	case events.MessageCharged:
		require.Nil(t, was.Charged, "charged once")
		require.True(t, !known || was.Held != nil)
		held, at = e.Held, e.WasDeliveredAt
	case events.ChargePending:
		held, charged, charge, at = e.Held, e.Charged, e.Was, e.WasDeliveredAt
	}
	require.Equal(t, was.Held, held, "what is pending is resolved, or is pending on")
	require.Equal(t, was.Charged, charged)
	if !known {
		require.Nil(t, at)
		return
	}
	require.True(t, was.Delivery.DeliveredAt.Equal(*at))
	if was.Held == nil {
		require.Equal(t, &was.Charge, charge)
	} else {
		require.Nil(t, charge)
	}
}

func requireTotals(t tester, rated map[billing.Key]billing.Rated, closing events.BatchRated) {
	t.Helper()
	type slot struct {
		currency money.Currency
		market   string
		category events.Category
	}
	totals, allowances, pending := map[slot]events.PeriodTotal{}, map[string]int64{}, 0
	for _, r := range rated {
		if r.Held != nil {
			pending++
			continue
		}
		key := slot{r.Charge.Amount.Currency, r.Charge.Market, r.Charge.Category}
		total := totals[key]
		total.Market, total.Category = key.market, key.category
		total.Amount.Micros, total.Amount.Currency = total.Amount.Micros+r.Charge.Amount.Micros, key.currency
		if r.Charge.Basis == events.BasisRegular {
			total.Paid++
		} else {
			total.Free++
		}
		totals[key] = total
		if r.Charge.Basis == events.BasisAllowance {
			allowances[r.Delivery.PhoneNumberID]++
		}
	}
	require.Equal(t, pending, closing.Pending)
	require.Equal(t, pending > 0, closing.PendingSince != nil)
	require.Len(t, closing.Totals, len(totals))
	require.True(t, slices.IsSortedFunc(closing.Totals, func(a, b events.PeriodTotal) int {
		return cmp.Or(cmp.Compare(a.Market, b.Market), cmp.Compare(a.Category, b.Category))
	}))
	for _, total := range closing.Totals {
		require.Equal(t, totals[slot{total.Amount.Currency, total.Market, total.Category}], total)
	}
	require.Len(t, closing.Allowances, len(allowances))
	for _, a := range closing.Allowances {
		require.Equal(t, allowances[a.PhoneNumberID], a.Used)
	}
}

// line is what a customer sees of a charge.
type line struct {
	amount   string
	basis    events.Basis
	category events.Category
	market   string
	at       time.Time
	pending  bool
}

func (b *books) line(m message) line {
	r, ok := b.rated[billing.Key{Message: m.id, Recipient: m.customer}]
	if !ok {
		return line{}
	}
	return lineOf(r)
}

func lineOf(r billing.Rated) line {
	if r.Held != nil {
		return line{category: r.Delivery.Category, at: r.Delivery.DeliveredAt.UTC(), pending: true}
	}
	return line{
		r.Charge.Amount.String(), r.Charge.Basis, r.Charge.Category, r.Charge.Market, r.Delivery.DeliveredAt.UTC(), false,
	}
}

// lines is what all deliveries came to.
func (b *books) lines() map[billing.Key]line {
	lines := map[billing.Key]line{}
	for key, r := range b.rated {
		lines[key] = lineOf(r)
	}
	return lines
}

// kindsOf lists the types of a delivery's events.
func (b *books) kindsOf(m message) []string {
	return b.kinds[billing.Key{Message: m.id, Recipient: m.customer}]
}
