package policies_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/storetest"
	"daybook/commands/policies"
	"daybook/commands/policies/policiestest"
	"daybook/domain/account"
	"daybook/events"
	"daybook/events/id"
)

var regularMarketing = &events.Pricing{Model: "PMP", Type: "regular", Category: "marketing"}

// The window is found by the conversation, and what it found stands in every status; here, what that costs.
func TestVector05_AnEntryPointIsFreeFor72Hours(t *testing.T) {
	t.Parallel()
	s := open(t, "USD", "Europe/Rome")
	asked := time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	answered := asked.Add(day)
	until := answered.Add(72 * time.Hour)
	write := func(at time.Time, window *time.Time) message {
		return s.deliver(parcel{to: brazilian, category: events.Marketing, queued: at, at: at.Add(time.Second), entry: window})
	}
	opener, last, after, tooLate := write(answered, &until), write(until, &until), write(until.Add(1), &until), write(answered.Add(1), nil)

	b := s.rate()
	require.Equal(t, []string{"0.0000 USD", "0.0000 USD", "0.0625 USD", "0.0625 USD"}, b.amounts(opener, last, after, tooLate))
	require.Equal(t, events.BasisFreeEntryPoint, b.line(opener).basis)
	require.Equal(t, events.BasisFreeEntryPoint, b.line(last).basis)
	require.Empty(t, b.disputed, "the platform has said nothing")
}

func TestVector06_AFreeEntryPointDoesNotCountForTiers(t *testing.T) {
	t.Parallel()
	s := tenantOf(t, storetest.Lend(t), id.Account{}, "USD", "Europe/Rome")
	s.publish(tiersOf("Brazil,BR,55,utility,USD,0.0068,2026-07-01,test,2:0.0050"))
	opened := time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	until := opened.Add(72 * time.Hour)
	free := s.deliver(parcel{to: brazilian, category: events.Utility, queued: opened.Add(30 * time.Hour), entry: &until})
	paid := s.deliver(parcel{to: brazilian, category: events.Utility, queued: until.Add(time.Hour)})

	b := s.rate()
	require.Equal(t, events.BasisFreeEntryPoint, b.line(free).basis)
	require.Equal(t, []string{"0.0000 USD", "0.0068 USD"}, b.amounts(free, paid))
	require.Equal(t, []events.PeriodTotal{{
		Amount: b.sum("USD"), Market: "Brazil", Category: events.Utility, Paid: 1, Free: 1,
	}}, s.lastOf(s.account, "2026-07"))
}

func TestVector07_ThePlatformsWordOnAnEntryPointWins(t *testing.T) {
	t.Parallel()
	s := open(t, "USD", "Europe/Rome")
	opened := time.Date(2026, 9, 28, 12, 0, 0, 0, time.UTC)
	until := opened.Add(5 * day) // as the platform has told
	word := &events.Pricing{Model: "PMP", Type: "free_entry_point", Category: "referral_conversion"}
	free := s.deliver(parcel{to: brazilian, category: events.Marketing, queued: opened.Add(4 * day), entry: &until, word: word})
	paid := s.deliver(parcel{to: brazilian, category: events.Marketing, queued: opened.Add(80 * time.Hour), entry: &until, word: regularMarketing})

	b := s.rate()
	require.Equal(t, []string{"0.0000 USD", "0.0625 USD"}, b.amounts(free, paid))
	require.Equal(t, events.Marketing, b.line(free).category, "what it comes of is no category")
	require.Equal(t, events.BasisFreeEntryPoint, b.charge(paid).Expected)
	require.Len(t, b.disputed, 1)
	found := b.disputed[0]
	require.Equal(t, paid.id, found.Delivery.MessageID)
	require.Equal(t, []events.Basis{events.BasisFreeEntryPoint, events.BasisRegular}, []events.Basis{found.Ours, found.Platform})
	require.Equal(t, []events.Category{events.Marketing, events.Marketing}, []events.Category{found.OurCategory, found.PlatformCategory})
	policiestest.Amnesia(t, s.store, s.rating)
}

func TestVector22_AuthenticationAbroadHasAPriceOfItsOwn(t *testing.T) {
	t.Parallel()
	s := open(t, "USD", "Europe/Rome")
	start := time.Date(2026, 7, 20, 12, 0, 0, 0, time.UTC)
	window := start.Add(day)
	inside := s.deliver(parcel{to: italian, category: events.Authentication, queued: start, window: &window})
	ad := s.deliver(parcel{to: italian, category: events.Authentication, queued: start, entry: &window})
	unknown := s.deliver(parcel{to: indian, category: events.Authentication, queued: start})
	happen(t, s.store, account.Stream(s.account), s.account, events.AuthInternationalPriceSet{
		ToldFact: events.ToldFact{AccountID: s.account, ToldAt: start}, From: start, Exceptions: []events.CountryFrom{{Country: "ID", From: start.Add(day)}},
	})
	code := func(digits string, at time.Time) message {
		return s.deliver(parcel{to: digits, category: events.Authentication, queued: at.Add(-time.Second), at: at})
	}
	happen(t, s.store, account.Stream(s.account), s.account, events.AuthInternationalPriceSet{
		ToldFact: events.ToldFact{AccountID: s.account, ToldAt: start.Add(-day)}, From: start.Add(9 * day), // old news
	})
	before, from, home := code(indian, start.Add(-time.Second)), code(indian, start), code(italian, start)
	early, late := code(indonesian, start), code(indonesian, start.Add(day))
	happen(t, s.store, account.Stream(s.account), s.account, events.PrimaryLocationChanged{
		ToldFact: events.ToldFact{AccountID: s.account, ToldAt: start}, Country: "IN",
	})
	moved, abroad := code(indian, start), code(italian, start)

	b := s.rate()
	require.Equal(t, []string{"0.0300 USD", "0.0000 USD"}, b.amounts(inside, ad), "never free but by an entry point")
	require.Equal(t, []string{"0.0014 USD", "0.0014 USD", "0.0304 USD", "0.0300 USD"}, b.amounts(unknown, before, from, home))
	require.EqualValues(t, "authentication_international", b.charge(from).Category)
	require.EqualValues(t, "authentication_international", b.charge(from).Rated)
	require.Equal(t, []string{"0.0250 USD", "0.1360 USD"}, b.amounts(early, late), "some countries begin later")
	require.Equal(t, []string{"0.0014 USD", "0.0300 USD"}, b.amounts(moved, abroad), "at home; and where the card has one price for all")
	require.Empty(t, b.disputed)
	policiestest.Amnesia(t, s.store, s.rating)
}

func TestVector27_AConversationThatWasPaidIsPaid(t *testing.T) {
	t.Parallel()
	s := tenantOf(t, storetest.Lend(t), id.Account{}, "USD", "Europe/Rome")
	s.publish(rows(
		"Italy,IT,39,cbp_utility,USD,0.0420,2023-06-01,test", "Italy,IT,39,cbp_service,USD,0.0300,2023-06-01,test",
		"Italy,IT,39,utility,USD,0.0300,2025-07-01,test",
	))
	opened := time.Date(2025, 6, 30, 18, 0, 0, 0, time.UTC) // 20:00 in Rome
	word := &events.Pricing{Model: "CBP", Category: "utility"}
	opener := s.deliver(parcel{to: italian, category: events.Utility, queued: opened, word: word})
	later := s.deliver(parcel{to: italian, category: events.Utility, queued: opened.Add(14 * time.Hour), word: word, within: &opener.id})
	own := s.deliver(parcel{to: italian, category: events.Utility, queued: opened.Add(14 * time.Hour), word: &events.Pricing{Model: "PMP", Type: "regular"}})
	answer := s.deliver(parcel{to: italian, category: events.Service, queued: opened})
	answered := s.deliver(parcel{to: italian, category: events.Service, queued: time.Date(2024, 10, 1, 0, 0, 0, 0, time.UTC)})

	b := s.rate()
	require.Equal(t, []string{"0.0420 USD", "0.0000 USD", "0.0300 USD"}, b.amounts(opener, later, own))
	c := b.charge(later)
	require.Equal(t, events.BasisFreeConversation, c.Basis)
	require.Equal(t, "P1", c.Policy, "the platform's word on the model outranks the day")
	require.EqualValues(t, "2025-07-01", c.Day)
	require.EqualValues(t, "cbp_utility", b.charge(opener).Rated)
	for _, r := range b.rated {
		if r.Delivery.MessageID == later.id {
			require.Equal(t, &opener.id, r.Delivery.Within, "it belongs to the conversation that was opened")
		}
	}
	require.Equal(t, []string{"0.0000 USD", "0.0300 USD"}, b.amounts(answer, answered), "answers are free since 2024-11")
	require.Empty(t, b.disputed)
}

// Of a group, everyone whom the message reached is one line, at the price of their own market.
func TestAGroupIsChargedByRecipient(t *testing.T) {
	t.Parallel()
	s := open(t, "USD", "Europe/Rome")
	at := time.Date(2026, 8, 5, 12, 0, 0, 0, time.UTC)
	sent := id.New[id.Message]()
	word := &events.Pricing{Model: "PMP", Type: "regular", Category: "group_marketing"}
	var reached []message
	for _, digits := range []string{"393331111111", "393332222222", "5511911111111", "5511922222222"} { // of five
		reached = append(reached, s.deliver(parcel{
			message: message{sent, customer(digits)}, to: digits, category: events.Marketing, queued: at, word: word,
		}))
	}
	b := s.rate()
	require.Equal(t, []string{"0.0795 USD", "0.0795 USD", "0.0625 USD", "0.0625 USD"}, b.amounts(reached...))
	require.Equal(t, "0.2840 USD", b.sum("USD").String())
	require.Empty(t, b.disputed)
}

// What comes after the message's life is charged all the same, and says that it is late.
func TestALateDeliveryIsCharged(t *testing.T) {
	t.Parallel()
	s := open(t, "USD", "Europe/Rome")
	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	deliver := func(category events.Category, after time.Duration) message {
		return s.deliver(parcel{to: italian, category: category, queued: at, at: at.Add(after)})
	}
	inTime, late := deliver(events.Marketing, 30*day), deliver(events.Marketing, 31*day)
	code, old := deliver(events.Authentication, 10*time.Minute), deliver(events.Authentication, 10*time.Minute+time.Second)
	b := s.rate()
	require.Equal(t, []string{"0.0795 USD", "0.0795 USD", "0.0300 USD", "0.0300 USD"}, b.amounts(inTime, late, code, old))
	for m, want := range map[message]bool{inTime: false, late: true, code: false, old: true} {
		require.Equal(t, want, b.charge(m).Late)
	}
}

// A dispute is told once, also when more becomes known of the delivery that changes nothing about it.
func TestADisputeIsToldOnce(t *testing.T) {
	t.Parallel()
	s := open(t, "USD", "Europe/Rome")
	at := time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	free := &events.Pricing{Model: "PMP", Type: "free_customer_service", Category: "utility"}
	m := s.deliver(parcel{to: italian, category: events.Utility, queued: at, at: at.Add(2 * time.Second), word: free})
	first := at.Add(2 * time.Second)
	s.deliver(parcel{message: m, to: italian, category: events.Utility, queued: at, at: at.Add(time.Second), word: free, first: &first})
	b := s.rate()
	require.Equal(t, []string{"MessageCharged", "ChargeAdjusted"}, b.kindsOf(m))
	require.Len(t, b.disputed, 1)
	s.deliver(parcel{message: m, to: italian, category: events.Utility, queued: at, at: at, word: regularMarketing, first: &first})
	b = s.rate()
	require.Len(t, b.disputed, 2, "another word is another dispute")
	require.Equal(t, []events.Category{events.Utility, events.Marketing}, []events.Category{b.disputed[1].OurCategory, b.disputed[1].PlatformCategory})
	policiestest.Amnesia(t, s.store, s.rating)
}

// A charge and its dispute are recorded together, and no append is larger than it may be.
func TestDisputesStayInTheBoundsOfAnAppend(t *testing.T) {
	t.Parallel()
	s := open(t, "USD", "Europe/Rome")
	at := time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	for n := range 5 {
		s.deliver(parcel{to: italian, category: events.Utility, queued: at.Add(time.Duration(n) * time.Second), word: regularMarketing})
	}
	policiestest.Run(t, s.store, policies.NewRatingInAppendsOf(s.store, fixedClock, 4, 1<<20))
	b := readBooks(t, s.store)
	require.Len(t, b.disputed, 5)
	size := 0
	for _, name := range b.names {
		if size++; name == "BatchRated" {
			require.Equal(t, 3, size, "a charge, its dispute and the end: another pair has no room")
			size = 0
		}
	}
}
