package commands_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"daybook/commands"
	"daybook/domain/conversation"
	"daybook/events"
	"daybook/events/id"
)

// A message is stamped with the market of its recipient, on the card that is in force today where the account is.
func TestAMessageCarriesTheMarketOfItsDay(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	midnight := time.Date(2026, 9, 30, 22, 0, 0, 0, time.UTC) // of 1 October in Rome
	now := midnight.Add(-time.Second)
	h := commands.New(store, func() time.Time { return now })
	f := openFirm(t, h)
	sent := 0
	write := func(to events.Dialling) string {
		sent++
		c := f.template(sent)
		c.Dialling = to
		_, err := h.SendMessage(t.Context(), api, c)
		require.NoError(t, err)
		all := read(t, store, conversation.Stream(f.conversation))
		return all[len(all)-1].event.(events.MessageQueued).Market
	}
	almaty := events.Dialling{Prefix: "77"}
	require.Empty(t, write(almaty), "there is no card")

	_, err := commands.New(store, at(noon)).ImportRateCards(t.Context(), api, []byte(strings.Join([]string{ // by another process
		"market,iso2,calling_prefix,category,currency,rate,effective_from,source",
		"Italy,IT,39,utility,EUR,0.0300,2026-07-01,test", "Other,,,utility,EUR,0.0077,2026-07-01,test",
		"Kazakhstan,KZ,77,utility,EUR,0.0180,2026-10-01,test", "Kazakhstan,KZ,77,utility,USD,0.0180,2026-07-01,test",
	}, "\n")))
	require.NoError(t, err)
	require.Equal(t, "Other", write(almaty), "it is still 30 September in Rome, and the account is billed in euros")
	now = midnight
	require.Equal(t, "Kazakhstan", write(almaty))
	require.Equal(t, "Italy", write(events.Dialling{Country: "IT"}))
	require.Equal(t, "Other", write(events.Dialling{Prefix: "999"}))
	require.Empty(t, write(events.Dialling{}), "nobody knows who it goes to")
}

func TestAWordOnThePriceIsAnEventOfItsOwn(t *testing.T) {
	t.Parallel()
	store := openStore(t)
	h := commands.New(store, at(noon))
	f := openFirm(t, h)
	_, err := h.RecordUpdates(t.Context(), api, f.delivery(inbound(1, noon.Add(-time.Minute))))
	require.NoError(t, err)
	_, err = h.SendMessage(t.Context(), api, f.template(1))
	require.NoError(t, err)
	seconds := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Second) }
	delivered := func(second int, pricing *events.Pricing) conversation.StatusUpdate {
		u := f.status(1, events.StatusDelivered, seconds(second))
		u.Pricing = pricing
		return u
	}
	free := &events.Pricing{Type: "free_customer_service", Category: "utility"}
	for _, told := range []conversation.StatusUpdate{delivered(9, nil), delivered(10, free), delivered(8, free), delivered(8, free)} {
		_, err = commands.New(store, at(noon)).RecordUpdates(t.Context(), api, f.delivery(told)) // folded from what is stored
		require.NoError(t, err)
	}

	all := read(t, store, conversation.Stream(f.conversation))
	require.Equal(t, []string{
		"ConversationStarted", "MessageReceived", "MessageQueued", "MessageDelivered", "PricingTold", "StatusTimeCorrected",
	}, types(all))
	queued, told := all[2].event.(events.MessageQueued), all[4].event.(events.PricingTold)
	require.Equal(t, noon.Add(-time.Minute), *queued.AnswersSince)
	require.Equal(t, events.StatusDelivered, told.Status)
	require.Equal(t, &events.Delivery{At: seconds(9), Pricing: free, FirstAt: new(seconds(9))}, told.Delivery)
	require.Equal(t, events.Sending{
		PhoneNumberID: number, DeviceID: f.device, Category: events.Utility, QueuedAt: noon, WindowUntil: queued.WindowUntil,
	}, told.Sending)
	require.Equal(t, seconds(10), all[4].envelope.OccurredAt)
	fact := conversation.StatusFactID(wamid(1), events.StatusDelivered, f.customer).String()
	require.Equal(t, id.Derive[id.Event]("event", fact, "PricingTold", f.customer.String()), all[4].ID)
	require.Equal(t, seconds(8), all[5].event.(events.StatusTimeCorrected).Delivery.At)
	require.Equal(t, seconds(9), *all[5].event.(events.StatusTimeCorrected).Delivery.FirstAt)
}
