package web_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/adapters/web"
	"daybook/adapters/web/api"
	"daybook/adapters/web/client"
	"daybook/domain/pricing"
	"daybook/events"
	"daybook/events/id"
)

// delivery is when messages of these tests are delivered: under the policy that charges every utility message.
var delivery = time.Date(2026, 10, 5, 10, 42, 7, 0, time.UTC)

// rates publishes the reference cards.
func (s *system) rates() api.ImportedRateCards {
	s.t.Helper()
	imported, err := s.ImportRateCards(s.t.Context(), []byte(pricing.ReferenceCards))
	require.NoError(s.t, err)
	return imported
}

// delivered sends a utility message to the customer and records that it was delivered. It returns the message and where
// the book ends.
func (s *system) delivered(account id.Account, device id.Device, wamid string) (id.Message, events.Position) {
	s.t.Helper()
	sent, err := s.SendMessage(s.t.Context(), account, api.SendMessage{
		DeviceID: device, To: "+" + customerNumber, Type: "template", Category: "utility", Template: &api.Template{Name: "order", Language: "it"},
	})
	require.NoError(s.t, err)
	_, err = s.AcceptMessage(s.t.Context(), account, sent.ID, wamid)
	require.NoError(s.t, err)
	s.told(account, sent.ID, wamid, events.StatusSent, delivery.Add(-time.Second))
	s.told(account, sent.ID, wamid, events.StatusDelivered, delivery)
	head, err := s.store.Head(s.t.Context())
	require.NoError(s.t, err)
	return sent.ID, head
}

// TestADeliveryIsChargedAndPosted waits for nothing but the delivery itself: its price must be there with it.
func TestADeliveryIsChargedAndPosted(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.rates()
	account := s.account()
	device := s.device(account, "iPhone Mario")
	message, head := s.delivered(account, device, "wamid.12345678")

	info, err := s.MessageInfo(t.Context(), message, client.WaitFor(head))
	require.NoError(t, err)
	charge := info.Recipients[0].Charge
	require.NotNil(t, charge)
	require.True(t, strings.HasPrefix(charge.Recorded.Stream, "billing-"), charge.Recorded.Stream)
	require.WithinDuration(t, time.Now(), charge.RecordedAt, time.Hour)
	wanted := api.Charge{
		Amount: "0.024800", Micros: new(int64(24800)), Currency: "EUR", Basis: "regular", Policy: "P3", Day: "2026-10-05",
		Category: "utility", Market: "Italy", MarketBasis: "prefix",
		Card:     &api.CardRate{Ref: api.Ref{Stream: "ratecards-EUR"}, EffectiveFrom: "2026-07-01", Rated: "utility"},
		Recorded: charge.Recorded, RecordedAt: charge.RecordedAt,
	}
	require.Equal(t, wanted, *charge)
	require.Equal(t, []api.Money{{Amount: "0.024800", Micros: 24800, Currency: "EUR"}}, info.Cost)

	ledger, err := s.LedgerEntries(t.Context(), client.LedgerFilter{Account: account}, client.WaitFor(head))
	require.NoError(t, err)
	require.Nil(t, ledger.Next)
	require.Equal(t, "ledger", ledger.Positions[0].Projection)
	posted := map[string]string{}
	for n, e := range ledger.Entries {
		posted[e.LedgerAccount] = e.Number() + " " + e.Asset
		require.Equal(t, api.Ref{Stream: e.Stream, Revision: e.Revision}, charge.Recorded)
		require.Equal(t, n, e.N)
		require.Equal(t, delivery, e.EffectiveAt)
		require.Equal(t, charge.RecordedAt, e.RecordedAt)
		require.Equal(t, []any{account, message, info.Recipients[0].RecipientID, "charge"}, []any{e.AccountID, e.MessageID, e.RecipientID, e.Kind})
	}
	double := map[string]string{
		"cost:messages:utility:italy": "0.024800 EUR", "provider:whatsapp:payable": "-0.024800 EUR",
		"usage:messages:utility:italy:billable": "1 MSG.utility", "usage:world": "-1 MSG.utility",
	}
	require.Equal(t, double, posted)

	balances, err := s.LedgerBalances(t.Context(), account, nil)
	require.NoError(t, err)
	require.Equal(t, account, balances.AccountID)
	require.Nil(t, balances.AsOf)
	require.Equal(t, double, sums(balances))
	before, err := s.LedgerBalances(t.Context(), account, &delivery)
	require.NoError(t, err)
	require.Empty(t, before.Balances)
	require.Equal(t, delivery, *before.AsOf)
	after, err := s.LedgerBalances(t.Context(), account, new(delivery.Add(time.Second)))
	require.NoError(t, err)
	require.Equal(t, balances.Balances, after.Balances)
}

func sums(answer api.LedgerBalances) map[string]string {
	all := map[string]string{}
	for _, b := range answer.Balances {
		all[b.LedgerAccount] = b.Number() + " " + b.Asset
	}
	return all
}

// TestSumsNeverMixMoneyAndCounts reads the answers as scripts do.
func TestSumsNeverMixMoneyAndCounts(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.rates()
	account := s.account()
	_, head := s.delivered(account, s.device(account, "iPhone Mario"), "wamid.12345678")
	for path, list := range map[string]string{"/api/v1/ledger/entries": "entries", "/api/v1/ledger/balances": "balances"} {
		a := s.call(http.MethodGet, path+"?account="+account.String()+"&wait_for="+strconv.FormatUint(uint64(head), 10), "")
		require.Equal(t, http.StatusOK, a.StatusCode, "%s", a.body)
		require.Contains(t, a.Header.Get("Daybook-Projection-Position"), "ledger=")
		var answer map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(a.body, &answer))
		var lines []map[string]any
		require.NoError(t, json.Unmarshal(answer[list], &lines))
		require.Len(t, lines, 4)
		for _, line := range lines {
			_, money := line["micros"]
			_, decimal := line["amount"].(string)
			_, count := line["quantity"]
			require.Equal(t, money, decimal, line)
			require.NotEqual(t, money, count, line)
			require.Equal(t, count, strings.HasPrefix(line["asset"].(string), "MSG."), line)
		}
	}
}

// TestADeliveryWaitsForItsRate is pending, which is not free, until a card comes.
func TestADeliveryWaitsForItsRate(t *testing.T) {
	t.Parallel()
	s := start(t)
	cookie := s.signedIn()
	account := s.account()
	message, head := s.delivered(account, s.device(account, "iPhone Mario"), "wamid.12345678")
	info, err := s.MessageInfo(t.Context(), message, client.WaitFor(head))
	require.NoError(t, err)
	charge := info.Recipients[0].Charge
	require.Equal(t, "RateUnavailable", charge.Pending)
	require.Empty(t, charge.Amount)
	require.Nil(t, charge.Micros)
	require.Empty(t, info.Cost)
	require.Equal(t, 1, info.Unpriced)
	pending := s.page(cookie, "/messages/"+message.String(), http.StatusOK)
	require.Contains(t, pending, "no price yet")
	require.Contains(t, pending, `<span title="RateUnavailable">no price: no rate card has a rate for it</span>`)
	balances, err := s.LedgerBalances(t.Context(), account, nil, client.WaitFor(head))
	require.NoError(t, err)
	require.Equal(t, map[string]string{"usage:pending:utility": "1 MSG.utility", "usage:world": "-1 MSG.utility"}, sums(balances))
	page := s.page(cookie, "/?account="+account.String(), http.StatusOK)
	require.Contains(t, page, spendRow("nothing", 0, 0, 1))
	require.Contains(t, page, "<b>rating</b> running")

	imported := s.rates()
	info, err = s.MessageInfo(t.Context(), message, client.WaitForToken(imported.Token))
	require.NoError(t, err)
	require.Equal(t, "0.024800", info.Recipients[0].Charge.Amount)
	require.Zero(t, info.Unpriced)
	balances, err = s.LedgerBalances(t.Context(), account, nil, client.WaitForToken(imported.Token))
	require.NoError(t, err)
	require.Equal(t, "0.024800 EUR", sums(balances)["cost:messages:utility:italy"])
	require.Equal(t, "0 MSG.utility", sums(balances)["usage:pending:utility"])

	html := s.page(cookie, "/messages/"+message.String(), http.StatusOK)
	for _, wanted := range []string{
		"0.024800 EUR", `<span title="regular">the rate of the card</span>`, `utility, Italy (<span title="prefix">by the number&#39;s first digits</span>)`,
		"policy P3", "ratecards-EUR@0", "in force from 2026-07-01, rate of utility",
	} {
		require.Contains(t, html, wanted)
	}
	page = s.page(cookie, "/?account="+account.String(), http.StatusOK)
	require.Contains(t, page, spendRow("0.024800 EUR", 1, 0, 0))
	require.NotContains(t, s.page(cookie, "/", http.StatusOK), "messages cost")
}

// spendRow is what the page says of utility messages.
func spendRow(cost string, charged, free, pending int) string {
	cell := func(content any) string { return fmt.Sprintf(`<td class="number">%v</td>`, content) }
	return `<td>utility</td>` + cell(cost) + cell(charged) + cell(free) + cell(pending)
}

// TestWhatBecomesKnownLaterAdjusts shows the charge as it is now, and every step in the ledger.
func TestWhatBecomesKnownLaterAdjusts(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.rates()
	account := s.account()
	message, _ := s.delivered(account, s.device(account, "iPhone Mario"), "wamid.12345678")
	earlier := time.Date(2026, 9, 30, 21, 59, 59, 0, time.UTC) // the evening of the last day of the policy before
	s.told(account, message, "wamid.12345678", events.StatusDelivered, earlier)
	head, err := s.store.Head(t.Context())
	require.NoError(t, err)
	info, err := s.MessageInfo(t.Context(), message, client.WaitFor(head))
	require.NoError(t, err)
	charge := info.Recipients[0].Charge
	require.True(t, charge.Adjusted)
	require.Equal(t, []string{"P2", "2026-09-30"}, []string{charge.Policy, charge.Day})
	ledger, err := s.LedgerEntries(t.Context(), client.LedgerFilter{Account: account}, client.WaitFor(head))
	require.NoError(t, err)
	var kinds []string
	for _, e := range ledger.Entries {
		kinds = append(kinds, e.Kind)
	}
	require.Len(t, kinds, 12)
	require.ElementsMatch(t, []string{"charge", "reversal", "adjustment"}, slices.Compact(slices.Sorted(slices.Values(kinds))))
}

func TestBooksAreTheAccountsOwn(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.rates()
	account := s.account()
	_, head := s.delivered(account, s.device(account, "iPhone Mario"), "wamid.12345678")
	bianchi := rossi
	bianchi.Numbers = otherNumbers
	other, err := s.RegisterAccount(t.Context(), bianchi)
	require.NoError(t, err)

	entries, err := s.LedgerEntries(t.Context(), client.LedgerFilter{Account: other.ID}, client.WaitFor(head))
	require.NoError(t, err)
	require.Empty(t, entries.Entries)
	balances, err := s.LedgerBalances(t.Context(), other.ID, nil)
	require.NoError(t, err)
	require.Empty(t, balances.Balances)
	figures, err := s.MessageAnalytics(t.Context(), client.AnalyticsFilter{Account: other.ID}, client.WaitFor(head))
	require.NoError(t, err)
	require.Empty(t, figures.Figures)
}

func TestTheLedgerHasPages(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.rates()
	account := s.account()
	device := s.device(account, "iPhone Mario")
	var head events.Position
	for i := range 5 {
		_, head = s.delivered(account, device, "wamid.1234567"+strconv.Itoa(i))
	}
	whole, err := s.LedgerEntries(t.Context(), client.LedgerFilter{Account: account}, client.WaitFor(head))
	require.NoError(t, err)
	require.Len(t, whole.Entries, 20)
	require.Nil(t, whole.Next)
	for _, limit := range []int{1, 4, 6, 19, 20} {
		var paged []api.LedgerEntry
		filter := client.LedgerFilter{Account: account, Limit: limit}
		for {
			page, err := s.LedgerEntries(t.Context(), filter)
			require.NoError(t, err)
			require.LessOrEqual(t, len(page.Entries), max(limit, 4))
			paged = append(paged, page.Entries...)
			if page.Next == nil {
				break
			}
			require.Greater(t, *page.Next, filter.After)
			filter.After = *page.Next
		}
		require.Equal(t, whole.Entries, paged, "pages of %d", limit)
	}
	within := client.LedgerFilter{Account: account, From: delivery, To: delivery.Add(time.Second)}
	entries, err := s.LedgerEntries(t.Context(), within)
	require.NoError(t, err)
	require.Equal(t, whole.Entries, entries.Entries)
	within.To = delivery
	within.From = delivery.Add(-time.Hour)
	entries, err = s.LedgerEntries(t.Context(), within)
	require.NoError(t, err)
	require.Empty(t, entries.Entries)
}

func TestS59_MessagesThatWereSentAndReadAreCounted(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.rates()
	account := s.account()
	device := s.device(account, "iPhone Mario")
	began := time.Now()
	s.hello(account)
	answered, err := s.SendMessage(t.Context(), account, text(device, "Buongiorno"))
	require.NoError(t, err)
	_, err = s.AcceptMessage(t.Context(), account, answered.ID, "wamid.12345670")
	require.NoError(t, err)
	s.told(account, answered.ID, "wamid.12345670", events.StatusFailed, delivery)
	message, _ := s.delivered(account, device, "wamid.12345678")
	s.told(account, message, "wamid.12345678", events.StatusRead, delivery.Add(time.Hour))
	head, err := s.store.Head(t.Context())
	require.NoError(t, err)

	rome, err := time.LoadLocation("Europe/Rome")
	require.NoError(t, err)
	days, err := s.MessageAnalytics(t.Context(), client.AnalyticsFilter{Account: account}, client.WaitFor(head))
	require.NoError(t, err)
	require.Equal(t, "day", days.Bucket)
	require.Equal(t, "analytics", days.Positions[0].Projection)
	var whole api.Figures
	for _, f := range days.Figures { // two, when midnight passes
		require.Equal(t, "00:00 "+f.Start.In(rome).Format("-07:00"), f.Start.Format("15:04 -07:00"))
		whole.Received, whole.Sent, whole.Delivered = whole.Received+f.Received, whole.Sent+f.Sent, whole.Delivered+f.Delivered
		whole.Read, whole.Failed, whole.Answers = whole.Read+f.Read, whole.Failed+f.Failed, whole.Answers+f.Answers
		whole.AnswerSeconds += f.AnswerSeconds
	}
	require.GreaterOrEqual(t, whole.AnswerSeconds, int64(60), "%+v", days)
	whole.AnswerSeconds = 0
	require.Equal(t, api.Figures{Received: 1, Sent: 1, Delivered: 1, Read: 1, Failed: 1, Answers: 1}, whole)

	parts, err := s.MessageAnalytics(t.Context(), client.AnalyticsFilter{
		Account: account, From: began.Add(-time.Hour), To: began.Add(time.Hour), Bucket: "hour", By: []string{"device", "category", "market"},
	})
	require.NoError(t, err)
	utility := parts.Figures[slices.IndexFunc(parts.Figures, func(f api.Figures) bool { return f.Category == "utility" })]
	require.Equal(t, &api.FigureDevice{ID: device, Name: "iPhone Mario"}, utility.Device)
	require.Equal(t, []any{"Italy", int64(1), int64(1)}, []any{utility.Market, utility.Delivered, utility.Read})
	received := parts.Figures[slices.IndexFunc(parts.Figures, func(f api.Figures) bool { return f.Received == 1 })]
	require.Nil(t, received.Device)
	require.Empty(t, received.Category+received.Market)
}

// TestTheLedgerWaitsForRating and for what rating records, bounded; figures do not depend on it.
func TestTheLedgerWaitsForRating(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.rates()
	account := s.account()
	device := s.device(account, "iPhone Mario")
	s.hold()
	message, head := s.delivered(account, device, "wamid.12345678")
	for _, name := range []string{"messages", "ledger", "analytics"} {
		require.NoError(t, s.engine.WaitFor(t.Context(), name, head))
	}
	s.restart(func(c *web.Config) { c.Wait = 20 * time.Millisecond })
	_, err := s.MessageAnalytics(t.Context(), client.AnalyticsFilter{Account: account}, client.WaitFor(head))
	require.NoError(t, err)
	for _, path := range []string{
		"/api/v1/ledger/entries?account=" + account.String() + "&", "/api/v1/ledger/balances?account=" + account.String() + "&",
		"/api/v1/messages/" + message.String() + "/info?", "/api/v1/projections?",
	} {
		a := s.call(http.MethodGet, path+"wait_for="+strconv.FormatUint(uint64(head), 10), "")
		require.Equal(t, http.StatusServiceUnavailable, a.StatusCode, "%s: %s", path, a.body)
		p := a.problem(t)
		require.Equal(t, "NotCaughtUp", p.Code)
		require.Contains(t, p.Detail, "the policy rating")
		require.Equal(t, "1", a.Header.Get("Retry-After"))
	}
	info, err := s.MessageInfo(t.Context(), message)
	require.NoError(t, err)
	require.Nil(t, info.Recipients[0].Charge, "not free: not rated")

	list, err := s.Projections(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"rating", "stopped"}, []string{list.Policies[0].Name, list.Policies[0].State})
	ready := s.raw(http.MethodGet, "/readyz", "")
	require.Equal(t, http.StatusServiceUnavailable, ready.StatusCode)
	require.Contains(t, string(ready.body), `"name":"rating","state":"stopped"`)
	require.NotContains(t, string(ready.body), "shards")
}
